"""Traces: W3C trace context, carried everywhere; spans, made and exported where a collector is named (ADR 0016).

Owns the current context, how spans are made, and an exporter that never blocks or fails a service. Without a collector
no span is made, and a context that comes in goes out as it came; one is made where none came, so that log lines of one
request can be found by its trace id. Must not know HTTP, messages or what is traced.
"""

from __future__ import annotations

import logging
import os
import random
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import structlog
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags, Tracer
from opentelemetry.trace import Span as Span  # for whoever uses this module
from opentelemetry.trace import SpanKind as SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    from services.runtime.settings import RuntimeSettings

log = structlog.get_logger(__name__)

Attributes = Mapping[str, str | int | float | bool]

HEADER = "traceparent"
_EXPORT_TIMEOUT_S = 2.0
_EXPORT_EVERY_MS = 1000
_LAST_EXPORT_S = 1.0
_TELL_EVERY_S = 60.0
_EXPORT_LOGGER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"

# tracestate is not carried: it is for vendors' own routing, and up to half a kilobyte of a stranger's choosing.
_propagator = TraceContextTextMapPropagator()


class _Tracing:
    """What this process does about spans; one per process, set at its start."""

    def __init__(self) -> None:
        self.tracer: Tracer | None = None
        self.ratio = 1.0
        self.end: Any = None


_this = _Tracing()


def configure_tracing(service: str, settings: RuntimeSettings) -> None:
    """Export spans if a collector is named. Call once, in `__main__`."""
    _this.ratio = settings.otel_traces_sampler_arg
    endpoint = settings.otel_exporter_otlp_endpoint
    if not endpoint:
        return
    # It costs a tenth of a second and some memory: only for those who want it.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    exporter = OTLPSpanExporter(
        endpoint=f"{endpoint.rstrip('/')}/v1/traces",
        headers=_headers(settings.otel_exporter_otlp_headers.get_secret_value()),
        timeout=_EXPORT_TIMEOUT_S,
    )
    # A thread of its own sends; a full queue drops spans instead of waiting.
    processor = BatchSpanProcessor(patient(exporter, _EXPORT_LOGGER), schedule_delay_millis=_EXPORT_EVERY_MS)
    record_spans(processor, service, settings.otel_traces_sampler_arg)


def record_spans(processor: SpanProcessor, service: str, ratio: float = 1.0) -> None:
    """Make spans from now on and give them to `processor`."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    resource = Resource.create(
        {
            "service.name": f"horarium-{service}",
            "service.version": version("horarium"),
            "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
        }
    )
    provider = TracerProvider(resource=resource, sampler=ParentBased(TraceIdRatioBased(ratio)), shutdown_on_exit=False)
    provider.add_span_processor(processor)
    _this.tracer, _this.ratio, _this.end = provider.get_tracer("horarium"), ratio, provider.shutdown


def end_tracing() -> None:
    """Send what is left, for a second at most, and make no more spans. Harmless if none were made."""
    end, _this.end, _this.tracer = _this.end, None, None
    if end is not None:
        ending = threading.Thread(target=end, daemon=True, name="last_spans")
        ending.start()
        ending.join(_LAST_EXPORT_S)


@contextmanager
def span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    parent: str | None = None,
    attributes: Attributes | None = None,
) -> Iterator[Span]:
    """Everything inside belongs to a span below `parent`, or below the current one, or at the top of a new trace.

    `parent` is a traceparent; one that is none is passed over. The name is of a bounded set: ids are attributes.
    """
    below = _below(parent)
    if _this.tracer is not None:
        with _this.tracer.start_as_current_span(name, below, kind, attributes=attributes) as made:
            yield made
        return
    known = trace.get_current_span(below).get_span_context()
    with trace.use_span(NonRecordingSpan(known if known.is_valid else _new_context()), end_on_exit=False) as carried:
        yield carried


def past_span(
    name: str,
    began_ns: int,
    ended_ns: int,
    *,
    parent: str | None = None,
    attributes: Attributes | None = None,
) -> None:
    """A span of something that has ended already; times are nanoseconds since 1970, as `time.time_ns` gives them."""
    if _this.tracer is not None:
        made = _this.tracer.start_span(name, _below(parent), attributes=attributes, start_time=began_ns)
        made.end(max(began_ns, ended_ns))


def open_span(name: str, *, attributes: Attributes | None = None) -> Span:
    """A span below the current one that its caller ends; it does not become the current one."""
    if _this.tracer is None:
        return NonRecordingSpan(trace.get_current_span().get_span_context())
    return _this.tracer.start_span(name, attributes=attributes)


@contextmanager
def unrecorded() -> Iterator[None]:
    """The same trace inside, but nobody records what follows from it, here or elsewhere.

    For what repeats so often that it would drown its trace.
    """
    now = trace.get_current_span().get_span_context()
    if not now.is_valid:
        yield
        return
    silent = SpanContext(now.trace_id, now.span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.DEFAULT))
    with trace.use_span(NonRecordingSpan(silent), end_on_exit=False):
        yield


def traceparent(of: Span | None = None) -> str | None:
    """The current context, or a span's, for a header or a row; None outside of any."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, None if of is None else trace.set_span_in_context(of))
    return carrier.get(HEADER)


def annotate(**attributes: str | int | float | bool) -> None:
    """Attributes, under our prefix, of the current span."""
    trace.get_current_span().set_attributes({f"horarium.{name}": value for name, value in attributes.items()})


def failed(of: Span, why: str) -> None:
    """Mark a span as failed."""
    of.set_status(Status(StatusCode.ERROR, why[:200]))


def add_trace_ids(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Log processor: the trace and the span in which a line is written."""
    now = trace.get_current_span().get_span_context()
    if now.is_valid:
        event["trace_id"] = trace.format_trace_id(now.trace_id)
        event["span_id"] = trace.format_span_id(now.span_id)
    return event


def _below(parent: str | None) -> Context:
    now = otel_context.get_current()
    if not parent:
        return now
    return _propagator.extract({HEADER: parent}, now)


def _new_context() -> SpanContext:
    """The top of a trace that nobody has begun. Whether it is recorded is decided here, as by the library's sampler."""
    trace_id = random.getrandbits(128) or 1
    recorded = trace_id & (2**64 - 1) < round(_this.ratio * 2**64)
    flags = TraceFlags(TraceFlags.SAMPLED if recorded else TraceFlags.DEFAULT)
    return SpanContext(trace_id, random.getrandbits(64) or 1, is_remote=False, trace_flags=flags)


def _headers(text: str) -> dict[str, str]:
    """`name=value,name=value`, percent-encoded, as the OpenTelemetry specification has it."""
    pairs = (pair.partition("=") for pair in text.split(",") if "=" in pair)
    return {name.strip().lower(): unquote(value.strip()) for name, _, value in pairs}


def patient(inner: SpanExporter, logger: str) -> SpanExporter:
    """An exporter that gives spans up when `inner` cannot send them, and says so once a minute at most.

    `logger` is where `inner` tells each failure; it is heard for the reason only.
    """
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class Patient(SpanExporter):
        def __init__(self) -> None:
            self._lost = 0
            self._told_at = float("-inf")
            self._reason = ""
            logging.getLogger(logger).addFilter(self._hear)

        def _hear(self, record: logging.LogRecord) -> bool:
            self._reason = record.getMessage()
            return False

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            try:
                result = inner.export(spans)
            except Exception as error:  # noqa: BLE001  # spans are never worth a failure, whatever it is
                self._reason, result = repr(error), SpanExportResult.FAILURE
            if result is not SpanExportResult.SUCCESS:
                self._lost += len(spans)
                if monotonic() - self._told_at >= _TELL_EVERY_S:
                    log.warning("spans_lost", spans=self._lost, error=self._reason[:300])
                    self._lost, self._told_at = 0, monotonic()
            return result

        def shutdown(self) -> None:
            inner.shutdown()

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            return inner.force_flush(timeout_millis)

    return Patient()

"""Trace context is carried with and without a collector; spans are named, joined and sampled as ADR 0016 says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from time import time_ns
from uuid import uuid4

import httpx
import pytest
import structlog
from fastapi import FastAPI
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from schemas.events.cloudevents import WireMessage
from services.runtime import tracing
from services.runtime.http import TracedRequests
from services.runtime.message_spans import creating, ended, processing, sending
from services.runtime.settings import RuntimeSettings

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GIVEN = f"00-{TRACE}-{CALLER}-01"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """What is recorded while the test runs."""
    exporter = InMemorySpanExporter()
    tracing.record_spans(SimpleSpanProcessor(exporter), "test")
    yield exporter
    tracing.end_tracing()


def by_name(spans: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in spans.get_finished_spans()}


def parent_of(span: ReadableSpan) -> str:
    return f"{span.parent.span_id:016x}" if span.parent else ""


def trace_of(span: ReadableSpan) -> str:
    return f"{span.context.trace_id:032x}"


def id_of(span: ReadableSpan) -> str:
    return f"{span.context.span_id:016x}"


def message(topic: str = "job.requested", **headers: str) -> WireMessage:
    return WireMessage(topic, b"key", b"value", headers)


# --- without a collector ----------------------------------------------------------------------------------------------


def test_a_context_that_came_goes_out_as_it_came() -> None:
    with tracing.span("anything", parent=GIVEN), sending(message()) as sent:
        assert sent.headers["traceparent"] == GIVEN
    assert tracing.traceparent() is None, "and is over with its block"


@pytest.mark.parametrize("given", [None, "", "nonsense", f"00-{'0' * 32}-{CALLER}-01", f"ff-{TRACE}-{CALLER}-01"])
def test_where_no_context_came_one_is_made_and_kept(given: str | None) -> None:
    with tracing.span("outer", parent=given):
        outer = tracing.traceparent()
        with tracing.span("inner"), sending(message()) as sent:
            assert sent.headers["traceparent"] == outer
    assert outer is not None
    assert outer.endswith("-01")
    assert TRACE not in outer


def test_the_share_of_recorded_traces_is_decided_where_a_trace_begins() -> None:
    settings = {"kafka_bootstrap_servers": "b:1", "database_url": "postgresql://", "otel_traces_sampler_arg": 0.0}
    tracing.configure_tracing("test", RuntimeSettings.model_validate(settings))
    try:
        with tracing.span("mine"):
            assert str(tracing.traceparent()).endswith("-00")
        with tracing.span("theirs", parent=GIVEN):
            assert tracing.traceparent() == GIVEN
    finally:
        tracing.configure_tracing("test", RuntimeSettings.model_validate(settings | {"otel_traces_sampler_arg": 1.0}))


def test_log_lines_inside_a_span_name_its_trace() -> None:
    assert tracing.add_trace_ids(None, "info", {"event": "outside"}) == {"event": "outside"}
    with tracing.span("anything", parent=GIVEN):
        line = tracing.add_trace_ids(None, "info", {"event": "inside"})
    assert line == {"event": "inside", "trace_id": TRACE, "span_id": CALLER}


# --- with one ---------------------------------------------------------------------------------------------------------


def test_a_message_is_one_trace_from_its_making_to_its_reader(spans: InMemorySpanExporter) -> None:
    job_id = str(uuid4())
    with tracing.span("request", parent=GIVEN), creating("job.requested", job_id=job_id) as stored:
        pass
    assert stored is not None
    with sending(message(traceparent=stored)) as sent:
        pass
    with processing("job.requested", "solver.intake", 3, 41, sent.headers) as reading:
        tracing.annotate(job_id=job_id)
        ended(reading, "dead_lettered")
    found = by_name(spans)
    chain = ["process job.requested", "send job.requested", "create job.requested", "request"]
    for child, parent in pairwise(chain):
        assert parent_of(found[child]) == id_of(found[parent]), child
    assert parent_of(found["request"]) == CALLER
    assert {trace_of(span) for span in found.values()} == {TRACE}
    process = found["process job.requested"]
    assert process.attributes is not None
    assert process.attributes["messaging.consumer.group.name"] == "solver.intake"
    assert process.attributes["horarium.job_id"] == job_id
    assert process.status.status_code is StatusCode.ERROR


def test_a_dead_letter_keeps_the_headers_of_its_message(spans: InMemorySpanExporter) -> None:
    letter = message("job.requested.dlq", traceparent=GIVEN)
    with processing("job.requested", "g", 0, 0, {"traceparent": GIVEN}), sending(letter) as sent:
        assert sent.headers["traceparent"] == GIVEN
    found = by_name(spans)
    assert parent_of(found["send job.requested.dlq"]) == id_of(found["process job.requested"])


def test_what_repeats_is_in_the_trace_but_not_recorded_even_by_its_readers(spans: InMemorySpanExporter) -> None:
    with tracing.span("attempt", parent=GIVEN), tracing.unrecorded(), sending(message("solve.progress")) as sent:
        pass
    assert sent.headers["traceparent"].split("-")[1] == TRACE
    assert sent.headers["traceparent"].endswith("-00")
    with processing("solve.progress", "g", 0, 0, sent.headers):
        pass
    assert set(by_name(spans)) == {"attempt"}


def test_a_caller_that_does_not_record_is_followed(spans: InMemorySpanExporter) -> None:
    with tracing.span("request", parent=GIVEN[:-2] + "00"):
        assert str(tracing.traceparent()).startswith(f"00-{TRACE}-")
    assert not spans.get_finished_spans()


def test_what_has_ended_already_has_its_own_times(spans: InMemorySpanExporter) -> None:
    began = time_ns() - 5_000_000_000
    tracing.past_span("search", began, began + 2_000_000_000, parent=GIVEN)
    span = by_name(spans)["search"]
    assert (span.start_time, span.end_time) == (began, began + 2_000_000_000)
    assert parent_of(span) == CALLER


# --- requests ---------------------------------------------------------------------------------------------------------


def application() -> httpx.AsyncClient:
    app = FastAPI()

    @app.get("/jobs/{job_id}")
    async def job(job_id: str) -> str:
        if job_id == "broken":
            raise KeyError(job_id)
        return str(tracing.traceparent())

    @app.get("/healthz")
    async def healthz() -> str:
        return str(tracing.traceparent())

    transport = httpx.ASGITransport(TracedRequests(app), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://api.example")


async def test_a_requests_span_has_the_routes_template_and_the_callers_trace(spans: InMemorySpanExporter) -> None:
    client = application()
    answer = await client.get("/jobs/4711", headers={"traceparent": GIVEN})
    assert answer.json().split("-")[1] == TRACE
    await client.get("/jobs/broken")
    await client.get("/nowhere/4711")
    await client.request("BREW", "/jobs/4711")
    names = [span.name for span in spans.get_finished_spans()]
    assert names[:3] == ["GET /jobs/{job_id}", "GET /jobs/{job_id}", "GET"]
    assert "BREW" not in names[3]
    good, broken, *_ = spans.get_finished_spans()
    assert parent_of(good) == CALLER
    assert (good.attributes or {})["http.response.status_code"] == 200
    assert broken.status.status_code is StatusCode.ERROR


async def test_probes_have_no_span(spans: InMemorySpanExporter) -> None:
    assert (await application().get("/healthz")).json() == "None"
    assert not spans.get_finished_spans()


async def test_of_two_contexts_neither_is_taken(spans: InMemorySpanExporter) -> None:
    other = f"00-{'1' * 32}-{CALLER}-01"
    answer = await application().get("/jobs/1", headers=[("traceparent", GIVEN), ("traceparent", other)])
    assert answer.json().split("-")[1] not in {TRACE, "1" * 32}


# --- a collector that is away -----------------------------------------------------------------------------------------


def test_spans_that_cannot_be_sent_are_given_up_and_told_of_once_a_minute() -> None:
    class Broken(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            raise OSError("no route to the collector")

    exporter = tracing.patient(Broken(), "test.exporter")
    tracing.record_spans(SimpleSpanProcessor(exporter), "test")
    try:
        with structlog.testing.capture_logs() as lines:
            for _ in range(5):
                with tracing.span("anything"):
                    pass
    finally:
        tracing.end_tracing()
    told = [line for line in lines if line["event"] == "spans_lost"]
    assert len(told) == 1
    assert "no route to the collector" in told[0]["error"]

"""Structured logs: JSON lines on standard error, or text when a person watches.

Owns the processor chain and the binding of ids, so that every line written while a message or request is handled
carries its job and correlation id, and its trace; and that a traceback tells where, not with which values: no local
variables, and nothing that a library's message repeats of its input. Must not know what is logged.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any, TextIO

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from services.runtime.settings import RuntimeSettings
from services.runtime.tracing import add_trace_ids

# PostgreSQL names the row's values in DETAIL and the statement's parameters in CONTEXT; pydantic what it was given.
_REPEATED_INPUT = re.compile(
    r"\n(?:DETAIL|CONTEXT):.*?(?=\n\[SQL|\n\(Background|\Z)|input_value=.*?(?=, input_type=\w+\]|\Z)", re.DOTALL
)


def configure_logging(service: str, settings: RuntimeSettings) -> None:
    """Route structlog and the standard library's loggers through one chain. Call once, in `__main__`."""
    level = logging.getLevelNamesMapping()[settings.log_level]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        add_trace_ids,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    renderer: structlog.typing.Processor
    if settings.log_format == "json":
        # The library's own choice shows every frame's local variables: a sign-in's password, a caller's cookies.
        shared.append(structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)))
        shared.append(_without_input)
        renderer = structlog.processors.JSONRenderer()
    else:
        shared.append(_without_input)
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_write_traceback)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Their INFO lines tell of every reconnect attempt and every request; our own lines say what matters.
    for noisy in ("aiokafka", "faststream", "uvicorn.access", "httpx", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # aiokafka logs one ERROR per refused connection while a broker is away; we log the outage once, ourselves.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    structlog.contextvars.bind_contextvars(service=service)


@contextmanager
def bound_ids(**ids: str) -> Iterator[None]:
    """Bind ids to every log line inside the block, then put back what was bound before."""
    with structlog.contextvars.bound_contextvars(**ids):
        yield


def without_input(text: str) -> str:
    """An error's message without what the database or a validation repeats of the values it was given."""
    return _REPEATED_INPUT.sub("", text)


def _without_input(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Log processor: errors' messages, in tracebacks and by themselves, without what they repeat of their input."""
    for name in ("error", "detail", "stderr"):
        if isinstance(event.get(name), str):
            event[name] = without_input(event[name])
    if isinstance(event.get("exception"), list):
        _clean(event["exception"])
    return event


def _clean(stacks: list[dict[str, Any]]) -> None:
    for stack in stacks:
        stack["exc_value"] = without_input(stack["exc_value"])
        stack["exc_notes"] = [without_input(note) for note in stack.get("exc_notes", ())]
        for group in stack.get("exceptions", ()):
            _clean(group)


def _write_traceback(out: TextIO, exc_info: structlog.typing.ExcInfo) -> None:
    """For a person's eyes, with the same omissions."""
    written = StringIO()
    structlog.dev.plain_traceback(written, exc_info)
    out.write(without_input(written.getvalue()))

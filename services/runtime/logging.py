"""Structured logs: JSON lines on standard error, or text when a person watches.

Owns the processor chain and the binding of ids, so that every line written while a message or request is handled
carries its job and correlation id, and its trace. Must not know what is logged.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from services.runtime.settings import RuntimeSettings
from services.runtime.tracing import add_trace_ids


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
        shared.append(structlog.processors.dict_tracebacks)
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
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

"""What a service would write to its log, for tests that read it.

Knows how logging is configured, and how to leave no trace of that in the other tests of the process.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO

import structlog

from services.runtime.logging import configure_logging
from services.runtime.settings import RuntimeSettings


@contextmanager
def written(log_format: str = "json") -> Iterator[StringIO]:
    """Logs as a service does, into the text that is given; afterwards everything is as it was."""
    settings = RuntimeSettings.model_validate(
        {"kafka_bootstrap_servers": "localhost:1", "database_url": "postgresql://", "log_format": log_format}
    )
    root = logging.getLogger()
    before = root.handlers[:], root.level
    configure_logging("test", settings)
    # Else the modules' loggers would keep this configuration for the rest of the process.
    structlog.configure(cache_logger_on_first_use=False)
    text = StringIO()
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(text)
    try:
        yield text
    finally:
        root.handlers[:], root.level = before
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()

"""A collector that accepts connections and never answers costs spans, nothing else."""

from __future__ import annotations

import socket
import threading
from time import monotonic

from services.runtime import tracing
from services.runtime.settings import RuntimeSettings

GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_collector_that_never_answers_holds_up_neither_the_work_nor_the_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        endpoint = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        settings = {
            "kafka_bootstrap_servers": "b:1",
            "database_url": "postgresql://",
            "otel_exporter_otlp_endpoint": endpoint,
        }
        tracing.configure_tracing("test", RuntimeSettings.model_validate(settings))
        began = monotonic()
        for _ in range(5000):  # more than the queue holds
            with tracing.span("anything"):
                pass
        worked_s = monotonic() - began
        tracing.end_tracing()
        assert monotonic() - began - worked_s < 5, "the last spans are not waited for"
        with tracing.span("after the end", parent=GIVEN):
            assert tracing.traceparent() == GIVEN
    # What was given up goes on trying behind our back; it must not do so in other tests.
    for left in threading.enumerate():
        if left.name in ("OtelBatchSpanRecordProcessor", "last_spans"):
            left.join(timeout=120)
            assert not left.is_alive(), left.name

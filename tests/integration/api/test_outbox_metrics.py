"""The outbox's metrics while the broker is away: that is when an alert reads them."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from sqlalchemy import func, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import create_async_engine

from schemas.events.cloudevents import WireMessage
from schemas.tables import outbox
from services.api import relay as relay_module
from services.api.metrics import OUTBOX_OLDEST_SECONDS, OUTBOX_ROWS
from services.api.relay import Relay
from services.runtime.metrics import REGISTRY
from tests.conftest import FreshDatabase


class AwayBroker:
    """A broker that nobody reaches; counts who tried."""

    pings = 0

    async def ping(self) -> None:
        self.pings += 1
        raise ConnectionError("away")

    async def publish_wire(self, message: WireMessage) -> None:
        raise ConnectionError("away")


async def test_events_that_wait_for_an_absent_broker_are_seen_to_grow_old(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "_MEASURE_EVERY_S", 0.0)
    engine = create_async_engine(fresh_database())
    broker, stop = AwayBroker(), asyncio.Event()
    relay = Relay(engine, broker, batch=10, poll_s=0.05, publish_timeout_s=1)
    running = asyncio.create_task(relay.run(stop))
    try:
        async with asyncio.timeout(20):
            while broker.pings == 0:  # only a row that could not be published makes the relay ask for the broker
                async with engine.begin() as connection:
                    await connection.execute(
                        insert(outbox)
                        .values(
                            event_id=uuid.UUID(int=1),
                            job_id=uuid.UUID(int=2),
                            topic="job.requested",
                            key=b"2",
                            value=b"x",
                            headers={},
                            created_at=func.now() - text("interval '1 hour'"),
                        )
                        .on_conflict_do_nothing()
                    )
                await asyncio.sleep(0.02)
            OUTBOX_OLDEST_SECONDS.set(0)
            OUTBOX_ROWS.set(0)
            while (REGISTRY.get_sample_value("horarium_outbox_oldest_age_seconds") or 0) < 3600:  # noqa: ASYNC110  # no event tells
                await asyncio.sleep(0.02)
        assert REGISTRY.get_sample_value("horarium_outbox_rows") == 1
    finally:
        stop.set()
        await asyncio.wait_for(running, 10)
        await engine.dispose()

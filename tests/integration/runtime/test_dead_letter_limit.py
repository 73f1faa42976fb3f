"""A consumer that dead-letters everything is broken itself: it stops, says so, and goes on when the cause is gone."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from schemas.events import JobControl
from services.runtime.kafka import DeadLetterLimitError, Kafka, Received
from tests.integration.runtime.consuming import (
    Broker,
    a_broker,
    a_control,
    consuming,
    metric,
    offsets_of,
    settings_for,
    until,
)

pytestmark = pytest.mark.faults

LIMIT = 3


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with a_broker() as running_broker:
        yield running_broker


class Defective:
    """A handler with a defect that somebody mends in the middle."""

    def __init__(self) -> None:
        self.is_broken = True
        self.handled: set[uuid.UUID] = set()

    async def __call__(self, event: JobControl, _where: Received) -> None:
        if self.is_broken:
            raise KeyError("a defect of ours")
        self.handled.add(event.job_id)


def letters() -> float:
    return metric("horarium_messages_total", result="dead_lettered")


async def resting(kafka: Kafka) -> bool:
    try:
        await kafka.checks["dead_letters"]()
    except DeadLetterLimitError:
        return True
    return False


async def test_a_consumer_that_fails_on_everything_stops_and_loses_nothing(broker: Broker) -> None:
    settings = settings_for(broker.bootstrap_servers, dead_letter_limit=LIMIT, dead_letter_window_s=6)
    group, handler, before = f"broken-{uuid.uuid4()}", Defective(), letters()
    events = [a_control() for _ in range(LIMIT + 5)]
    async with consuming(settings, handler, group) as kafka:
        for event in events:
            await kafka.publish(event)

        async def is_resting() -> bool:
            return await resting(kafka)

        await until(is_resting)
        given_up = letters() - before
        assert given_up == LIMIT
        assert metric("horarium_dead_letter_limit_reached", group=group) == 1
        assert await offsets_of(settings, group) == LIMIT, "the offset stays before the message that waits"
        handler.is_broken = False

        async def all_handled() -> bool:
            return len(handler.handled) >= len(events) - LIMIT

        await until(all_handled)
        assert not await resting(kafka)
        assert metric("horarium_dead_letter_limit_reached", group=group) == 0

        async def all_committed() -> bool:
            return await offsets_of(settings, group) == len(events)

        await until(all_committed)
    # Under load a window may pass before the mending: then one more message has been given up, as a trial.
    assert letters() - before + len(handler.handled) >= len(events), "handled or in the dead letters, not lost"

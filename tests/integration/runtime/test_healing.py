"""Consumers that got stuck or lost their broker go on by themselves; nobody restarts the process."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from time import monotonic

import psutil
import pytest

from horarium.commands.topics import apply_topics
from schemas.events import JobControl
from services.runtime.kafka import Kafka, Received
from services.runtime.outage import is_world_away
from services.runtime.settings import RuntimeSettings
from tests.integration.runtime.consuming import Broker, a_broker, a_control, consuming, metric, settings_for, until
from tests.stack import chosen_broker

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with a_broker() as running_broker:
        yield running_broker


@pytest.fixture
def settings(broker: Broker) -> RuntimeSettings:
    return settings_for(broker.bootstrap_servers, consumer_stuck_after_s=5)


class Seen:
    """A handler that remembers what it was given."""

    def __init__(self) -> None:
        self.jobs: list[uuid.UUID] = []

    async def __call__(self, event: JobControl, _where: Received) -> None:
        self.jobs.append(event.job_id)


async def arrives(kafka: Kafka, seen: Seen) -> None:
    """An event published now, as often as it takes, is consumed."""
    event = a_control()

    async def published() -> None:
        try:
            await kafka.publish(event)
        except Exception as error:
            if not is_world_away(error):
                raise
            raise ConnectionError(str(error)) from error

    async def consumed() -> bool:
        return event.job_id in seen.jobs

    await until(published)
    await until(consumed)


async def test_a_consumer_whose_loop_has_ended_is_connected_anew(settings: RuntimeSettings) -> None:
    group, seen = f"ended-{uuid.uuid4()}", Seen()
    before = metric("horarium_consumers_stuck_total", group=group, reason="loop_ended")
    async with consuming(settings, seen, group) as kafka:
        await arrives(kafka, seen)
        for subscriber in kafka.broker.subscribers:
            for task in subscriber.tasks:  # type: ignore[attr-defined]  # the library's loop
                task.cancel()
        await arrives(kafka, seen)
        tasks_of_the_client = len(asyncio.all_tasks())
    assert metric("horarium_consumers_stuck_total", group=group, reason="loop_ended") == before + 1
    assert tasks_of_the_client < 40, "the old connection's tasks have ended"


async def test_a_consumer_that_neither_fetches_nor_belongs_to_its_group_is_connected_anew(
    settings: RuntimeSettings,
) -> None:
    group, seen = f"idle-{uuid.uuid4()}", Seen()
    async with consuming(settings, seen, group) as kafka:
        await arrives(kafka, seen)
        for subscriber in kafka.broker.subscribers:
            # What an unexpected error leaves of the client: its own background tasks are gone, its caller waits on.
            consumer = subscriber.consumer  # type: ignore[attr-defined]  # as above
            consumer._fetcher._fetch_task.cancel()
        await arrives(kafka, seen)
    assert metric("horarium_consumers_stuck_total", group=group, reason="idle") >= 1


async def test_consumers_go_on_after_the_broker_was_killed_and_its_topics_made_again(
    broker: Broker, settings: RuntimeSettings
) -> None:
    """The embedded broker comes back empty; whoever restarts it makes its topics again, as `horarium topics apply`."""
    group, seen = f"restart-{uuid.uuid4()}", Seen()
    async with consuming(settings, seen, group) as kafka:
        await arrives(kafka, seen)
        await asyncio.to_thread(broker.kill)
        await asyncio.to_thread(broker.start)
        await apply_topics(broker.bootstrap_servers)
        await arrives(kafka, seen)


async def test_a_member_that_leaves_hands_its_partitions_over_at_once(broker: Broker) -> None:
    """On Kafka not after its session's time-out, which is a minute here. The embedded broker lets every round of a
    group last for half of that time-out, so that a minute cannot be waited for.
    """
    session_s = 60 if chosen_broker() == "kafka" else 4
    settings = settings_for(broker.bootstrap_servers, kafka_session_timeout_s=session_s)
    group, stays, leaves = f"leave-{uuid.uuid4()}", Seen(), Seen()

    def partitions(kafka: Kafka) -> int:
        consumers = [getattr(subscriber, "consumer", None) for subscriber in kafka.broker.subscribers]
        return sum(len(consumer.assignment()) for consumer in consumers if consumer is not None)

    async with consuming(settings, stays, group) as first:
        async with consuming(settings, leaves, group) as second:

            async def shared() -> bool:
                return partitions(first) == partitions(second) == 6

            await until(shared)

        async def all_here() -> bool:
            return partitions(first) == 12

        await until(all_here, within_s=45)
        await arrives(first, stays)


async def test_a_connection_to_a_broker_that_is_frozen_ends_without_a_task_or_a_socket_left(broker: Broker) -> None:
    """Before the requests that are on their way run into their time-out, a minute here."""
    settings = settings_for(broker.bootstrap_servers, kafka_request_timeout_s=60)
    seen, sockets = Seen(), psutil.Process().net_connections
    before = len(sockets())
    async with consuming(settings, seen, f"frozen-{uuid.uuid4()}") as kafka:
        await arrives(kafka, seen)
        await asyncio.to_thread(broker.pause)
        publishing = asyncio.create_task(kafka.publish(a_control()))
        left = monotonic()
    with pytest.raises(ConnectionError):
        await publishing
    assert monotonic() - left < 30
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert len(sockets()) == before
    await asyncio.to_thread(broker.resume)

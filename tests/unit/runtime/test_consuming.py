"""Committing and a consumer's health, without a broker: what is counted, and when a consumer counts as idle."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from faststream.kafka import KafkaMessage
from prometheus_client import REGISTRY
from pydantic import SecretStr

from schemas.events import ControlAction, JobControl
from schemas.events.cloudevents import encode
from schemas.topics import JOB_CONTROL
from services.runtime.consumers import ConsumerHealth, loop_has_ended
from services.runtime.kafka import Kafka, Received
from services.runtime.settings import RuntimeSettings


class FakeConsumer:
    """What is asked of a consumer, and nothing else."""

    def __init__(self, commit_error: KafkaError | None = None) -> None:
        self.commit_error = commit_error
        self.committed: list[Mapping[TopicPartition, int]] = []
        self.sought: list[int] = []
        self.failed_at = float("-inf")
        self.polled_ago_s: dict[int, float] = {}
        self.positions: dict[int, int] = {}
        self.ends: dict[int, int] = {}

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        if self.commit_error is not None:
            raise self.commit_error
        self.committed.append(offsets)

    def seek(self, partition: int, offset: int) -> None:
        self.sought.append(offset)

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition(JOB_CONTROL, number) for number in self.polled_ago_s}

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {partition: self.ends[partition.partition] for partition in partitions}

    async def position(self, partition: TopicPartition) -> int:
        return self.positions[partition.partition]

    def last_poll_timestamp(self, partition: TopicPartition) -> int:
        return int((time.time() - self.polled_ago_s[partition.partition]) * 1000)


class FakeSubscriber:
    def __init__(self, consumer: Any, tasks: list[asyncio.Task[object]] | None = None) -> None:
        self.consumer = consumer
        self.tasks = tasks or []


class OneMessage(KafkaMessage):
    """A message as the library gives it, of partition 3 at offset 41."""

    def __init__(self, consumer: FakeConsumer) -> None:
        event = JobControl(job_id=uuid.uuid4(), organization_id=uuid.uuid4(), action=ControlAction.STOP)
        wire = encode(event, source="/test")
        record: Any = ConsumerRecord(JOB_CONTROL, 3, 41, 0, 0, wire.key, wire.value, None, 0, 0, ())
        super().__init__(record, wire.value, headers=dict(wire.headers), consumer=consumer)  # type: ignore[arg-type]  # a fake
        self.handed_back = False

    async def nack(self) -> None:
        self.handed_back = True


def a_kafka(handler: Any) -> tuple[Kafka, Any]:
    settings = RuntimeSettings(kafka_bootstrap_servers="localhost:1", database_url=SecretStr("postgresql://unused"))
    kafka = Kafka(settings, "test")
    kafka.subscribe(JOB_CONTROL, [JobControl], handler, group="group")
    return kafka, kafka._subscriptions[0][0]


def commit_failures() -> float:
    labels = {"topic": JOB_CONTROL, "group": "group"}
    return REGISTRY.get_sample_value("horarium_commit_failures_total", labels) or 0.0


async def _works(_event: JobControl, _where: Received) -> None:
    return None


async def test_a_handled_message_commits_its_own_offset_and_no_other() -> None:
    consumer = FakeConsumer()
    kafka, subscription = a_kafka(_works)
    await kafka._consume(OneMessage(consumer), subscription)
    assert consumer.committed == [{TopicPartition(JOB_CONTROL, 3): 42}]


@pytest.mark.parametrize("error", [CommitFailedError("rebalanced"), IllegalStateError("not ours any more")])
async def test_an_offset_that_cannot_be_committed_is_counted_and_the_consumer_goes_on(error: KafkaError) -> None:
    before = commit_failures()
    kafka, subscription = a_kafka(_works)
    await kafka._consume(OneMessage(FakeConsumer(error)), subscription)
    assert commit_failures() == before + 1


async def test_a_message_that_can_neither_be_handled_nor_dead_lettered_is_not_passed_over() -> None:
    async def fails(_event: JobControl, _where: Received) -> None:
        raise KeyError("a defect of ours")

    consumer = FakeConsumer()
    kafka, subscription = a_kafka(fails)

    async def refused(_message: object) -> None:
        raise ValueError("no such topic for dead letters")

    kafka.publish_wire = refused  # type: ignore[assignment]  # a fake
    message = OneMessage(consumer)
    consuming = asyncio.create_task(kafka._consume(message, subscription))
    # The pause before it is tried again ends with the connection.
    asyncio.get_running_loop().call_later(0.05, kafka._closing.set)
    await asyncio.wait_for(consuming, 5)
    assert message.handed_back
    assert not consumer.committed


@pytest.fixture
def health() -> ConsumerHealth:
    made = ConsumerHealth(JOB_CONTROL, "health")
    made._well_at -= 500  # nothing has been seen of it for long
    return made


async def test_a_consumer_that_fetches_is_at_work_although_no_message_comes(health: ConsumerHealth) -> None:
    consumer = FakeConsumer()
    consumer.polled_ago_s = {0: 90.0, 1: 0.2}
    await health.on_partitions_assigned(consumer.assignment())
    assert health.idle_s(FakeSubscriber(consumer)) < 5


async def test_a_member_without_partitions_is_legally_idle(health: ConsumerHealth) -> None:
    await health.on_partitions_assigned(set())
    assert health.idle_s(FakeSubscriber(FakeConsumer())) < 5


async def test_a_consumer_that_left_its_group_and_does_not_come_back_is_idle(health: ConsumerHealth) -> None:
    await health.on_partitions_assigned(set())
    await health.on_partitions_revoked(set())
    assert health.idle_s(FakeSubscriber(FakeConsumer())) > 400


async def test_a_consumer_that_only_raises_is_idle(health: ConsumerHealth) -> None:
    consumer = FakeConsumer()
    consumer.polled_ago_s = {0: 0.1}
    consumer.failed_at = time.monotonic()
    await health.on_partitions_assigned(consumer.assignment())
    assert health.idle_s(FakeSubscriber(consumer)) > 400


async def test_a_handler_at_work_is_work_until_the_client_must_leave_its_group(health: ConsumerHealth) -> None:
    health.handling(begins=True)
    assert health.idle_s(FakeSubscriber(FakeConsumer())) < 5
    health._well_at -= 500
    health._handling_since = time.monotonic() - 400
    assert health.idle_s(FakeSubscriber(FakeConsumer())) > 300


async def test_a_subscriber_whose_tasks_are_done_has_ended() -> None:
    done: asyncio.Task[object] = asyncio.create_task(asyncio.sleep(0))
    living: asyncio.Task[object] = asyncio.create_task(asyncio.sleep(60))
    await done
    assert loop_has_ended(FakeSubscriber(FakeConsumer(), [done]))
    assert not loop_has_ended(FakeSubscriber(FakeConsumer(), [done, living]))
    assert loop_has_ended(FakeSubscriber(None, [living]))
    living.cancel()


async def test_the_message_in_hand_is_backlog_until_its_handler_is_done(health: ConsumerHealth) -> None:
    """It has been read, and may be the last one: by its position alone a consumer that stands still would look idle."""

    async def backlog() -> float | None:
        await health.measure_backlog(consumer)  # type: ignore[arg-type]  # a fake
        labels = {"topic": JOB_CONTROL, "group": "health"}
        return REGISTRY.get_sample_value("horarium_consumer_backlog_messages", labels)

    consumer = FakeConsumer()
    consumer.polled_ago_s = {0: 1.0, 1: 1.0}
    consumer.positions, consumer.ends = {0: 10, 1: 5}, {0: 10, 1: 8}
    assert await backlog() == 3
    health.handling(begins=True, message=(TopicPartition(JOB_CONTROL, 0), 9))
    assert await backlog() == 4
    consumer.positions[0] = 9  # handed back
    assert await backlog() == 4
    health.handling(begins=False)
    consumer.positions[0] = 10
    assert await backlog() == 3

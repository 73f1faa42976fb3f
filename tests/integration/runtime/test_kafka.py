"""Consuming on a real broker: what is acknowledged, what is retried, what becomes a dead letter."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord

from horarium.commands.topics import apply_topics
from schemas.events import JobControl
from schemas.topics import JOB_CONTROL
from services.runtime.kafka import Received
from services.runtime.settings import RuntimeSettings
from tests.integration.runtime.consuming import a_control, consuming, offsets_of, settings_for, until


@pytest.fixture
async def settings(kafka_bootstrap_servers: str) -> RuntimeSettings:
    await apply_topics(kafka_bootstrap_servers)
    return settings_for(kafka_bootstrap_servers)


async def _dead_letter_of(settings: RuntimeSettings, marker: bytes) -> ConsumerRecord:
    consumer = AIOKafkaConsumer(
        f"{JOB_CONTROL}.dlq", bootstrap_servers=settings.kafka_bootstrap_servers, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        async with asyncio.timeout(30):
            async for record in consumer:
                if marker in (record.value or b""):
                    return record
    finally:
        await consumer.stop()
    raise AssertionError("the stream of a topic has no end")


async def test_a_message_is_handled_again_until_the_world_is_back(settings: RuntimeSettings) -> None:
    event = a_control()
    attempts = 0
    done = asyncio.Event()

    async def handle(received: JobControl, _where: Received) -> None:
        nonlocal attempts
        if received.job_id != event.job_id:
            return
        attempts += 1
        if attempts < 3:
            raise ConnectionRefusedError("database away")
        done.set()

    async with consuming(settings, handle, f"retry-{uuid.uuid4()}") as kafka:
        await kafka.publish(event)
        await asyncio.wait_for(done.wait(), 30)
    assert attempts == 3


async def test_our_own_error_dead_letters_the_message_and_the_next_one_is_handled(settings: RuntimeSettings) -> None:
    bad, good = a_control(), a_control()
    done = asyncio.Event()

    async def handle(received: JobControl, _where: Received) -> None:
        if received.job_id == bad.job_id:
            raise KeyError("a defect of ours")
        if received.job_id == good.job_id:
            done.set()

    group = f"defect-{uuid.uuid4()}"
    async with consuming(settings, handle, group) as kafka:
        await kafka.publish(bad)
        await kafka.publish(good)
        await asyncio.wait_for(done.wait(), 30)
        letter = await _dead_letter_of(settings, str(bad.job_id).encode())
    headers = dict(letter.headers)
    assert headers["dlq_reason"] == b"handler_error"
    assert headers["dlq_group"] == group.encode()
    assert headers["ce_id"] == str(bad.event_id).encode(), "the original headers are kept"


async def test_a_handled_message_is_not_delivered_to_the_group_again(settings: RuntimeSettings) -> None:
    group = f"once-{uuid.uuid4()}"
    first, second = a_control(), a_control()
    seen: list[uuid.UUID] = []
    arrived = asyncio.Event()

    async def handle(received: JobControl, _where: Received) -> None:
        if received.job_id in (first.job_id, second.job_id):
            seen.append(received.job_id)
            arrived.set()

    async with consuming(settings, handle, group) as kafka:
        await kafka.publish(first)
        await asyncio.wait_for(arrived.wait(), 30)
    arrived.clear()
    async with consuming(settings, handle, group) as kafka:
        await kafka.publish(second)
        await asyncio.wait_for(arrived.wait(), 30)
    assert seen == [first.job_id, second.job_id]


async def test_a_new_group_reads_what_was_published_before_it_existed(settings: RuntimeSettings) -> None:
    event, done = a_control(), asyncio.Event()

    async def ignore(_received: JobControl, _where: Received) -> None:
        return

    async def handle(received: JobControl, _where: Received) -> None:
        if received.job_id == event.job_id:
            done.set()

    async with consuming(settings, ignore, f"before-{uuid.uuid4()}") as kafka:
        await kafka.publish(event)
    async with consuming(settings, handle, f"new-{uuid.uuid4()}"):
        await asyncio.wait_for(done.wait(), 30)


async def test_a_handler_interrupted_by_a_rebalance_has_its_message_once_more_and_not_for_ever(
    settings: RuntimeSettings,
) -> None:
    event, group = a_control(), f"rebalance-{uuid.uuid4()}"
    began, joined = asyncio.Event(), asyncio.Event()
    seen = 0

    async def slow(received: JobControl, _where: Received) -> None:
        nonlocal seen
        if received.job_id == event.job_id:
            seen += 1
            began.set()
            await joined.wait()

    async def handled_to_the_end() -> bool:
        return await offsets_of(settings, group) >= await offsets_of(settings, witness)

    witness, passed = f"witness-{uuid.uuid4()}", asyncio.Event()

    async def watch(received: JobControl, _where: Received) -> None:
        if received.job_id == event.job_id:
            passed.set()

    async with consuming(settings, slow, group) as kafka:
        await kafka.publish(event)
        await asyncio.wait_for(began.wait(), 30)
        async with consuming(settings, slow, group):
            joined.set()
            async with consuming(settings, watch, witness):
                await asyncio.wait_for(passed.wait(), 30)
                await until(handled_to_the_end)
    assert 1 <= seen <= 2

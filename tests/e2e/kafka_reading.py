"""Reading topics in tests with plain aiokafka: no code of ours stands between a test and what is on the wire."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.e2e.conftest import System


def everything_on(system: System, topic: str) -> list[Any]:
    """Every record that is on the topic now, in partition order."""
    return asyncio.run(_everything_on(system.stack.addresses.kafka_bootstrap_servers, topic))


def completed_events(system: System, job_id: str) -> list[Any]:
    """Every `solve.completed` of the job."""
    return [record for record in everything_on(system, "solve.completed") if record.key == job_id.encode()]


async def _everything_on(servers: str, topic: str) -> list[Any]:
    # "earliest" instead of a seek: a reset to the end that is under way at an assignment would overtake the seek.
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=64 * 1024 * 1024,
    )
    await consumer.start()
    try:
        partitions = [
            TopicPartition(topic, n)
            for n in sorted(consumer.partitions_for_topic(topic) or await _ask(consumer, topic))
        ]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        records: list[Any] = []
        while True:
            batch = await consumer.getmany(*partitions, timeout_ms=300)
            records += [record for found in batch.values() for record in found]
            # Read on until nothing follows: the embedded broker's end leaves out a part of a last batch.
            if not batch and not any([await consumer.position(p) < ends[p] for p in partitions]):
                return records
    finally:
        await consumer.stop()


async def _ask(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    """Partitions of a topic that the consumer has not heard of yet."""
    await consumer._client.add_topic(topic)  # the public way subscribes, which would join a group
    return set(consumer.partitions_for_topic(topic) or ())

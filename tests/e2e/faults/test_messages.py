"""What an at-least-once broker may do to us: deliver everything again, in any order, from the beginning."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from typing import Any, NamedTuple

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from schemas.topics import BY_NAME, MAX_MESSAGE_BYTES, TOPICS
from tests.e2e.conftest import wait_for
from tests.e2e.faults.cluster import Cluster
from tests.e2e.kafka_reading import everything_on

pytestmark = pytest.mark.faults


class Poison(NamedTuple):
    """A message as it is sent, of no event."""

    topic: str
    value: bytes
    key: bytes
    headers: tuple[tuple[str, bytes], ...]


# Each consumer group, with its service and topic.
GROUPS = {
    "solver.intake": ("solver", "job.requested"),
    "solver.control": ("solver", "job.control"),
    "persister.job.requested": ("persister", "job.requested"),
    "persister.job.control": ("persister", "job.control"),
    "persister.solve.progress": ("persister", "solve.progress"),
    "persister.solve.completed": ("persister", "solve.completed"),
}
_MESSAGES = re.compile(r'horarium_messages_total\{(?=.*topic="(?P<topic>[^"]+)").*\} (?P<count>\S+)')

# What must not change: everything that is told of a job, its timetables and how often it was worked on.
_PICTURE = """
SELECT job_id::text, status, version, 'state' AS what FROM job_states
UNION ALL SELECT job_id::text, outcome, 0, 'timetable' FROM timetables
UNION ALL SELECT job_id::text, sha256, variant, 'variant' FROM timetable_variants
UNION ALL SELECT job_id::text, end_reason, token, 'attempt' FROM solve_attempts
UNION ALL SELECT id::text, source, 0, 'job' FROM jobs
UNION ALL SELECT job_id::text, outcome, 0, 'solve' FROM solve_jobs
ORDER BY 4, 1, 3
"""


def test_every_message_again_in_any_order_changes_nothing(cluster: Cluster) -> None:
    completed = cluster.submit(2, variants=2)
    stopped, cancelled = cluster.submit(2, long=True, seconds=60)
    cluster.checkpoint(stopped)
    cluster.system.client.control(stopped.job_id, "stop")
    cluster.system.client.control(cancelled.job_id, "cancel")
    cluster.settle(completed)
    cluster.settle([stopped], "stopped")
    cluster.settle([cancelled], "cancelled")
    before = cluster.system.sql(_PICTURE)

    records = [record for topic in TOPICS for record in everything_on(cluster.system, topic.name)]
    assert len(records) > 20
    handled = _handled(cluster)
    random.Random(7).shuffle(records)  # noqa: S311  # an order, no secret
    _publish(cluster, records)
    again = Counter(record.topic for record in records)
    _await_handled(cluster, {key: count + again[key[1]] for key, count in handled.items()})

    assert cluster.system.sql(_PICTURE) == before
    for job, status in [*((job, "completed") for job in completed), (stopped, "stopped"), (cancelled, "cancelled")]:
        told = cluster.system.client.progress(job.progress_url)
        assert told is not None
        assert told["status"] == status
    cluster.settle(cluster.submit(1))
    dead = [r for topic in TOPICS for r in everything_on(cluster.system, topic.dead_letter)]
    assert not dead, "a repetition is nobody's mistake"


def test_a_service_that_reads_every_topic_from_the_beginning_changes_nothing(cluster: Cluster) -> None:
    cluster.settle(cluster.submit(2))
    before = cluster.system.sql(_PICTURE)
    names = [service.name for service in cluster.services if service.name != "api"]
    cluster.take_down(*names, politely=True)
    servers = cluster.system.stack.addresses.kafka_bootstrap_servers
    asyncio.run(_rewind(servers))
    stored = {topic.name: len(everything_on(cluster.system, topic.name)) for topic in TOPICS}
    cluster.bring_up(*names)
    # The projector keeps its positions elsewhere, and has no reason to begin anew.
    _await_handled(cluster, {(name, topic): stored[topic] for name, topic in GROUPS.values()})
    assert cluster.system.sql(_PICTURE) == before
    cluster.settle(cluster.submit(1))


def test_a_message_of_fifty_megabytes_that_is_no_event_is_set_aside_by_every_reader(cluster: Cluster) -> None:
    value = b"[" * 50_000_000
    handled = _handled(cluster)
    _publish(cluster, [Poison("job.requested", value, b"poison", (("ce_type", b"job.requested.v1"),))])
    readers = ("solver", "progress", "persister")
    _await_handled(cluster, {(name, "job.requested"): handled[name, "job.requested"] + 1 for name in readers})
    cluster.settle(cluster.submit(1))
    kept = everything_on(cluster.system, "job.requested.dlq")
    assert {dict(record.headers)["dlq_service"].decode() for record in kept if record.value == value} == set(readers)
    assert not cluster.deaths


def _publish(cluster: Cluster, records: list[Any]) -> None:
    async def send() -> None:
        servers = cluster.system.stack.addresses.kafka_bootstrap_servers
        async with AIOKafkaProducer(bootstrap_servers=servers, max_request_size=MAX_MESSAGE_BYTES) as producer:
            for record in records:
                await producer.send_and_wait(record.topic, record.value, key=record.key, headers=list(record.headers))

    asyncio.run(send())


def _handled(cluster: Cluster) -> Counter[tuple[str, str]]:
    """How many messages each service has handled of each topic, over its replicas."""
    counts: Counter[tuple[str, str]] = Counter()
    for service in cluster.services:
        if not service.process.is_running() or service.name == "api":
            continue
        for line in httpx.get(f"{service.url}/metrics", timeout=10).text.splitlines():
            if found := _MESSAGES.match(line):
                counts[service.name.partition("-")[0], found["topic"]] += int(float(found["count"]))
    return counts


def _await_handled(cluster: Cluster, wanted: dict[tuple[str, str], int]) -> None:
    def missing() -> dict[tuple[str, str], int]:
        handled = _handled(cluster)
        return {key: count - handled[key] for key, count in wanted.items() if handled[key] < count}

    wait_for("every service to have read everything", lambda: not missing(), within_s=90)


async def _rewind(servers: str) -> None:
    """Commit the beginning for every group while nobody else is in it."""

    async def rewind(group: str, topic: str) -> None:
        async with AIOKafkaConsumer(
            topic, bootstrap_servers=servers, group_id=group, enable_auto_commit=False, session_timeout_ms=6000
        ) as consumer:
            assert len(consumer.assignment()) == BY_NAME[topic].partitions, "somebody is still in the group"
            # As a member: the embedded broker takes offsets from nobody else.
            await consumer.commit(dict.fromkeys(consumer.assignment(), 0))

    await asyncio.gather(*(rewind(group, topic) for group, (_, topic) in GROUPS.items()))

"""What an at-least-once broker may do to us: deliver everything again, in any order, from the beginning."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer

from horarium.client import Submitted
from schemas.topics import BY_NAME, TOPICS, Topic
from tests.e2e.conftest import wait_for
from tests.e2e.faults.cluster import Cluster
from tests.e2e.kafka_reading import everything_on
from tests.e2e.kafka_writing import Message, publish

pytestmark = pytest.mark.faults


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
    stopped, cancelled = cluster.search(), cluster.search()
    cluster.checkpoint(stopped)
    cluster.stop(stopped)
    cluster.system.client.control(cancelled.job_id, "cancel")
    cluster.settle(completed)
    cluster.settle([stopped], "stopped")
    cluster.settle([cancelled], "cancelled")
    before = _picture(cluster)

    records = [record for topic in TOPICS for record in everything_on(cluster.system, topic.name)]
    assert len(records) > 20
    handled = _handled(cluster)
    random.Random(7).shuffle(records)  # noqa: S311  # an order, no secret
    publish(cluster.system, records)
    again = Counter(record.topic for record in records)
    _await_handled(cluster, {key: count + again[key[1]] for key, count in handled.items()})

    assert _picture(cluster) == before
    for job, status in [*((job, "completed") for job in completed), (stopped, "stopped"), (cancelled, "cancelled")]:
        told = cluster.system.client.progress(job.progress_url)
        assert told is not None
        assert told["status"] == status
    cluster.settle(cluster.submit(1))
    dead = [r for topic in TOPICS for r in everything_on(cluster.system, topic.dead_letter)]
    assert not dead, "a repetition is nobody's mistake"


def test_a_service_that_reads_every_topic_from_the_beginning_changes_nothing(cluster: Cluster) -> None:
    cluster.settle(cluster.submit(2))
    before = _picture(cluster)
    names = [service.name for service in cluster.services if service.name != "api"]
    cluster.take_down(*names, politely=True)
    servers = cluster.system.stack.addresses.kafka_bootstrap_servers
    asyncio.run(_rewind(servers))
    stored = {topic.name: len(everything_on(cluster.system, topic.name)) for topic in TOPICS}
    cluster.bring_up(*names)
    # The projector keeps its positions elsewhere, and has no reason to begin anew.
    _await_handled(cluster, {(name, topic): stored[topic] for name, topic in GROUPS.values()})
    assert _picture(cluster) == before
    cluster.settle(cluster.submit(1))


def test_messages_that_come_again_in_mid_search_do_not_disturb_it(cluster: Cluster) -> None:
    """Its own request, its reports, and all that was said of jobs that have ended: twice more, in any order."""
    done, stopped, searching = *cluster.submit(), cluster.search(), cluster.search()
    for job in (stopped, searching):
        cluster.checkpoint(job)
    cluster.stop(stopped)
    cluster.settle([done])
    cluster.settle([stopped], "stopped")
    before = _picture(cluster, but=searching)
    progress = cluster.system.running(searching)["progress"]

    stored = _stored(cluster)
    handled = _handled(cluster)
    ours = {job.job_id.encode() for job in (done, stopped, searching)}
    again = 2 * [record for records in stored.values() for record in records if record.key in ours]
    told_of_it = {record.topic for record in again if record.key == searching.job_id.encode()}
    assert told_of_it == {"job.requested", "solve.progress"}
    random.Random(7).shuffle(again)  # noqa: S311  # an order, no secret
    publish(cluster.system, again)
    # The search goes on and reports: what it has said meanwhile must be read, too, before all repetitions have been.
    grown = {topic: len(records) - len(stored[topic]) for topic, records in _stored(cluster).items()}
    _await_handled(cluster, {key: count + grown[key[1]] for key, count in handled.items()})

    assert cluster.attempts(searching) == [None], "it is still the first attempt's"
    told = cluster.system.running(searching)
    assert told["progress"] >= progress, "an old report moves nobody back"
    assert _picture(cluster, but=searching) == before
    cluster.stop(searching)
    ended, *_ = cluster.settle([searching], "stopped")
    assert ended["variants"], "the best is kept"
    assert cluster.attempts(searching) == ["stopped"]


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_the_largest_message_that_a_topic_takes_and_that_is_no_event_is_set_aside_by_every_reader(
    cluster: Cluster, topic: Topic
) -> None:
    # What a record needs beside its value is far below a kilobyte.
    value = b"[" * min(50_000_000, topic.max_message_bytes - 1024)
    handled = _handled(cluster)
    publish(cluster.system, [Message(topic.name, value, b"poison", (("ce_type", f"{topic.name}.v1".encode()),))])
    readers = {service.name for service in cluster.services} & set(topic.read_by)
    _await_handled(cluster, {(name, topic.name): handled[name, topic.name] + 1 for name in readers})
    cluster.settle(cluster.submit(1))
    kept = everything_on(cluster.system, topic.dead_letter)
    assert {dict(record.headers)["dlq_service"].decode() for record in kept if record.value == value} == readers
    assert not cluster.deaths


def _stored(cluster: Cluster) -> dict[str, list[Any]]:
    """What is on each topic."""
    return {topic.name: everything_on(cluster.system, topic.name) for topic in TOPICS}


def _picture(cluster: Cluster, but: Submitted | None = None) -> list[dict[str, Any]]:
    """What must not change, of all jobs or of all but one."""
    return [row for row in cluster.system.sql(_PICTURE) if but is None or row["job_id"] != but.job_id]


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

    wait_for("every service to have read everything", lambda: not missing(), tell=lambda: f"missing: {missing()}")


async def _rewind(servers: str) -> None:
    """Commit the beginning for every group while nobody else is in it."""

    async def rewind(group: str, topic: str) -> None:
        async with AIOKafkaConsumer(
            topic, bootstrap_servers=servers, group_id=group, enable_auto_commit=False, session_timeout_ms=6000
        ) as consumer:
            # Over the embedded broker a service leaves without goodbye: its session has to run out.
            for _ in range(450):
                if len(consumer.assignment()) == BY_NAME[topic].partitions:
                    break
                await asyncio.sleep(0.2)
            assert len(consumer.assignment()) == BY_NAME[topic].partitions, "somebody is still in the group"
            # As a member: the embedded broker takes offsets from nobody else.
            await consumer.commit(dict.fromkeys(consumer.assignment(), 0))

    await asyncio.gather(*(rewind(group, topic) for group, (_, topic) in GROUPS.items()))

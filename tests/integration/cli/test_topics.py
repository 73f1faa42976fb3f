"""`horarium topics apply` against a real broker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from aiokafka.admin import AIOKafkaAdminClient
from typer.testing import CliRunner

from horarium.cli import app
from horarium.commands.topics import apply_topics
from schemas.topics import TOPICS, all_topics


async def test_missing_topics_are_created_once(kafka_bootstrap_servers: str, fresh_id: Callable[[str], str]) -> None:
    topics = [replace(TOPICS[0], name=fresh_id("topic"), partitions=n) for n in (1, 3)]
    first = await apply_topics(kafka_bootstrap_servers, topics=topics)
    assert [(found.topic, found.created) for found in first] == [(topic.name, True) for topic in topics]
    second = await apply_topics(kafka_bootstrap_servers, topics=topics)
    assert [(found.created, found.differences) for found in second] == [(False, ()), (False, ())]
    client = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap_servers)
    await client.start()
    try:
        described = await client.describe_topics([topic.name for topic in topics])
    finally:
        await client.close()
    assert {d["topic"]: len(d["partitions"]) for d in described} == {t.name: t.partitions for t in topics}


async def test_what_differs_is_told_and_left_alone(
    kafka_bootstrap_servers: str, fresh_id: Callable[[str], str]
) -> None:
    topic = replace(TOPICS[0], name=fresh_id("topic"), partitions=2)
    await apply_topics(kafka_bootstrap_servers, topics=[topic])
    wanted = replace(topic, partitions=5, retention=timedelta(days=1))
    (found,) = await apply_topics(kafka_bootstrap_servers, topics=[wanted])
    assert not found.created
    assert "has 2 partitions, 5 are wanted" in found.differences


async def test_two_at_once_do_not_get_in_each_others_way(
    kafka_bootstrap_servers: str, fresh_id: Callable[[str], str]
) -> None:
    topics = [replace(TOPICS[0], name=fresh_id("topic"), partitions=2) for _ in range(4)]
    both = await asyncio.gather(*(apply_topics(kafka_bootstrap_servers, topics=topics) for _ in range(2)))
    assert all(found.differences == () for applied in both for found in applied)


def test_the_command_creates_every_topic(kafka_bootstrap_servers: str) -> None:
    result = CliRunner().invoke(app, ["topics", "apply", "--bootstrap-servers", kafka_bootstrap_servers])
    assert result.exit_code == 0, result.output
    assert all(topic.name in result.stdout for topic in all_topics())

"""`horarium topics apply`: the topics of `schemas.topics`, made where they are missing.

Owns the admin step: it creates, it reports what differs, it never changes or deletes a topic that exists. Must not know
what the topics are for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from horarium.commands.broker import security_arguments
from horarium.commands.terminal import EXIT_UNREACHABLE, note, refuse, say
from schemas.topics import Topic, all_topics

if TYPE_CHECKING:
    from aiokafka.admin import AIOKafkaAdminClient

BROKER_STARTS_WITHIN = timedelta(seconds=60)

_TOPIC_ALREADY_EXISTS = 36
_CONFIG_OF_TOPIC = 2


class TopicRefusedError(Exception):
    """The broker does not create a topic."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of one topic: created now or found, and in what it differs from what is wanted."""

    topic: str
    created: bool
    differences: tuple[str, ...] = ()


def topics_apply(
    bootstrap_servers: Annotated[
        str, typer.Option(envvar="KAFKA_BOOTSTRAP_SERVERS", help="host:port of the brokers, separated by commas.")
    ],
    replication_factor: Annotated[
        int, typer.Option(envvar="KAFKA_REPLICATION_FACTOR", min=-1, max=32, help="-1 leaves it to the broker.")
    ] = 1,
) -> None:
    """Create the topics that are missing; say in what the others differ from what is wanted."""
    from aiokafka.errors import KafkaError

    from services.runtime.security import BrokerRefusesError

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it logs every attempt while the broker starts
    security = security_arguments()
    try:
        applied = asyncio.run(apply_topics(bootstrap_servers, replication_factor, security=security))
    except BrokerRefusesError as error:
        refuse(f"The broker does not let us in: {error}", EXIT_UNREACHABLE)
    except (KafkaError, OSError, TimeoutError) as error:
        refuse(f"The broker at {bootstrap_servers} does not answer: {error or type(error).__name__}", EXIT_UNREACHABLE)
    except TopicRefusedError as error:
        refuse(str(error), EXIT_UNREACHABLE)
    for found in applied:
        say(f"{found.topic}: {'created' if found.created else 'exists'}")
        for difference in found.differences:
            note(f"{found.topic}: {difference}")


async def apply_topics(
    bootstrap_servers: str,
    replication_factor: int = 1,
    topics: Sequence[Topic] | None = None,
    *,
    security: Mapping[str, Any] | None = None,
) -> list[Applied]:
    """Create what is missing and compare what was there; safe to repeat and to run at the same time.

    `security` is what `services.runtime.security.client_security` gives; none: neither TLS nor SASL. Waits for a broker
    that is still starting, for a minute at most: then the client's own error is raised. Raises `TopicRefusedError` if
    the broker does not create a topic, and `BrokerRefusesError` at once if it does not let us in.
    """
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.errors import KafkaError
    from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_exponential_jitter

    from services.runtime.security import BrokerRefusesError, check_entry

    def is_starting(error: BaseException) -> bool:
        return isinstance(error, KafkaError | OSError | TimeoutError) and not isinstance(error, BrokerRefusesError)

    wanted = list(all_topics() if topics is None else topics)
    attempts = AsyncRetrying(
        retry=retry_if_exception(is_starting),
        stop=stop_after_delay(BROKER_STARTS_WITHIN),
        wait=wait_exponential_jitter(multiplier=0.1, max=3.0, jitter=0.2),
        reraise=True,
    )
    async for attempt in attempts:
        with attempt:
            if security:
                await check_entry(bootstrap_servers.split(","), security)
            client = AIOKafkaAdminClient(
                bootstrap_servers=bootstrap_servers, request_timeout_ms=10_000, **(security or {})
            )
            try:
                await client.start()
                return await _apply(client, wanted, replication_factor)
            finally:
                await client.close()
    raise AssertionError("the loop above returns or raises")


async def _apply(client: AIOKafkaAdminClient, wanted: Sequence[Topic], replication_factor: int) -> list[Applied]:
    # Asked for all topics, not for ours: some brokers create the topics that are asked for, with their own defaults.
    existing = set(await client.list_topics())
    created = await _create(client, [t for t in wanted if t.name not in existing], replication_factor)
    found = [topic for topic in wanted if topic.name not in created]
    partitions = await _partitions(client, found)
    settings = await _settings(client, found)
    return [
        Applied(
            topic.name,
            topic.name in created,
            ()
            if topic.name in created
            else _differences(topic, partitions.get(topic.name), settings.get(topic.name, {})),
        )
        for topic in wanted
    ]


async def _create(client: AIOKafkaAdminClient, missing: Sequence[Topic], replication_factor: int) -> set[str]:
    from aiokafka.admin import NewTopic

    if not missing:
        return set()
    topics = [NewTopic(t.name, t.partitions, 1, topic_configs=_wanted_settings(t)) for t in missing]
    for topic in topics:
        # Set afterwards: its constructor takes -1, which brokers take for their own default, for a missing value.
        topic.replication_factor = replication_factor
    answer = await client.create_topics(topics)
    created = set()
    for name, code, *message in answer.topic_errors:
        if code == 0:
            created.add(name)
        elif code != _TOPIC_ALREADY_EXISTS:  # somebody else may have been faster
            why = message[0] if message and message[0] else f"error code {code}"
            raise TopicRefusedError(f"The broker does not create topic {name}: {why}")
    return created


def _wanted_settings(topic: Topic) -> dict[str, str]:
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(int(topic.retention.total_seconds() * 1000)),
        "max.message.bytes": str(topic.max_message_bytes),
    }


async def _partitions(client: AIOKafkaAdminClient, topics: Sequence[Topic]) -> dict[str, int]:
    if not topics:
        return {}
    described = await client.describe_topics([topic.name for topic in topics])
    return {entry["topic"]: len(entry["partitions"]) for entry in described}


async def _settings(client: AIOKafkaAdminClient, topics: Sequence[Topic]) -> dict[str, dict[str, str]]:
    """Each topic's settings, as far as the broker tells them."""
    from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

    if not topics:
        return {}
    answers = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name) for topic in topics])
    settings: dict[str, dict[str, str]] = {}
    for answer in answers:
        for code, _, kind, name, entries in answer.resources:
            if code == 0 and kind == _CONFIG_OF_TOPIC:
                settings[name] = {entry[0]: entry[1] for entry in entries}
    return settings


def _differences(topic: Topic, partitions: int | None, settings: Mapping[str, str]) -> tuple[str, ...]:
    found = []
    if partitions is not None and partitions != topic.partitions:
        found.append(f"has {partitions} partitions, {topic.partitions} are wanted")
    for name, value in _wanted_settings(topic).items():
        if name in settings and settings[name] != value:
            found.append(f"{name} is {settings[name]}, {value} is wanted")
    return tuple(found)

"""The dead-letter topics on a broker: read from the beginning, one record fetched, replays and markers sent.

Owns the broker clients and how much memory they may take: values are never kept, and one record at a time is decoded.
Nothing but fetching and producing is asked of the broker. Must not know what a record means beyond `letters`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any

from horarium.dead_letters.letters import Ledger, Letter, LetterId, Marker, Record, Resolution, Resolved
from horarium.dead_letters.replay import Replay
from schemas.topics import MAX_MESSAGE_BYTES, dead_letter_topics

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
    from aiokafka.admin import AIOKafkaAdminClient

    Producer = Callable[[], Awaitable[AIOKafkaProducer]]

_REQUEST_TIMEOUT_MS = 10_000
_POLL_MS = 250
# A broker that gives nothing for this long, although it said that there is more, is taken for one that is away.
_SILENCE_S = 30.0
# How much is fetched ahead; a broker sends a record that is larger all the same, alone.
_FETCH_BYTES = 1024 * 1024
_HEADERS_BYTES = 64 * 1024


class NoProducerError(Exception):
    """The broker answers but lets us have no producer; the text says what may help."""


class DeadLetterTopics:
    """Reads and resolves. Every method raises KafkaError, OSError or TimeoutError while the broker is away; what writes
    may raise NoProducerError.
    """

    def __init__(self, consumer: AIOKafkaConsumer, admin: AIOKafkaAdminClient, producer: Producer) -> None:
        self._consumer = consumer
        self._admin = admin
        self._producer = producer

    async def letters(self, topics: Sequence[str] = (), *, keep_resolved: bool = False) -> list[Letter]:
        """The dead letters of some topics (none named: of all), the oldest first; only unresolved ones by default."""
        wanted = topics or [topic.name for topic in dead_letter_topics()]
        found: list[Letter] = []
        for topic in wanted:
            ledger = Ledger(keep_resolved)
            async for record in self.records(topic):
                ledger.add(record)
            found += ledger
        return sorted(found, key=lambda letter: (letter.time, letter.id))

    async def records(self, topic: str) -> AsyncIterator[Record]:
        """Every record of a topic, and those that arrive meanwhile; none of a topic that does not exist."""
        partitions = await self._partitions(topic)
        first, end = await self._bounds(partitions)
        unread = {partition for partition in partitions if first[partition] < end[partition]}
        if not unread:
            return
        self._consumer.assign(sorted(unread))
        for partition in unread:
            self._consumer.seek(partition, first[partition])
        heard_at = monotonic()
        while True:
            batches = await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=1)
            for records in batches.values():
                for record in records:
                    heard_at = monotonic()
                    yield _record(record)
            if batches:
                continue
            # The end of a topic is a lower bound only: the embedded broker does not count all of its last batch. So
            # there is no more when that much has been read, and nothing follows. By position: what lies between two
            # records need not be one.
            unread = {p for p in unread if await self._consumer.position(p) < end[p]}
            if not unread:
                return
            if monotonic() - heard_at > _SILENCE_S:
                raise TimeoutError(f"no record of {topic} within {_SILENCE_S:g} s")

    async def fetch(self, letter: LetterId) -> Record | None:
        """The record, whole; None if there is none (any more)."""
        partitions = await self._partitions(letter.topic)
        wanted = next((p for p in partitions if p.partition == letter.partition), None)
        if wanted is None:
            return None
        first, end = await self._bounds([wanted])
        if letter.offset < first[wanted]:
            return None
        # See `records`: it may be there although the end says otherwise.
        patience_s = _SILENCE_S if letter.offset < end[wanted] else 2 * _POLL_MS / 1000
        self._consumer.assign([wanted])
        self._consumer.seek(wanted, letter.offset)
        batches: dict[TopicPartition, list[ConsumerRecord]] = {}
        until = monotonic() + patience_s
        while not batches:
            batches = await self._consumer.getmany(wanted, timeout_ms=_POLL_MS, max_records=1)
            if batches or monotonic() <= until:
                continue
            if letter.offset >= end[wanted]:
                return None
            raise TimeoutError(f"no answer about {letter} within {_SILENCE_S:g} s")
        record = batches[wanted][0]
        return _record(record) if record.offset == letter.offset else None

    async def replay(self, letter: Letter, replay: Replay, by: str) -> None:
        """Send the message, then mark its letter. A crash in between leaves the letter to be replayed again."""
        new_job_id = "" if replay.new_job_id is None else str(replay.new_job_id)
        producer = await self._producer()
        await producer.send_and_wait(replay.topic, replay.value, key=replay.key, headers=list(replay.headers))
        await self._mark(letter, Resolved(Resolution.REPLAYED, by, _now(), new_job_id))

    async def drop(self, letter: Letter, by: str) -> None:
        """Mark a letter as settled without sending anything."""
        await self._mark(letter, Resolved(Resolution.DROPPED, by, _now()))

    async def _mark(self, letter: Letter, resolved: Resolved) -> None:
        producer = await self._producer()
        place, marker = letter.id, Marker(letter.id, resolved)
        # Behind its letter in the same partition, whatever the producer's rule for keys is.
        await producer.send_and_wait(
            place.topic, b"", key=letter.key, partition=place.partition, headers=list(marker.headers)
        )

    async def _partitions(self, topic: str) -> list[TopicPartition]:
        from aiokafka import TopicPartition

        # Asked for all topics first: some brokers create the topics that are asked for by name.
        if topic not in await self._admin.list_topics():
            return []
        (described,) = await self._admin.describe_topics([topic])
        return sorted(TopicPartition(topic, entry["partition"]) for entry in described["partitions"])

    async def _bounds(
        self, partitions: list[TopicPartition]
    ) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
        if not partitions:
            return {}, {}
        first = await self._consumer.beginning_offsets(partitions)
        return first, await self._consumer.end_offsets(partitions)


@asynccontextmanager
async def dead_letter_topics_at(
    bootstrap_servers: str, *, idempotent_producer: bool = True, security: Mapping[str, Any] | None = None
) -> AsyncIterator[DeadLetterTopics]:
    """The dead-letter topics of a broker. A producer is started by the first replay or drop.

    `security` is what `services.runtime.security.client_security` gives; none: neither TLS nor SASL. Raises
    BrokerRefusesError, an OSError, if the broker does not let us in.
    """
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.errors import UnknownError

    from services.runtime.security import check_entry

    where: dict[str, Any] = {"bootstrap_servers": bootstrap_servers, "request_timeout_ms": _REQUEST_TIMEOUT_MS}
    if security:
        where |= security
        await check_entry(bootstrap_servers.split(","), security)
    async with AsyncExitStack() as exits:
        admin = AIOKafkaAdminClient(**where)
        exits.push_async_callback(admin.close)
        await admin.start()
        consumer = AIOKafkaConsumer(
            **where,
            group_id=None,
            enable_auto_commit=False,
            fetch_max_wait_ms=100,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=_FETCH_BYTES,
            fetch_max_bytes=_FETCH_BYTES,
        )
        exits.push_async_callback(consumer.stop)
        await consumer.start()
        started: list[AIOKafkaProducer] = []

        async def producer() -> AIOKafkaProducer:
            if not started:
                made = AIOKafkaProducer(
                    **where,
                    acks="all",
                    enable_idempotence=idempotent_producer,
                    compression_type="zstd",
                    max_request_size=MAX_MESSAGE_BYTES + _HEADERS_BYTES,
                )
                exits.push_async_callback(made.stop)
                try:
                    await made.start()
                except UnknownError as error:
                    if not idempotent_producer:
                        raise
                    raise NoProducerError(
                        "It seems to have no idempotent producer, as the embedded one has not; then set "
                        "KAFKA_IDEMPOTENT_PRODUCER=false."
                    ) from error
                started.append(made)
            return started[0]

        yield DeadLetterTopics(consumer, admin, producer)


def _record(found: ConsumerRecord) -> Record:
    headers = tuple((name, value or b"") for name, value in found.headers)
    place = LetterId(found.topic, found.partition, found.offset)
    return Record(place, found.timestamp or 0, found.key, found.value or b"", headers)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

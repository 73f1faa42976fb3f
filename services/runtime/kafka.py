"""The broker: one FastStream broker per process with explicit settings, and the one way in which we consume.

Owns client settings, acknowledgement, retry, dead letters and publishing. The library's defaults acknowledge first,
start at the end of a topic and re-read a failed message at once and for ever; none of that is wanted here (ADR 0004).
Must not know what any event means.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeVar

import structlog
from aiokafka import ConsumerRebalanceListener, ConsumerRecord
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage

from schemas.events.base import Event
from schemas.events.cloudevents import UndecodableMessageError, WireMessage, decode, encode
from schemas.topics import BY_NAME, MAX_MESSAGE_BYTES
from services.runtime.logging import bound_ids
from services.runtime.metrics import MESSAGE_SECONDS, MESSAGES, PUBLISHED
from services.runtime.outage import is_world_away, pauses
from services.runtime.settings import RuntimeSettings

log = structlog.get_logger(__name__)

E = TypeVar("E", bound=Event)

# A message is retried in place for this long while the world is away, then handed back to be fetched again: the client
# leaves its group when nothing is fetched for MAX_POLL_INTERVAL_MS.
_RETRY_IN_PLACE_S = 60.0
_MAX_POLL_INTERVAL_MS = 300_000
# More dead letters than this within the window means that we are broken, not the messages.
_DEAD_LETTER_LIMIT = 100
_DEAD_LETTER_WINDOW_S = 60.0


@dataclass(frozen=True, slots=True)
class Received:
    """Where a message came from, for handlers that keep their own offsets."""

    topic: str
    partition: int
    offset: int
    headers: Mapping[str, str]
    consumer: Any  # the aiokafka consumer, which carries no types
    timestamp_ms: int = 0  # with the offset, tells a message from another one that a recreated topic has in its place

    @classmethod
    def of(cls, message: KafkaMessage) -> Received:
        record = _record(message)
        headers = dict(message.headers)
        return cls(record.topic, record.partition, record.offset, headers, message.consumer, record.timestamp)


Handler = Callable[[E, Received], Awaitable[None]]


class _Broker(KafkaBroker):
    async def start(self) -> None:
        """The library starts subscribers one after the other, and each start waits for its group's first round: five
        seconds on the embedded broker, three on Kafka. Side by side they wait together.
        """
        await self.connect()
        # All are awaited, whatever becomes of one: a start that went on behind a stop would leak its consumer.
        results = await asyncio.gather(*(s.start() for s in self.subscribers), return_exceptions=True)
        for failure in results:
            if isinstance(failure, BaseException):
                raise failure
        self.running = True


class Kafka:
    """The process's connection to the broker. `run` is its background loop; `publish` and `subscribe` are its use."""

    def __init__(self, settings: RuntimeSettings, service: str) -> None:
        self._source = f"/horarium/{service}"
        self._service = service
        self._connected = asyncio.Event()
        self._dead_letters: deque[float] = deque()
        self._closing = asyncio.Event()
        self._session_ms = int(settings.kafka_session_timeout_s * 1000)
        self._servers = settings.kafka_bootstrap_servers.split(",")
        self.broker = _Broker(
            self._servers,
            client_id=f"horarium-{service}",
            request_timeout_ms=int(settings.kafka_request_timeout_s * 1000),
            metadata_max_age_ms=30_000,
            allow_auto_create_topics=False,
            acks="all",
            enable_idempotence=settings.kafka_idempotent_producer,
            compression_type="zstd",
            max_request_size=MAX_MESSAGE_BYTES,
            graceful_timeout=15.0,
            logger=None,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Connect (again and again until the broker answers), stay, and close when `stop` is set."""
        async for attempt in pauses(stop):
            try:
                await self._reach()
                await self.broker.start()
            except Exception as error:
                # A half-started broker keeps consumers that would run twice after the next start.
                await self.broker.stop()
                if not is_world_away(error):
                    raise
                log.warning("broker_unreachable", attempt=attempt, error=str(error)[:200])
                continue
            self._connected.set()
            log.info("broker_connected", attempts=attempt)
            await stop.wait()
        self._closing.set()
        self._connected.clear()
        await self.broker.stop()

    async def _reach(self) -> None:
        """Raise OSError unless some bootstrap server accepts a connection: a failed start leaks its producer."""
        last: OSError = ConnectionRefusedError("no bootstrap server given")
        for server in self._servers:
            host, _, port = server.rpartition(":")
            try:
                _, writer = await asyncio.wait_for(asyncio.open_connection(host.strip("[]"), int(port)), 5.0)
            except OSError as error:
                last = error
            else:
                writer.close()
                await writer.wait_closed()
                return
        raise last

    async def ping(self) -> None:
        """Raise ConnectionError if the broker does not answer."""
        if not self._connected.is_set() or not await self.broker.ping(timeout=2.0):
            raise ConnectionError("broker does not answer")

    async def publish(self, event: Event, traceparent: str | None = None) -> None:
        """Publish an event and wait for the broker's acknowledgement."""
        await self.publish_wire(encode(event, source=self._source, traceparent=traceparent))

    async def publish_wire(self, message: WireMessage) -> None:
        """Publish bytes as they are. Raises ConnectionError while the broker is away; the caller decides what then."""
        if not self._connected.is_set():
            raise ConnectionError("broker not connected yet")
        await self.broker.publish(
            message.value, topic=message.topic, key=message.key, headers=dict(message.headers), no_confirm=False
        )
        PUBLISHED.labels(topic=message.topic).inc()

    def subscribe(
        self,
        topic: str,
        types: Iterable[type[E]],
        handler: Handler[E],
        *,
        group: str,
        listener: ConsumerRebalanceListener | None = None,
        commit: bool = True,
    ) -> Callable[[], Any]:
        """Give every event on `topic` to `handler`, one at a time; acknowledge only after it returns.

        A message that is no event of `types` goes to the dead-letter topic and the consumer moves on. While the
        world is away the handler is called again with back-off. Any other error is our own: traceback, dead letter, on
        we go, unless it happens too often. With `commit=False` nothing is committed: the handler keeps offsets itself.

        Returns a function that gives the present aiokafka consumer, or None while there is none: whoever keeps offsets
        must be able to seek before the first message.
        """
        accepted = tuple(types)

        async def consume(message: KafkaMessage) -> None:
            started = monotonic()
            result = await self._handle(message, accepted, handler, topic, group)
            MESSAGES.labels(topic=topic, result=result).inc()
            MESSAGE_SECONDS.labels(topic=topic).observe(monotonic() - started)
            if result == "retried":
                await message.nack()
            elif commit:
                await message.ack()

        subscriber = self.broker.subscriber(
            topic,
            group_id=group,
            ack_policy=AckPolicy.MANUAL,
            auto_offset_reset="earliest",
            max_poll_interval_ms=_MAX_POLL_INTERVAL_MS,
            session_timeout_ms=self._session_ms,
            heartbeat_interval_ms=self._session_ms // 3,
            max_poll_records=50,
            max_partition_fetch_bytes=BY_NAME[topic].max_message_bytes,
            fetch_max_wait_ms=100,
            listener=listener,
            parser=_parse,
            decoder=_keep_bytes,
        )
        subscriber(consume)
        return lambda: subscriber.consumer

    async def _handle(
        self, message: KafkaMessage, types: tuple[type[E], ...], handler: Handler[E], topic: str, group: str
    ) -> str:
        try:
            event = decode(message.body, message.headers, types)
        except UndecodableMessageError as error:
            return await self._dead_letter(message, topic, group, error.reason, str(error), attempts=1)
        started = monotonic()
        with bound_ids(job_id=str(event.job_id), correlation_id=event.correlation_id):
            attempt = 0
            async for attempt in pauses(self._closing):
                try:
                    await handler(event, Received.of(message))
                except Exception as error:  # the consumer's edge: three kinds of error, three answers
                    if not is_world_away(error):
                        log.exception("message_failed", topic=topic, event_type=event.TYPE)
                        return await self._dead_letter(message, topic, group, "handler_error", repr(error), attempt)
                    if monotonic() - started > _RETRY_IN_PLACE_S:
                        break
                    log.warning("message_waits", topic=topic, attempt=attempt, error=str(error)[:200])
                else:
                    return "done"
        return "retried"

    async def _dead_letter(
        self, message: KafkaMessage, topic: str, group: str, reason: str, detail: str, attempts: int
    ) -> str:
        """Send the message's bytes to the dead-letter topic; "retried" if even that is not possible."""
        now = monotonic()
        while self._dead_letters and now - self._dead_letters[0] > _DEAD_LETTER_WINDOW_S:
            self._dead_letters.popleft()
        if len(self._dead_letters) >= _DEAD_LETTER_LIMIT:
            log.error("dead_letter_limit_reached", topic=topic, window_s=_DEAD_LETTER_WINDOW_S, reason=reason)
            async for _ in pauses(self._closing, first_s=_DEAD_LETTER_WINDOW_S, longest_s=_DEAD_LETTER_WINDOW_S):
                return "retried"
        record = _record(message)
        headers = {
            **dict(message.headers),
            "dlq_reason": reason,
            "dlq_error": detail[:1000],
            "dlq_attempts": str(attempts),
            "dlq_topic": record.topic,
            "dlq_partition": str(record.partition),
            "dlq_offset": str(record.offset),
            "dlq_group": group,
            "dlq_service": self._service,
        }
        wire = WireMessage(BY_NAME[topic].dead_letter, record.key or b"", record.value or b"", headers)
        async for attempt in pauses(self._closing):
            try:
                await self.publish_wire(wire)
            except Exception as error:
                if not is_world_away(error):
                    raise
                log.warning("dead_letter_waits", topic=topic, attempt=attempt, error=str(error)[:200])
            else:
                self._dead_letters.append(now)
                log.error(
                    "message_dead_lettered",
                    topic=record.topic,
                    partition=record.partition,
                    offset=record.offset,
                    reason=reason,
                    detail=detail[:300],
                )
                return "dead_lettered"
        return "retried"


def _record(message: KafkaMessage) -> ConsumerRecord:
    record = message.raw_message
    if isinstance(record, tuple):
        raise TypeError("our subscribers never take batches")
    return record


async def _parse(record: ConsumerRecord, original: Callable[[ConsumerRecord], Awaitable[KafkaMessage]]) -> KafkaMessage:
    """The library's parser decodes headers strictly: one byte that is not UTF-8 would end the consumer's loop."""
    record.headers = tuple((name, (value or b"").decode(errors="replace").encode()) for name, value in record.headers)
    return await original(record)


async def _keep_bytes(message: KafkaMessage) -> bytes:
    """No decoding before our own: a body that is no JSON must reach the dead-letter topic with its bytes."""
    body: bytes = message.body
    return body

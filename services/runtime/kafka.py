"""The broker: one connection per process, kept alive, and the one way in which we consume.

Owns acknowledgement, retry, dead letters, publishing, and the decision to connect anew. The library's defaults
acknowledge first, start at the end of a topic and re-read a failed message at once and for ever; none of that is wanted
here (ADR 0004). Must not know what any event means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeVar

import structlog
from aiokafka import ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaMessage

from schemas.events.base import Event
from schemas.events.cloudevents import UndecodableMessageError, WireMessage, decode, encode
from schemas.topics import BY_NAME
from services.runtime.connection import Connection
from services.runtime.consumers import MAX_POLL_INTERVAL_S, ConsumerHealth, Subscriber, loop_has_ended
from services.runtime.dead_letters import DeadLetterGuard, dead_letter
from services.runtime.logging import bound_ids
from services.runtime.message_spans import ended, processing, sending
from services.runtime.metrics import (
    COMMIT_FAILURES,
    CONSUMERS_STUCK,
    DEAD_LETTERS_RESTING,
    MESSAGE_SECONDS,
    MESSAGES,
    PUBLISHED,
    RESULTS,
)
from services.runtime.outage import StoppedError, is_world_away, pauses, sleep_unless, unless
from services.runtime.security import check_entry, client_security
from services.runtime.settings import RuntimeSettings
from services.runtime.tracing import annotate

log = structlog.get_logger(__name__)

E = TypeVar("E", bound=Event)

# A message is retried in place for this long while the world is away, then handed back to be fetched again: the client
# leaves its group when nothing is fetched for MAX_POLL_INTERVAL_S.
_RETRY_IN_PLACE_S = 60.0
# What is on its way to the broker when we stop: a living one answers within this.
_LAST_ANSWER_S = 1.0
_LOOKS_PER_LIMIT = 8
_BACKLOG_EVERY_S = 5.0
# How long the broker may hold a fetch for which there is nothing. Apache Kafka answers as soon as there is something;
# the embedded broker looks now and then only: longer would delay messages, shorter cost a fifth of a processor at rest.
_FETCH_WAIT_MS = 250
# The answer to a heartbeat tells a member that another one has left, and that there are partitions to take over.
_LONGEST_HEARTBEAT_MS = 1000


class DeadLetterLimitError(RuntimeError):
    """A consumer has reached its limit of dead letters and waits: it is probably we who are broken."""


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


@dataclass(frozen=True, slots=True)
class _Subscription:
    """A topic that we consume, with what is known of its consumer."""

    topic: str
    group: str
    types: tuple[type[Event], ...]
    handler: Handler[Any]
    commit: bool
    guard: DeadLetterGuard
    health: ConsumerHealth

    @property
    def labels(self) -> dict[str, str]:
        return {"topic": self.topic, "group": self.group}


class Kafka:
    """The process's connection to the broker. `run` is its background loop; `publish` and `subscribe` are its use."""

    def __init__(self, settings: RuntimeSettings, service: str) -> None:
        self._source = f"/horarium/{service}"
        self._service = service
        self._settings = settings
        self._connected = asyncio.Event()
        self._closing = asyncio.Event()
        self._session_ms = int(settings.kafka_session_timeout_s * 1000)
        self._security = client_security(settings)
        self._servers = settings.kafka_bootstrap_servers.split(",")
        self._subscriptions: list[tuple[_Subscription, Subscriber]] = []
        self.broker = Connection(settings, service)

    async def run(self, stop: asyncio.Event) -> None:
        """Connect (again and again until the broker answers), stay, and leave when `stop` is set. A connection with a
        consumer that is stuck is made anew, in place.
        """
        async for attempt in pauses(stop):
            self._closing = asyncio.Event()
            try:
                await unless(stop, self._connect())
                log.info("broker_connected", attempts=attempt)
                await self._stay(stop)
            except StoppedError:
                return
            except Exception as error:
                if not is_world_away(error):
                    raise
                log.warning("broker_unreachable", attempt=attempt, error=str(error)[:200])
            finally:
                self._closing.set()
                self._connected.clear()
                await self.broker.end()

    async def _connect(self) -> None:
        # A start that fails leaks its producer, and does not say why it failed.
        await check_entry(self._servers, self._security)
        await self.broker.start()
        for subscription, _ in self._subscriptions:
            subscription.health.connected()
        self._connected.set()

    async def _stay(self, stop: asyncio.Event) -> None:
        """Return when `stop` is set, or when a consumer does nothing although the broker answers."""
        # Beside the watch: whether a consumer is stuck must not depend on what a broker takes its time for.
        measuring = asyncio.create_task(self._measure(stop), name="consumer_backlogs")
        try:
            await self._watch(stop, measuring)
        finally:
            measuring.cancel()
            await asyncio.wait({measuring})

    async def _measure(self, stop: asyncio.Event) -> None:
        while not await sleep_unless(stop, _BACKLOG_EVERY_S):
            for subscription, subscriber in self._subscriptions:
                if (consumer := subscriber.consumer) is not None:
                    try:
                        await subscription.health.measure_backlog(consumer)
                    except (KafkaError, TimeoutError) as error:
                        log.debug("backlog_unknown", **subscription.labels, error=repr(error)[:200])

    async def _watch(self, stop: asyncio.Event, measuring: asyncio.Task[None]) -> None:
        limit_s = self._settings.consumer_stuck_after_s
        look_every_s = limit_s / _LOOKS_PER_LIMIT
        looked_at = monotonic()
        while not await sleep_unless(stop, look_every_s):
            # Late means that this process was frozen or starved: its consumers must have their chance first.
            late = monotonic() - looked_at > limit_s / 2
            looked_at = monotonic()
            found = await self._stuck_consumer(limit_s)
            if measuring.done():
                measuring.result()  # a defect of ours
            if late or (found and not await unless(stop, self._answers())):
                for subscription, _ in self._subscriptions:
                    subscription.health.connected()
            elif found:
                subscription, reason, idle_s = found
                CONSUMERS_STUCK.labels(**subscription.labels, reason=reason).inc()
                log.error("consumer_stuck", **subscription.labels, reason=reason, idle_s=round(idle_s, 1))
                return

    async def _stuck_consumer(self, limit_s: float) -> tuple[_Subscription, str, float] | None:
        for subscription, subscriber in self._subscriptions:
            idle_s = subscription.health.idle_s(subscriber)
            if loop_has_ended(subscriber):
                return subscription, "loop_ended", idle_s
            if idle_s > limit_s:
                return subscription, "idle", idle_s
        return None

    @property
    def checks(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """Readiness checks of a service that consumes."""
        return {"broker": self.ping, "dead_letters": self.check_dead_letters}

    async def ping(self) -> None:
        """Raise ConnectionError if the broker does not answer."""
        if not self._connected.is_set() or not await self._answers():
            raise ConnectionError("broker does not answer")

    async def _answers(self) -> bool:
        return bool(await self.broker.ping(timeout=2.0))

    async def check_dead_letters(self) -> None:
        """Raise DeadLetterLimitError while a consumer waits because it has written too many dead letters."""
        for subscription, _ in self._subscriptions:
            if subscription.guard.is_resting:
                raise DeadLetterLimitError(subscription.group)

    async def publish(self, event: Event, traceparent: str | None = None) -> None:
        """Publish an event and wait for the broker's acknowledgement."""
        await self.publish_wire(encode(event, source=self._source, traceparent=traceparent))

    async def publish_wire(self, message: WireMessage) -> None:
        """Publish bytes as they are. Raises ConnectionError while the broker is away; the caller decides what then."""
        if not self._connected.is_set():
            raise ConnectionError("broker not connected yet")
        with sending(message) as sent:
            answer = self.broker.publish(
                sent.value, topic=sent.topic, key=sent.key, headers=dict(sent.headers), no_confirm=False
            )
            await unless(self._closing, answer, grace_s=_LAST_ANSWER_S)
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
        settings = self._settings
        subscription = _Subscription(
            topic,
            group,
            tuple(types),
            handler,
            commit,
            DeadLetterGuard(settings.dead_letter_limit, settings.dead_letter_window_s),
            ConsumerHealth(topic, group, listener),
        )

        async def consume(message: KafkaMessage) -> None:
            record = _record(message)
            place = (topic, group, record.partition, record.offset)
            with processing(*place, dict(message.headers)) as span:
                ended(span, await self._consume(message, subscription))

        subscriber = self.broker.subscriber(
            topic,
            group_id=group,
            ack_policy=AckPolicy.MANUAL,
            auto_offset_reset="earliest",
            max_poll_interval_ms=int(MAX_POLL_INTERVAL_S * 1000),
            session_timeout_ms=self._session_ms,
            heartbeat_interval_ms=min(self._session_ms // 3, _LONGEST_HEARTBEAT_MS),
            max_poll_records=50,
            max_partition_fetch_bytes=BY_NAME[topic].max_message_bytes,
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            listener=subscription.health,
            parser=_parse,
            decoder=_keep_bytes,
        )
        subscriber(consume)
        for result in RESULTS:
            MESSAGES.labels(topic=topic, result=result)
        COMMIT_FAILURES.labels(**subscription.labels)
        self._subscriptions.append((subscription, subscriber))
        return lambda: subscriber.consumer

    async def _consume(self, message: KafkaMessage, subscription: _Subscription) -> str:
        started = monotonic()
        record = _record(message)
        place = TopicPartition(record.topic, record.partition), record.offset
        subscription.health.handling(begins=True, message=place)
        try:
            try:
                result = await self._handle(message, subscription)
            except Exception:
                # Neither handled nor dead-lettered. The library would go on to the next message, whose offset includes
                # this one's: the message would be lost.
                log.exception("message_stays", **subscription.labels)
                await sleep_unless(self._closing, _RETRY_IN_PLACE_S)
                result = "retried"
            if result == "retried":
                await message.nack()
            elif subscription.commit:
                await self._commit(message, subscription)
        finally:
            subscription.health.handling(begins=False)
        MESSAGES.labels(topic=subscription.topic, result=result).inc()
        MESSAGE_SECONDS.labels(topic=subscription.topic).observe(monotonic() - started)
        return result

    async def _commit(self, message: KafkaMessage, subscription: _Subscription) -> None:
        """Commit this message's own offset: after a rebalance that fails, visibly, where the library's acknowledgement
        would commit whatever the new assignment has read. The message is then delivered again, which is harmless.
        """
        record = _record(message)
        consumer: Any = message.consumer  # the library's protocol for it leaves out the offsets
        offsets = {TopicPartition(record.topic, record.partition): record.offset + 1}
        try:
            await unless(self._closing, consumer.commit(offsets), grace_s=_LAST_ANSWER_S)
        except (KafkaError, StoppedError) as error:
            COMMIT_FAILURES.labels(**subscription.labels).inc()
            why = f"{type(error).__name__}: {error}"[:200]
            log.warning(
                "commit_failed", **subscription.labels, partition=record.partition, offset=record.offset, error=why
            )

    async def _handle(self, message: KafkaMessage, subscription: _Subscription) -> str:
        topic = subscription.topic
        try:
            event = decode(message.body, message.headers, subscription.types)
        except UndecodableMessageError as error:
            return await self._dead_letter(message, subscription, error.reason, str(error), attempts=1)
        annotate(job_id=str(event.job_id))
        started = monotonic()
        with bound_ids(job_id=str(event.job_id), correlation_id=event.correlation_id):
            attempt = 0
            async for attempt in pauses(self._closing):
                try:
                    await subscription.handler(event, Received.of(message))
                except Exception as error:  # the consumer's edge: three kinds of error, three answers
                    if not is_world_away(error):
                        log.exception("message_failed", topic=topic, event_type=event.TYPE)
                        return await self._dead_letter(message, subscription, "handler_error", repr(error), attempt)
                    if monotonic() - started > _RETRY_IN_PLACE_S:
                        break
                    log.warning("message_waits", topic=topic, attempt=attempt, error=str(error)[:200])
                else:
                    subscription.guard.on_success()
                    DEAD_LETTERS_RESTING.labels(**subscription.labels).set(0)
                    return "done"
        return "retried"

    async def _dead_letter(
        self, message: KafkaMessage, subscription: _Subscription, reason: str, detail: str, attempts: int
    ) -> str:
        """Send the message's bytes to the dead-letter topic; "retried" if even that is not possible."""
        guard, resting = subscription.guard, DEAD_LETTERS_RESTING.labels(**subscription.labels)
        if rest_s := guard.rest_s(ours=reason == "handler_error"):
            resting.set(1)
            log.error("dead_letter_limit_reached", **subscription.labels, reason=reason, rest_s=round(rest_s, 1))
            await sleep_unless(self._closing, rest_s)
            return "retried"
        resting.set(0)
        record = _record(message)
        wire = dead_letter(
            record,
            dict(message.headers),
            reason=reason,
            detail=detail,
            attempts=attempts,
            group=subscription.group,
            service=self._service,
        )
        async for attempt in pauses(self._closing):
            try:
                await self.publish_wire(wire)
            except Exception as error:
                if not is_world_away(error):
                    raise
                log.warning("dead_letter_waits", topic=record.topic, attempt=attempt, error=str(error)[:200])
            else:
                guard.on_sent()
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

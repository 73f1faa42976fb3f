"""One connection to the broker: the library's broker object, made to start side by side and to end in bounded time.

Owns what the library leaves undone when a start fails, is cut short, or a broker no longer answers: clients that nobody
closes, tasks that nobody ends, stops that wait for a request's time-out. Some of that can only be reached by names that
the client library keeps for itself; all of them are in this file, and a test counts what is left after an end.
Must not know what is consumed or published.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from aiokafka.errors import ConsumerStoppedError, KafkaError
from faststream.kafka import KafkaBroker
from faststream.kafka.subscriber.usecase import LogicSubscriber

from schemas.topics import MAX_MESSAGE_BYTES
from services.runtime.security import client_security
from services.runtime.settings import RuntimeSettings

log = structlog.get_logger(__name__)

# A stop is polite for this long: handlers end, their offsets are committed, the groups are told that we leave. A living
# broker needs a fraction of a second; one that is away would make it wait for a request's time-out.
POLITE_S = 2.0
_HANDLERS_END_WITHIN_S = 1.5
# A dead letter is its message with a dozen headers more.
_HEADERS_BYTES = 64 * 1024
_JOIN_MARGIN_S = 5.0


class Consumer(AIOKafkaConsumer):  # type: ignore[misc]  # the library carries no types
    """Remembers when asking for a message last failed: the library's loop asks again for ever, and tells nobody."""

    failed_at = float("-inf")
    leaves_shared_groups = True

    async def stop(self) -> None:
        """Leave the group and close; without a goodbye where that would harm those who stay (see the setting)."""
        if self._coordinator is not None and not self.leaves_shared_groups and not self._is_alone():
            # Members with an id of their own do not say goodbye; nothing else asks for it from here on.
            self._coordinator._group_instance_id = "leaves by its session's end"
        await super().stop()

    def _is_alone(self) -> bool:
        """True if every partition of our topics is ours: then nobody else has a use for this group."""
        topics = {partition.topic for partition in self.assignment()}
        return bool(topics) and len(self.assignment()) == sum(len(self.partitions_for_topic(t) or ()) for t in topics)

    async def getone(self, *partitions: Any) -> ConsumerRecord:
        try:
            return await super().getone(*partitions)
        except ConsumerStoppedError:
            raise
        except KafkaError:
            self.failed_at = monotonic()
            raise

    async def abandon(self) -> None:
        """End every task and close every socket without asking the broker; it finds out by the session's time-out."""
        self._closed = True
        coordinator = self._coordinator
        if coordinator is not None:
            names = ("_coordination_task", "_heartbeat_task", "_commit_refresh_task", "_reset_committed_task")
            await _end(*(getattr(coordinator, name, None) for name in names))
        if self._fetcher is not None:
            with suppress(asyncio.CancelledError):
                await self._fetcher.close()
        await self._client.close()


class Connection(KafkaBroker):
    """The library's broker object. `start` after `end` is a new connection with the same subscribers."""

    def __init__(self, settings: RuntimeSettings, service: str) -> None:
        super().__init__(
            settings.kafka_bootstrap_servers.split(","),
            client_id=f"horarium-{service}",
            request_timeout_ms=int(settings.kafka_request_timeout_s * 1000),
            metadata_max_age_ms=30_000,
            allow_auto_create_topics=False,
            acks="all",
            enable_idempotence=settings.kafka_idempotent_producer,
            compression_type="zstd",
            max_request_size=MAX_MESSAGE_BYTES + _HEADERS_BYTES,
            graceful_timeout=_HANDLERS_END_WITHIN_S,
            logger=None,
        )
        # The library's own objects for security would be taken apart into these very arguments again.
        self._security = client_security(settings)
        self._connection_kwargs.update(self._security)
        self._sending: AIOKafkaProducer | None = None
        self._leaves_shared_groups = settings.kafka_leaves_shared_groups
        # A broker holds a member's answer back until all have joined, or those that are gone have run into their
        # session's time-out. A client that gives up before that joins again, and everybody waits once more.
        longest_join_s = settings.kafka_session_timeout_s + _JOIN_MARGIN_S
        self._consumer_request_ms = int(max(settings.kafka_request_timeout_s, longest_join_s) * 1000)

    async def _connect(self) -> Any:
        """The library forgets a producer that could not be started, and its consumers do not tell how they are."""
        config = self.config.broker_config
        builder: Any = config.builder
        keywords = builder.keywords | self._security | {"request_timeout_ms": self._consumer_request_ms}
        config.builder = partial(_consumer, self._leaves_shared_groups, **keywords)
        producer = AIOKafkaProducer(**self._connection_kwargs)
        try:
            await config.producer.connect(producer, serializer=config.fd_config._serializer)
        except BaseException:
            await producer.stop()
            raise
        self._sending = producer
        await config.admin.connect(**self._connection_kwargs)
        return config.builder

    async def start(self) -> None:
        """The library starts subscribers one after the other, and each start waits for its group's first round: five
        seconds on the embedded broker, three on Kafka. Side by side they wait together.
        """
        await self.connect()
        # All are awaited, whatever becomes of one: a start that went on behind an end would leak its consumer.
        results = await asyncio.gather(*(s.start() for s in self.subscribers), return_exceptions=True)
        for failure in results:
            if isinstance(failure, BaseException):
                raise failure
        self.running = True

    async def end(self) -> None:
        """Stop politely, or at least within `POLITE_S` seconds and a little: no task and no socket is left either way.
        Never raises: what a connection has to say at its end is logged.
        """
        stopping = asyncio.create_task(self.stop(), name="broker_stop")
        consumers = [s.consumer for s in self._ours() if isinstance(s.consumer, Consumer)]
        try:
            await asyncio.wait([stopping], timeout=POLITE_S)
        finally:
            polite = stopping.done() and not stopping.cancelled() and stopping.exception() is None
            if not polite:
                await self._abandon(stopping, consumers)

    async def _abandon(self, stopping: asyncio.Task[None], consumers: list[Consumer]) -> None:
        error = stopping.exception() if stopping.done() and not stopping.cancelled() else None
        log.warning("broker_left_without_goodbye", error=str(error)[:200] if error else f"no answer in {POLITE_S:g} s")
        await _end(stopping)
        await asyncio.gather(*(consumer.abandon() for consumer in consumers))
        config = self.config.broker_config
        if self._sending is not None:
            self._sending._closed = True
            await _end(*_tasks_of(self._sending._sender, self._sending._message_accumulator))
            await self._sending.client.close()
        if config.admin.admin_client is not None:
            await config.admin.admin_client.close()
        for subscriber in self._ours():
            await _end(*subscriber.tasks)
            subscriber.tasks.clear()
            subscriber.running = False
            subscriber.consumer = None
        # What the library's own stop does last, with clients that are closed already.
        with suppress(KafkaError):
            await config.disconnect()
        self._connection = None
        self._sending = None
        self.running = False

    def _ours(self) -> list[LogicSubscriber[Any]]:
        return [s for s in self.subscribers if isinstance(s, LogicSubscriber)]


def _consumer(leaves_shared_groups: bool, *args: Any, **keywords: Any) -> Consumer:
    made = Consumer(*args, **keywords)
    made.leaves_shared_groups = leaves_shared_groups
    return made


def _tasks_of(*owners: object) -> list[asyncio.Task[Any]]:
    """Tasks that run a method of one of `owners`: the producer keeps no list of its requests, and waits for them."""
    frames = [(task, getattr(task.get_coro(), "cr_frame", None)) for task in asyncio.all_tasks()]
    return [task for task, frame in frames if frame and any(frame.f_locals.get("self") is owner for owner in owners)]


async def _end(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancel the tasks and wait until they have ended."""
    living = [task for task in tasks if task is not None and not task.done()]
    for task in living:
        task.cancel()
    if living:
        await asyncio.wait(living, timeout=1.0)

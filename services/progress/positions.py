"""Where the projector reads: positions that live in Redis, beside the data that they produced.

Owns seeking: at an assignment, after Redis came back empty or older than it was, and after a topic was recreated. Must
not know what an event means. Kafka's own committed offsets are not used: they would say "read" of data that is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from schemas.topics import SOLVE_PROGRESS
from services.progress.metrics import REBUILDS, REDIS_ERRORS
from services.progress.store import AwayError, Position, Store
from services.runtime.kafka import Received
from services.runtime.outage import is_world_away, sleep_unless

log = structlog.get_logger(__name__)

_CHECK_EVERY_S = 1.0
_LOG_END_CHECK_EVERY = 3  # checks of Redis for one check of the logs' ends


class Positions:
    """Decides for every message whether it is to be projected now, and seeks whenever the answer is "read elsewhere".

    Four consumers, one for each topic. A partition is *placed* once its position has been looked up under the present
    epoch; until then its messages are not taken.
    """

    def __init__(self, store: Store, *, progress_horizon: timedelta, horizon: timedelta) -> None:
        """Nothing older than a horizon is read in a rebuild: it would have expired. Reports are superseded sooner."""
        self._store = store
        self._horizons = {SOLVE_PROGRESS: progress_horizon}
        self._horizon = horizon
        self._consumers: dict[str, Callable[[], Any]] = {}
        self._epoch: int | None = None
        self._placed: set[TopicPartition] = set()
        # The message that must lie at a stored position, to be met again as the first one after seeking there.
        self._expected: dict[TopicPartition, Position] = {}
        self._recorded: dict[TopicPartition, int] = {}
        self._deferred: dict[TopicPartition, Position] = {}
        # The oldest message of each log as the broker names it, and the logs that have been replaced by another one
        # and are still to be read from their beginning.
        self._oldest: dict[TopicPartition, Position] = {}
        self._replaced: set[TopicPartition] = set()
        self._lock = asyncio.Lock()

    def attach(self, topic: str, consumer: Callable[[], Any]) -> None:
        """Say how to get a topic's consumer; there is none while the broker is unreachable."""
        self._consumers[topic] = consumer

    def listener(self, topic: str) -> ConsumerRebalanceListener:
        return _Listener(self, topic)

    @property
    def epoch(self) -> int:
        """The epoch that the placed partitions belong to."""
        if self._epoch is None:
            raise RuntimeError("no partition has been placed yet")
        return self._epoch

    async def admit(self, received: Received) -> bool:
        """True if the message is the next one of its partition; False if it was fetched before a seek: it is skipped
        now and comes again in its turn. Raises AwayError or a KafkaError while Redis or the broker is away.
        """
        partition = TopicPartition(received.topic, received.partition)
        consumer = received.consumer
        if partition not in self._placed:
            await self._place(consumer, [partition])
        if partition not in self._oldest:
            await self._recognise(consumer, [partition])  # the log's first message
        try:
            position = await consumer.position(partition)
        except IllegalStateError:
            return False  # revoked meanwhile: its new owner reads it
        if position != received.offset + 1 or partition not in self._placed:
            return False
        expected = self._expected.pop(partition, None)
        if expected is None or expected == Position(received.offset, received.timestamp_ms):
            return True
        starts = await consumer.beginning_offsets([partition])
        if received.offset > expected.offset and starts[partition] > expected.offset:
            return True  # retention has removed it; this is the oldest there is
        log.warning("topic_recreated", topic=received.topic, partition=received.partition, offset=expected.offset)
        REBUILDS.labels(reason="topic_recreated").inc()
        await self._rewind(consumer, [partition])
        return False

    def record(self, received: Received, epoch: int) -> None:
        """The message's effect and position are in Redis."""
        if epoch == self._epoch:
            partition = TopicPartition(received.topic, received.partition)
            self._deferred.pop(partition, None)
            self._recorded[partition] = received.offset

    def defer(self, received: Received, epoch: int) -> None:
        """The message had no effect. Its position may be written a moment later: reading it again has none either."""
        if epoch == self._epoch:
            partition = TopicPartition(received.topic, received.partition)
            self._deferred[partition] = Position(received.offset, received.timestamp_ms)

    async def rebuild(self) -> None:
        """Redis has lost the projection: begin a new epoch and read everything that is not too old again."""
        async with self._lock:
            epoch = await self._store.epoch()
            if epoch == self._epoch:
                return
            first = self._epoch is None
            # No await between these: a handler sees either the old epoch or a partition that is not placed.
            self._epoch = epoch
            self._placed.clear()
            self._expected.clear()
            self._recorded.clear()
            self._deferred.clear()
        if not first:
            REBUILDS.labels(reason="redis_empty").inc()
            log.warning("projection_rebuilding", reason="Redis came back without the projection", epoch=epoch)
        await self._place_all()

    async def watch(self, stop: asyncio.Event) -> None:
        """Background loop: notice what no message tells. Redis empty or older, logs recreated, partitions unplaced."""
        checks = 0
        while not await sleep_unless(stop, _CHECK_EVERY_S):
            checks += 1
            try:
                await self._check_redis()
                await self._write_deferred()
                await self._place_all()
                if checks % _LOG_END_CHECK_EVERY == 0:
                    await self._check_log_ends()
            except AwayError as error:
                REDIS_ERRORS.labels(caller="projector").inc()
                log.warning("projection_check_waits", error=str(error)[:200])
            except KafkaError as error:
                if not is_world_away(error):
                    raise
                log.warning("projection_check_waits", error=str(error)[:200])

    async def _check_redis(self) -> None:
        recorded = dict(self._recorded)  # before asking, so that progress made meanwhile looks like no loss
        if await self._store.epoch() != self._epoch:
            await self.rebuild()
            return
        stored = await self._store.positions(self.epoch)
        lost = [p for p, offset in recorded.items() if (at := stored.get(tuple(p))) is None or at.offset < offset]
        lost = [p for p in lost if p in self._placed]
        if lost:
            # Restarted from an older file, or failed over to a replica that was behind.
            REBUILDS.labels(reason="redis_older").inc()
            log.warning("projection_rebuilding", reason="Redis is older than it was", partitions=len(lost))
            for partition in lost:
                self._forget(partition)

    async def _write_deferred(self) -> None:
        epoch, deferred = self.epoch, self._deferred
        self._deferred = {}
        if deferred:
            await self._store.advance(epoch, {tuple(partition): at for partition, at in deferred.items()})
        for partition, at in deferred.items():
            # A later message may have been recorded meanwhile; what Redis holds now is the smaller one.
            if epoch == self._epoch and partition in self._placed:
                self._recorded[partition] = min(at.offset, self._recorded.get(partition, at.offset))

    async def _check_log_ends(self) -> None:
        """A broker that lost its log may answer a fetch beyond the end with silence instead of an error; and where the
        new log has grown past our position by then, it answers with a message that is not the next one.
        """
        for topic, consumer in self._active():
            assigned = [p for p in consumer.assignment() if p in self._placed]
            await self._recognise(consumer, assigned)
            ends = await consumer.end_offsets(assigned) if assigned else {}
            for partition, end in ends.items():
                if partition not in consumer.assignment():
                    continue
                position = await consumer.position(partition)
                # The embedded broker's end leaves out a part of a last batch: by itself it says nothing of a known log.
                if partition in self._replaced or (position > end and partition not in self._oldest):
                    log.warning("topic_recreated", topic=topic, partition=partition.partition, offset=position, end=end)
                    REBUILDS.labels(reason="topic_recreated").inc()
                    await self._rewind(consumer, [partition])

    def _active(self) -> list[tuple[str, Any]]:
        found = [(topic, consumer()) for topic, consumer in self._consumers.items()]
        return [(topic, consumer) for topic, consumer in found if consumer is not None]

    async def _place_all(self) -> None:
        for _, consumer in self._active():
            await self._place(consumer, consumer.assignment() - self._placed)

    async def _place(self, consumer: Any, partitions: Collection[TopicPartition]) -> None:
        """Seek to the last projected message, which is read again to see that the log is still the same one; or, where
        there is none, to the start.
        """
        if self._epoch is None:
            await self.rebuild()
        if not partitions:
            return
        epoch = self.epoch
        stored = await self._store.positions(epoch)
        await self._recognise(consumer, partitions)
        ends = await consumer.end_offsets(list(partitions))
        fresh = [
            p for p in partitions if p in self._replaced or (at := stored.get(tuple(p))) is None or at.offset >= ends[p]
        ]
        starts = await self._starts(consumer, fresh)
        async with self._lock:
            if epoch != self._epoch:
                return  # lost again meanwhile: whoever noticed places them
            for partition in partitions:
                if partition in self._placed or partition not in consumer.assignment():
                    continue
                start = starts.get(partition)
                self._forget(partition)
                if start is None:
                    self._expected[partition] = stored[tuple(partition)]
                    consumer.seek(partition, stored[tuple(partition)].offset)
                else:
                    consumer.seek(partition, start)
                    self._replaced.discard(partition)
                self._placed.add(partition)

    async def _rewind(self, consumer: Any, partitions: list[TopicPartition]) -> None:
        starts = await self._starts(consumer, partitions)
        for partition, start in starts.items():
            self._forget(partition)
            if partition in consumer.assignment():
                consumer.seek(partition, start)
                self._replaced.discard(partition)
                self._placed.add(partition)

    async def _recognise(self, consumer: Any, partitions: Collection[TopicPartition]) -> None:
        """Notice which logs are other ones than when we last looked, by their oldest messages.

        Retention removes messages at the beginning and changes none. A log that has none yet cannot be recognised.
        """
        if not partitions:
            return
        for partition, found in (await consumer.offsets_for_times(dict.fromkeys(partitions, 0))).items():
            if found is None or found.timestamp < 0:
                self._oldest.pop(partition, None)
                continue
            oldest, known = Position(found.offset, found.timestamp), self._oldest.get(partition)
            if known is not None and oldest != known and oldest.offset <= known.offset:
                self._replaced.add(partition)
            self._oldest[partition] = oldest

    async def _starts(self, consumer: Any, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """The first message worth reading: the oldest one within the topic's horizon."""
        if not partitions:
            return {}
        starts: dict[TopicPartition, int] = await consumer.beginning_offsets(list(partitions))
        now = datetime.now(UTC)
        since = {p: _ms(now - self._horizons.get(p.topic, self._horizon)) for p in partitions}
        for partition, found in (await consumer.offsets_for_times(since)).items():
            # None, or on the embedded broker a time of -1, when there is no message as young as that.
            if found is not None and found.timestamp >= 0:
                starts[partition] = max(starts[partition], found.offset)
        return starts

    def _forget(self, partition: TopicPartition) -> None:
        self._placed.discard(partition)
        self._expected.pop(partition, None)
        self._recorded.pop(partition, None)
        self._deferred.pop(partition, None)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # the library carries no types
    """Every rebalance gives a consumer new positions for all its partitions, also for those that it keeps."""

    def __init__(self, positions: Positions, topic: str) -> None:
        self._positions = positions
        self._topic = topic

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        for partition in revoked:
            self._positions._forget(partition)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        for partition in assigned:
            self._positions._forget(partition)
        consumer = self._positions._consumers[self._topic]()
        try:
            await self._positions._place(consumer, assigned)
        except (AwayError, KafkaError) as error:
            # The first message, or the watch, places them.
            log.warning("positions_wait", topic=self._topic, error=str(error)[:200])
        else:
            log.info("partitions_placed", topic=self._topic, partitions=len(assigned))


def _ms(time: datetime) -> int:
    return int(time.timestamp() * 1000)

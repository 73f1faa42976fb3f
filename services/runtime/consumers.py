"""A consumer's health: is it at work, and if not, since when; and how much it has before it.

Owns the verdict. aiokafka has states that end only with the process (it left its group and does not come back, its
background task has died), and says so to nobody; we look from outside. Must not know what is consumed.
"""

from __future__ import annotations

import asyncio
import time
from time import monotonic
from typing import Protocol

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from services.runtime.connection import Consumer
from services.runtime.metrics import CONSUMER_BACKLOG, CONSUMER_LAST_POLL, CONSUMER_PARTITIONS, REBALANCES

# A client that does not fetch for this long is told to leave its group; a handler never takes that long.
MAX_POLL_INTERVAL_S = 300.0
_BACKLOG_WITHIN_S = 5.0
# The library's loop waits five seconds after an error before it asks for a message again.
_ERROR_PAUSE_S = 6.0


class Subscriber(Protocol):
    """What we read of the library's subscriber."""

    consumer: Consumer | None
    tasks: list[asyncio.Task[object]]


class ConsumerHealth(ConsumerRebalanceListener):  # type: ignore[misc]  # the library carries no types
    """One subscription's knowledge of its consumer: a rebalance listener that is also told of handlers' work."""

    def __init__(self, topic: str, group: str, listener: ConsumerRebalanceListener | None = None) -> None:
        self.topic = topic
        self.group = group
        self._listener = listener
        self._handling_since: float | None = None
        self._in_hand: tuple[TopicPartition, int] | None = None
        self._assigned = False
        self._well_at = monotonic()

    def connected(self) -> None:
        """A new connection has been made, or the broker was away: every clock starts again."""
        self._well_at = monotonic()

    def handling(self, *, begins: bool, message: tuple[TopicPartition, int] | None = None) -> None:
        """A handler has been given a message (its partition and offset), or is done with it."""
        self._handling_since = monotonic() if begins else None
        self._in_hand = message if begins else None
        self._well_at = monotonic()

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        self._assigned = False
        CONSUMER_PARTITIONS.labels(topic=self.topic, group=self.group).set(0)
        if self._listener is not None:
            await self._listener.on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._assigned = True
        REBALANCES.labels(topic=self.topic, group=self.group).inc()
        CONSUMER_PARTITIONS.labels(topic=self.topic, group=self.group).set(len(assigned))
        if self._listener is not None:
            await self._listener.on_partitions_assigned(assigned)

    def idle_s(self, subscriber: Subscriber) -> float:
        """Seconds since the consumer was last at work: handling, fetching, or a member that has nothing to do."""
        now = monotonic()
        consumer = subscriber.consumer
        if consumer is not None:
            self._well_at = max(self._well_at, self._last_work(consumer, now))
        idle = now - self._well_at
        CONSUMER_LAST_POLL.labels(topic=self.topic, group=self.group).set(idle)
        return idle

    async def measure_backlog(self, consumer: Consumer) -> None:
        """Ask the broker how much there is. A message counts until its handler is done with it: one that cannot be
        handled is read, and may be the last one. Raises KafkaError, or TimeoutError, while the broker does not answer.
        """
        async with asyncio.timeout(_BACKLOG_WITHIN_S):
            ends = await consumer.end_offsets(list(consumer.assignment()))
            backlog = 0
            for partition, end in ends.items():
                if partition in consumer.assignment():
                    backlog += max(0, end - self._handled_up_to(partition, await consumer.position(partition)))
        CONSUMER_BACKLOG.labels(topic=self.topic, group=self.group).set(backlog)

    def _handled_up_to(self, partition: TopicPartition, position: int) -> int:
        if self._in_hand is not None and self._in_hand[0] == partition:
            return min(position, self._in_hand[1])
        return position

    def _last_work(self, consumer: Consumer, now: float) -> float:
        if self._handling_since is not None:
            return now if now - self._handling_since < MAX_POLL_INTERVAL_S else self._handling_since
        if now - consumer.failed_at < _ERROR_PAUSE_S or not self._assigned:
            return float("-inf")
        try:
            partitions = consumer.assignment()
            polled = [consumer.last_poll_timestamp(partition) or 0 for partition in partitions]
        except (AssertionError, KafkaError):  # revoked in this moment: the listener says so at once
            return float("-inf")
        # More members than partitions: there is nothing to fetch, and that is legal.
        return now - max(0.0, time.time() - max(polled) / 1000) if polled else now


def loop_has_ended(subscriber: Subscriber) -> bool:
    """True if nobody asks this subscriber's consumer for messages any more."""
    return subscriber.consumer is None or all(task.done() for task in subscriber.tasks)

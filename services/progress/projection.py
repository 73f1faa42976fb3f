"""The projector: events in, the picture of their job in Redis.

Owns the order of effects for one event. Must not know keys or scripts (store), nor where reading starts (positions).

A repeat is harmless: the fold does not change a state twice, frames carry the state's version as their id and Redis
refuses one that it has, and the position is written last.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from datetime import UTC, datetime
from time import monotonic
from uuid import UUID

import structlog

from schemas.events import Event, SolveCompleted
from schemas.fold import JobState, fold
from services.progress.metrics import (
    CONFLICTS,
    FRAMES,
    PROJECTED,
    PROJECTOR_LAG,
    REDIS_ERRORS,
    STALENESS,
)
from services.progress.positions import Positions
from services.progress.snapshot import Revision
from services.progress.store import AwayError, Position, Store
from services.runtime.faults import fault_point
from services.runtime.kafka import Received
from services.runtime.outage import sleep_unless

log = structlog.get_logger(__name__)

# Other replicas write the same job only around a rebalance, and other topics' consumers here; each loss means that
# somebody else won, so this many losses in a row do not happen by chance.
_SWAP_ATTEMPTS = 20
# An event older than this is read in a catch-up: its frame waits until the catch-up pauses, and then tells the latest.
_LIVE_S = 10.0
_REMEMBERED_JOBS = 10_000
_ANNOUNCE_EVERY_S = 0.5
_CATCH_UP_PAUSE_S = 1.0
_LONGEST_SILENCE_S = 5.0


class ContendedError(ConnectionError):
    """The state of one job is written by others all the time; to be tried again after a pause."""


class Projector:
    """Handles the four topics' events; `announce` is its background loop."""

    def __init__(self, store: Store, positions: Positions) -> None:
        self._store = store
        self._positions = positions
        self._held_back: set[UUID] = set()
        # What this process has seen through to the end: (epoch, version) by job, for as many jobs as are likely to run.
        self._settled: OrderedDict[UUID, Revision] = OrderedDict()
        self._last_old_event = 0.0
        self._last_announcement = 0.0

    async def on_event(self, event: Event, received: Received) -> None:
        """Raises an error of the world being away while Redis or the broker is; the message then comes again."""
        try:
            await self._project(event, received)
        except AwayError:
            REDIS_ERRORS.labels(caller="projector").inc()
            raise

    async def _project(self, event: Event, received: Received) -> None:
        if not await self._positions.admit(received):
            return
        epoch = self._positions.epoch
        for _ in range(_SWAP_ATTEMPTS):
            loaded = await self._store.load(event.job_id)
            if loaded.epoch != epoch:
                await self._positions.rebuild()
                return
            state = fold(loaded.state, event)
            changed = state is not loaded.state
            if not changed or await self._store.swap(loaded.digest, state, epoch):
                break
            CONFLICTS.inc()
        else:
            raise ContendedError(f"job {event.job_id}: {_SWAP_ATTEMPTS} writes were overtaken")
        if changed:
            fault_point("projector.swapped")
        if changed or self._settled.get(event.job_id) != Revision(epoch, state.version):
            # Also when nothing changed: a process may have died between the write and what follows it.
            await self._settle(event, received, state, epoch, changed)
        else:
            self._positions.defer(received, epoch)
        PROJECTED.labels(effect="changed" if changed else "unchanged").inc()

    async def _settle(self, event: Event, received: Received, state: JobState, epoch: int, changed: bool) -> None:
        age = (datetime.now(UTC) - event.occurred_at).total_seconds()
        live = age <= _LIVE_S
        if not live:
            self._last_old_event = monotonic()
            self._held_back.add(event.job_id)
        ended_by_this = state.status.terminal and state.finished_at == event.occurred_at
        announced = await self._store.settle(
            state,
            epoch,
            announce=live,
            end=event if isinstance(event, SolveCompleted) else None,
            store_result=ended_by_this,
            position=(received.topic, received.partition, Position(received.offset, received.timestamp_ms)),
        )
        if changed:
            fault_point("projector.settled")
        self._positions.record(received, epoch)
        self._settled[event.job_id] = Revision(epoch, state.version)
        self._settled.move_to_end(event.job_id)
        if len(self._settled) > _REMEMBERED_JOBS:
            self._settled.popitem(last=False)
        PROJECTOR_LAG.labels(topic=received.topic).set(max(0.0, age))
        if announced:
            FRAMES.inc()
        if changed:
            STALENESS.observe(max(0.0, (datetime.now(UTC) - event.occurred_at).total_seconds()))
            log.log(
                logging.INFO if state.status.terminal else logging.DEBUG,
                "event_projected",
                event_type=event.TYPE,
                status=state.status.value,
                version=state.version,
                age_s=round(age, 3),
            )

    async def announce(self, stop: asyncio.Event) -> None:
        """Background loop: after a catch-up (a rebuild, an outage), one frame for each job that changed, the latest."""
        while not await sleep_unless(stop, _ANNOUNCE_EVERY_S):
            now = monotonic()
            catching_up = now - self._last_old_event < _CATCH_UP_PAUSE_S
            if not self._held_back or (catching_up and now - self._last_announcement < _LONGEST_SILENCE_S):
                continue
            jobs, self._held_back = self._held_back, set()
            try:
                sent = await self._store.announce(jobs, self._positions.epoch)
            except AwayError as error:
                self._held_back |= jobs
                REDIS_ERRORS.labels(caller="projector").inc()
                log.warning("announcement_waits", jobs=len(jobs), error=str(error)[:200])
                continue
            self._last_announcement = now
            FRAMES.inc(sent)
            log.info("catch_up_announced", jobs=len(jobs), frames=sent)

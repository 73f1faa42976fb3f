"""From one Redis subscription to every open event stream of this process.

Owns fan-out, the memory that each stream may take, and how many streams who may have. Must not know HTTP, nor who may
see which job.

One blocking reader serves all streams: a thousand clients cost one Redis connection. Publishing is at most once, so
every stream also reads the job itself: when it begins, after the subscription broke, and every now and then.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import structlog

from services.progress.metrics import REDIS_ERRORS, SSE_CLIENTS, SSE_OVER_SHARE, SSE_REFUSED
from services.progress.store import AwayError, Frame, Store, read_feed
from services.runtime.outage import pauses

log = structlog.get_logger(__name__)

# A client slower than its job loses the frames between: each frame is complete, the last one is what counts.
_FRAMES_PER_CLIENT = 32
_FEED_POLL_S = 1.0
_LONGEST_PAUSE_S = 1.0


class TooManyStreamsError(Exception):
    """This process serves as many event streams as it may."""


class ShareTakenError(Exception):
    """The user, or the organisation, has as many event streams at this process as one may have."""


@dataclass(frozen=True, slots=True)
class Shares:
    """Event streams that may be open at this process: all together, of an organisation, and of a user."""

    process: int
    organization: int
    user: int


class Follower:
    """One open stream's share of the feed."""

    def __init__(self) -> None:
        self._frames: deque[Frame] = deque(maxlen=_FRAMES_PER_CLIENT)
        self._woken = asyncio.Event()
        self._stale = False

    def give(self, frame: Frame) -> None:
        self._frames.append(frame)
        self._woken.set()

    def distrust(self) -> None:
        """Frames may have been missed, or may be missed from now on."""
        self._stale = True
        self._woken.set()

    def take_distrust(self) -> bool:
        stale, self._stale = self._stale, False
        return stale

    def take(self) -> list[Frame]:
        taken = list(self._frames)
        self._frames.clear()
        return taken

    async def wait(self, timeout_s: float) -> bool:
        """Wait for a frame or for distrust; False if neither came in time."""
        try:
            async with asyncio.timeout(max(0.0, timeout_s)):
                await self._woken.wait()
        except TimeoutError:
            return False
        self._woken.clear()
        return True


class Hub:
    """Open streams by job; `run` is the background loop that feeds them."""

    def __init__(self, store: Store, shares: Shares) -> None:
        self._store = store
        self._shares = shares
        self._followers: defaultdict[UUID, set[Follower]] = defaultdict(set)
        self._open = 0
        self._of_organization: Counter[UUID] = Counter()
        self._of_user: Counter[UUID] = Counter()
        self._joined = False

    @property
    def open_streams(self) -> int:
        return self._open

    @contextmanager
    def follow(self, job_id: UUID, organization_id: UUID, user_id: UUID) -> Iterator[Follower]:
        """Frames of a job while the block runs. Raises ShareTakenError, TooManyStreamsError."""
        self._require_room(organization_id, user_id)
        follower = Follower()
        self._open += 1
        self._of_organization[organization_id] += 1
        self._of_user[user_id] += 1
        SSE_CLIENTS.inc()
        self._followers[job_id].add(follower)
        try:
            yield follower
        finally:
            self._open -= 1
            _less(self._of_organization, organization_id)
            _less(self._of_user, user_id)
            SSE_CLIENTS.dec()
            self._followers[job_id].discard(follower)
            if not self._followers[job_id]:
                del self._followers[job_id]

    def _require_room(self, organization_id: UUID, user_id: UUID) -> None:
        for share, open_now, allowed in (
            ("user", self._of_user[user_id], self._shares.user),
            ("organization", self._of_organization[organization_id], self._shares.organization),
        ):
            if open_now >= allowed:
                SSE_OVER_SHARE.labels(share=share).inc()
                raise ShareTakenError
        if self._open >= self._shares.process:
            SSE_REFUSED.inc()
            raise TooManyStreamsError

    async def run(self, stop: asyncio.Event) -> None:
        """Background loop: read the feed, and start again when Redis is back."""
        async for attempt in pauses(stop, longest_s=_LONGEST_PAUSE_S):
            try:
                await self._read(stop)
            except AwayError as error:
                REDIS_ERRORS.labels(caller="streams").inc()
                if self._joined:
                    log.warning("feed_lost", attempt=attempt, error=str(error)[:200], streams=self._open)
                    # Whoever is connected learns that live progress is away, and reads the job when it is back.
                    self._distrust_all()
                self._joined = False

    async def _read(self, stop: asyncio.Event) -> None:
        async with self._store.feed() as feed:
            log.info("feed_joined", streams=self._open)
            self._joined = True
            self._distrust_all()
            while not stop.is_set():
                frame = await read_feed(feed, _FEED_POLL_S)
                if frame is None:
                    continue
                for follower in self._followers.get(frame.job_id, ()):
                    follower.give(frame)

    def _distrust_all(self) -> None:
        for followers in self._followers.values():
            for follower in followers:
                follower.distrust()


def _less(counted: Counter[UUID], whose: UUID) -> None:
    counted[whose] -= 1
    if not counted[whose]:
        del counted[whose]

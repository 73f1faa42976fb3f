"""One client's event stream: what is sent, in which order, and when it ends.

Owns the life of a stream and the text of server-sent events (WHATWG HTML, section 9.2). Must not know requests or
tokens.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from uuid import UUID

import structlog

from services.progress.hub import Follower
from services.progress.metrics import REDIS_ERRORS
from services.progress.snapshot import Revision, unknown
from services.progress.store import AwayError, Frame, Store

log = structlog.get_logger(__name__)

# How long a client waits before it connects again.
_RETRY_MS = 2000
# While Redis is away a stream asks again by itself, should the feed not have noticed the outage.
_ASK_AGAIN_S = 2.0
HEARTBEAT = ": still here\n\n"


class UnknownJobError(Exception):
    """There is no such job, or it is another organisation's."""


class NothingMoreError(Exception):
    """The client has seen the terminal frame."""


@dataclass(frozen=True, slots=True)
class StreamLimits:
    heartbeat_s: float
    unknown_job_wait_s: float
    longest_s: float


class Stream:
    """A job's frames for one client, from the snapshot (or what was missed since `seen`) to the terminal frame."""

    def __init__(
        self, store: Store, follower: Follower, limits: StreamLimits, job_id: UUID, organization_id: UUID
    ) -> None:
        self._store = store
        self._follower = follower
        self._limits = limits
        self._job_id = job_id
        self._organization_id = organization_id
        self._sent: Revision | None = None
        self._sent_state_of = datetime.min.replace(tzinfo=UTC)
        self._progress = 0.0
        self._frames = 0
        self._ended = False
        self._is_away = False
        self._spoke_at = monotonic()

    async def first(self, seen: Revision | None) -> list[Frame] | None:
        """What the client gets at once, or None while Redis is away.

        A job that was accepted a moment ago may not have reached Redis: it is waited for. Another organisation's job
        is waited for just as long, so that the time taken tells nothing. Raises UnknownJobError, NothingMoreError.
        """
        deadline = monotonic() + self._limits.unknown_job_wait_s
        while True:
            try:
                snapshot = await self._snapshot()
                missed = await self._store.frames_since(self._job_id, seen) if snapshot and seen else None
            except AwayError:
                REDIS_ERRORS.labels(caller="streams").inc()
                return None
            if snapshot is not None:
                break
            if not await self._follower.wait(min(deadline - monotonic(), 0.5)) and monotonic() >= deadline:
                raise UnknownJobError
        if snapshot.terminal and seen == snapshot.revision:
            raise NothingMoreError
        if missed is not None and (not missed or missed[-1].revision >= snapshot.revision):
            self._sent = seen
            return missed
        return [snapshot]

    async def text(self, first: list[Frame] | None) -> AsyncIterator[str]:
        """Server-sent events until the job ends, the stream is old enough, or the client goes away."""
        started = monotonic()
        ended = "client_gone"
        try:
            yield f"retry: {_RETRY_MS}\n\n"
            pieces = self._away() if first is None else [self._event(frame) for frame in first]
            while True:
                for piece in pieces:
                    yield piece
                if self._ended:
                    ended = "terminal"
                    return
                if monotonic() - started >= self._limits.longest_s:
                    ended = "too_old"
                    return
                pieces = await self._next()
        finally:
            log.info("stream_ended", reason=ended, frames=self._frames, seconds=round(monotonic() - started, 1))

    async def _next(self) -> list[str]:
        """What happens next: frames, silence (a heartbeat), or Redis going away or coming back."""
        silence_left_s = self._spoke_at + self._limits.heartbeat_s - monotonic()
        woken = await self._follower.wait(min(silence_left_s, _ASK_AGAIN_S) if self._is_away else silence_left_s)
        pieces = [self._event(frame) for frame in self._follower.take() if self._news(frame)]
        distrust = self._follower.take_distrust()
        if distrust or not woken:
            pieces += await self._look()
        if not pieces and monotonic() - self._spoke_at >= self._limits.heartbeat_s:
            pieces = [HEARTBEAT]
        if pieces:
            self._spoke_at = monotonic()
        return pieces

    async def _look(self) -> list[str]:
        """The job itself, if it says more than the feed did."""
        try:
            snapshot = await self._snapshot()
        except AwayError:
            REDIS_ERRORS.labels(caller="streams").inc()
            return [] if self._is_away else self._away()
        back, self._is_away = self._is_away, False
        if snapshot is not None and (self._news(snapshot) or (back and snapshot.revision == self._sent)):
            # After an outage also what was known before it: the last word was "unknown".
            return [self._event(snapshot)]
        return []

    async def _snapshot(self) -> Frame | None:
        found = await self._store.snapshot(self._job_id)
        return found if found is not None and found.organization_id == self._organization_id else None

    def _news(self, frame: Frame) -> bool:
        """True for a later frame of the caller's own job; the feed and the job itself both tell, in any order."""
        if frame.organization_id != self._organization_id or self._ended:
            return False
        if self._sent is None or frame.terminal:
            return True  # an end is always news; one that outlived the job's progress carries no epoch
        # While Redis is filled again, the projection tells what this client has seen long ago.
        relived = frame.revision.epoch > self._sent.epoch and frame.updated_at < self._sent_state_of
        return frame.revision > self._sent and not relived

    def _event(self, frame: Frame) -> str:
        self._sent = frame.revision
        self._sent_state_of = frame.updated_at
        self._progress = frame.progress
        self._ended = frame.terminal
        self._frames += 1
        name = "finished" if frame.terminal else "progress"
        return f"event: {name}\nid: {frame.revision}\ndata: {frame.json}\n\n"

    def _away(self) -> list[str]:
        """Without an id: a client that resumes must say which frame of the job it has seen."""
        self._is_away = True
        body = unknown(self._job_id, datetime.now(UTC).isoformat(), self._progress)
        return [f"event: progress\ndata: {json.dumps(body, separators=(',', ':'))}\n\n"]

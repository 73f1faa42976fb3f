"""Redis: the one doorway.

Owns keys, scripts and time to live (architecture, section 5; ADR 0007). Must not know Kafka, HTTP, or how a state
comes about.

Every command and script touches one key, so that all of it works on Redis Cluster too; what must hold between keys
holds by order (data first, position last) and by idempotence, never by a transaction.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    ClusterError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from schemas.events import SolveCompleted
from schemas.fold import JobState
from services.progress.metrics import REDIS_LOOKUPS
from services.progress.snapshot import Revision, picture, result_summary

P = ParamSpec("P")
R = TypeVar("R")

EPOCH = "progress:epoch"
POSITIONS = "progress:positions"
FEED = "progress:feed"
PING = "progress:ping"
# A state rebuilt long after its job ended is kept at least this long: it must outlive the replay that could reopen it.
_SHORTEST_TTL = timedelta(minutes=1)

# Replies of a server that answers but cannot serve: full, disk full, a replica, starting, split, busy with a script.
# The library has classes for some and then keeps the word to itself; from inside a script they may come as text.
_AWAY_REPLIES = (OutOfMemoryError, ReadOnlyError, TryAgainError)
_AWAY_WORDS = ("OOM ", "MISCONF", "READONLY", "LOADING", "MASTERDOWN", "NOREPLICAS", "CLUSTERDOWN", "TRYAGAIN", "BUSY ")

# KEYS: the job. ARGV: SHA-1 of the bytes that were read ("" for none), new bytes, time to live in ms. 1 if swapped.
_SWAP = """
local now = redis.call('GET', KEYS[1])
if (now and redis.sha1hex(now) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""
# KEYS: the job's stream. ARGV: id, frame, longest length, time to live in ms, channel, what to publish. 1 if appended.
# Redis refuses an id that is not the stream's greatest: a frame that was sent before is not sent again.
_ANNOUNCE = """
local id = redis.pcall('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], ARGV[1], 'frame', ARGV[2])
if type(id) == 'table' then
  if string.find(id.err, 'equal or smaller', 1, true) then return 0 end
  return id
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PUBLISH', ARGV[5], ARGV[6])
return 1
"""
# KEYS: the epoch. ARGV: an epoch to begin if there is none. Replicas that notice together agree on the first one's.
_EPOCH = """
redis.call('SET', KEYS[1], ARGV[1], 'NX')
return redis.call('GET', KEYS[1])
"""


@dataclass(frozen=True, slots=True)
class Position:
    """The last message of a partition whose effect is in Redis. Offset and time together name one message."""

    offset: int
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """What Redis holds of a job. `digest` names the very bytes, for the swap; `epoch` is None when Redis is empty."""

    state: JobState | None
    digest: str
    epoch: int | None


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture of a job as a client gets it; the JSON is ready to be sent."""

    job_id: UUID
    organization_id: UUID
    revision: Revision
    terminal: bool
    progress: float
    updated_at: datetime
    json: str


def job_key(job_id: UUID) -> str:
    return f"progress:job:{job_id}"


def result_key(job_id: UUID) -> str:
    return f"result:job:{job_id}"


def stream_key(job_id: UUID) -> str:
    return f"progress:events:{job_id}"


class AwayError(ConnectionError):
    """Redis cannot do this now: unreachable, starting, full, read-only, or without a majority."""


def _or_away(method: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Tell an outage from a defect of ours: only some of the library's errors say which, some only by their text."""

    @wraps(method)
    async def called(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await method(*args, **kwargs)
        except (RedisConnectionError, RedisTimeoutError, RedisClusterException, ClusterError, OSError) as error:
            raise AwayError(f"{method.__name__}: {error}") from error
        except ResponseError as error:
            if isinstance(error, _AWAY_REPLIES) or any(word in str(error) for word in _AWAY_WORDS):
                raise AwayError(f"{method.__name__}: {error}") from error
            raise

    return called


class Store:
    """The projection in Redis. Every method raises AwayError while Redis is away."""

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 2.0,
        connections: int = 32,
        progress_ttl: timedelta = timedelta(hours=2),
        result_ttl: timedelta = timedelta(hours=24),
        stream_length: int = 200,
    ) -> None:
        self._progress_ttl = progress_ttl
        self._result_ttl = result_ttl
        self._stream_length = stream_length
        self._redis = _client(url, timeout_s, connections)

    async def close(self) -> None:
        await self._redis.aclose()

    @_or_away
    async def ping(self) -> None:
        """By a write: a server that is full, read-only or cannot keep what it has answers every question, and the
        projection stands still all the same.
        """
        await self._redis.set(PING, b"1", px=_ms(_SHORTEST_TTL))

    # --- for the projector ---

    @_or_away
    async def epoch(self) -> int:
        """The projection's epoch; begun now if Redis holds none. It is a time, so a later epoch is a greater one."""
        fresh = int(datetime.now(UTC).timestamp() * 1000)
        return int(await self._redis.eval(_EPOCH, 1, EPOCH, str(fresh)))

    @_or_away
    async def positions(self, epoch: int) -> dict[tuple[str, int], Position]:
        """By (topic, partition). Those of another epoch belong to data that is gone."""
        found = await self._redis.hgetall(POSITIONS)
        result: dict[tuple[str, int], Position] = {}
        for field, value in found.items():
            topic, _, partition = field.decode().rpartition(":")
            of_epoch, offset, timestamp_ms = (int(part) for part in value.decode().split(":"))
            if of_epoch == epoch:
                result[(topic, int(partition))] = Position(offset, timestamp_ms)
        return result

    @_or_away
    async def load(self, job_id: UUID) -> Loaded:
        """A job's state and the epoch, in one round trip. After two hours the result still tells how the job ended."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.get(job_key(job_id))
            pipe.get(result_key(job_id))
            pipe.get(EPOCH)
            progress, result, epoch = await pipe.execute()
        raw = progress or result
        return Loaded(
            state=JobState.model_validate(json.loads(raw)["state"]) if raw else None,
            digest=_digest(progress) if progress else "",
            epoch=int(epoch) if epoch else None,
        )

    @_or_away
    async def swap(self, digest: str, state: JobState, epoch: int) -> bool:
        """Write the state if the bytes that were read are still there; False if somebody else wrote first."""
        revision = Revision(epoch, state.version)
        body = {**picture(state, revision), "state": state.model_dump(mode="json", exclude_defaults=True)}
        ttl = _ms(_remaining(self._progress_ttl, state))
        done = await self._redis.eval(_SWAP, 1, job_key(state.job_id), digest, _dump(body), ttl)
        return bool(done)

    @_or_away
    async def settle(
        self,
        state: JobState,
        epoch: int,
        *,
        announce: bool,
        end: SolveCompleted | None,
        store_result: bool,
        position: tuple[str, int, Position],
    ) -> bool:
        """What follows a write: result, frame, and last the position. All of it may be repeated; True if a frame went.

        One round trip. A crash before it leaves the old position: the event comes again, changes nothing, and this is
        done then.
        """
        topic, partition, at = position
        async with self._redis.pipeline(transaction=False) as pipe:
            if store_result:
                body = {**result_summary(state, end), "state": state.model_dump(mode="json", exclude_defaults=True)}
                pipe.set(result_key(state.job_id), _dump(body), px=_ms(_remaining(self._result_ttl, state)))
            if announce:
                self._announce(pipe, state, epoch)
            pipe.hset(POSITIONS, f"{topic}:{partition}", _position(epoch, at))
            answers = await pipe.execute()
        return announce and bool(answers[-2])

    @_or_away
    async def advance(self, epoch: int, positions: Mapping[tuple[str, int], Position]) -> None:
        """Write positions of messages that had no effect."""
        fields = {f"{topic}:{partition}": _position(epoch, at) for (topic, partition), at in positions.items()}
        await self._redis.hset(POSITIONS, mapping=fields)

    @_or_away
    async def announce(self, jobs: Iterable[UUID], epoch: int) -> int:
        """Publish the present states of jobs whose frames were held back; the number of frames that went."""
        states = [loaded.state for loaded in [await self.load(job) for job in jobs] if loaded.epoch == epoch]
        async with self._redis.pipeline(transaction=False) as pipe:
            for state in states:
                if state is not None:
                    self._announce(pipe, state, epoch)
            return sum(bool(answer) for answer in await pipe.execute())

    def _announce(self, pipe: Any, state: JobState, epoch: int) -> None:
        revision = Revision(epoch, state.version)
        frame = _dump(picture(state, revision)).decode()
        head = (
            f"{state.job_id} {state.organization_id} {revision} {int(state.status.terminal)} {state.percent}"
            f" {state.updated_at.isoformat()}\n"
        )
        pipe.eval(
            _ANNOUNCE,
            1,
            stream_key(state.job_id),
            str(revision),
            frame,
            self._stream_length,
            _ms(_remaining(self._progress_ttl, state)),
            FEED,
            head + frame,
        )

    # --- for readers ---

    @_or_away
    async def snapshot(self, job_id: UUID) -> Frame | None:
        """The present picture of a job, or None if Redis does not know it.

        Pages ask this every few seconds: one command for a job that is not long over, and the picture as it was
        written, which the projector made of a state that it had checked.
        """
        progress = await self._redis.get(job_key(job_id))
        result = await self._redis.get(result_key(job_id)) if progress is None else None
        REDIS_LOOKUPS.labels(result="miss" if progress is None and result is None else "hit").inc()
        if progress is not None:
            body = json.loads(progress)
            del body["state"]
            return _frame_from(body, _dump(body).decode())
        if result is None:
            return None
        state = JobState.model_validate(json.loads(result)["state"])
        # A result outlives the epoch that it was written in; its revision is then none, which is older than any.
        return _frame(state, Revision(0, state.version))

    @_or_away
    async def frames_since(self, job_id: UUID, seen: Revision) -> list[Frame] | None:
        """The frames after `seen`, or None if they are not all kept (or `seen` never was): then a snapshot tells more.

        Redis keeps the stream's length only roughly, never below the limit.
        """
        kept = await self._redis.xrange(stream_key(job_id), min=str(seen))
        if not kept or kept[0][0].decode() != str(seen):
            return None
        return [_frame_from_json(fields[b"frame"].decode()) for _, fields in kept[1:]]

    @asynccontextmanager
    async def feed(self) -> AsyncIterator[PubSub]:
        """A subscription to every job's frames; read it with `read_feed`."""
        pubsub = self._redis.pubsub()
        try:
            await pubsub.subscribe(FEED)
            yield pubsub
        except (RedisConnectionError, RedisTimeoutError, RedisClusterException, ClusterError, OSError) as error:
            raise AwayError(f"feed: {error}") from error
        finally:
            await pubsub.aclose()


async def read_feed(pubsub: PubSub, timeout_s: float) -> Frame | None:
    """The next frame, or None after `timeout_s` seconds of silence."""
    message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=timeout_s)
    if message is None:
        return None
    head, _, body = message["data"].decode().partition("\n")
    job_id, organization_id, revision, terminal, progress, updated_at = head.split(" ")
    return Frame(
        job_id=UUID(job_id),
        organization_id=UUID(organization_id),
        revision=Revision.parse(revision) or Revision(0, 0),
        terminal=terminal == "1",
        progress=float(progress),
        updated_at=datetime.fromisoformat(updated_at),
        json=body,
    )


def _client(url: str, timeout_s: float, connections: int) -> Any:
    """Redis or Redis Cluster, as the URL says. Failures are not retried here: the caller knows what to do meanwhile."""
    timeouts: Mapping[str, Any] = {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "health_check_interval": 10,
    }
    scheme, plus, rest = url.partition("+cluster://")
    if plus:
        return RedisCluster.from_url(f"{scheme}://{rest}", max_connections=connections, **timeouts)
    pool = BlockingConnectionPool.from_url(
        # A thousand streams that begin at once queue for connections: that is no outage.
        url,
        max_connections=connections,
        timeout=4 * timeout_s,
        retry=Retry(NoBackoff(), 0),
        **timeouts,
    )
    return Redis.from_pool(pool)


def _frame(state: JobState, revision: Revision) -> Frame:
    return Frame(
        job_id=state.job_id,
        organization_id=state.organization_id,
        revision=revision,
        terminal=state.status.terminal,
        progress=state.percent,
        updated_at=state.updated_at,
        json=_dump(picture(state, revision)).decode(),
    )


def _frame_from_json(text: str) -> Frame:
    return _frame_from(json.loads(text), text)


def _frame_from(body: Mapping[str, Any], text: str) -> Frame:
    return Frame(
        job_id=UUID(body["job_id"]),
        organization_id=UUID(body["organization_id"]),
        revision=Revision.parse(body["revision"]) or Revision(0, 0),
        terminal=body["finished_at"] is not None,
        progress=body["progress"],
        updated_at=datetime.fromisoformat(body["timestamp"]),
        json=text,
    )


def _remaining(ttl: timedelta, state: JobState) -> timedelta:
    """A job that ended a while ago (a rebuild) is kept for what is left of its time."""
    if state.finished_at is None or not state.status.terminal:
        return ttl
    age = max(datetime.now(UTC) - state.finished_at, timedelta())
    return max(ttl - age, min(ttl, _SHORTEST_TTL))


def _position(epoch: int, at: Position) -> str:
    return f"{epoch}:{at.offset}:{at.timestamp_ms}"


def _ms(duration: timedelta) -> int:
    return max(1, int(duration.total_seconds() * 1000))


def _dump(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode("utf-8", errors="replace")


def _digest(raw: bytes) -> str:
    return hashlib.sha1(raw, usedforsecurity=False).hexdigest()

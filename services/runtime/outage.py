"""The world being away: which errors mean it, and how long to wait before asking again.

Owns the line between "try again" and "this is wrong". Must not know what was being tried.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

import redis.exceptions
import sqlalchemy.exc
from aiokafka.errors import (
    BrokerNotAvailableError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    ProducerClosed,
    ReplicaNotAvailableError,
    UnknownTopicOrPartitionError,
)

T = TypeVar("T")

# A deadlock, a restarting server and a lost connection are OperationalErrors; a violated constraint is not.
WORLD_AWAY: tuple[type[BaseException], ...] = (
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.TimeoutError,
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    redis.exceptions.BusyLoadingError,
    ConnectionError,
    TimeoutError,
)

# The client does not call these retriable, because it has given up on them itself; for us they end with the outage.
_BROKER_AWAY: tuple[type[KafkaError], ...] = (
    BrokerNotAvailableError,
    KafkaConnectionError,
    KafkaTimeoutError,
    ProducerClosed,
    ReplicaNotAvailableError,
    UnknownTopicOrPartitionError,
)


# PostgreSQL's undefined_table and undefined_column (SQLSTATE): our tables are all there after `horarium migrate`.
_SCHEMA_MISSING = frozenset({"42P01", "42703"})
# What a standby says of a write, until it is promoted or we are led to the primary again. The driver has no class for
# an outage of this kind: it calls it an internal error.
_READ_ONLY = "25006"


def is_schema_missing(error: BaseException) -> bool:
    """True if the database does not have the tables of this version: it has not been migrated yet."""
    return isinstance(error, sqlalchemy.exc.DBAPIError) and _state(error) in _SCHEMA_MISSING


def _state(error: sqlalchemy.exc.DBAPIError) -> str | None:
    """PostgreSQL's own code for what is wrong (SQLSTATE)."""
    return getattr(error.orig, "sqlstate", None)


def is_world_away(error: BaseException) -> bool:
    """True if the same call may succeed later without anybody changing it, or once the database has been migrated."""
    if is_schema_missing(error):
        return True
    if isinstance(error, sqlalchemy.exc.DBAPIError) and (error.connection_invalidated or _state(error) == _READ_ONLY):
        return True
    if isinstance(error, KafkaError):
        return bool(error.retriable) or isinstance(error, _BROKER_AWAY)
    return isinstance(error, WORLD_AWAY)


async def pauses(stop: asyncio.Event, first_s: float = 0.2, longest_s: float = 5.0) -> AsyncIterator[int]:
    """Yield attempt numbers for ever, waiting longer (with jitter) between them; end when `stop` is set."""
    attempt = 1
    while not stop.is_set():
        yield attempt
        longest = min(longest_s, first_s * 2 ** min(attempt - 1, 30))
        # Half fixed, half random: many processes that lost the same server must not return in step.
        if await sleep_unless(stop, longest * random.uniform(0.5, 1.0)):  # noqa: S311  # jitter is no secret
            return
        attempt += 1


async def sleep_unless(stop: asyncio.Event, seconds: float) -> bool:
    """Wait `seconds` or until `stop` is set; True if it is set."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return False
    return True


class StoppedError(ConnectionError):
    """What was waited for did not come before the stop."""


async def unless(stop: asyncio.Event, work: Coroutine[Any, Any, T], grace_s: float = 0.0) -> T:
    """What `work` returns or raises. When `stop` is set first, work has `grace_s` seconds more; then it is cancelled,
    has ended, and StoppedError is raised.
    """
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done() and grace_s:
            await asyncio.wait({working}, timeout=grace_s)
        if working.done():
            return working.result()
        raise StoppedError("stopped while waiting for an answer")
    finally:
        stopping.cancel()
        if not working.done():
            working.cancel()
            await asyncio.wait({working})

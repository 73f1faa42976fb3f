"""What counts as the world being away, and how long we wait before asking again."""

import asyncio
from itertools import pairwise

import psycopg.errors
import pytest
import redis.exceptions
import sqlalchemy.exc
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError, NodeNotReadyError

from services.runtime.outage import StoppedError, is_world_away, pauses, sleep_unless, unless


@pytest.mark.parametrize(
    "error",
    [
        sqlalchemy.exc.OperationalError("SELECT 1", {}, Exception("server closed the connection")),
        sqlalchemy.exc.TimeoutError("pool exhausted"),
        redis.exceptions.ConnectionError("refused"),
        redis.exceptions.BusyLoadingError("loading"),
        KafkaConnectionError("no broker"),
        NodeNotReadyError("broker gone"),
        ConnectionRefusedError(111, "refused"),
        TimeoutError("slow"),
        # Not migrated yet: whoever consumes waits for that, instead of making dead letters of good messages.
        sqlalchemy.exc.ProgrammingError("SELECT", {}, psycopg.errors.UndefinedTable("no such relation")),
        sqlalchemy.exc.ProgrammingError("SELECT", {}, psycopg.errors.UndefinedColumn("no such column")),
        # A standby, or a primary that has just become one: the driver takes it for a defect.
        sqlalchemy.exc.InternalError("INSERT", {}, psycopg.errors.ReadOnlySqlTransaction("read-only transaction")),
    ],
)
def test_a_server_that_does_not_answer_is_worth_another_try(error: Exception) -> None:
    assert is_world_away(error)


@pytest.mark.parametrize(
    "error",
    [
        sqlalchemy.exc.IntegrityError("INSERT", {}, Exception("duplicate key")),
        sqlalchemy.exc.ProgrammingError("SELEKT", {}, psycopg.errors.SyntaxError("syntax error")),
        sqlalchemy.exc.InternalError("INSERT", {}, psycopg.errors.InFailedSqlTransaction("a defect of ours")),
        redis.exceptions.ResponseError("wrong type"),
        MessageSizeTooLargeError("64 MiB is enough for everybody"),
        ValueError("a bug"),
        KeyError("a bug"),
    ],
)
def test_what_would_fail_again_is_not_retried(error: Exception) -> None:
    assert not is_world_away(error)


async def test_pauses_grow_up_to_the_limit_and_end_with_stop() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    seen: list[float] = []
    async for attempt in pauses(stop, first_s=0.01, longest_s=0.04):
        seen.append(loop.time())
        if attempt == 6:
            stop.set()
    waits = [b - a for a, b in pairwise(seen)]
    assert len(seen) == 6
    assert waits[0] >= 0.004
    assert min(waits[2:]) >= 0.018, "later waits are longer than the first"


async def test_sleep_ends_at_once_when_stopped() -> None:
    stop = asyncio.Event()
    stop.set()
    assert await asyncio.wait_for(sleep_unless(stop, 3600), timeout=1)


async def test_work_that_ends_before_the_stop_gives_its_result() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    assert await unless(asyncio.Event(), work()) == 7


async def test_work_that_waits_for_ever_is_ended_by_the_stop() -> None:
    stop, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    asyncio.get_running_loop().call_soon(stop.set)
    with pytest.raises(StoppedError):
        await asyncio.wait_for(unless(stop, work()), 5)
    assert ended.is_set(), "nothing goes on behind the caller's back"


async def test_work_that_needs_a_moment_more_is_given_it() -> None:
    stop = asyncio.Event()
    stop.set()

    async def work() -> str:
        await asyncio.sleep(0.01)
        return "acknowledged"

    assert await unless(stop, work(), grace_s=5) == "acknowledged"

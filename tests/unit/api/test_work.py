"""Child processes: bounded in time, memory and queue, killed when they overrun, and never one too many."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable
from typing import TypeVar
from uuid import uuid4

import psutil
import pytest

from schemas.problem.findings import InvalidProblemError
from schemas.problem.read import ProblemFormat
from services.api.reading import InvalidRequestError, ReadProblem, read_request, read_upload
from services.api.refusals import Refusal
from services.api.work import ChildProcesses
from tests.unit.schemas.itc2019_files import SMALL

T = TypeVar("T")


class Pool:
    """The processes as one organisation sees them."""

    def __init__(self, children: ChildProcesses) -> None:
        self._children = children
        self._organization_id = uuid4()

    async def run(self, work: Callable[..., T], *arguments: object) -> T:
        return await self._children.run(self._organization_id, work, *arguments)

    def another(self) -> Pool:
        """The same processes as another organisation sees them."""
        return Pool(self._children)


def a_pool(
    *, processes: int = 1, queue: int = 4, share: int = 100, timeout_s: float = 30, memory_mib: int = 1024
) -> Pool:
    return Pool(ChildProcesses(processes, queue, share, timeout_s, memory_mib))


async def test_work_that_takes_too_long_is_killed() -> None:
    started = await a_pool().run(os.getpid)
    with pytest.raises(Refusal, match=r"longer than 0\.5 s"):
        await a_pool(timeout_s=0.5).run(time.sleep, 60)
    assert not psutil.pid_exists(started) or psutil.Process(started).status() == psutil.STATUS_ZOMBIE
    assert await a_pool().run(os.getpid) != started


async def test_work_that_takes_too_much_memory_is_refused_and_the_pool_goes_on() -> None:
    pool = a_pool(memory_mib=600)
    with pytest.raises(Refusal, match="600 MiB"):
        await pool.run(bytearray, 2**31)
    assert isinstance(await pool.run(os.getpid), int)


async def test_a_child_that_dies_is_told_and_replaced() -> None:
    pool = a_pool()
    with pytest.raises(Refusal) as refusal:
        await pool.run(os.kill, await pool.run(os.getpid), signal.SIGKILL)
    assert refusal.value.status == 503
    assert isinstance(await pool.run(os.getpid), int)


async def test_more_callers_than_the_queue_holds_are_refused_at_once() -> None:
    pool = a_pool(processes=1, queue=1)
    await pool.run(os.getpid)
    busy = [asyncio.create_task(pool.run(time.sleep, 1)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Refusal, match="busy"):
        await pool.run(os.getpid)
    await asyncio.gather(*busy)


async def test_one_organisation_leaves_room_for_others_and_they_do_not_wait_behind_it() -> None:
    pool = a_pool(processes=1, queue=5, share=3)
    other = pool.another()
    await pool.run(os.getpid)
    ended: list[str] = []

    async def work(whose: Pool, name: str) -> None:
        await whose.run(time.sleep, 0.2)
        ended.append(name)

    tasks = [asyncio.create_task(work(pool, f"one {n}")) for n in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Refusal) as refusal:
        await pool.run(os.getpid)
    assert (refusal.value.status, refusal.value.code) == (429, "organization_busy")
    assert int(refusal.value.headers["Retry-After"]) > 0
    tasks += [asyncio.create_task(work(other, f"other {n}")) for n in range(2)]
    await asyncio.gather(*tasks)
    # The first one was being worked on; from then on it is turn by turn.
    assert ended == ["one 0", "other 0", "one 1", "other 1", "one 2"]
    await pool.run(os.getpid)


async def test_who_goes_away_while_waiting_gives_the_place_up() -> None:
    pool = a_pool(processes=1, queue=5, share=2)
    await pool.run(os.getpid)
    tasks = [asyncio.create_task(pool.run(time.sleep, 0.2)) for _ in range(2)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.wait(tasks)
    tasks = [asyncio.create_task(pool.run(time.sleep, 0.1)) for _ in range(2)]
    await asyncio.gather(*tasks)
    assert isinstance(await pool.run(os.getpid), int)


async def test_findings_come_back_from_the_child() -> None:
    with pytest.raises(InvalidProblemError) as refusal:
        await a_pool().run(read_upload, b"{}", ProblemFormat.NATIVE)
    assert {f.pointer for f in refusal.value.findings} >= {"/name", "/calendar", "/times", "/courses"}


def test_no_child_outlives_its_event_loop() -> None:
    async def use() -> int:
        return await a_pool().run(os.getpid)

    pid = asyncio.run(use())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_an_inline_problem_is_read_with_the_same_checks() -> None:
    with pytest.raises(InvalidProblemError) as refusal:
        read_request(b'{"problem": {"name": "x"}}')
    assert "/problem/calendar" in {f.pointer for f in refusal.value.findings}
    with pytest.raises(InvalidRequestError):
        read_request(b'{"problem": {}, "colour": 1}')


def test_the_text_of_an_inline_problem_tells_its_format() -> None:
    request = {"problem": SMALL}
    _, problem = read_request(json.dumps(request).encode())
    assert problem is not None
    assert (problem.format, problem.summary["classes"]) == ("itc2019", 5)
    with pytest.raises(InvalidProblemError) as refusal:
        read_request(json.dumps({**request, "problem_format": "ctt"}).encode())
    assert refusal.value.findings[0].message.startswith("line 1: ")
    with pytest.raises(InvalidProblemError) as refusal:
        read_request(json.dumps({"problem": SMALL.replace('capacity="20"', 'capacity="some"')}).encode())
    assert [(f.pointer, f.message[:9]) for f in refusal.value.findings] == [("/problem", "line 10: ")]


def test_a_request_comes_back_without_its_problem() -> None:
    text = (
        "Name: T\nCourses: 1\nRooms: 1\nDays: 2\nPeriods_per_day: 2\nCurricula: 0\nConstraints: 0\n\nCOURSES:\n"
        "c t 1 1 5\n\nROOMS:\nr 5\n\nCURRICULA:\n\nUNAVAILABILITY_CONSTRAINTS:\n\nEND.\n"
    )
    request, problem = read_request(b'{"seed": 3, "problem": "%s"}' % text.replace("\n", "\\n").encode())
    assert isinstance(problem, ReadProblem)
    assert (request.problem, request.seed, problem.format, problem.summary["classes"]) == (None, 3, "ctt", 1)

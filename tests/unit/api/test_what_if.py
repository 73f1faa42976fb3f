"""The process behind what-if questions: ready once, bounded in memory and time, fair, and replaced when it dies."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import zstandard

from schemas.problem.model import Problem
from schemas.problem.read import ProblemFormat
from schemas.timetable import Timetable
from schemas.whatif.answers import Move
from services.api.refusals import Refusal
from services.api.what_if import WhatIf
from services.api.what_if_child import MAX_BOARDS, Boards
from services.api.what_if_messages import Content, Question
from tests.unit.schemas.building import a_problem, a_timetable, one_class_courses

OURS = uuid4()
MOVE = Move(class_id="a", time="T 0-2")


def content(problem: Problem | None = None, timetable: Timetable | None = None) -> Content:
    problem = problem or a_problem(one_class_courses("a", "b"), ["M 0-2", "T 0-2"])
    timetable = timetable or a_timetable({"a": "M 0-2", "b": "M 0-2"})
    return Content(
        ProblemFormat.NATIVE,
        zstandard.compress(problem.model_dump_json(by_alias=True, exclude_none=True).encode()),
        zstandard.compress(timetable.model_dump_json(by_alias=True).encode()),
    )


class Store:
    """Where timetables come from; counts how often it is asked."""

    def __init__(self, found: Content | None = None) -> None:
        self.asked = 0
        self._found = found or content()

    async def __call__(self) -> Content:
        self.asked += 1
        return self._found


@pytest.fixture
async def what_if() -> AsyncIterator[WhatIf]:
    made = WhatIf(memory_mib=1024, timeout_s=20, share=4)
    yield made
    await made.close()


async def test_a_timetable_is_made_ready_once_and_answers_from_then_on(what_if: WhatIf) -> None:
    store = Store()
    for _ in range(3):
        answer = json.loads(await what_if.ask(OURS, Question("t", MOVE), store))
        assert (answer["class"], answer["after"]["time"], answer["hard_violations"]) == ("a", "T 0-2", 0)
    found = json.loads(await what_if.ask(OURS, Question("t", class_id="a", limit=5), store))
    assert [a["after"]["time"] for a in found["alternatives"]] == ["T 0-2"]
    assert store.asked == 1
    await what_if.ask(OURS, Question("another", MOVE), store)
    assert store.asked == 2


async def test_a_question_that_cannot_be_meant_is_refused_and_the_process_goes_on(what_if: WhatIf) -> None:
    store = Store()
    with pytest.raises(Refusal) as refused:
        await what_if.ask(OURS, Question("t", Move(class_id="z", time="T 0-2")), store)
    assert (refused.value.status, refused.value.errors[0].pointer) == (422, "/class")
    await what_if.ask(OURS, Question("t", MOVE), store)
    assert store.asked == 1


async def test_a_process_that_dies_is_replaced(what_if: WhatIf) -> None:
    store = Store()
    await what_if.ask(OURS, Question("t", MOVE), store)
    process = what_if._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    await what_if.ask(OURS, Question("t", MOVE), store)
    assert store.asked == 2, "what it held is gone"


async def test_a_question_that_takes_too_long_is_refused_and_the_next_is_answered() -> None:
    impatient = WhatIf(memory_mib=1024, timeout_s=0.01, share=4)
    try:
        with pytest.raises(Refusal, match=r"longer than 0\.01 s"):
            await impatient.ask(OURS, Question("t", MOVE), Store())
        impatient._timeout_s = 20
        await impatient.ask(OURS, Question("t", MOVE), Store())
    finally:
        await impatient.close()


async def test_a_caller_that_leaves_does_not_leave_an_answer_to_the_next(what_if: WhatIf) -> None:
    store = Store()
    await what_if.ask(OURS, Question("t", MOVE), store)
    leaving = asyncio.create_task(what_if.ask(OURS, Question("t", class_id="a", limit=1), store))
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert "after" in json.loads(await what_if.ask(OURS, Question("t", MOVE), store))


async def test_one_organisation_has_its_share_and_others_have_theirs(what_if: WhatIf) -> None:
    store = Store()
    asked = [asyncio.create_task(what_if.ask(OURS, Question("t", MOVE), store)) for _ in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(Refusal) as refused:
        await what_if.ask(OURS, Question("t", MOVE), store)
    assert (refused.value.status, refused.value.code) == (429, "organization_busy")
    await what_if.ask(uuid4(), Question("t", MOVE), store)
    await asyncio.gather(*asked)


def test_only_the_timetables_asked_about_last_are_kept() -> None:
    boards = Boards()
    for n in range(MAX_BOARDS + 1):
        assert boards.reply(Question(f"t{n}", MOVE, content=content())).answer is not None
        assert boards.reply(Question("t1", MOVE)).answer is not None or n < 1
    assert boards.reply(Question("t0", MOVE)).answer is None, "it was asked about the longest ago"
    assert boards.reply(Question("t1", MOVE)).answer is not None


def test_memory_that_runs_out_costs_what_is_kept_first(monkeypatch: pytest.MonkeyPatch) -> None:
    boards = Boards()
    assert boards.reply(Question("small", MOVE, content=content())).answer is not None

    def too_much(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("services.api.what_if_child.Board", too_much)
    assert boards.reply(Question("large", MOVE, content=content())).too_large
    assert boards.reply(Question("small", MOVE)) == boards.reply(Question("small", MOVE)), "it can be made ready again"
    assert boards.reply(Question("small", MOVE)).answer is None

"""An attempt with a real child process that plays a part: whatever either does, the task ends as it should."""

from __future__ import annotations

import asyncio
import logging
import sys
import textwrap
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import cast

import psutil
import pytest

from schemas.change.pins import PinnedClass
from schemas.events import ControlAction, ErrorInfo, SolveOptions, SolveProgress, Stage
from services.runtime import outage
from services.solver.attempt import Attempt
from services.solver.claim import Checkpoint, Claim, Renewal, StoredBase, StoredProblem, TaskResult
from services.solver.order import ChangeOrder
from services.solver.outcome import EndReason
from services.solver.runner import SolverChild, Work
from services.solver.tasks import Tasks
from tests.unit.solver.claims import a_checkpoint, a_claim, the_settings

log = logging.getLogger(__name__)

# What every part starts with: frames on a private descriptor, as in the real child.
PROLOGUE = """
import os, signal, sys, threading, time
from services.solver.frames import encode_frame, read_frame
out = os.fdopen(os.dup(1), "wb"); os.dup2(2, 1)
def say(kind, body=b"", **header):
    out.write(encode_frame(kind, body, **header)); out.flush()
def progress(stage="improving", cost=10, share=0.5):
    parts = {"time": cost}
    say("progress", stage=stage, share=share, hard_violations=0, cost=cost, parts=parts, bound=None, message="")
def best(cost=10, final=False):
    say("best", b"best-%d" % cost, hard_violations=0, cost=cost, parts={"time": cost}, searched_s=3.0, final=final)
def result(cost=10, stopped=False, hard=0):
    say("result", b"result-%d" % cost, score={"hard_violations": hard, "total": cost}, stopped=stopped,
        reasons=["because"], relaxations=["if only"], proven_infeasible=False, searched_s=3.0,
        bound=None, optimal=False)
order = read_frame(sys.stdin.buffer)
seconds = order.header["order"]["seconds"]
stop = threading.Event()
def listen():
    while (frame := read_frame(sys.stdin.buffer)) is not None:
        if frame.kind == "stop": stop.set()
threading.Thread(target=listen, daemon=True).start()
say("loaded", seconds=0.0)
"""
SEARCHES_UNTIL_STOPPED = "progress(); best(10); stop.wait(); best(8, final=True); result(8, stopped=True)"
JUDGES = "progress('verifying'); result(77, stopped=True)"


@dataclass
class Database:
    """What the attempt asks of the database, answered from memory; it can be away, and lose or control the task."""

    away: bool = False
    held: bool = True
    control: ControlAction | None = None
    stored: StoredProblem | None = field(default_factory=lambda: StoredProblem("native", b"problem"))
    based: StoredBase | None = field(default_factory=lambda: StoredBase(3, b"base"))
    saved: list[Checkpoint] = field(default_factory=list)
    ends: list[object] = field(default_factory=list)

    def _answer(self) -> None:
        if self.away:
            raise ConnectionError("the database is away")

    async def problem(self, claim: Claim) -> StoredProblem | None:
        self._answer()
        return self.stored

    async def base(self, claim: Claim) -> StoredBase | None:
        self._answer()
        return self.based

    async def renew(self, claim: Claim, checkpoint: Checkpoint | None = None) -> Renewal:
        self._answer()
        if checkpoint is not None and self.held:
            self.saved.append(checkpoint)
        return Renewal(self.held, self.control)

    async def finish(self, claim: Claim, result: TaskResult) -> bool:
        return self._end(result)

    async def retry(self, claim: Claim, error: ErrorInfo, checkpoint: Checkpoint | None = None) -> bool:
        self.saved += [checkpoint] if checkpoint else []
        return self._end(error)

    async def hand_over(self, claim: Claim, checkpoint: Checkpoint | None) -> bool:
        self.saved += [checkpoint] if checkpoint else []
        return self._end("handed over")

    def _end(self, end: object) -> bool:
        self._answer()
        if self.held:
            self.ends.append(end)
        return self.held


class Scene:
    """An attempt in the middle of things: its database, its children, what it published."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.database = Database()
        self.published: list[SolveProgress] = []
        self.children: list[psutil.Process] = []
        self.shutdown = asyncio.Event()

    def attempt(self, *parts: str, claim: Claim | None = None, prologue: str = PROLOGUE, **settings: float) -> Attempt:
        """An attempt whose children play these parts, one after another."""
        files = iter([self._file(n, prologue + textwrap.dedent(part)) for n, part in enumerate(parts)])

        async def start(work: Work) -> SolverChild:
            child = await SolverChild.start([sys.executable, str(next(files))], {"PYTHONPATH": ":".join(sys.path)})
            self.children.append(psutil.Process(child.pid))
            return child

        async def publish(event: SolveProgress) -> None:
            self.published.append(event)

        return Attempt(
            claim or a_claim(),
            cast("Tasks", self.database),
            the_settings(**settings),
            publish=publish,
            start_child=start,
            shutdown=self.shutdown,
            claimed_at=monotonic(),
        )

    def _file(self, number: int, program: str) -> Path:
        file = self._folder / f"part-{number}.py"
        file.write_text(program)
        return file

    async def until(self, happened: Callable[[], object]) -> None:
        deadline = monotonic() + 60
        while not happened():
            assert monotonic() < deadline
            await asyncio.sleep(0.01)

    async def saved(self) -> None:
        await self.until(lambda: self.database.saved)

    def nobody_is_left(self) -> bool:
        return not psutil.wait_procs(self.children, timeout=10)[1]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


async def during(attempt: Attempt, *happenings: Callable[[], Awaitable[None]]) -> bool:
    """Run the attempt while these things happen, one after another."""
    running = asyncio.create_task(attempt.run())
    for happening in happenings:
        await happening()
    return await asyncio.wait_for(running, 60)


async def test_a_search_that_ends_by_itself_is_finished_with_its_result(scene: Scene) -> None:
    assert await scene.attempt("print('a library speaks'); progress(); best(10, final=True); result(10)").run()
    assert scene.database.ends == [TaskResult(EndReason.FINISHED, b"result-10")]
    assert scene.published[-1].stage is Stage.FINISHED
    assert scene.nobody_is_left()


async def test_violations_travel_with_their_reasons(scene: Scene) -> None:
    await scene.attempt("result(3, hard=2)").run()
    (end,) = scene.database.ends
    assert isinstance(end, TaskResult)
    assert end.infeasibility is not None
    assert (end.infeasibility.proven, end.infeasibility.reasons) == (False, ["because"])
    assert end.infeasibility.relaxations == ["if only"]


async def test_the_base_timetable_travels_with_the_order(scene: Scene) -> None:
    tell = """
    *_, base, change = order.header["sizes"]
    said = order.body[-change - base:]
    say("result", said, score={"hard_violations": 0, "total": 0}, stopped=False, reasons=[], proven_infeasible=False)
    """
    options = SolveOptions(base_job_id=uuid.uuid4(), max_changes=4, pins=[PinnedClass(class_id="c")])
    await scene.attempt(tell, claim=a_claim(options=options)).run()
    (end,) = scene.database.ends
    assert isinstance(end, TaskResult)
    assert end.result_zstd is not None
    assert end.result_zstd.startswith(b"base")
    change = ChangeOrder.model_validate_json(end.result_zstd.removeprefix(b"base"))
    assert (change.base_job_id, change.base_variant, change.max_changes) == (options.base_job_id, 3, 4)
    assert [pin.class_id for pin in change.pins] == ["c"]


async def test_a_base_that_is_not_there_fails_the_task_with_a_reason_and_no_second_try(scene: Scene) -> None:
    scene.database.based = None
    options = SolveOptions(base_job_id=uuid.uuid4(), base_variant=2)
    await scene.attempt("time.sleep(60)", claim=a_claim(options=options)).run()
    (end,) = scene.database.ends
    assert isinstance(end, ErrorInfo)
    assert (end.code, end.retryable) == ("base_not_found", False)
    assert str(options.base_job_id) in end.message
    assert scene.nobody_is_left()


async def test_stop_keeps_what_the_search_brings_in(scene: Scene) -> None:
    attempt = scene.attempt(SEARCHES_UNTIL_STOPPED)

    async def stop() -> None:
        scene.database.control = ControlAction.STOP
        attempt.nudge()

    await during(attempt, scene.saved, stop)
    assert scene.database.ends == [TaskResult(EndReason.STOPPED, b"result-8")]


async def test_a_child_that_ignores_stop_is_killed_and_its_last_best_judged_by_another(scene: Scene) -> None:
    attempt = scene.attempt("progress(); best(10); signal.pause()", JUDGES, solver_stop_grace_s=0.3)

    async def stop() -> None:
        scene.database.control = ControlAction.STOP
        attempt.nudge()

    await during(attempt, scene.saved, stop)
    assert scene.database.ends == [TaskResult(EndReason.STOPPED, b"result-77")]
    assert scene.nobody_is_left()


async def test_a_child_that_ignores_its_time_limit_is_stopped_and_its_best_kept(scene: Scene) -> None:
    await scene.attempt(SEARCHES_UNTIL_STOPPED, claim=a_claim(remaining_s=0.8)).run()
    assert scene.database.ends == [TaskResult(EndReason.TIMED_OUT, b"result-8")]


async def test_a_child_that_never_finds_anything_and_never_ends_leaves_nothing(scene: Scene) -> None:
    await scene.attempt("signal.pause()", claim=a_claim(remaining_s=0.5), solver_stop_grace_s=0.3).run()
    assert scene.database.ends == [TaskResult(EndReason.TIMED_OUT)]
    assert scene.nobody_is_left()


@pytest.mark.parametrize(
    ("part", "code", "words"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "child_crashed", "SIGKILL"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "child_crashed", "SIGSEGV"),
        ("os._exit(3)", "child_crashed", "code_3"),
        ("out.write(b'nonsense' * 99); out.flush(); signal.pause()", "child_unintelligible", "nonsense"),
        ("out.write(b'nonsense' * 9_999_999); out.flush(); signal.pause()", "child_unintelligible", "nonsense"),
    ],
)
async def test_a_child_that_breaks_is_tried_again_from_its_last_best(
    scene: Scene, part: str, code: str, words: str
) -> None:
    await scene.attempt(f"best(10); time.sleep(0.3); {part}").run()
    (error,) = scene.database.ends
    assert isinstance(error, ErrorInfo)
    assert (error.code, error.retryable) == (code, True)
    assert words in error.message
    assert [checkpoint.timetable_zstd for checkpoint in scene.database.saved] == [b"best-10"]
    assert scene.nobody_is_left()


async def test_a_child_that_never_takes_its_order_still_ends_with_its_task(scene: Scene) -> None:
    scene.database.stored = StoredProblem("native", bytes(10_000_000))
    attempt = scene.attempt("", prologue="import signal; signal.pause()")

    async def lose() -> None:
        scene.database.held = False
        attempt.nudge()

    assert not await during(attempt, lambda: scene.until(lambda: scene.children), lose)
    assert scene.nobody_is_left()


async def test_what_the_child_refuses_is_not_tried_again(scene: Scene) -> None:
    part = "say('error', code='invalid_problem', message='/x: y', retryable=False, details=[{'pointer': '/x'}])"
    await scene.attempt(part).run()
    refusal = ErrorInfo(code="invalid_problem", message="/x: y", retryable=False, details=[{"pointer": "/x"}])
    assert scene.database.ends == [refusal]


async def test_a_lost_lease_kills_the_child_and_writes_nothing(scene: Scene) -> None:
    attempt = scene.attempt(SEARCHES_UNTIL_STOPPED)

    async def lose() -> None:
        scene.database.held = False

    assert not await during(attempt, scene.saved, lose)
    assert scene.database.ends == []
    assert scene.nobody_is_left()


async def test_a_database_that_is_away_past_the_lease_silences_the_search_and_does_not_end_it(scene: Scene) -> None:
    attempt = scene.attempt(SEARCHES_UNTIL_STOPPED, solver_lease_s=0.5)
    silence: list[int] = []

    async def outage() -> None:
        scene.database.away = True
        await asyncio.sleep(0.8)
        silence.append(len(scene.published))
        await asyncio.sleep(0.4)
        silence.append(len(scene.published))
        assert all(child.is_running() for child in scene.children)
        scene.database.away = False
        scene.database.control = ControlAction.STOP

    await during(attempt, scene.saved, outage)
    assert silence[0] == silence[1]
    assert scene.database.ends == [TaskResult(EndReason.STOPPED, b"result-8")]


async def test_a_result_found_while_the_database_is_away_waits_for_it(scene: Scene) -> None:
    attempt = scene.attempt("progress(); best(10); time.sleep(0.3); result(10)")

    async def outage() -> None:
        scene.database.away = True
        await asyncio.sleep(1.0)
        scene.database.away = False

    assert await during(attempt, scene.saved, outage)
    assert scene.database.ends == [TaskResult(EndReason.FINISHED, b"result-10")]


async def test_an_end_that_waits_for_the_database_is_asked_for_several_times_in_a_lease(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the outage: the reapers, which hold back for one lease after it, must not come first."""
    pauses: list[float] = []

    async def pause(stop: asyncio.Event, seconds: float) -> bool:
        pauses.append(seconds)
        scene.database.away = len(pauses) < 20
        return stop.is_set()

    monkeypatch.setattr(outage, "sleep_unless", pause)
    attempt = scene.attempt("progress(); best(10); time.sleep(0.3); result(10)", solver_lease_s=2.0)

    async def go_away() -> None:
        scene.database.away = True

    assert await during(attempt, scene.saved, go_away)
    assert len(pauses) == 20
    assert max(pauses) <= 2.0 / 4
    assert scene.database.ends == [TaskResult(EndReason.FINISHED, b"result-10")]


@pytest.mark.parametrize(
    ("part", "handover_s", "best"),
    [(SEARCHES_UNTIL_STOPPED, 30, b"best-8"), ("progress(); best(10); signal.pause()", 0.5, b"best-10")],
    ids=["cooperates", "does not"],
)
async def test_shutdown_hands_the_best_over_whether_or_not_the_child_cooperates(
    scene: Scene, part: str, handover_s: float, best: bytes
) -> None:
    attempt = scene.attempt(part, solver_handover_s=handover_s)
    asked_at: list[float] = []

    async def shut_down() -> None:
        asked_at.append(monotonic())
        scene.shutdown.set()

    await during(attempt, scene.saved, shut_down)
    log.info("handed over %.2f s after it was asked to", monotonic() - asked_at[0])
    assert scene.database.ends == ["handed over"]
    assert scene.database.saved[-1].timetable_zstd == best
    assert scene.nobody_is_left()


async def test_a_search_goes_on_with_what_is_left_of_its_time(scene: Scene) -> None:
    claim = a_claim(checkpoint=a_checkpoint(searched_s=21.0), attempt=2)
    await scene.attempt(
        "assert seconds == 9.0, seconds; assert order.body.startswith(b'problem'); result()", claim=claim
    ).run()
    assert scene.database.ends == [TaskResult(EndReason.FINISHED, b"result-10")]


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        (a_claim(checkpoint=a_checkpoint(), control=ControlAction.STOP), EndReason.STOPPED),
        (a_claim(checkpoint=a_checkpoint(), remaining_s=-5.0), EndReason.TIMED_OUT),
        (a_claim(checkpoint=a_checkpoint(searched_s=29.9)), EndReason.FINISHED),
    ],
)
async def test_a_checkpoint_that_nobody_searches_on_from_is_judged_and_kept(
    scene: Scene, claim: Claim, reason: EndReason
) -> None:
    await scene.attempt("assert seconds == 0; " + JUDGES, claim=claim).run()
    assert scene.database.ends == [TaskResult(reason, b"result-77")]


async def test_a_job_past_its_hard_limit_without_a_checkpoint_ends_without_a_child(scene: Scene) -> None:
    await scene.attempt(claim=a_claim(remaining_s=0.0)).run()
    assert scene.database.ends == [TaskResult(EndReason.TIMED_OUT)]
    assert scene.children == []


async def test_a_problem_that_is_not_there_is_named(scene: Scene) -> None:
    scene.database.stored = None
    claim = a_claim()
    await scene.attempt(SEARCHES_UNTIL_STOPPED, claim=claim).run()
    (error,) = scene.database.ends
    assert isinstance(error, ErrorInfo)
    assert (error.code, error.retryable) == ("problem_not_found", False)
    assert claim.problem_sha256 in error.message
    assert scene.nobody_is_left()

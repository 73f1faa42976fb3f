"""One attempt at one task: from its claim to its end, whatever that is.

Owns what may happen meanwhile and which of it wins: the search ends, the child crashes, somebody stops or cancels the
job, the hard limit passes, the lease is lost, the service shuts down. Must not know how tasks are stored or chosen.

While the database is away the search goes on and the lease is asked for again and again. Once it has surely run out by
our own clock, nothing is published; but the search is not thrown away, because the database may come back with nobody
having taken the task, and then the lease is ours again. The result of a search that ends meanwhile waits here until the
database answers; the fencing token decides whether it still counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from enum import IntEnum
from time import monotonic
from typing import Protocol, TypeVar

import structlog

from schemas.events import ErrorInfo, Infeasibility, Stage
from schemas.timetable import Score
from services.runtime.faults import fault_point
from services.runtime.outage import is_world_away, pauses
from services.solver.claim import Checkpoint, Claim, TaskResult
from services.solver.frames import Frame
from services.solver.hearing import Hearing
from services.solver.lease import Lease
from services.solver.metrics import ATTEMPTS, FENCED, FIRST_PROGRESS_SECONDS, SOLVE_SECONDS
from services.solver.order import Contents
from services.solver.outcome import EndReason
from services.solver.plan import Plan, change_for, missing_base, missing_problem, order_for, plan_for
from services.solver.progress import Publish, Report, Reporter
from services.solver.runner import Exit, SolverChild, Work
from services.solver.settings import SolverSettings
from services.solver.tasks import Tasks

log = structlog.get_logger(__name__)

T = TypeVar("T")

# At shutdown the lease is given back; a database that is away for longer finds it expired instead.
_LAST_WORD_S = 4.0
_LONGEST_PAUSE_S = 5.0
_MAX_REASONS = 20


class Intent(IntEnum):
    """Why a search shall end before it ends by itself; a larger one replaces a smaller one."""

    STOP = 1
    TIME_OUT = 2
    HAND_OVER = 3
    ABANDON = 4


class StartChild(Protocol):
    """Starts a child process."""

    async def __call__(self, work: Work) -> SolverChild: ...


# How an attempt ends: with a result (or none), with an error, handed over, or (None) no longer ours to end.
_End = TaskResult | ErrorInfo | Intent | None


class Attempt:
    """Runs once. `nudge` makes it ask the database at once whether something was asked of its job."""

    def __init__(
        self,
        claim: Claim,
        tasks: Tasks,
        settings: SolverSettings,
        *,
        publish: Publish,
        start_child: StartChild,
        shutdown: asyncio.Event,
        claimed_at: float,
    ) -> None:
        """`claimed_at`: see `Lease`."""
        self.claim = claim
        self._tasks = tasks
        self._settings = settings
        self._start_child = start_child
        self._shutdown = shutdown
        self._began = monotonic()
        self._lease = Lease(
            claim,
            tasks,
            settings,
            claimed_at,
            on_lost=lambda: self._intend(Intent.ABANDON),
            on_stop=lambda: self._intend(Intent.STOP),
        )
        self._reporter = Reporter(claim, settings, publish, lambda: self._lease.sure)
        self._intended = asyncio.Event()
        self._intent: Intent | None = None
        self._leaving = asyncio.Event()
        self._best = claim.checkpoint
        self._first_progress_s: float | None = None

    def nudge(self) -> None:
        self._lease.nudge()

    async def run(self) -> bool:
        """Solve and settle; True if the task has ended for good."""
        watchers = [
            asyncio.create_task(self._watched(self._lease.keep), name="lease"),
            asyncio.create_task(self._watched(self._reporter.run), name="progress"),
            asyncio.create_task(self._watched(self._await_shutdown), name="shutdown"),
        ]
        try:
            end = await self._guarded_solve()
            self._lease.release()
            watchers[1].cancel()
            return await self._settle(end)
        finally:
            for watcher in watchers:
                watcher.cancel()
            await asyncio.gather(*watchers, return_exceptions=True)

    async def _guarded_solve(self) -> _End:
        try:
            return await self._solve()
        except Exception as error:  # the attempt's edge: our defect costs this attempt, not the slot
            log.exception("attempt_failed")
            return ErrorInfo(code="internal_error", message=f"{type(error).__name__}: {error}"[:500], retryable=True)

    # --- what may end it early ----------------------------------------------------------------------------------------

    def _intend(self, intent: Intent) -> None:
        early = {Intent.STOP, Intent.TIME_OUT}
        if self._intent is None or (intent > self._intent and not {intent, self._intent} <= early):
            self._intent = intent
        if self._intent in (Intent.HAND_OVER, Intent.ABANDON):
            self._leaving.set()
        self._intended.set()

    async def _watched(self, work: Callable[[], Awaitable[None]]) -> None:
        """A watcher that fails is our defect; without it the attempt cannot go on safely."""
        try:
            await work()
        except Exception:
            log.exception("attempt_watcher_failed")
            self._intend(Intent.ABANDON)

    async def _await_shutdown(self) -> None:
        await self._shutdown.wait()
        self._intend(Intent.HAND_OVER)

    # --- the search ---------------------------------------------------------------------------------------------------

    async def _solve(self) -> _End:
        plan = plan_for(self.claim)
        if plan is None:
            return TaskResult(EndReason.TIMED_OUT)
        heard, exit_ = await self._run_child(plan)
        if self._cut_short(heard) and plan.seconds > 0:
            # The child did not bring its best in by itself. What it last handed out counts, once the referee agrees.
            reason = EndReason.STOPPED if self._intent is Intent.STOP else EndReason.TIMED_OUT
            if self._best is None:
                return TaskResult(reason)
            plan = Plan(0.0, self._best, reason)
            heard, exit_ = await self._run_child(plan)
        return self._end(plan, heard, exit_)

    def _cut_short(self, heard: Hearing) -> bool:
        nothing_said = heard.result is None and heard.error is None
        return nothing_said and self._intent in (Intent.STOP, Intent.TIME_OUT)

    def _cut_by_shutdown(self, plan: Plan, result: Frame) -> bool:
        """True for the result of a search that would have gone on had we not been asked to leave."""
        return self._intent is Intent.HAND_OVER and plan.reason is None and bool(result.header["stopped"])

    def _end(self, plan: Plan, heard: Hearing, exit_: Exit | None) -> _End:
        if self._intent is Intent.ABANDON:
            return None
        if heard.result is not None and not self._cut_by_shutdown(plan, heard.result):
            return self._result(plan, heard.result)
        if heard.error is not None:
            return heard.error
        if self._intent is Intent.HAND_OVER:
            return Intent.HAND_OVER
        ended = "never started" if exit_ is None else exit_.reason
        log.error("child_crashed", exit=ended, stderr=exit_.stderr[-2000:] if exit_ else "")
        hint = " (killed from outside, mostly for lack of memory)" if ended == "SIGKILL" else ""
        what = "judging the timetable" if plan.seconds == 0 else "the search"
        return ErrorInfo(
            code="child_crashed",
            message=f"The process of {what} ended without a result: {ended}{hint}.",
            retryable=True,
        )

    def _result(self, plan: Plan, frame: Frame) -> TaskResult:
        header = frame.header
        reason = plan.reason or EndReason.FINISHED
        if plan.reason is None and header["stopped"]:
            reason = {Intent.STOP: EndReason.STOPPED, Intent.TIME_OUT: EndReason.TIMED_OUT}.get(
                self._intent or Intent.ABANDON, EndReason.FINISHED
            )
        infeasibility = None
        if Score.model_validate(header["score"]).hard_violations:
            reasons, helpful = (
                [str(line)[:500] for line in header[name][:_MAX_REASONS]] for name in ("reasons", "relaxations")
            )
            proven = bool(header["proven_infeasible"])
            infeasibility = Infeasibility(proven=proven, reasons=reasons, relaxations=helpful)
        return TaskResult(reason, frame.body, infeasibility)

    async def _run_child(self, plan: Plan) -> tuple[Hearing, Exit | None]:
        """Start a child (while the problem is fetched), and stay with it until it ends or has to."""
        limit_s = self.claim.options.time_limit_s
        heard = Hearing(plan, limit_s, on_report=self._report, on_best=self._save)
        starting = asyncio.create_task(self._start_child(Work.SEARCH if plan.seconds else Work.JUDGE))
        child: SolverChild | None = None
        try:
            stored = await self._fetch(lambda: self._tasks.problem(self.claim))
            based = self.claim.options.base_job_id is not None
            base = await self._fetch(lambda: self._tasks.base(self.claim)) if based else None
            child = await starting
            if stored is None or (based and base is None):
                missing = missing_problem if stored is None else missing_base
                heard.error = None if self._leaving.is_set() else missing(self.claim)
                return heard, None
            contents = Contents(
                stored.content_zstd,
                plan.start_zstd,
                None if base is None else base.timetable_zstd,
                change_for(self.claim, base),
            )
            listening = asyncio.create_task(_listen(child, heard))
            try:
                child.order(order_for(self.claim, plan, stored, self._settings), contents)
                await self._stay(child, plan, heard, listening)
            finally:
                exit_ = await child.kill()
                await asyncio.wait({listening}, timeout=1.0)
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
            return heard, exit_
        finally:
            if child is None:
                with suppress(OSError):
                    child = await starting
            if child is not None:
                await child.kill()

    async def _fetch(self, read: Callable[[], Awaitable[T | None]]) -> T | None:
        """What is read from the database, once it answers; None if it is not there, or if we have to leave."""
        async for attempt in pauses(self._leaving):
            try:
                return await read()
            except Exception as error:
                if not is_world_away(error):
                    raise
                log.warning("problem_waits", attempt=attempt, error=str(error)[:200])
        return None

    async def _stay(self, child: SolverChild, plan: Plan, heard: Hearing, listening: asyncio.Task[None]) -> None:
        """Return when the child has ended, has brought in what we need, or has used up its time."""
        settings = self._settings
        hard_at = self._began + self.claim.remaining_s
        kill_at = float("inf") if plan.seconds else monotonic() + settings.solver_verify_limit_s
        asked = plan.seconds == 0  # judging is not stopped, it is waited for
        while not listening.done():
            now = monotonic()
            overrun_at = (heard.search_began or now) + plan.seconds + settings.solver_overrun_s
            if not asked and heard.judging_since is None and now >= min(hard_at, overrun_at):
                log.warning("search_timed_out", hard_limit=now >= hard_at)
                self._intend(Intent.TIME_OUT)
            if self._intent is Intent.ABANDON:
                return
            if self._intent is Intent.HAND_OVER:
                if asked or heard.judging_since is not None:
                    return  # the best is here; the successor has it judged
                child.stop()
                await self._until_judging(listening, heard, settings.solver_handover_s)
                return
            if self._intent is not None and not asked:
                asked = True
                child.stop()
                kill_at = now + settings.solver_stop_grace_s
            if heard.judging_since is not None:
                kill_at = heard.judging_since + settings.solver_verify_limit_s
            if now >= kill_at:
                log.warning("child_too_slow", judging=heard.judging_since is not None, stop_requested=asked)
                if heard.judging_since is not None and self._intent is None:
                    self._intend(Intent.TIME_OUT)
                return
            due = kill_at if asked else min(kill_at, hard_at, overrun_at)
            self._intended.clear()
            await _first_of(listening, self._intended, min(due - now, 1.0))

    async def _until_judging(self, listening: asyncio.Task[None], heard: Hearing, seconds: float) -> None:
        until = monotonic() + seconds
        while not listening.done() and heard.judging_since is None and monotonic() < until:
            await asyncio.wait({listening}, timeout=0.05)

    def _save(self, best: Checkpoint) -> None:
        self._best = best
        self._lease.save(best)

    def _report(self, report: Report) -> None:
        if self._first_progress_s is None and report.stage is not Stage.PREPARING:
            self._first_progress_s = monotonic() - self._began
            FIRST_PROGRESS_SECONDS.observe(self._first_progress_s)
        self._reporter.offer(report)

    # --- the end ------------------------------------------------------------------------------------------------------

    async def _settle(self, end: _End) -> bool:
        """Write the end down, waiting for the database if need be; the token decides whether it counts."""
        ended = False
        match end:
            case None:
                name = "abandoned"
            case TaskResult():
                name = end.reason.value
                fault_point("worker.solved")
                ended = await self._insist(lambda: self._tasks.finish(self.claim, end))
                fault_point("worker.finished")
                if ended:
                    await self._reporter.last(_LAST_MESSAGES[end.reason])
            case ErrorInfo():
                name = "error"
                ended = await self._insist(lambda: self._tasks.retry(self.claim, end, self._lease.unsaved))
            case _:
                name = "handed_over"
                await self._insist(lambda: self._tasks.hand_over(self.claim, self._lease.unsaved))
        seconds = monotonic() - self._began
        ATTEMPTS.labels(end=name).inc()
        SOLVE_SECONDS.labels(end=name).observe(seconds)
        log.info(
            "attempt_ended",
            end=name,
            error=end.code if isinstance(end, ErrorInfo) else None,
            seconds=round(seconds, 2),
            first_progress_s=None if self._first_progress_s is None else round(self._first_progress_s, 2),
            searched_s=self._best.searched_s if self._best else None,
            best=self._best.score.rank if self._best else None,
        )
        return ended

    async def _insist(self, write: Callable[[], Awaitable[bool]]) -> bool:
        """Try until the database answers; at shutdown not for long.

        Nobody renews the lease meanwhile. It has run out when a long outage ends, and then the task is anybody's as
        soon as a reaper looks, which it does not for the length of a lease: we must have asked again by then.
        """
        forever = asyncio.Event()
        refused_since: float | None = None
        async for attempt in pauses(forever, longest_s=min(_LONGEST_PAUSE_S, self._settings.solver_lease_s / 4)):
            try:
                counted = await write()
            except Exception as error:
                if not is_world_away(error):
                    raise
                refused_since = refused_since or monotonic()
                if self._shutdown.is_set() and monotonic() - refused_since > _LAST_WORD_S:
                    log.warning("task_left_to_its_lease", error=str(error)[:200])
                    return False
                log.warning("end_waits", attempt=attempt, error=str(error)[:200])
                continue
            if not counted:
                FENCED.inc()
                log.warning("end_refused", token=self.claim.token)
            return counted
        return False


_LAST_MESSAGES = {
    EndReason.FINISHED: "finished",
    EndReason.STOPPED: "stopped; the best timetable so far is kept",
    EndReason.TIMED_OUT: "out of time; the best timetable so far is kept",
}


async def _listen(child: SolverChild, heard: Hearing) -> None:
    async with aclosing(child.frames()) as frames:
        await heard.listen(frames)


async def _first_of(task: asyncio.Task[None], event: asyncio.Event, seconds: float) -> None:
    """Wait for the task, the event or the time."""
    waiting = asyncio.create_task(event.wait())
    try:
        await asyncio.wait({task, waiting}, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()

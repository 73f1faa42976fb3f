"""Progress of one attempt, told to the broker: at most twice a second, at least every five, the last one always.

Owns pacing, sequence numbers and the percentage that never falls. The broker being away costs progress, never the
search: only the latest report is kept, and nothing waits for it. Must not know child processes or the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from time import monotonic

import structlog

from schemas.events import SolveProgress, Stage
from schemas.timetable import Score
from services.runtime.outage import is_world_away
from services.runtime.tracing import unrecorded
from services.solver.claim import Claim
from services.solver.metrics import PROGRESS_DROPPED
from services.solver.settings import SolverSettings

log = structlog.get_logger(__name__)

Publish = Callable[[SolveProgress], Awaitable[None]]

_PUBLISH_TIMEOUT_S = 10.0
_LAST_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Report:
    """How a search stands. `percent` is the share of the whole time limit, earlier attempts included."""

    stage: Stage
    percent: float
    score: Score | None = None
    lower_bound: int | None = None
    message: str = ""


class Reporter:
    """Publishes the latest report of an attempt while `run` runs.

    `trusted` says whether the lease is surely ours: while it is not, nothing is published (a successor may be at work;
    the token would tell readers, but silence is cheaper).
    """

    def __init__(self, claim: Claim, settings: SolverSettings, publish: Publish, trusted: Callable[[], bool]) -> None:
        self._claim = claim
        self._settings = settings
        self._publish = publish
        self._trusted = trusted
        self._started = monotonic()
        self._sequence = 0
        self._traced_stage: Stage | None = None
        self._latest = Report(Stage.PREPARING, 0.0)
        self._changed = asyncio.Event()
        self._changed.set()

    def offer(self, report: Report) -> None:
        """The newest report; what an older one had and this one lacks (score, bound) is kept."""
        before = self._latest
        self._latest = replace(
            report,
            percent=min(100.0, max(before.percent, report.percent)),
            score=report.score or before.score,
            lower_bound=before.lower_bound if report.lower_bound is None else report.lower_bound,
        )
        self._changed.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            if self._trusted():
                self._changed.clear()
                await self._send(_PUBLISH_TIMEOUT_S)
            await asyncio.sleep(self._settings.solver_progress_min_interval_s)
            rest = self._settings.solver_heartbeat_s - self._settings.solver_progress_min_interval_s
            try:
                async with asyncio.timeout(max(0.0, rest)):
                    await self._changed.wait()
            except TimeoutError:
                continue  # nothing new: say that we live

    async def last(self, message: str, score: Score | None = None) -> None:
        """The attempt's last report. Not while `run` runs."""
        self.offer(Report(Stage.FINISHED, 100.0, score, None, message))
        await self._send(_LAST_TIMEOUT_S)

    async def _send(self, timeout_s: float) -> None:
        try:
            with self._traced():
                async with asyncio.timeout(timeout_s):
                    await self._publish(self._event())
        except Exception as error:
            if not is_world_away(error):
                raise
            PROGRESS_DROPPED.inc()

    def _traced(self) -> AbstractContextManager[None]:
        """Spans only of each stage's first report, here and at its readers: a long search has thousands of reports."""
        stage, self._traced_stage = self._traced_stage, self._latest.stage
        return unrecorded() if stage is self._latest.stage else nullcontext()

    def _event(self) -> SolveProgress:
        self._sequence += 1
        latest = self._latest
        return SolveProgress(
            job_id=self._claim.job_id,
            organization_id=self._claim.organization_id,
            correlation_id=self._claim.correlation_id,
            variant=self._claim.variant,
            variants=self._claim.options.variants,
            attempt=self._claim.attempt,
            token=self._claim.token,
            sequence=self._sequence,
            stage=latest.stage,
            percent=round(latest.percent, 2),
            score=latest.score,
            lower_bound=latest.lower_bound,
            gap=gap(latest.score, latest.lower_bound),
            elapsed_s=round(monotonic() - self._started, 3),
            message=latest.message[:500],
            worker=self._claim.worker[:200],
        )


def gap(score: Score | None, lower_bound: int | None) -> float | None:
    """(cost - bound) / cost; None without a cost above zero or a bound above zero, which would say nothing."""
    if score is None or not lower_bound or score.total <= 0 or score.hard_violations:
        return None
    return max(0.0, (score.total - lower_bound) / score.total)

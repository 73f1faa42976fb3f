"""What one child process says, and what its attempt makes of it.

Owns the meaning of a child's frames. Must not know processes, the lease, or what the attempt does next.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from time import monotonic

import structlog
from pydantic import ValidationError

from schemas.events import ErrorInfo, Stage
from schemas.timetable import Score
from services.solver.claim import Checkpoint
from services.solver.frames import BrokenFrameError, Frame
from services.solver.metrics import REFEREE_MISMATCHES
from services.solver.plan import Plan
from services.solver.progress import Report

log = structlog.get_logger(__name__)


class Hearing:
    """What a child that carries out `plan` has said so far.

    `search_began` and `judging_since` are times of the monotonic clock; None: not yet.
    """

    def __init__(
        self,
        plan: Plan,
        time_limit_s: float,
        *,
        on_report: Callable[[Report], None],
        on_best: Callable[[Checkpoint], None],
    ) -> None:
        """`time_limit_s`: the job's, of which reports tell the share that is over."""
        self.search_began: float | None = None
        self.judging_since: float | None = None
        self.result: Frame | None = None
        self.error: ErrorInfo | None = None
        self._plan = plan
        self._time_limit_s = time_limit_s
        self._on_report = on_report
        self._on_best = on_best

    async def listen(self, frames: AsyncIterator[Frame]) -> None:
        """Hear a child out. One that sends nonsense has made an error that is worth another try."""
        try:
            async for frame in frames:
                self._hear(frame)
        except (BrokenFrameError, KeyError, TypeError, ValueError, ValidationError) as error:
            log.exception("child_unintelligible")
            self.error = ErrorInfo(
                code="child_unintelligible", message=f"A solver process sent nonsense: {error}"[:500], retryable=True
            )

    def _hear(self, frame: Frame) -> None:
        header = frame.header
        match frame.kind:
            case "progress":
                self._report(header)
            case "loaded":
                self.search_began = monotonic()
                log.info("problem_loaded", seconds=header["seconds"])
            case "best":
                self._on_best(Checkpoint(frame.body, _score(header), float(header["searched_s"])))
                if header["final"]:
                    self.judging_since = monotonic()
            case "result":
                self.result = frame
            case "error":
                self.error = ErrorInfo.model_validate({k: v for k, v in header.items() if k != "kind"})
                if self.error.code == "referee_mismatch":
                    REFEREE_MISMATCHES.inc()
                    log.error("referee_mismatch", details=self.error.details)

    def _report(self, header: dict[str, object]) -> None:
        stage = Stage(str(header["stage"]))
        if stage is Stage.VERIFYING and self.judging_since is None:
            self.judging_since = monotonic()
        searched_s = self._plan.searched_s + float(str(header["share"])) * self._plan.seconds
        bound = header.get("bound")
        self._on_report(
            Report(
                stage=stage,
                percent=min(99.0, 100.0 * searched_s / self._time_limit_s),
                score=_score(header) if header.get("hard_violations") is not None else None,
                lower_bound=bound if isinstance(bound, int) else None,
                message=str(header.get("message", "")),
            )
        )


def _score(header: dict[str, object]) -> Score:
    """The engine's count; which rules are violated is known only to the referee, at the end."""
    return Score.model_validate(
        {"hard_violations": header["hard_violations"], "total": header["cost"], "cost": header["parts"]}
    )

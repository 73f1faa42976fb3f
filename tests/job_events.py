"""Events of one job as tests need them, with only what matters to the test said.

Knows nothing of who consumes them.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from schemas.events import (
    ControlAction,
    JobControl,
    JobRequested,
    Outcome,
    Provenance,
    SolveCompleted,
    SolveOptions,
    SolveProgress,
    Stage,
    VariantResult,
)
from schemas.timetable import Placement, Score, Timetable


class JobEvents:
    """Makes one job's events, each a little later than the one before."""

    def __init__(self, *, variants: int = 1, started: datetime | None = None) -> None:
        self.job_id = uuid.uuid4()
        self.organization_id = uuid.uuid4()
        self.variants = variants
        self._time = started or datetime.now(UTC)

    def requested(self, **changes: object) -> JobRequested:
        return JobRequested.model_validate(
            {
                **self._envelope(),
                "options": SolveOptions(variants=self.variants),
                "problem": {},
                "requested_by": "a planner",
                **changes,
            }
        )

    def control(self, action: ControlAction) -> JobControl:
        return JobControl(**self._envelope(), action=action)

    def progress(self, sequence: int, **changes: object) -> SolveProgress:
        """A report; its percentage and cost follow from its number."""
        return SolveProgress.model_validate(
            {
                **self._envelope(),
                "variant": 1,
                "variants": self.variants,
                "attempt": 1,
                "token": 1,
                "sequence": sequence,
                "stage": Stage.IMPROVING,
                "percent": min(99.0, float(sequence)),
                "score": a_score(max(0, 1000 - sequence)),
                "message": f"report {sequence}",
                **changes,
            }
        )

    def completed(self, outcome: Outcome = Outcome.COMPLETED, **changes: object) -> SolveCompleted:
        kept = outcome not in (Outcome.FAILED, Outcome.CANCELLED)
        results = [a_result(n) for n in range(1, self.variants + 1)] if kept else []
        return SolveCompleted.model_validate(
            {**self._envelope(), "outcome": outcome, "variants": results, "token": 0, **changes}
        )

    def _envelope(self) -> dict[str, object]:
        self._time += timedelta(milliseconds=1)
        return {"job_id": self.job_id, "organization_id": self.organization_id, "occurred_at": self._time}


def a_score(total: int) -> Score:
    return Score(hard_violations=0, total=total, cost={"time": total} if total else {})


def a_result(variant: int = 1, classes: int = 3) -> VariantResult:
    return VariantResult(
        variant=variant,
        score=a_score(10 * variant),
        timetable=Timetable(
            placements=[
                Placement.model_validate({"class": f"c{n}", "time": "t1", "room": "r1"}) for n in range(classes)
            ]
        ),
        provenance=Provenance(
            engine_version="1", ortools_version="9", input_sha256="0" * 64, seed=variant, workers=1, method="cp-sat"
        ),
        elapsed_s=1.5,
    )

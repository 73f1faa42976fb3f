"""What became of a job: `solve.progress` and `solve.completed`.

Owns the words for stages, outcomes and errors. Must not know how a solve works.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from schemas.change.report import Changes
from schemas.events.base import Event
from schemas.timetable import Score, Timetable
from schemas.topics import SOLVE_COMPLETED, SOLVE_PROGRESS


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Stage(StrEnum):
    """Where a variant is, in the order in which the stages normally follow one another."""

    PREPARING = "preparing"
    COMPILING = "compiling"
    CONSTRUCTING = "constructing"
    IMPROVING = "improving"
    PROVING = "proving"
    VERIFYING = "verifying"
    FINISHED = "finished"


class SolveProgress(Event):
    """How one variant's search stands.

    Ordered by (attempt, sequence) within a variant; `token` is the fencing token of the claim, so that a worker which
    lost its lease cannot be believed. `percent` is the share of the time budget, never falling within an attempt.
    """

    TYPE: ClassVar[str] = "solve.progress.v1"
    TOPIC: ClassVar[str] = SOLVE_PROGRESS
    VERSION: ClassVar[int] = 1

    organization_id: UUID
    variant: int = Field(ge=1)
    variants: int = Field(ge=1)
    attempt: int = Field(ge=1)
    token: int = Field(ge=1)
    sequence: int = Field(ge=1)
    stage: Stage
    percent: float = Field(ge=0, le=100)
    score: Score | None = None
    lower_bound: int | None = Field(default=None, ge=0)
    gap: float | None = Field(default=None, ge=0, description="(cost - bound) / cost, only with a bound above zero.")
    elapsed_s: float = Field(default=0.0, ge=0)
    message: str = Field(default="", max_length=500)
    worker: str = Field(default="", max_length=200)


class Outcome(StrEnum):
    """How a job ended; also the job's terminal states.

    `completed`: at least one variant has no hard violation. `infeasible`: every variant has some (the best partial
    timetable is kept; `infeasibility.proven` says whether no other exists). `stopped` and `timed_out`:
    ended early, best kept.
    """

    COMPLETED = "completed"
    STOPPED = "stopped"
    INFEASIBLE = "infeasible"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"


class UsedWeights(_Part):
    """The weights of the four sums of the cost, as a search used them."""

    time: int
    room: int
    distribution: int
    student: int


class SearchEnd(StrEnum):
    """What ended a search. `gap`, `patience` and `target`: what the request asked for under these names (`patience` is
    `no_improvement_s`). `optimal`: nothing better is possible. `infeasible`: it is proven that every timetable has
    hard violations. `stopped`: somebody, or the limit of a job's time, stopped it.
    """

    TIME = "time"
    MOVES = "moves"
    TARGET = "target"
    GAP = "gap"
    PATIENCE = "patience"
    OPTIMAL = "optimal"
    INFEASIBLE = "infeasible"
    STOPPED = "stopped"


class Provenance(_Part):
    """What a result was made with, enough to make it again: versions, input, seed, and the method that was chosen."""

    engine_version: str
    ortools_version: str
    input_sha256: str
    seed: int
    workers: int
    method: str = Field(
        description="grid-annealing, enrolment-annealing, general-annealing, cp-sat, or several of them joined by '+'."
    )
    method_reason: str = Field(default="", description="Why this method was chosen, for people to read.")
    search_end: SearchEnd | None = Field(default=None, description="What ended the search; not known of older results.")
    profile: str | None = Field(default=None, description="Whom the variant is good for first, if that was asked for.")
    weights: UsedWeights | None = None
    factors: dict[str, int] = Field(
        default_factory=dict, description="What the profile multiplied the penalties of other parts of the cost by."
    )


class VariantResult(_Part):
    """One finished variant; the scores are the referee's.

    `own_score` counts the same timetable with the weights that the problem came with. It is there where the search
    used others; by it variants of different weights can be compared.
    """

    variant: int = Field(ge=1)
    score: Score
    own_score: Score | None = None
    timetable: Timetable
    provenance: Provenance
    optimal: bool = False
    lower_bound: int | None = None
    elapsed_s: float = Field(ge=0)
    violations: list[str] = Field(default_factory=list, description="Hard violations in words, bounded.")
    changes: Changes | None = Field(default=None, description="What departs from the base timetable, if there was one.")

    @property
    def rank(self) -> tuple[int, int, int]:
        """(hard violations, changes beyond the budget, cost with the problem's own weights); smaller is better."""
        score = self.own_score or self.score
        return (score.hard_violations, self.changes.over_budget if self.changes else 0, score.total)


class Infeasibility(_Part):
    """Why there is no timetable without hard violations. `proven` only if an exact method or a count proved it."""

    proven: bool
    reasons: list[str] = Field(default_factory=list)
    relaxations: list[str] = Field(
        default_factory=list,
        description="What would help, one on top of the other, each counted again: how many violations are left then.",
    )


class ErrorInfo(_Part):
    """A classified error: `code` is stable, `message` is for people and names the place and the fix."""

    code: str
    message: str
    retryable: bool = False
    details: list[dict[str, str]] = Field(default_factory=list)


class SolveCompleted(Event):
    """The end of a job, exactly one per job; the first terminal event wins."""

    TYPE: ClassVar[str] = "solve.completed.v1"
    TOPIC: ClassVar[str] = SOLVE_COMPLETED
    VERSION: ClassVar[int] = 1

    organization_id: UUID
    outcome: Outcome
    attempt: int = Field(default=1, ge=0)
    token: int = Field(default=0, ge=0)
    started_at: AwareDatetime | None = None
    variants: list[VariantResult] = Field(default_factory=list)
    infeasibility: Infeasibility | None = None
    error: ErrorInfo | None = None

    @property
    def best(self) -> VariantResult | None:
        """The best variant by its rank."""
        return min(self.variants, key=lambda v: v.rank, default=None)

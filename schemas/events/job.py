"""What is asked of a job: `job.requested` and `job.control`.

Owns the options of a solve and their limits. Must not know who asks or who answers.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from schemas.change.baseline import KeepWeights
from schemas.change.pins import MAX_PINS, PinnedClass
from schemas.events.base import Event
from schemas.problem.read import ProblemFormat
from schemas.topics import JOB_CONTROL, JOB_REQUESTED

MAX_VARIANTS = 8
MAX_TIME_LIMIT_S = 1800.0


# A profile that a newer producer knows is refused by the solver, with a reason; here it is a word.
ProfileName = Annotated[str, StringConstraints(min_length=1, max_length=40)]


class WeightOverrides(BaseModel):
    """Weights for this solve instead of the problem's own; omitted ones stay."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    time: int | None = Field(default=None, ge=0, le=100_000)
    room: int | None = Field(default=None, ge=0, le=100_000)
    distribution: int | None = Field(default=None, ge=0, le=100_000)
    student: int | None = Field(default=None, ge=0, le=100_000)


class SolveOptions(BaseModel):
    """How to solve. Variant n (from 1) is searched with seed `seed + n - 1`.

    With `base_job_id` the search starts from that job's timetable and stays close to it: every departure costs what
    `keep_weights` say, and at most `max_changes` classes may change. Without it these mean nothing.
    """

    # As everything in an event: an option that a newer producer knows must not stop an older consumer.
    model_config = ConfigDict(frozen=True, extra="ignore")

    variants: int = Field(default=1, ge=1, le=MAX_VARIANTS, description="How many different timetables to compute.")
    time_limit_s: float = Field(
        default=60.0, ge=1.0, le=MAX_TIME_LIMIT_S, description="Search time per variant, seconds."
    )
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    workers: int = Field(default=1, ge=1, le=64, description="Cores that one variant may use.")
    target_cost: int | None = Field(default=None, ge=0, description="Stop as soon as a timetable is this good.")
    target_gap: float | None = Field(
        default=None,
        ge=0.0,
        lt=1.0,
        description="Stop as soon as a timetable is proven this close to the best possible: (cost - lower bound) /"
        " cost, 0.05 for five per cent. Large problems often have no lower bound; then it says nothing.",
    )
    no_improvement_s: float | None = Field(
        default=None,
        ge=1.0,
        le=MAX_TIME_LIMIT_S,
        description="Stop once there is a timetable without hard violations and none better was found for this long,"
        " seconds. The search then goes in rounds of this length, each from the best timetable so far.",
    )
    weights: WeightOverrides = WeightOverrides()
    profiles: list[ProfileName] = Field(
        default_factory=list,
        max_length=MAX_VARIANTS,
        description="Whom each variant is good for first: balanced, students_first, instructors_first or rooms_first;"
        " begins anew when there are more variants than profiles.",
    )
    base_job_id: UUID | None = Field(
        default=None, description="A finished job of the same organisation, whose timetable is to be changed little."
    )
    base_variant: int | None = Field(default=None, ge=1, description="Which of its variants; its best if left out.")
    keep_weights: KeepWeights = KeepWeights()
    max_changes: int | None = Field(
        default=None, ge=0, description="How many classes may change their time or room; any number if left out."
    )
    pins: list[PinnedClass] = Field(
        default_factory=list, max_length=MAX_PINS, description="Classes fixed for this solve, with or without a base."
    )

    def profile_of(self, variant: int) -> str | None:
        """The profile of a variant (from 1); None if none was asked for."""
        return self.profiles[(variant - 1) % len(self.profiles)] if self.profiles else None


class ProblemReference(BaseModel):
    """A problem that the api service keeps. `sha256` (hex, of the content as uploaded) guards against a wrong one."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    problem_id: UUID
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class JobRequested(Event):
    """A timetable is wanted.

    The problem is either inline (`problem`: a native JSON object, or the text of a `.ctt` or `.tim` file or of ITC-2019
    XML; with `problem_format`) or `problem_ref`. Inline content is not validated here: a bad problem fails the job with
    a reason, it is no dead letter.
    """

    TYPE: ClassVar[str] = "job.requested.v1"
    TOPIC: ClassVar[str] = JOB_REQUESTED
    VERSION: ClassVar[int] = 1

    organization_id: UUID
    requested_by: str = Field(default="", max_length=200, description="Who asked, for people to read.")
    priority: int = Field(default=0, ge=-100, le=100, description="Higher is claimed earlier within an organisation.")
    options: SolveOptions = SolveOptions()
    problem: dict[str, Any] | str | None = None
    problem_format: ProblemFormat = ProblemFormat.NATIVE
    problem_ref: ProblemReference | None = None

    @model_validator(mode="after")
    def _one_problem(self) -> Self:
        if (self.problem is None) == (self.problem_ref is None):
            raise ValueError("give exactly one of 'problem' and 'problem_ref'")
        return self


class ControlAction(StrEnum):
    """`stop` keeps the best timetable found so far, `cancel` discards it."""

    STOP = "stop"
    CANCEL = "cancel"


class JobControl(Event):
    """Somebody wants a job to end early. Idempotent; a job that has ended stays as it ended."""

    TYPE: ClassVar[str] = "job.control.v1"
    TOPIC: ClassVar[str] = JOB_CONTROL
    VERSION: ClassVar[int] = 1

    organization_id: UUID
    action: ControlAction
    requested_by: str = Field(default="", max_length=200)

"""What is asked of a job: `job.requested` and `job.control`.

Owns the options of a solve and their limits. Must not know who asks or who answers.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.events.base import Event
from schemas.problem.read import ProblemFormat
from schemas.topics import JOB_CONTROL, JOB_REQUESTED

MAX_VARIANTS = 8
MAX_TIME_LIMIT_S = 1800.0


class WeightOverrides(BaseModel):
    """Weights for this solve instead of the problem's own; omitted ones stay."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    time: int | None = Field(default=None, ge=0, le=100_000)
    room: int | None = Field(default=None, ge=0, le=100_000)
    distribution: int | None = Field(default=None, ge=0, le=100_000)
    student: int | None = Field(default=None, ge=0, le=100_000)


class SolveOptions(BaseModel):
    """How to solve. Variant n (from 1) is searched with seed `seed + n - 1`."""

    # As everything in an event: an option that a newer producer knows must not stop an older consumer.
    model_config = ConfigDict(frozen=True, extra="ignore")

    variants: int = Field(default=1, ge=1, le=MAX_VARIANTS, description="How many different timetables to compute.")
    time_limit_s: float = Field(
        default=60.0, ge=1.0, le=MAX_TIME_LIMIT_S, description="Search time per variant, seconds."
    )
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    workers: int = Field(default=1, ge=1, le=64, description="Cores that one variant may use.")
    target_cost: int | None = Field(default=None, ge=0, description="Stop as soon as a timetable is this good.")
    weights: WeightOverrides = WeightOverrides()


class ProblemReference(BaseModel):
    """A problem that the api service keeps. `sha256` (hex, of the content as uploaded) guards against a wrong one."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    problem_id: UUID
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class JobRequested(Event):
    """A timetable is wanted.

    The problem is either inline (`problem`: a native JSON object, or the text of a `.ctt` or `.tim` file; with
    `problem_format`) or `problem_ref`. Inline content is not validated here: a bad problem fails the job with a reason,
    it is no dead letter.
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

"""A claim and what travels with it: the words between the database and whoever solves the task.

Owns plain values only. Must not know statements, processes or the broker.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from schemas.events import ControlAction, Infeasibility, SolveOptions
from schemas.timetable import Score
from services.solver.outcome import EndReason


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The best timetable of a search: where the next attempt starts, or what a stopped search leaves."""

    timetable_zstd: bytes
    score: Score
    searched_s: float


@dataclass(frozen=True, slots=True)
class Claim:
    """A task that is ours as long as its lease is. `remaining_s` is what is left of the job's hard limit."""

    job_id: UUID
    variant: int
    organization_id: UUID
    attempt: int
    token: int
    worker: str
    options: SolveOptions
    correlation_id: str
    problem_sha256: str
    problem_id: UUID | None
    control: ControlAction | None
    checkpoint: Checkpoint | None
    waited_s: float
    remaining_s: float
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Renewal:
    """`held`: the lease is ours again for its full length. `control`: what was asked of the job meanwhile."""

    held: bool
    control: ControlAction | None


@dataclass(frozen=True, slots=True)
class StoredProblem:
    """A problem as it is kept: its format's name and its compressed content."""

    format: str
    content_zstd: bytes


@dataclass(frozen=True, slots=True)
class StoredBase:
    """A finished timetable as it is kept, and which variant of its job it is."""

    variant: int
    timetable_zstd: bytes


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What a finished search leaves: a `VariantResult` as compressed JSON, and why there may be no better one."""

    reason: EndReason
    result_zstd: bytes | None = None
    infeasibility: Infeasibility | None = None

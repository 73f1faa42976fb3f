"""What is answered about a job's progress, as the contract has it.

Owns the shapes for the OpenAPI document and for tests. Must not know where an answer comes from: it is kept in Redis as
it is sent (`services.progress.snapshot`), and never read again on its way.
"""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from schemas.events import ControlAction, ErrorInfo, Stage
from schemas.fold import JobStatus
from schemas.timetable import Score


class VariantProgress(BaseModel):
    """The last report of one variant."""

    variant: int
    attempt: int
    stage: Stage
    progress: float = Field(ge=0, le=100, description="Percent.")
    score: Score | None
    lower_bound: int | None
    gap: float | None
    elapsed_s: float
    message: str
    timestamp: AwareDatetime


class Snapshot(BaseModel):
    """How a job stands; also the `data` of each event of its stream."""

    job_id: UUID
    organization_id: UUID
    progress: float = Field(ge=0, le=100, description="Percent; never falls.")
    status: JobStatus
    stage: Stage | Literal["queued"] = Field(description="Of the variant that is furthest behind.")
    message: str
    timestamp: AwareDatetime
    attempt: int
    variants_expected: int
    variants: list[VariantProgress]
    best_score: Score | None
    best_variant: int | None
    control: ControlAction | None = Field(description="What was asked of the job, if anything.")
    error: ErrorInfo | None
    requested_at: AwareDatetime | None
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None
    revision: str = Field(pattern=r"^\d+-\d+$", description="Orders a job's snapshots; its ETag and the events' id.")


class UnknownProgress(BaseModel):
    """While live progress is unavailable: the job itself goes on."""

    job_id: UUID
    progress: float = Field(ge=0, le=100, description="The last one that is known; 0 if none is.")
    status: Literal["unknown"]
    stage: None
    message: str
    timestamp: AwareDatetime

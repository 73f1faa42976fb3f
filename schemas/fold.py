"""A job's state as a pure function of its events.

Owns the job's states and the one function that the projector (Redis) and the persister (PostgreSQL) both use, so that
they cannot disagree. Must not know a store, a clock or a broker.

Events arrive at least once, and in any order between topics. So the fold is idempotent, terminal states absorb, and a
report from an older attempt, an older claim or with an older sequence number changes nothing.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from schemas.events.base import Event
from schemas.events.job import ControlAction, JobControl, JobRequested
from schemas.events.solve import ErrorInfo, Outcome, SolveCompleted, SolveProgress, Stage
from schemas.timetable import Score


class JobStatus(StrEnum):
    """`queued` and `running`, then the terminal states, which are the outcomes by the same names."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    STOPPED = "stopped"
    INFEASIBLE = "infeasible"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"

    @property
    def terminal(self) -> bool:
        return self not in (JobStatus.QUEUED, JobStatus.RUNNING)


# The terminal states by the words that cross a boundary, for programs that read them as text.
TERMINAL_STATUSES = frozenset(status.value for status in JobStatus if status.terminal)


class _State(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class VariantState(_State):
    """How one variant stands, as last reported; `rank` orders reports."""

    variant: int
    attempt: int
    token: int
    sequence: int
    stage: Stage
    percent: float
    score: Score | None = None
    lower_bound: int | None = None
    gap: float | None = None
    elapsed_s: float = 0.0
    message: str = ""
    worker: str = ""
    reported_at: AwareDatetime

    @property
    def rank(self) -> tuple[int, int, int]:
        """(claim, attempt, report): tokens grow with every claim, so a stale worker ranks below its successor."""
        return (self.token, self.attempt, self.sequence)


class JobState(_State):
    """Everything that the events of one job tell, without the timetables themselves.

    `variants_expected` is 0 until the first event that tells it. `requested` is false while only later events have been
    seen (topics have no mutual order). `version` counts the events that changed the state.
    """

    job_id: UUID
    organization_id: UUID
    status: JobStatus = JobStatus.QUEUED
    requested: bool = False
    correlation_id: str = ""
    variants_expected: int = 0
    variants: dict[int, VariantState] = Field(default_factory=dict)
    control: ControlAction | None = None
    error: ErrorInfo | None = None
    best_score: Score | None = None
    best_variant: int | None = None
    requested_at: AwareDatetime | None = None
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    updated_at: AwareDatetime
    version: int = 0

    @property
    def percent(self) -> float:
        """Mean over the variants, a variant without a report counting 0; 100 when the job has ended."""
        if self.status.terminal:
            return 100.0
        expected = max(self.variants_expected, len(self.variants), 1)
        return round(sum(v.percent for v in self.variants.values()) / expected, 2)

    @property
    def attempt(self) -> int:
        return max((v.attempt for v in self.variants.values()), default=0)

    def changed(self, **update: object) -> Self:
        return self.model_copy(update={**update, "version": self.version + 1})


class UnfoldableEventError(TypeError):
    """The event is of a type that has no meaning for a job's state: a programming error, never input."""


def fold(state: JobState | None, event: Event) -> JobState:
    """The state after the event. Returns the very same object when the event changes nothing.

    Raises UnfoldableEventError for an unknown event type, and ValueError when the event is about another job.
    """
    if state is not None and state.job_id != event.job_id:
        raise ValueError(f"event of job {event.job_id} folded into job {state.job_id}")
    match event:
        case JobRequested():
            return _on_requested(state or _initial(event, event.organization_id), event)
        case JobControl():
            return _on_control(state or _initial(event, event.organization_id), event)
        case SolveProgress():
            return _on_progress(state or _initial(event, event.organization_id), event)
        case SolveCompleted():
            return _on_completed(state or _initial(event, event.organization_id), event)
    raise UnfoldableEventError(type(event).__name__)


def _initial(event: Event, organization_id: UUID) -> JobState:
    return JobState(
        job_id=event.job_id,
        organization_id=organization_id,
        correlation_id=event.correlation_id,
        updated_at=event.occurred_at,
    )


def _on_requested(state: JobState, event: JobRequested) -> JobState:
    if state.requested:
        return state
    if _foreign(state, event.organization_id):
        # Whatever came first claimed another organisation's job: the request alone says whose it is.
        # The version goes on counting, so that nobody takes what follows for older than what was seen.
        state = _initial(event, event.organization_id).model_copy(update={"version": state.version})
    # What an ended job was asked to do is still worth knowing: only the status is beyond change.
    return state.changed(
        requested=True,
        requested_at=event.occurred_at,
        correlation_id=event.correlation_id,
        variants_expected=event.options.variants,
        updated_at=max(state.updated_at, event.occurred_at),
    )


def _on_control(state: JobState, event: JobControl) -> JobState:
    if state.status.terminal or _foreign(state, event.organization_id):
        return state
    if event.action is ControlAction.CANCEL:
        # Cancelling discards, so nobody need be waited for: it works with every solver down.
        return state.changed(
            status=JobStatus.CANCELLED,
            control=ControlAction.CANCEL,
            finished_at=event.occurred_at,
            updated_at=max(state.updated_at, event.occurred_at),
        )
    if state.control is not None:
        return state
    return state.changed(control=event.action, updated_at=max(state.updated_at, event.occurred_at))


def _on_progress(state: JobState, event: SolveProgress) -> JobState:
    if state.status.terminal or _foreign(state, event.organization_id):
        return state
    report = VariantState(
        variant=event.variant,
        attempt=event.attempt,
        token=event.token,
        sequence=event.sequence,
        stage=event.stage,
        percent=event.percent,
        score=event.score,
        lower_bound=event.lower_bound,
        gap=event.gap,
        elapsed_s=event.elapsed_s,
        message=event.message,
        worker=event.worker,
        reported_at=event.occurred_at,
    )
    known = state.variants.get(event.variant)
    if known is not None and known.rank >= report.rank:
        return state
    variants = {**state.variants, event.variant: report}
    best = min((v for v in variants.values() if v.score is not None), key=_score_rank, default=None)
    return state.changed(
        status=JobStatus.RUNNING,
        variants=variants,
        variants_expected=max(state.variants_expected, event.variants),
        best_score=best.score if best else None,
        best_variant=best.variant if best else None,
        started_at=state.started_at or event.occurred_at,
        updated_at=max(state.updated_at, event.occurred_at),
    )


def _on_completed(state: JobState, event: SolveCompleted) -> JobState:
    if state.status.terminal or _foreign(state, event.organization_id) or _superseded(state, event.token):
        return state
    best = event.best
    return state.changed(
        status=JobStatus(event.outcome.value),
        error=event.error,
        best_score=(best.own_score or best.score) if best else None,
        best_variant=best.variant if best else None,
        variants_expected=max(state.variants_expected, len(event.variants)),
        started_at=event.started_at or state.started_at,
        finished_at=event.occurred_at,
        updated_at=max(state.updated_at, event.occurred_at),
    )


def _foreign(state: JobState, organization_id: UUID) -> bool:
    """An event about a job of another organisation: whoever wrote it may not touch this job."""
    return state.organization_id != organization_id


def _superseded(state: JobState, token: int) -> bool:
    """True if every variant has been seen under a later claim than `token`: then whichever variant that claim was for,
    its worker lost it. A token that is merely unknown proves nothing, because reports and the end share no topic.
    """
    everyone_seen = 0 < state.variants_expected <= len(state.variants)
    return 0 < token < min((v.token for v in state.variants.values()), default=0) and everyone_seen


def _score_rank(state: VariantState) -> tuple[int, int]:
    if state.score is None:
        raise ValueError("a variant without a score has no rank")
    return state.score.rank


def keeps_result(outcome: Outcome) -> bool:
    """True for the outcomes whose timetables are stored."""
    return outcome not in (Outcome.CANCELLED, Outcome.FAILED)

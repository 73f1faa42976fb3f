"""How a job ended, as a pure function of how its tasks ended.

Owns the order of precedence between outcomes, the completed event, and whether the request is a dead letter. Must not
know the database or the broker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from schemas.events import ControlAction, ErrorInfo, Infeasibility, Outcome, SolveCompleted, VariantResult
from schemas.topics import MAX_MESSAGE_BYTES

MAX_REASONS = 20
# The broker counts keys, headers and batch framing too.
MAX_EVENT_BYTES = MAX_MESSAGE_BYTES - 1024 * 1024

# Why a failed job's request is a dead letter: every attempt failed for a reason that may be gone by now, or an error
# that no attempt can mend but that is ours all the same. A job that ended so is over; asking again needs a new job.
ATTEMPTS_EXHAUSTED = "attempts_exhausted"
_DEFECTS = frozenset({"referee_mismatch", "checkpoint_mismatch", "nothing_to_judge"})
JOB_FAILED_REASONS = _DEFECTS | {ATTEMPTS_EXHAUSTED}


class EndReason(StrEnum):
    """How a task ended. `stopped` and `timed_out` may come with a result or without."""

    FINISHED = "finished"
    STOPPED = "stopped"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class TaskEnd:
    """One ended task."""

    variant: int
    reason: EndReason
    attempt: int = 0
    token: int = 0
    result: VariantResult | None = None
    infeasibility: Infeasibility | None = None
    error: ErrorInfo | None = None


@dataclass(frozen=True, slots=True)
class EndedJob:
    """What the completed event says of the job itself."""

    job_id: UUID
    organization_id: UUID
    correlation_id: str
    started_at: datetime | None
    control: ControlAction | None


def outcome_of(control: ControlAction | None, ends: Sequence[TaskEnd]) -> Outcome:
    """Cancelled beats all; then an early end (stopped, timed out); then whatever the variants show.

    A stop that came too late, when every variant had ended by itself, changes nothing.
    """
    if control is ControlAction.CANCEL:
        return Outcome.CANCELLED
    reasons = {end.reason for end in ends}
    if EndReason.STOPPED in reasons:
        return Outcome.STOPPED
    if EndReason.TIMED_OUT in reasons:
        return Outcome.TIMED_OUT
    results = [end.result for end in ends if end.result is not None]
    if not results:
        return Outcome.FAILED
    feasible = any(result.score.hard_violations == 0 for result in results)
    return Outcome.COMPLETED if feasible else Outcome.INFEASIBLE


def completed_event(job: EndedJob, ends: Sequence[TaskEnd]) -> SolveCompleted:
    """The event that ends the job. Some failed variants beside good ones leave an `error` that names them."""
    outcome = outcome_of(job.control, ends)
    kept = outcome is not Outcome.CANCELLED
    return SolveCompleted(
        job_id=job.job_id,
        organization_id=job.organization_id,
        correlation_id=job.correlation_id,
        outcome=outcome,
        attempt=max((end.attempt for end in ends), default=0),
        token=max((end.token for end in ends), default=0),
        started_at=job.started_at,
        variants=[end.result for end in ends if end.result is not None] if kept else [],
        infeasibility=_infeasibility(ends) if kept else None,
        error=_error(ends) if kept else None,
    )


def dead_letter_reason(outcome: Outcome, ends: Sequence[TaskEnd]) -> str | None:
    """Why an operator should look at the request of a job that ended so; None for all other jobs.

    A job that left a timetable is none, whatever became of its other variants. Neither is one whose input is bad: that
    is the requester's, who is told in the job's error, and trying again would not help.
    """
    errors = [end.error for end in ends if end.error is not None]
    if outcome is not Outcome.FAILED or not errors:
        return None
    if any(not error.retryable and error.code not in _DEFECTS for error in errors):
        return None
    return next((error.code for error in errors if error.code in _DEFECTS), ATTEMPTS_EXHAUSTED)


def sized_event(event: SolveCompleted) -> tuple[SolveCompleted, bytes]:
    """The event and its JSON, small enough for the broker: the worst variants are left out of one that is not."""
    value = _json(event)
    kept = sorted(event.variants, key=lambda variant: variant.rank)
    while len(value) > MAX_EVENT_BYTES:
        if not kept:
            raise ValueError(f"a completed event without variants has {len(value):,} bytes")
        kept.pop()
        left_out = len(event.variants) - len(kept)
        error = ErrorInfo(
            code="result_too_large",
            message=f"{left_out} of {len(event.variants)} variants left out: together they pass the size of a message "
            f"({MAX_EVENT_BYTES:,} bytes). Ask for fewer variants, or split the problem.",
        )
        fewer = {"variants": sorted(kept, key=lambda variant: variant.variant), "error": error}
        if not kept:
            fewer["outcome"] = Outcome.FAILED
        event = event.model_copy(update=fewer)
        value = _json(event)
    return event, value


def _json(event: SolveCompleted) -> bytes:
    return event.model_dump_json(by_alias=True, exclude_none=True).encode()


def _infeasibility(ends: Sequence[TaskEnd]) -> Infeasibility | None:
    """Why no variant is free of hard violations, each reason once; None if one is, or if nobody knows."""
    if any(end.result is not None and end.result.score.hard_violations == 0 for end in ends):
        return None
    told = [end.infeasibility for end in ends if end.infeasibility is not None]
    reasons = list(dict.fromkeys(reason for one in told for reason in one.reasons))
    if not told:
        return None
    # Relaxations build on one another and on one timetable: those of the first variant that has some.
    helpful = next((one.relaxations for one in told if one.relaxations), [])
    return Infeasibility(proven=any(one.proven for one in told), reasons=reasons[:MAX_REASONS], relaxations=helpful)


def _error(ends: Sequence[TaskEnd]) -> ErrorInfo | None:
    failed = [end for end in ends if end.error is not None]
    if not failed:
        return None
    first = failed[0].error
    if first is None or len(failed) == len(ends):
        return first
    names = ", ".join(str(end.variant) for end in failed)
    return first.model_copy(update={"message": f"Failed variants: {names} of {len(ends)}. {first.message}"})

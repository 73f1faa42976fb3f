"""What is left to do for a claim: search for how long, from where, or only judge what an earlier attempt left.

Owns that decision and the order that follows from it. Must not know processes, the database or the broker.
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas.events import ControlAction, ErrorInfo
from services.solver.claim import Checkpoint, Claim, StoredBase, StoredProblem
from services.solver.order import ChangeOrder, Order
from services.solver.outcome import EndReason
from services.solver.settings import SolverSettings

# A resumed search with less left than this would end before it had begun.
_SHORTEST_SEARCH_S = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Search for `seconds` from `start`; 0: only have `start` judged, and `reason` is why the search has ended."""

    seconds: float
    start: Checkpoint | None
    reason: EndReason | None = None

    @property
    def searched_s(self) -> float:
        """Search time of earlier attempts."""
        return self.start.searched_s if self.start else 0.0

    @property
    def start_zstd(self) -> bytes | None:
        return self.start.timetable_zstd if self.start else None


def plan_for(claim: Claim) -> Plan | None:
    """None: the hard limit has passed, and there is nothing to keep."""
    checkpoint = claim.checkpoint
    if claim.remaining_s <= 0:
        return None if checkpoint is None else Plan(0.0, checkpoint, EndReason.TIMED_OUT)
    if claim.control is ControlAction.STOP:
        return Plan(0.0, checkpoint, EndReason.STOPPED)
    left_s = claim.options.time_limit_s - (checkpoint.searched_s if checkpoint else 0.0)
    if checkpoint is not None and left_s < _SHORTEST_SEARCH_S:
        return Plan(0.0, checkpoint, EndReason.FINISHED)
    return Plan(left_s, checkpoint)


def order_for(claim: Claim, plan: Plan, stored: StoredProblem, settings: SolverSettings) -> Order:
    """The order to a child. Variant n is searched with seed `seed + n - 1`."""
    options = claim.options
    return Order(
        format=stored.format,
        sha256=claim.problem_sha256,
        weights=options.weights.model_dump(exclude_none=True),
        seconds=plan.seconds,
        seed=options.seed + claim.variant - 1,
        workers=min(options.workers, settings.solver_max_workers),
        target=options.target_cost or 0,
        variant=claim.variant,
        searched_s=plan.searched_s,
        # Half, so that handing out and saving together stay within what a lost worker may cost.
        best_interval_s=settings.solver_checkpoint_s / 2,
        profile=options.profile_of(claim.variant),
        target_gap=options.target_gap,
        no_improvement_s=options.no_improvement_s,
    )


def change_for(claim: Claim, base: StoredBase | None) -> ChangeOrder | None:
    """How to stay close to what; None if nothing of that was asked for."""
    options = claim.options
    if base is None and not options.pins:
        return None
    return ChangeOrder(
        pins=options.pins,
        base_job_id=None if base is None else options.base_job_id,
        base_variant=None if base is None else base.variant,
        keep_weights=options.keep_weights,
        max_changes=options.max_changes,
    )


def missing_base(claim: Claim) -> ErrorInfo:
    """The error of a job whose base timetable is not there."""
    options = claim.options
    variant = "" if options.base_variant is None else f" variant {options.base_variant} of"
    return ErrorInfo(
        code="base_not_found",
        message=f"There is no finished timetable{variant} of job {options.base_job_id} in this organisation: it was "
        "deleted, has not been stored yet, or the reference is wrong. Name another base, or solve without one.",
        details=[{"base_job_id": str(options.base_job_id), "base_variant": str(options.base_variant or "")}],
    )


def missing_problem(claim: Claim) -> ErrorInfo:
    """The error of a job whose problem is not there."""
    return ErrorInfo(
        code="problem_not_found",
        message=f"There is no problem {claim.problem_id} with SHA-256 {claim.problem_sha256} in this organisation: it "
        "was deleted, or the reference is wrong. Upload it and refer to what the answer says.",
        details=[{"problem_id": str(claim.problem_id), "sha256": claim.problem_sha256}],
    )

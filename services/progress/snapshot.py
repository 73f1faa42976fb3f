"""What the world is told about a job's progress: the flat picture of a state.

Owns field names and texts (architecture, section 5). Must not know Redis, HTTP or Kafka.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Self
from uuid import UUID

from schemas.events import ControlAction, SolveCompleted, Stage
from schemas.fold import JobState, JobStatus, VariantState

_STAGES = list(Stage)
_TEXTS = {
    JobStatus.QUEUED: "waiting for a free solver",
    JobStatus.RUNNING: "searching",
    JobStatus.COMPLETED: "finished",
    JobStatus.STOPPED: "stopped on request; the best timetable found so far is kept",
    JobStatus.INFEASIBLE: "no timetable keeps every hard rule; the best one found is kept, with reasons",
    JobStatus.FAILED: "failed",
    JobStatus.CANCELLED: "cancelled",
    JobStatus.TIMED_OUT: "the time limit ended the job; the best timetable found so far is kept",
}
# Whether a solver is there to obey is not known here, so the words must be right without one, too.
_STOPPING = "stopping: the best timetable is kept as soon as a solver answers"
_STOPPING_UNBEGUN = "stopping: nothing has been found yet; the job ends as soon as a solver answers"
UNAVAILABLE = "processing: live progress is unavailable right now"


class Revision(NamedTuple):
    """Orders the pictures of one job: the projection's epoch (ms, grows with every rebuild), then the state's version.

    Written `epoch-version`, it is the id in the job's Redis stream, the SSE `id:` and the ETag.
    """

    epoch: int
    version: int

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """None for anything that is no revision: a client may send what it likes."""
        epoch, dash, version = text.strip().partition("-")
        if not (dash and epoch.isascii() and epoch.isdigit() and version.isascii() and version.isdigit()):
            return None
        if len(epoch) > 15 or len(version) > 15:
            return None
        return cls(int(epoch), int(version))

    def __str__(self) -> str:
        return f"{self.epoch}-{self.version}"


def picture(state: JobState, revision: Revision) -> dict[str, Any]:
    """The JSON of `GET /api/progress/{job_id}` and of every frame."""
    latest = max(state.variants.values(), key=lambda v: v.reported_at, default=None)
    return {
        "job_id": str(state.job_id),
        "organization_id": str(state.organization_id),
        "progress": state.percent,
        "status": state.status.value,
        "stage": _stage(state),
        "message": _message(state, latest),
        "timestamp": state.updated_at.isoformat(),
        "attempt": state.attempt,
        "variants_expected": state.variants_expected,
        "variants": [_variant(v) for _, v in sorted(state.variants.items())],
        "best_score": state.best_score.model_dump(mode="json") if state.best_score else None,
        "best_variant": state.best_variant,
        "control": state.control.value if state.control else None,
        "error": state.error.model_dump(mode="json") if state.error else None,
        "requested_at": _time(state.requested_at),
        "started_at": _time(state.started_at),
        "finished_at": _time(state.finished_at),
        "revision": str(revision),
    }


def unknown(job_id: UUID, timestamp: str, progress: float = 0.0) -> dict[str, Any]:
    """The answer while Redis is away: the job is being worked on all the same, so it is no error.

    `progress` is the last known one, so that nobody's bar jumps back.
    """
    return {
        "job_id": str(job_id),
        "progress": progress,
        "status": "unknown",
        "stage": None,
        "message": UNAVAILABLE,
        "timestamp": timestamp,
    }


def result_summary(state: JobState, end: SolveCompleted | None) -> dict[str, Any]:
    """What `result:job:{id}` keeps of an ended job: scores and sizes, never a timetable."""
    return {
        "job_id": str(state.job_id),
        "organization_id": str(state.organization_id),
        "status": state.status.value,
        "best_variant": state.best_variant,
        "best_score": state.best_score.model_dump(mode="json") if state.best_score else None,
        "variants": [
            {
                "variant": v.variant,
                "score": v.score.model_dump(mode="json"),
                "optimal": v.optimal,
                "lower_bound": v.lower_bound,
                "elapsed_s": v.elapsed_s,
                "method": v.provenance.method,
                "seed": v.provenance.seed,
                "placed": len(v.timetable.placements),
                "unplaced": len(v.timetable.unplaced),
                "unsectioned": len(v.timetable.unsectioned),
            }
            for v in (end.variants if end else ())
        ],
        "infeasibility": end.infeasibility.model_dump(mode="json") if end and end.infeasibility else None,
        "error": state.error.model_dump(mode="json") if state.error else None,
        "requested_at": _time(state.requested_at),
        "started_at": _time(state.started_at),
        "finished_at": _time(state.finished_at),
    }


def _variant(variant: VariantState) -> dict[str, Any]:
    return {
        "variant": variant.variant,
        "attempt": variant.attempt,
        "stage": variant.stage.value,
        "progress": variant.percent,
        "score": variant.score.model_dump(mode="json") if variant.score else None,
        "lower_bound": variant.lower_bound,
        "gap": variant.gap,
        "elapsed_s": variant.elapsed_s,
        "message": variant.message,
        "timestamp": variant.reported_at.isoformat(),
    }


def _stage(state: JobState) -> str:
    """The least advanced of the variants' stages: what the job is still waiting for."""
    if state.status.terminal:
        return Stage.FINISHED.value
    stages = [v.stage for v in state.variants.values()]
    return min(stages, key=_STAGES.index).value if stages else JobStatus.QUEUED.value


def _message(state: JobState, latest: VariantState | None) -> str:
    if state.error is not None:
        return state.error.message
    if state.status.terminal:
        return _TEXTS[state.status]
    if state.control is ControlAction.STOP:
        return _STOPPING if state.variants else _STOPPING_UNBEGUN
    if latest is None or not latest.message:
        return _TEXTS[state.status]
    if state.variants_expected > 1:
        return f"variant {latest.variant} of {state.variants_expected}: {latest.message}"
    return latest.message


def _time(value: Any) -> str | None:
    return value.isoformat() if value is not None else None

"""Events: facts that travel between services, one module for the envelope and one for each topic's event.

Within a version only optional fields arrive. Consumers ignore fields that they do not know. A change of meaning is a
new version beside the old one.
"""

from schemas.events.base import Event
from schemas.events.job import (
    ControlAction,
    JobControl,
    JobRequested,
    ProblemReference,
    SolveOptions,
    WeightOverrides,
)
from schemas.events.solve import (
    ErrorInfo,
    Infeasibility,
    Outcome,
    Provenance,
    SearchEnd,
    SolveCompleted,
    SolveProgress,
    Stage,
    UsedWeights,
    VariantResult,
)
from schemas.problem.read import ProblemFormat

EVENT_TYPES: tuple[type[Event], ...] = (JobRequested, JobControl, SolveProgress, SolveCompleted)

__all__ = [
    "EVENT_TYPES",
    "ControlAction",
    "ErrorInfo",
    "Event",
    "Infeasibility",
    "JobControl",
    "JobRequested",
    "Outcome",
    "ProblemFormat",
    "ProblemReference",
    "Provenance",
    "SearchEnd",
    "SolveCompleted",
    "SolveOptions",
    "SolveProgress",
    "Stage",
    "UsedWeights",
    "VariantResult",
    "WeightOverrides",
]

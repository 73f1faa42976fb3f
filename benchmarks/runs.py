"""One solve of an instance as the tables need it, recounted by the referee.

Owns the check that engine and referee agree. Must not know instances, best-known costs or tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

from schemas.problem.expand import ExpandedProblem
from schemas.referee import judge
from services.solver.solve import SolveReport, solve_problem


@dataclass(frozen=True, slots=True)
class Run:
    """Hard violations and cost by the referee's count, seconds to the first timetable without any, and the method."""

    violations: int
    cost: int
    feasible_after: float | None
    method: str

    @property
    def rank(self) -> tuple[int, int]:
        return (self.violations, self.cost)


def run(name: str, expanded: ExpandedProblem, *, seconds: float, seed: int, workers: int, target: int = 0) -> Run:
    """Solve the problem; raises SystemExit if the referee and the engine count differently."""
    began = monotonic()
    first: list[float] = []

    def watch(report: SolveReport) -> None:
        if not first and report.hard_violations == 0:
            first.append(monotonic() - began)

    result = solve_problem(
        expanded,
        seconds=seconds,
        seed=seed,
        workers=workers,
        target=target,
        on_progress=watch,
        should_stop=lambda: False,
    )
    score = judge(expanded.problem, result.timetable).score
    if score.rank != (result.hard_violations, result.cost):
        raise SystemExit(
            f"{name}, seed {seed}: the referee counts {score}, the engine"
            f" {result.hard_violations} violations and {result.cost}"
        )
    return Run(score.hard_violations, score.total, first[0] if first else None, result.method)

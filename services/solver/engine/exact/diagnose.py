"""Why there is no timetable: the fewest rules that must give way.

Owns the relaxation. CP-SAT's cores of assumptions are neither
minimal nor reliable (google/or-tools #4109, #5141), so each rule gets a switch, the solver turns off as few as it can,
and the timetable that it finds for the rest is the proof that these are enough. Must not know names beyond the model's
labels.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from ortools.sat.python import cp_model

from services.solver.engine.exact.model import ExactModel
from services.solver.engine.exact.places import Places
from services.solver.engine.exact.rules import add_rules
from services.solver.engine.exact.sectioning import add_students
from services.solver.engine.search import ShouldStop

TICK_SECONDS = 0.1
STOP_GRACE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`at_least` rules must give way (proven); without `rules` the others can all be kept (a timetable was found)."""

    at_least: int
    rules: tuple[str, ...]

    @property
    def minimal(self) -> bool:
        """True if no smaller number of rules would do."""
        return len(self.rules) == self.at_least


def diagnose(model: ExactModel, seconds: float, should_stop: ShouldStop, workers: int = 1) -> Diagnosis | None:
    """The fewest rules that must be switched off so that the rest holds.

    None if nothing was proven in time; a diagnosis with `at_least` 0 means that the hard rules can all be kept.
    """
    places = Places(model, soft=False, relaxable=True)
    add_rules(places, soft=False)
    add_students(places, soft=False)
    if not places.relaxed:
        return None
    places.cp.minimize(sum(places.relaxed.values()))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = workers
    ended = threading.Event()
    statuses: list[cp_model.CpSolverStatus] = []

    def solve() -> None:
        try:
            statuses.append(solver.solve(places.cp))
        finally:
            ended.set()

    threading.Thread(target=solve, name="cp-sat-diagnosis", daemon=True).start()
    waited = 0.0
    while not ended.wait(TICK_SECONDS):
        waited += TICK_SECONDS
        if should_stop() or waited > seconds + STOP_GRACE_SECONDS:
            solver.stop_search()
            ended.wait(STOP_GRACE_SECONDS)
            return None
    if not statuses or statuses[0] not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    switched_off = tuple(sorted(label for label, literal in places.relaxed.items() if solver.boolean_value(literal)))
    at_least = round(solver.best_objective_bound)
    if statuses[0] == cp_model.OPTIMAL:
        at_least = len(switched_off)
    return Diagnosis(at_least, switched_off) if at_least > 0 or statuses[0] == cp_model.OPTIMAL else None

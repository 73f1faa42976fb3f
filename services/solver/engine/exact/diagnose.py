"""Why there is no timetable: the fewest rules that must give way.

Owns the relaxation. CP-SAT's cores of assumptions are neither
minimal nor reliable (google/or-tools #4109, #5141), so each rule gets a switch, the solver turns off as few as it can,
and the timetable that it finds for the rest is the proof that these are enough. Must not know names beyond the model's
labels.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from services.solver.engine.exact.model import ExactModel
from services.solver.engine.exact.places import Places
from services.solver.engine.exact.rules import add_rules
from services.solver.engine.exact.run import TICK_SECONDS, Run
from services.solver.engine.exact.sectioning import add_students
from services.solver.engine.search import ShouldStop

# A solver that is this long beyond its time limit is left behind.
GRACE_SECONDS = 2.0


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
    run = Run(places.cp, seconds=seconds, seed=0, workers=workers, prove=False)
    began = time.monotonic()
    found: Any = None
    ended = False
    while not ended:
        ended = run.wait(TICK_SECONDS)
        found = run.newest() or found
        if not ended and (should_stop() or time.monotonic() - began > seconds + GRACE_SECONDS):
            run.stop()
            return None
    if found is None:
        return None
    switched_off = tuple(sorted(label for label, literal in places.relaxed.items() if found[literal.index]))
    at_least = run.bound or 0
    return Diagnosis(at_least, switched_off) if at_least > 0 or not switched_off else None

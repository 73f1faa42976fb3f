"""Timetables of the period grid that are annealed in turn, until one of them is chosen to go on alone.

Owns who is annealed, what a violation weighs for each, and how they stand. Must not know clocks, budgets, or when
anything is due.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.solver.engine.grid.model import GridModel
from services.solver.engine.grid.state import GridState
from services.solver.engine.search import Assignment

# Seeds of timetables that are cooled side by side: far from those of other variants, which are next to one another.
SEED_STEP = 1_000_003


@dataclass(slots=True)
class Annealing:
    """One timetable with its own random numbers; `energy` is the sum of what was noted `noted` times."""

    state: GridState
    hard_weight: float
    energy: float = 0.0
    noted: int = 0

    def note(self, hard_weight: float) -> None:
        """Take the current timetable into the mean by which annealings are compared."""
        self.energy += self.state.cost + hard_weight * self.state.hard
        self.noted += 1

    @property
    def mean(self) -> float:
        return self.energy / self.noted if self.noted else float("inf")


class Population:
    """The annealings of one search."""

    def __init__(self, model: GridModel, seed: int, hard_weight: float, start: Assignment | None) -> None:
        self._model = model
        self._seed = seed
        self._states = [GridState(model, seed, start)]
        self.active = [Annealing(self._states[0], hard_weight)]

    def begin_contest(self, size: int, hard_weight: float) -> None:
        """Let `size` annealings go on from the best timetable, the present one among them."""
        best = self.best.best_assignment()
        self._states += [GridState(self._model, self._seed + n * SEED_STEP, best) for n in range(1, size)]
        self.active = [Annealing(state, hard_weight) for state in self._states]

    def decide(self) -> None:
        """Go on with the best annealing alone."""
        self.active = [min(self.active, key=lambda a: a.mean)]

    @property
    def best(self) -> GridState:
        """The one that has met the best timetable, whether it is still annealed or not."""
        return min(self._states, key=lambda s: (s.best_hard, s.best_cost))

    @property
    def bests(self) -> int:
        """Grows whenever there may be a new best."""
        return sum(s.bests for s in self._states)

    @property
    def moves(self) -> int:
        return sum(s.moves for s in self._states)

    def met(self, target: int) -> bool:
        """True if a timetable without violations costs at most `target`."""
        best = self.best
        return best.best_hard == 0 and best.best_cost <= target

"""Keeping the number of changed classes within a budget: which leg to search next, and when the budget is met.

Owns the prices of departures from leg to leg. Two ideas: the price is raised until few enough classes have changed (a
Lagrangian relaxation of the budget, searched by bisection), and then exactly as many classes as the budget allows are
set free, all others stay where the baseline has them, and the rest of the time goes to these at the prices that were
asked for; whatever comes out of that keeps the budget. Must not know how a leg is searched.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from schemas.change.baseline import MAX_KEEP_WEIGHT, KeepWeights
from services.solver.change.base import Base, Bools
from services.solver.change.told import Told

# Shares of the budget of time: a leg that looks for the price, and what the last leg gets at least.
LEG_SHARE = 0.15
LAST_SHARE = 0.3
RAISE = 4.0
# A price is found once the lowest that keeps the budget is at most so many times the highest that does not.
CLOSE = 2.0


@dataclass(frozen=True, slots=True)
class Leg:
    """A stretch of the search: its prices, its share of all the time, and the classes that are free (None: all).

    `faithful`: its costs are those that were asked for, so what is proven of it is proven of the whole.
    """

    weights: KeepWeights
    share: float
    free: Bools | None = None
    last: bool = False
    faithful: bool = False


class BudgetPlan:
    """Plans legs one by one, each of which starts from `best`: ask for the `next`, and tell it what came out."""

    def __init__(self, base: Base, forced: Bools, best: Told | None = None) -> None:
        self.best = best
        self._asked = base.baseline.weights
        self._allowed = base.baseline.max_changes or 0
        self._forced = forced
        self._used = 0.0
        self._factor = 1.0
        self._too_low: float | None = None  # the highest factor at which too many classes changed
        self._enough: float | None = None  # the lowest at which the budget was kept
        self._cheaper: Told | None = None  # what came out at `too_low`
        self._shown = False  # the budget can be kept, whatever the price

    def next(self) -> Leg | None:
        """The next leg; None when all the time is given out."""
        left = 1.0 - self._used
        if left <= 0.0:
            return None
        enough, too_low = self._enough, self._too_low
        if enough is not None and too_low is None:  # the prices that were asked for seem to do
            return self._leg(Leg(self._asked, max(left - LAST_SHARE, 0.0) or left, faithful=True))
        found = self._shown or (enough is not None and too_low is not None and enough <= CLOSE * too_low)
        if not found and left > LAST_SHARE + LEG_SHARE / 2:
            return self._leg(Leg(self._weights(), LEG_SHARE, faithful=self._factor == 1.0))
        if self.best is None or self.best.over_budget or self.best.hard_violations:
            return self._leg(Leg(self._weights(), left))
        return self._leg(Leg(self._asked, left, self._freed(self.best)))

    def offer(self, result: Told, best: Told | None, share: float) -> None:
        """A find of another method, which took a share of the time, and the best of all."""
        self._used += share
        self.best = best
        self._shown = not result.over_budget and not result.hard_violations

    def tell(self, result: Told, best: Told | None) -> None:
        """What the leg that was asked for last came to, and the best of all."""
        self.best = best
        if result.over_budget or result.hard_violations:
            if self._too_low is None or self._factor >= self._too_low:
                self._too_low, self._cheaper = self._factor, result
        elif self._enough is None or self._factor < self._enough:
            self._enough = self._factor
        if self._enough is None:
            self._factor *= RAISE
        elif self._too_low is not None:
            self._factor = math.sqrt(self._too_low * self._enough)

    def _leg(self, leg: Leg) -> Leg:
        self._used += leg.share
        return replace(leg, last=self._used >= 1.0 - 1e-9)

    def _freed(self, best: Told) -> Bools:
        """As many classes as may change: those that have, those that must, then those that changed at a lower price."""
        free = best.changed | self._forced
        room = self._allowed - int(free.sum())
        if self._cheaper is not None and room > 0:
            free[np.flatnonzero(self._cheaper.changed & ~free)[:room]] = True
        return np.asarray(free)

    def _weights(self) -> KeepWeights:
        """The asked weights times the factor; one of 0 is raised from its default."""
        if self._factor == 1.0:
            return self._asked
        usual = KeepWeights()

        def raised(weight: int, default: int) -> int:
            return min(MAX_KEEP_WEIGHT, round((weight or default) * self._factor))

        time, room = raised(self._asked.time, usual.time), raised(self._asked.room, usual.room)
        return KeepWeights(time=time, room=room, section=self._asked.section)

"""How the period-grid search cools, and what a hard violation weighs at each moment.

Owns the course of temperatures and weights over the budget. Must not know what is annealed, nor clocks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from services.solver.engine.grid.model import GridModel


@dataclass(frozen=True, slots=True)
class Schedule:
    """How the search cools and how hard violations weigh; temperatures and weights in units of a typical penalty.

    The first `sprint` of the budget is one geometric cooling from `hottest` to `coldest`, so that there is a fair
    timetable early and an easy problem is over early; the rest is a second, slow one: its first `quick` down to
    `freezing`, up to its share `chosen` down to `frozen`, the rest down to `coldest`. A search that starts from a
    timetable makes a single geometric one from `warm`.

    Two slow coolings of one problem differ by a tenth of the cost, by what they settle between `freezing` and `frozen`:
    over fourteen, the mean cost at `frozen` foretells the final one (correlation 0.83 to 0.98, four instances), at
    `freezing` it does not yet. So several timetables are cooled side by side down to `frozen`. The one that stands best
    there, by its mean cost from `compared` times that temperature on, goes on alone ("go with the winners", D. Aldous,
    U. Vazirani 1994). There are as many as the root of the moves left per lecture, in units of `moves_each`, at most
    `side_by_side`: of a longer search, each gets more, too.

    A violation weighs `hard_weight` points of cost; while the current timetable has violations at a temperature below
    `growth_below`, the weight grows by e ** (`growth` x share of the budget) up to `hard_weight_limit`. If the sprint
    met no timetable without violations, the slow cooling is geometric, too, and of one timetable; if `patience` of it
    has not met one either, it starts again, on what is left of the budget, with twice the weight and at `rescue` times
    that weight.

    `exchange_share` of the moves exchange two random lectures' places. The others take one lecture to a random cell.
    If exactly one lecture is in the way there, `pursue_share` of them exchange places with that one (a two-step Kempe
    chain): these moves, and few random exchanges, cut the cost at equal time by 5 to 10 %. The rest go to a random room
    (an exchange if it is taken), or, with `keep_room_share`, to the same room.
    """

    hottest: float = 8.0
    warm: float = 2.0
    freezing: float = 1.0
    frozen: float = 0.4
    coldest: float = 0.09
    sprint: float = 0.08
    quick: float = 0.15
    chosen: float = 0.7
    compared: float = 1.5
    moves_each: float = 100_000.0
    side_by_side: int = 8
    hard_weight: float = 40.0
    hard_weight_limit: float = 400.0
    growth: float = 33.0
    growth_below: float = 4.0
    patience: float = 1 / 3
    rescue: float = 0.3
    exchange_share: float = 0.1
    pursue_share: float = 0.8
    keep_room_share: float = 0.3
    chain_share: float = 0.1


class Cooling:
    """Temperatures and hard weights by the used share of the budget, in points of cost."""

    def __init__(self, plan: Schedule, model: GridModel, *, warm: bool) -> None:
        self._plan = plan
        self._coldest = plan.coldest * model.penalty_scale
        # Where a lecture's rules cost much together, both the barriers between timetables and the temptation to pay
        # with a violation are higher; the last points of cost are as small as elsewhere.
        self._scale = model.penalty_scale * model.lecture_scale
        self._hottest = plan.hottest * self._scale
        self.hard_weight = plan.hard_weight * self._scale
        self._limit = plan.hard_weight_limit * self._scale
        self._began, self._ends = 0.0, 1.0 if warm else plan.sprint
        self._contested = False
        self._course = self._geometric(plan.warm * self._scale if warm else self._hottest)

    def begin_contest(self, share: float, best_hard: int) -> bool:
        """Begin the slow cooling, if the sprint is over; True if it is one of several timetables side by side."""
        if self._ends == 1.0 or share < self._ends:
            return False
        self._began, self._ends = share, 1.0
        self._course = self._geometric(self._hottest)
        self._contested = best_hard == 0
        if self._contested:
            plan = self._plan
            self._course = [
                (0.0, self._hottest),
                (plan.quick, plan.freezing * self._scale),
                (plan.chosen, plan.frozen * self._scale),
                (1.0, self._coldest),
            ]
        return self._contested

    def contestants(self, moves: float, lectures: int) -> int:
        """How many timetables are worth cooling side by side with as many moves left."""
        return max(1, min(self._plan.side_by_side, round(math.sqrt(moves / (lectures * self._plan.moves_each)))))

    def compares(self, share: float) -> bool:
        """True while it is counted how the timetables stand."""
        return self._contested and self.temperature(share) <= self._plan.compared * self._plan.frozen * self._scale

    def decides(self, share: float) -> bool:
        """True from when on only the best of the timetables goes on."""
        return self._contested and self._position(share) >= self._plan.chosen

    def try_again(self, share: float, best_hard: int, weight: float) -> float:
        """What a violation weighs from now on: more, and everything is hot again, if patience is at an end."""
        if self._ends == 1.0 and best_hard > 0 and self._position(share) >= self._plan.patience:
            weight *= 2.0
            self._limit *= 2.0
            # Feasibility first: so hot that costs hardly count, and cooled with a weight that has violations freeze out
            # long before costs do.
            self._began = share
            self._course = self._geometric(max(self._hottest, self._plan.rescue * weight))
        return weight

    def grown(self, weight: float, share: float, share_after: float) -> float:
        """The weight of a violation that is there at `share`, if it still is at `share_after`."""
        if self.temperature(share) >= self._plan.growth_below * self._scale:
            return weight
        return min(self._limit, weight * math.exp(self._plan.growth * (share_after - share)))

    def temperature(self, share: float) -> float:
        position = self._position(share)
        (left, hot), (right, cold) = next(
            (a, b)
            for a, b in zip(self._course, self._course[1:], strict=False)
            if position <= b[0] or b is self._course[-1]
        )
        return float(hot * math.pow(cold / hot, (position - left) / (right - left)))

    def _geometric(self, first: float) -> Sequence[tuple[float, float]]:
        return [(0.0, first), (1.0, self._coldest)]

    def _position(self, share: float) -> float:
        """How much of the present cooling is over, 0..1."""
        length = self._ends - self._began
        return max(0.0, min(1.0, (share - self._began) / length)) if length > 0.0 else 1.0

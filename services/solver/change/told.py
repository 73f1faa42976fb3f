"""A timetable by the measures that were asked for, whatever prices the search that found it had in mind.

Owns the order of timetables under a baseline (violations, then changes beyond the budget, then cost), the cost by part
with departures told apart, and the naming of interchangeable classes so that few seem to have moved. Must not know how
timetables are found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from schemas.problem.expand import ExpandedProblem
from services.solver.change.base import NOWHERE, Base, Bools
from services.solver.change.pricing import OwnPenalties
from services.solver.compile.exact import interchangeable
from services.solver.engine.exact.model import Count
from services.solver.engine.search import Assignment, Int32s
from services.solver.portfolio import Best

PART = "change"


@dataclass(frozen=True, slots=True)
class Told:
    """A timetable and its count. `changed` are the classes that depart from the baseline, empty without one.

    `over_budget` is how many of them are beyond the number allowed.
    """

    assignment: Assignment
    hard_violations: int
    over_budget: int
    cost: int
    parts: Mapping[str, int]
    hard: Mapping[str, int]
    changed: Bools

    @property
    def rank(self) -> tuple[int, int, int]:
        """Smaller is better."""
        return (self.hard_violations, self.over_budget, self.cost)


class Teller:
    """Tells what searches have found; the same find is worked out once."""

    def __init__(self, expanded: ExpandedProblem, base: Base | None) -> None:
        self._base = base
        self._last: tuple[Best, Told] | None = None
        if base is not None:
            self._own = OwnPenalties(expanded)
            self._groups = [np.array(g) for g in interchangeable(expanded) if len(g) > 1]

    def tell(self, best: Best) -> Told:
        """The find by the measures that were asked for."""
        if self._last is None or self._last[0] is not best:
            self._last = (best, self._told(best))
        return self._last[1]

    def counted(self, assignment: Assignment, count: Count) -> Told:
        """An assignment with its count by the referee's rules."""
        base = self._base
        changed = np.zeros(0, np.bool_) if base is None else base.changes(assignment).classes
        return Told(
            assignment=assignment,
            hard_violations=count.rank[0],
            over_budget=self._over_budget(changed),
            cost=count.rank[1],
            parts=count.parts,
            hard=count.hard,
            changed=changed,
        )

    def _over_budget(self, changed: Bools) -> int:
        allowed = None if self._base is None else self._base.baseline.max_changes
        return 0 if allowed is None else max(0, int(changed.sum()) - allowed)

    def _told(self, best: Best) -> Told:
        base = self._base
        if base is None:
            nothing = np.zeros(0, np.bool_)
            return Told(best.assignment, best.hard_violations, 0, best.cost, best.parts, best.hard or {}, nothing)
        assignment = _renamed(best.assignment, base, self._groups)
        changes = base.changes(assignment)
        time, room = self._own.of(assignment)
        parts = {**best.parts, "time": time, "room": room, PART: base.cost(changes)}
        return Told(
            assignment=assignment,
            hard_violations=best.hard_violations,
            over_budget=self._over_budget(changes.classes),
            cost=sum(parts.values()),
            parts={part: cost for part, cost in parts.items() if cost},
            hard=best.hard or {},
            changed=changes.classes,
        )


def _renamed(assignment: Assignment, base: Base, groups: Sequence[Int32s]) -> Assignment:
    """The same timetable, its interchangeable classes named so that as many as possible are where the baseline has
    them.

    The places of a group are dealt out: first to whoever has the very place in the baseline, then to those that keep
    one of time and room (the dearer one first), then to the rest.
    """
    times, rooms = assignment.times.copy(), assignment.rooms.copy()
    weights = base.baseline.weights
    halves = [(True, False), (False, True)] if weights.time >= weights.room else [(False, True), (True, False)]
    for group in groups:
        places = list(zip(assignment.times[group].tolist(), assignment.rooms[group].tolist(), strict=True))
        wanted = list(zip(base.times[group].tolist(), base.rooms[group].tolist(), strict=True))
        if places == wanted:
            continue
        dealt: dict[int, int] = {}
        left = list(range(len(places)))
        for by_time, by_room in [(True, True), *halves, (False, False)]:
            for n, (time, room) in enumerate(wanted):
                if n in dealt or (time == NOWHERE and (by_time or by_room)):
                    continue
                fits = (
                    k
                    for k in left
                    if (not by_time or places[k][0] == time)
                    and (not by_room or room == NOWHERE or places[k][1] == room)
                )
                k = next(fits, None)
                if k is not None:
                    dealt[n] = k
                    left.remove(k)
        order = [dealt[n] for n in range(len(places))]
        times[group], rooms[group] = assignment.times[group[order]], assignment.rooms[group[order]]
    return Assignment(times, rooms, assignment.attended_start, assignment.attended)

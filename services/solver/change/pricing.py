"""The problem with departures priced in: every option but the baseline's costs more, so no search needs to know why.

Owns the translation from a baseline to penalties. Must not know how the priced problem is searched, nor how costs are
told to people (`told`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from schemas.change.baseline import KeepWeights
from schemas.problem.expand import ExpandedClass, ExpandedProblem, Kept, Options
from services.solver.change.base import NOWHERE, Base, Bools
from services.solver.engine.search import Assignment


def priced(
    expanded: ExpandedProblem,
    base: Base,
    weights: KeepWeights,
    *,
    max_changes: int | None = None,
    free: Bools | None = None,
) -> ExpandedProblem:
    """The problem as searches shall see it: option penalties weighted, departures in them, weights of both parts 1.

    What a search counts as cost of times and rooms then includes the departures, and its total is right. `max_changes`
    is for methods that can count changed classes. With `free`, all other classes that the baseline places stay there,
    as far as their options allow. Its `problem` has the new weights only; whoever judges timetables needs the original.
    """
    pricer = _Pricer(expanded, base, weights, free)
    unweighted = expanded.problem.weights.model_copy(update={"time": 1, "room": 1})
    return replace(
        expanded,
        problem=expanded.problem.model_copy(update={"weights": unweighted}),
        classes=tuple(pricer.of(i, c) for i, c in enumerate(expanded.classes)),
        kept=Kept(
            sections=base.sections,
            section_weight=weights.section,
            places=tuple(
                (int(i), int(base.times[i]), None if base.rooms[i] == NOWHERE else int(base.rooms[i]))
                for i in base.known.nonzero()[0]
            ),
            max_changes=max_changes,
        ),
    )


class _Pricer:
    """Prices options; equal lists with the same place to keep are priced once, because classes share their lists."""

    def __init__(self, expanded: ExpandedProblem, base: Base, weights: KeepWeights, free: Bools | None) -> None:
        self._own = expanded.problem.weights
        self._base = base
        self._weights = weights
        self._free = free
        self._seen: dict[tuple[int, int, int, int], Options] = {}

    def of(self, i: int, c: ExpandedClass) -> ExpandedClass:
        time, room = int(self._base.times[i]), int(self._base.rooms[i])
        times = self._priced(c.times, self._own.time, time, self._weights.time)
        rooms = None if c.rooms is None else self._priced(c.rooms, self._own.room, room, self._weights.room)
        if self._free is not None and not self._free[i]:
            times = _only(times, time)
            rooms = None if rooms is None else _only(rooms, room)
        return replace(c, times=times, rooms=rooms)

    def _priced(self, options: Options, weight: int, kept: int, price: int) -> Options:
        price = 0 if kept == NOWHERE else price
        key = (id(options), weight, kept, price)
        if key not in self._seen:
            self._seen[key] = tuple((o, weight * penalty + (price if o != kept else 0)) for o, penalty in options)
        return self._seen[key]


def _only(options: Options, kept: int) -> Options:
    """The kept one alone, if it is among the options."""
    return tuple(o for o in options if o[0] == kept) or options


class OwnPenalties:
    """What times and rooms cost by the problem's own penalties, without departures."""

    def __init__(self, expanded: ExpandedProblem) -> None:
        weights = expanded.problem.weights
        self._weights = (weights.time, weights.room)
        tables: dict[int, Mapping[int, int]] = {}

        def table(options: Options) -> Mapping[int, int]:
            if id(options) not in tables:
                tables[id(options)] = dict(options)
            return tables[id(options)]

        self._tables = [(table(c.times), None if c.rooms is None else table(c.rooms)) for c in expanded.classes]

    def of(self, assignment: Assignment) -> tuple[int, int]:
        """(time, room) cost; a class without a time, or without a room that it needs, is nowhere."""
        time = room = 0
        places = zip(self._tables, assignment.times.tolist(), assignment.rooms.tolist(), strict=True)
        for (times, rooms), u, r in places:
            if rooms is None:
                time += times.get(u, 0)
            elif u >= 0 and r >= 0:
                time += times.get(u, 0)
                room += rooms.get(r, 0)
        return self._weights[0] * time, self._weights[1] * room

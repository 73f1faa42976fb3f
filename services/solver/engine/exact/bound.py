"""A lower bound on what every timetable costs, where the whole model is too large for one.

Owns the relaxation and its run. Must not know the best timetable: whoever does says whether a bound is believed.

Without rooms and students a model has a tenth of the literals or less, and most of the cost of a timetable is of its
times. Every timetable of the problem is one of the relaxed problem and costs no less there than its bound says. (Rooms
apart from times, for bounds: V. Cacchiani, A. Caprara, R. Roberti, P. Toth, Computers & Operations Research 40, 2013.)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from services.solver.engine.exact.model import ExactModel, Unit
from services.solver.engine.exact.places import Places
from services.solver.engine.exact.rules import add_rule
from services.solver.engine.exact.run import TICK_SECONDS, Run
from services.solver.engine.search import Limits, ShouldStop

_OF_ROOMS = frozenset({"SameRoom", "DifferentRoom", "RoomStability"})


@dataclass(frozen=True, slots=True)
class LowerBound:
    """No timetable without hard violations costs less than `cost` (None: unknown); with `infeasible` there is none."""

    cost: int | None = None
    infeasible: bool = False


def lower_bound(
    model: ExactModel,
    limits: Limits,
    on_bound: Callable[[int], None],
    should_stop: ShouldStop,
    workers: int = 1,
) -> LowerBound:
    """The best bound that the relaxed model gives in `limits.seconds`, its construction included.

    `on_bound` is called from this thread, with every bound above zero as it is found, the last one too.
    """
    began = time.monotonic()
    relaxed = times_only(model)
    places = Places(relaxed)
    for rule in relaxed.rules:
        if should_stop() or time.monotonic() - began >= limits.seconds:
            return LowerBound()
        add_rule(places, rule)
    places.cp.minimize(sum(cost * literal for cost, literal in places.costs))
    left = limits.seconds - (time.monotonic() - began)
    if left <= 0:
        return LowerBound()
    run = Run(places.cp, seconds=left, seed=limits.seed, workers=workers, prove=True)
    told, ended = 0, False
    while not ended:
        ended = run.wait(TICK_SECONDS)
        if not ended and (should_stop() or time.monotonic() - began >= limits.seconds):
            run.stop()
            ended = True
        if (bound := run.bound or 0) > told:
            told = bound
            on_bound(told)
    return LowerBound(run.bound, run.proven_infeasible)


def times_only(model: ExactModel) -> ExactModel:
    """The model without rooms, walking, students and a budget of changes: fewer rules, and no cost above the model's.

    A room's cost becomes part of its times' as far as no room is cheaper.
    """
    return replace(
        model,
        units=tuple(_without_rooms(model, unit) for unit in model.units),
        blocked=frozenset(),
        walks={},
        rules=tuple(rule for rule in model.rules if rule.kind not in _OF_ROOMS),
        courses=(),
        requests=(),
        kept=None,
        left_out=(*model.left_out, "rooms", "students"),
    )


def _without_rooms(model: ExactModel, unit: Unit) -> Unit:
    if unit.rooms is None:
        return unit
    times = []
    for u, time_cost in unit.times:
        costs = [room_cost for k, room_cost in unit.rooms if (k, u) not in model.blocked]
        if costs:
            times.append((u, time_cost + min(costs)))
    return Unit(unit.classes, tuple(times), None)

"""The exact search: CP-SAT under a clock and a stop request, what it found recounted, what it proved.

Owns what may be claimed. Must not know how the model is built, nor how the solver is run (see `run`).

CP-SAT may lose a complete hint (google/or-tools #3750), and its incumbents may carry slack in auxiliary variables. So
the start is kept outside as incumbent 0, and the caller's `count` recounts every incumbent.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from services.solver.engine.exact.model import Counter, ExactModel
from services.solver.engine.exact.places import Literal, Places
from services.solver.engine.exact.rules import add_rules
from services.solver.engine.exact.run import TICK_SECONDS, Run
from services.solver.engine.exact.sectioning import Attends, add_students
from services.solver.engine.search import Assignment, Limits, OnProgress, Outcome, Progress, ShouldStop, Stage

METHOD = "cp-sat"

# Up to this size the solver's default search is done before one that is for the bound alone.
SMALL_LITERALS = 1_500


def search_exact(
    model: ExactModel,
    limits: Limits,
    on_progress: OnProgress,
    should_stop: ShouldStop,
    start: Assignment | None = None,
    workers: int = 1,
    *,
    count: Counter,
    objective: bool = True,
) -> Outcome:
    """Search until the optimum is proven, infeasibility is, or a limit is reached.

    Never returns anything worse than `start`. `count` says what an assignment costs by the problem's own rules. Without
    `objective` the first timetable without hard violations ends the search. Both callbacks are called from this thread.
    """
    began = time.monotonic()
    best = _Best(count, start if start is not None else _nothing(model))
    built = _Built(model, objective=objective)
    if start is not None:
        built.hint(start)
    left = max(0.05, limits.seconds - (time.monotonic() - began))
    prove = objective and best.count.rank[0] == 0 and len(built.places.placed) > SMALL_LITERALS
    run = Run(built.places.cp, seconds=left, seed=limits.seed, workers=workers, prove=prove)
    share = 0.0
    while True:
        ended = run.wait(TICK_SECONDS)
        found = run.newest()
        if found is not None:
            best.offer(built.read(found))
        hard, cost = best.count.rank
        share = max(share, min(1.0, (time.monotonic() - began) / max(limits.seconds, 1e-9)))
        on_progress(
            Progress(
                stage=Stage.CONSTRUCTING if hard else Stage.PROVING,
                share=share,
                hard_violations=hard,
                cost=cost,
                parts=best.count.parts,
                bound=_believable(run.bound, best) if objective else None,
            ),
            best.read,
        )
        if ended:
            break
        target_met = hard == 0 and (cost <= limits.target or not objective)
        if target_met or should_stop() or time.monotonic() - began >= limits.seconds:
            run.stop()
            break
    found = run.newest()
    if found is not None:
        best.offer(built.read(found))
    hard, cost = best.count.rank
    return Outcome(
        assignment=best.assignment,
        hard_violations=hard,
        cost=cost,
        parts=best.count.parts,
        hard=best.count.hard,
        method=METHOD,
        bound=_believable(run.bound, best) if objective else None,
        # A timetable without violations refutes the proof: the solver or the model is wrong, and nothing is claimed.
        proven_infeasible=run.proven_infeasible and hard > 0,
    )


def _nothing(model: ExactModel) -> Assignment:
    """No class placed, nobody sectioned."""
    unplaced = np.full(model.classes, -1, np.int32)
    return Assignment(unplaced, unplaced.copy(), np.zeros(len(model.requests) + 1, np.int32), np.zeros(0, np.int32))


def _believable(bound: int | None, best: _Best) -> int | None:
    """The solver's bound unless a timetable refutes it; 0 says nothing unless it is met."""
    hard, cost = best.count.rank
    if bound is None or (hard == 0 and bound > cost):
        return None
    return bound if bound > 0 or (hard == 0 and cost == 0) else None


class _Best:
    """The best assignment so far, the start being the first."""

    def __init__(self, count: Counter, start: Assignment) -> None:
        self._count = count
        self.assignment = start
        self.count = count(start)

    def offer(self, found: Assignment) -> None:
        counted = self._count(found)
        if counted.rank < self.count.rank:
            self.assignment, self.count = found, counted

    def read(self) -> Assignment:
        return self.assignment


class _Built:
    """The CP-SAT model, and the way from assignments to its variables and back."""

    def __init__(self, model: ExactModel, *, objective: bool) -> None:
        self.model = model
        self.places = Places(model, soft=objective)
        add_rules(self.places, soft=objective)
        self.attends: Attends = add_students(self.places, soft=objective)
        if objective:
            self.places.cp.minimize(sum(cost * literal for cost, literal in self.places.costs))

    def hint(self, start: Assignment) -> None:
        """Tell the solver of an assignment; classes without a place are left to it."""
        cp = self.places.cp
        for g, unit in enumerate(self.model.units):
            taken = {(int(start.times[i]), int(start.rooms[i])) for i in unit.classes}
            if any(u < 0 for u, _ in taken):
                continue
            times, rooms = {u for u, _ in taken}, {k for _, k in taken}
            hinted: dict[int, tuple[Literal, bool]] = {}
            for u, _ in unit.times:
                if (g, u) in self.places.at:
                    literal = self.places.at[g, u]
                    hinted[literal.index] = (literal, u in times)
                for k, _ in unit.rooms or ():
                    if (g, u, k) in self.places.placed:
                        literal = self.places.placed[g, u, k]
                        hinted[literal.index] = (literal, (u, k) in taken)
            for k, _ in unit.rooms or ():
                if (g, k) in self.places.uses:
                    literal = self.places.uses[g, k]
                    hinted[literal.index] = (literal, k in rooms)
            for literal, value in hinted.values():
                cp.add_hint(literal, value)
        units = {i: g for g, unit in enumerate(self.model.units) for i in unit.classes}
        attended = {
            (s, units[int(i)])
            for s in range(len(self.model.requests))
            for i in start.attended[start.attended_start[s] : start.attended_start[s + 1]]
        }
        for key, literal in self.attends.items():
            cp.add_hint(literal, key in attended)

    def read(self, values: Any) -> Assignment:
        """The assignment of a solution (one value per variable)."""
        times = np.full(self.model.classes, -1, np.int32)
        rooms = np.full(self.model.classes, -1, np.int32)
        taken: dict[int, list[int]] = {}
        for (g, u), literal in self.places.at.items():
            if values[literal.index]:
                taken.setdefault(g, []).append(u)
        for g, of_unit in taken.items():
            unit = self.model.units[g]
            for i, u in zip(unit.classes, sorted(of_unit), strict=False):
                times[i] = u
                for k, _ in unit.rooms or ():
                    literal = self.places.placed.get((g, u, k))
                    if literal is not None and values[literal.index]:
                        rooms[i] = k
        lists: list[list[int]] = [[] for _ in self.model.requests]
        for (s, g), literal in self.attends.items():
            if values[literal.index]:
                lists[s].append(self.model.units[g].classes[0])
        first = np.zeros(len(lists) + 1, np.int32)
        np.cumsum([len(x) for x in lists], out=first[1:])
        return Assignment(times, rooms, first, np.array([i for x in lists for i in sorted(x)], np.int32))

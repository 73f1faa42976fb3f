"""The period-grid search: annealing in slices from a constructed or given timetable to the best that the budget finds.

Owns the budget, whose turn it is and what is reported. Must not know how a move is evaluated (`kernel`), how it cools
(`cooling`) nor where the model comes from.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np

from services.solver.engine.budget import Budget
from services.solver.engine.grid.cooling import Cooling, Schedule
from services.solver.engine.grid.model import LEADING_GUARDS, GridModel, cells_in
from services.solver.engine.grid.population import Annealing, Population
from services.solver.engine.grid.state import Count, cells_and_rooms, count
from services.solver.engine.search import Assignment, Limits, OnProgress, Outcome, Progress, ShouldStop, Stage

METHOD = "grid-annealing"

PROGRESS_SECONDS = 0.12


def search_grid(
    model: GridModel,
    limits: Limits,
    on_progress: OnProgress,
    should_stop: ShouldStop,
    start: Assignment | None = None,
    schedule: Schedule | None = None,
) -> Outcome:
    """Search until the budget is used up, the target or the proven bound is met, or `should_stop`.

    With `start` the search begins there and never returns anything worse. With `limits.moves` equal arguments give
    equal results unless the search is stopped. Both callbacks are called between slices, from this thread.
    """
    plan = schedule or Schedule()
    budget = Budget(limits)
    cooling = Cooling(plan, model, warm=start is not None)
    population = Population(model, limits.seed, cooling.hard_weight, start)
    given = None if start is None else count(model, *cells_and_rooms(model, start))
    target = max(limits.target, model.bound)
    report = _Reporter(model, population, on_progress)
    report(budget.share, force=True)
    turn = _Turn(0, 0.0, 0.0)
    waiting: list[Annealing] = []
    while not (budget.used_up or population.met(target) or should_stop()):
        if not waiting:
            _begin_turn(population, cooling, budget)
            waiting = population.active.copy()
            share = budget.share
            moves, after = budget.next_slice()
            turn = _Turn(moves, share, min(1.0, share + len(waiting) * (after - share)))
        annealing = waiting.pop()
        began = time.perf_counter()
        made = _anneal(annealing, turn, cooling, plan, target)
        budget.spend(made, time.perf_counter() - began)
        report(budget.share)
    report(budget.share, force=True)
    best = population.best
    found, assignment = best.best_count(), best.best_assignment()
    if start is not None and given is not None and given.rank < found.rank:
        found, assignment = given, start
    return _outcome(model, assignment, found, population.moves)


@dataclass(frozen=True, slots=True)
class _Turn:
    """What each annealing does in its turn: how many moves, and from which to which share of the budget it cools."""

    moves: int
    share: float
    share_after: float


def _begin_turn(population: Population, cooling: Cooling, budget: Budget) -> None:
    """Before all are annealed again: let the slow cooling begin, the best go on alone, or all begin anew."""
    share, best_hard = budget.share, population.best.best_hard
    if cooling.begin_contest(share, best_hard):
        size = cooling.contestants(budget.moves_left, population.best.model.lectures)
        population.begin_contest(size, cooling.hard_weight)
    elif cooling.decides(share):
        population.decide()
    for annealing in population.active:
        annealing.hard_weight = cooling.try_again(share, best_hard, annealing.hard_weight)


def _anneal(annealing: Annealing, turn: _Turn, cooling: Cooling, plan: Schedule, target: int) -> int:
    """One slice of one annealing; returns the moves made."""
    state = annealing.state
    if state.hard > 0:
        annealing.hard_weight = cooling.grown(annealing.hard_weight, turn.share, turn.share_after)
    made = state.advance(
        turn.moves,
        cooling.temperature(turn.share),
        cooling.temperature(turn.share_after),
        annealing.hard_weight,
        plan.exchange_share,
        plan.keep_room_share,
        plan.pursue_share,
        plan.chain_share,
        target,
    )
    if cooling.compares(turn.share_after):
        annealing.note(cooling.hard_weight)
    return made


def _outcome(model: GridModel, assignment: Assignment, found: Count, moves: int) -> Outcome:
    hard_violations, cost = found.rank
    proven = hard_violations == 0 and cost <= model.bound
    return Outcome(
        assignment=assignment,
        hard_violations=hard_violations,
        cost=cost,
        parts=found.parts,
        hard=found.hard,
        method=METHOD,
        moves=moves,
        # A bound of zero says nothing unless it is met.
        bound=model.bound if model.bound > 0 or proven else None,
    )


class _Reporter:
    """Tells the caller where the search stands, a few times a second; counts by part only after a new best."""

    def __init__(self, model: GridModel, population: Population, on_progress: OnProgress) -> None:
        self._model = model
        self._population = population
        self._on_progress = on_progress
        self._counted = -1
        self._best = Count({}, {})
        self._last = -math.inf

    def __call__(self, share: float, *, force: bool = False) -> None:
        now = time.monotonic()
        if not force and now - self._last < PROGRESS_SECONDS:
            return
        self._last = now
        population = self._population
        if self._counted != population.bests:
            self._counted = population.bests
            self._best = population.best.best_count()
        hard_violations, cost = self._best.rank
        progress = Progress(
            stage=Stage.CONSTRUCTING if hard_violations else Stage.IMPROVING,
            share=share,
            hard_violations=hard_violations,
            cost=cost,
            parts=self._best.parts,
            bound=self._model.bound or None,
            moves=population.moves,
        )
        self._on_progress(progress, population.best.best_assignment)


def warm_up() -> None:
    """Fill the on-disk cache of compiled kernels by solving a toy problem: seconds the first time only."""
    search_grid(_toy(), Limits(seconds=3600.0, moves=2_000), lambda progress, read: None, lambda: False)


def _toy() -> GridModel:
    """Two courses of two lectures, one room, one day of four periods: small, but every kernel and table is used."""
    days, slots = 1, 4
    cells = cells_in(days, slots)
    listed = LEADING_GUARDS + np.arange(slots, dtype=np.int32)
    cell_day = np.full(cells, -1, np.int32)
    cell_time = np.full(cells, -1, np.int32)
    cell_day[listed] = 0
    cell_time[listed] = np.arange(slots)
    time_cost = np.full((1, cells), -1, np.int32)
    time_cost[0, listed] = 0
    return GridModel(
        lectures=4,
        courses=2,
        rooms=1,
        days=days,
        slots_per_day=slots,
        course=np.array([0, 0, 1, 1], np.int32),
        time_row=np.zeros(4, np.int32),
        room_row=np.zeros(4, np.int32),
        time_cost=time_cost,
        room_cost=np.zeros((1, 1), np.int32),
        time_first=np.array([0, slots], np.int32),
        time_cells=listed,
        room_first=np.array([0, 1], np.int32),
        room_list=np.zeros(1, np.int32),
        usable=np.ones((1, cells), np.uint8),
        conflict=np.ones((2, 2), np.uint8),
        neighbour_first=np.array([0, 2, 4], np.int32),
        neighbours=np.array([0, 1, 0, 1], np.int32),
        min_days=np.array([2, 2], np.int32),
        min_days_cost=np.array([5, 5], np.int32),
        stability_cost=np.ones(2, np.int32),
        set_first=np.array([0, 1, 2], np.int32),
        sets=np.zeros(2, np.int32),
        set_cost=np.array([2], np.int32),
        member_first=np.array([0, 2], np.int32),
        members=np.array([0, 1], np.int32),
        cell_day=cell_day,
        cell_time=cell_time,
        bound=0,
        penalty_scale=1.0,
        lecture_scale=1.0,
    )

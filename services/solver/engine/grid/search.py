"""The period-grid search: annealing in slices from a constructed or given timetable to the best that the budget finds.

Owns the budget, the cooling schedule, the weight of hard violations and what is reported. Must not know how a move is
evaluated (`kernel`) nor where the model comes from.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np

from services.solver.engine.budget import Budget
from services.solver.engine.grid.model import LEADING_GUARDS, GridModel, cells_in
from services.solver.engine.grid.state import Count, GridState, cells_and_rooms, count
from services.solver.engine.search import Assignment, Limits, OnProgress, Outcome, Progress, ShouldStop, Stage

METHOD = "grid-annealing"

PROGRESS_SECONDS = 0.12


@dataclass(frozen=True, slots=True)
class Schedule:
    """How the search cools and how hard violations weigh; temperatures and weights in units of a typical penalty.

    The first `sprint` of the budget is one geometric cooling from `hottest` to `coldest`, so that there is a fair
    timetable early and an easy problem is over early; the rest is a second, slow one. A search that starts from a
    timetable makes a single one from `warm`.

    A violation weighs `hard_weight` points of cost; while the current timetable has violations at a temperature below
    `growth_below`, the weight grows by e ** (`growth` x share of the budget) up to `hard_weight_limit`. If no timetable
    without violations was met in `patience` of the slow cooling, it starts again, on what is left of the budget, with
    twice the weight and at `rescue` times that weight.

    `exchange_share` of the moves exchange two random lectures' places. The others take one lecture to a random cell.
    If exactly one lecture is in the way there, `pursue_share` of them exchange places with that one (a two-step Kempe
    chain): these moves, and few random exchanges, cut the cost at equal time by 5 to 10 %. The rest go to a random room
    (an exchange if it is taken), or, with `keep_room_share`, to the same room.
    """

    hottest: float = 8.0
    warm: float = 2.0
    coldest: float = 0.09
    sprint: float = 0.08
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


class _Cooling:
    """The temperature and the hard weight from slice to slice, in points of cost."""

    def __init__(self, plan: Schedule, model: GridModel, *, warm: bool) -> None:
        self._plan = plan
        self._coldest = plan.coldest * model.penalty_scale
        # Where a lecture's rules cost much together, both the barriers between timetables and the temptation to pay
        # with a violation are higher; the last points of cost are as small as elsewhere.
        self._scale = model.penalty_scale * model.lecture_scale
        self._hottest = plan.hottest * self._scale
        self._first = plan.warm * self._scale if warm else self._hottest
        self._began, self._ends = 0.0, 1.0 if warm else plan.sprint
        self._limit = plan.hard_weight_limit * self._scale
        self.hard_weight = plan.hard_weight * self._scale

    def next_slice(self, share: float, share_after: float, *, hard: int, best_hard: int) -> tuple[float, float]:
        """Temperatures at the start and end of the slice; `hard` and `best_hard` violations were found before it."""
        if self._ends < 1.0 and share >= self._ends:
            self._restart(share)
            if best_hard == 0:
                self.hard_weight = self._plan.hard_weight * self._scale
        elif self._ends == 1.0 and best_hard > 0 and self._position(share) >= self._plan.patience:
            self._restart(share)
            self.hard_weight *= 2.0
            self._limit *= 2.0
            # Feasibility first: so hot that costs hardly count, and cooled with a weight that has violations freeze out
            # long before costs do.
            self._first = max(self._hottest, self._plan.rescue * self.hard_weight)
        hot = self._temperature(share)
        if hard > 0 and hot < self._plan.growth_below * self._scale:
            grown = self.hard_weight * math.exp(self._plan.growth * (share_after - share))
            self.hard_weight = min(self._limit, grown)
        return hot, self._temperature(share_after)

    def _restart(self, share: float) -> None:
        """Cool from the hottest temperature over all that is left."""
        self._began, self._ends = share, 1.0
        self._first = self._hottest

    def _position(self, share: float) -> float:
        """How much of the present cooling is over, 0..1."""
        length = self._ends - self._began
        return min(1.0, (share - self._began) / length) if length > 0.0 else 1.0

    def _temperature(self, share: float) -> float:
        return self._first * math.pow(self._coldest / self._first, self._position(share))


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
    state = GridState(model, limits.seed, start)
    given = None if start is None else count(model, *cells_and_rooms(model, start))
    target = max(limits.target, model.bound)
    cooling = _Cooling(plan, model, warm=start is not None)
    report = _Reporter(model, state, on_progress)
    report(budget.share, force=True)
    while not (budget.used_up or _met(state, target) or should_stop()):
        share = budget.share
        moves, share_after = budget.next_slice()
        hot, cold = cooling.next_slice(share, share_after, hard=state.hard, best_hard=state.best_hard)
        began = time.perf_counter()
        made = state.advance(
            moves,
            hot,
            cold,
            cooling.hard_weight,
            plan.exchange_share,
            plan.keep_room_share,
            plan.pursue_share,
            plan.chain_share,
            target,
        )
        budget.spend(made, time.perf_counter() - began)
        report(budget.share)
    report(budget.share, force=True)
    found = state.best_count()
    assignment = state.best_assignment()
    if start is not None and given is not None and given.rank < found.rank:
        found, assignment = given, start
    return _outcome(model, assignment, found, state.moves)


def _met(state: GridState, target: int) -> bool:
    return state.best_hard == 0 and state.best_cost <= target


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

    def __init__(self, model: GridModel, state: GridState, on_progress: OnProgress) -> None:
        self._model = model
        self._state = state
        self._on_progress = on_progress
        self._counted = -1
        self._best = Count({}, {})
        self._last = -math.inf

    def __call__(self, share: float, *, force: bool = False) -> None:
        now = time.monotonic()
        if not force and now - self._last < PROGRESS_SECONDS:
            return
        self._last = now
        state = self._state
        if self._counted != state.bests:
            self._counted = state.bests
            self._best = state.best_count()
        hard_violations, cost = self._best.rank
        progress = Progress(
            stage=Stage.CONSTRUCTING if hard_violations else Stage.IMPROVING,
            share=share,
            hard_violations=hard_violations,
            cost=cost,
            parts=self._best.parts,
            bound=self._model.bound or None,
            moves=state.moves,
        )
        self._on_progress(progress, state.best_assignment)


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

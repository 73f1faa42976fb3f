"""The period-grid search: annealing in slices from a constructed or given timetable to the best that the budget finds.

Owns the budget, the cooling schedule, the weight of hard violations and what is reported. Must not know how a move is
evaluated (`kernel`) nor where the model comes from.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np

from services.solver.engine.grid.model import LEADING_GUARDS, GridModel, cells_in
from services.solver.engine.grid.state import Count, GridState, cells_and_rooms, count
from services.solver.engine.search import Assignment, Limits, OnProgress, Outcome, Progress, ShouldStop, Stage

METHOD = "grid-annealing"

# A slice is one kernel call; between two the caller may stop the search and is told where it stands.
SLICE_SECONDS = 0.15
PROGRESS_SECONDS = 0.12
FIRST_SLICE_MOVES = 20_000
MAX_SLICE_MOVES = 4_000_000
# With a move budget the slices depend on the budget alone, because the hard weight changes between slices.
SLICES_PER_MOVE_BUDGET = 400
MAX_BUDGETED_SLICE_MOVES = 500_000


@dataclass(frozen=True, slots=True)
class Schedule:
    """How the search cools and how hard violations weigh; temperatures and weights in units of a typical penalty.

    The whole budget is one geometric cooling from `hottest` to `coldest` (from `warm` when it starts from a timetable).
    A violation weighs `hard_weight` points of cost; while the current timetable has violations at a temperature below
    `growth_below`, the weight grows by e ** (`growth` x share of the budget) up to `hard_weight_limit`.
    `exchange_share` of the moves exchange two lectures' places, the others take one lecture to a random place (again an
    exchange if that is taken), and `keep_room_share` of these keep the room.
    """

    hottest: float = 8.0
    warm: float = 2.0
    coldest: float = 0.12
    hard_weight: float = 20.0
    hard_weight_limit: float = 200.0
    growth: float = 33.0
    growth_below: float = 4.0
    exchange_share: float = 0.43
    keep_room_share: float = 0.3

    def temperature(self, share: float, warm: bool) -> float:
        """The temperature when `share` (0..1) of the budget is used."""
        first = self.warm if warm else self.hottest
        return first * math.pow(self.coldest / first, min(1.0, share))


class _Budget:
    """How much of the limits is used, and how many moves the next slice may make."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._started = time.monotonic()
        self._slice_moves = FIRST_SLICE_MOVES
        self._moves = 0
        if limits.moves is not None:
            fair = -(-limits.moves // SLICES_PER_MOVE_BUDGET)
            self._slice_moves = max(1, min(fair, MAX_BUDGETED_SLICE_MOVES))

    @property
    def seconds(self) -> float:
        """Wall-clock time since the search was called."""
        return time.monotonic() - self._started

    @property
    def share(self) -> float:
        """Used share of the budget that drives the search, 0..1."""
        if self._limits.moves is not None:
            return min(1.0, self._moves / self._limits.moves) if self._limits.moves > 0 else 1.0
        return min(1.0, self.seconds / self._limits.seconds) if self._limits.seconds > 0 else 1.0

    @property
    def used_up(self) -> bool:
        return self.share >= 1.0 or self.seconds >= self._limits.seconds

    def next_slice(self) -> tuple[int, float]:
        """Moves of the next slice, and the share of the budget expected to be used after it."""
        if self._limits.moves is not None:
            moves = min(self._slice_moves, self._limits.moves - self._moves)
            return moves, min(1.0, (self._moves + moves) / self._limits.moves)
        return self._slice_moves, min(1.0, self.share + SLICE_SECONDS / self._limits.seconds)

    def spend(self, moves: int, seconds: float) -> None:
        """Account for a slice; with a time budget the next one is sized to last `SLICE_SECONDS`."""
        self._moves += moves
        if self._limits.moves is None:
            left = max(0.01, self._limits.seconds - self.seconds)
            wanted = moves * min(SLICE_SECONDS, left) / max(seconds, 1e-4)
            # At most fourfold: the first slice may have waited for the compiler.
            self._slice_moves = int(max(1000, min(wanted, 4 * moves, MAX_SLICE_MOVES)))


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
    budget = _Budget(limits)
    state = GridState(model, limits.seed, start)
    given = None if start is None else count(model, *cells_and_rooms(model, start))
    target = max(limits.target, model.bound)
    hard_weight = plan.hard_weight
    report = _Reporter(model, state, on_progress)
    report(budget.share, force=True)
    while not (budget.used_up or _met(state, target) or should_stop()):
        share = budget.share
        moves, share_after = budget.next_slice()
        hot = plan.temperature(share, start is not None)
        cold = plan.temperature(share_after, start is not None)
        if state.hard > 0 and hot < plan.growth_below:
            grown = hard_weight * math.exp(plan.growth * (share_after - share))
            hard_weight = min(plan.hard_weight_limit, grown)
        began = time.perf_counter()
        made = state.advance(
            moves,
            hot * model.penalty_scale,
            cold * model.penalty_scale,
            hard_weight * model.penalty_scale,
            plan.exchange_share,
            plan.keep_room_share,
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
    search_grid(_toy(), Limits(seconds=120.0, moves=2_000), lambda progress, read: None, lambda: False)


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
    )

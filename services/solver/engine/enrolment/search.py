"""The enrolment search: events are placed without a clash, then annealed to few points of cost.

Owns the budget, the cooling schedule, the price of an event without a place and what is reported. Must not know how a
move is evaluated (`kernel`) nor where the model comes from.
"""

from __future__ import annotations

import math
import time

import numpy as np

from services.solver.engine.budget import Budget
from services.solver.engine.enrolment.cooling import Cooling, Schedule
from services.solver.engine.enrolment.counting import Count, count, periods_and_rooms
from services.solver.engine.enrolment.housing import cheapest_rooms
from services.solver.engine.enrolment.model import EnrolmentModel
from services.solver.engine.enrolment.state import EnrolmentState
from services.solver.engine.enrolment.toy import toy_model
from services.solver.engine.search import Assignment, Limits, OnProgress, Outcome, Progress, ShouldStop, Stage

METHOD = "enrolment-annealing"

PROGRESS_SECONDS = 0.12
# An insertion looks at every period of a dozen events, a move of the annealing at one.
MOVES_PER_INSERTION = 50
# In units of one soft penalty: more than any event's students can save by its absence.
MAX_PRICE = 1e6


def search_enrolment(
    model: EnrolmentModel,
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
    state = EnrolmentState(model, limits.seed, start)
    report = _Reporter(model, state, on_progress)
    report(budget.share, force=True)
    _construct(state, budget, plan, report, should_stop)
    unit = model.scale * max(1.0, model.enrolments / model.events)
    cooling = Cooling(plan, unit, budget.share, warm=start is not None, complete=state.unplaced == 0)
    target = max(limits.target, model.bound)
    price = 0.0
    while not (budget.used_up or (state.best_unplaced == 0 and state.best_cost <= target) or should_stop()):
        share = budget.share
        moves, share_after = budget.next_slice()
        at, accepted_before = time.perf_counter(), state.accepted
        hot, cold = cooling.temperature(share), cooling.temperature(share_after)
        price = max(price, plan.price * hot)
        long_share = plan.long_share if cooling.loose else 1.0
        made = state.anneal(
            moves,
            hot,
            cold,
            price=price,
            limit=plan.limit,
            short=plan.short,
            long_share=long_share,
            displace_share=plan.displace_share,
            onward_share=plan.onward_share,
            target=target,
        )
        budget.spend(made, time.perf_counter() - at)
        cooling.slice_done(budget.share, (state.accepted - accepted_before) / max(1, made))
        holes = plan.holes * model.events * max(0.0, 1.0 - cooling.progress(share) / plan.closed)
        price = min(price * (plan.dearer if state.unplaced > holes else plan.cheaper), MAX_PRICE * model.scale)
        report(budget.share)
    report(budget.share, force=True)
    found, assignment = report.best_count(), report.best_assignment()
    if start is not None:
        given = count(model, *periods_and_rooms(model, start))
        if given.rank < found.rank:
            found, assignment = given, model.attended_by_all(start.times, start.rooms)
    return _outcome(model, assignment, found, state.moves)


def _construct(
    state: EnrolmentState, budget: Budget, plan: Schedule, report: _Reporter, should_stop: ShouldStop
) -> None:
    """Give every event a place, if that takes no more than its share of the budget; then start from the best."""
    while state.unplaced > 0 and budget.share < plan.construct and not (budget.used_up or should_stop()):
        moves, _ = budget.next_slice()
        at = time.perf_counter()
        made = state.construct(max(1, moves // MOVES_PER_INSERTION))
        budget.spend(made * MOVES_PER_INSERTION, time.perf_counter() - at)
        report(budget.share)
    state.return_to_best()


def _outcome(model: EnrolmentModel, assignment: Assignment, found: Count, moves: int) -> Outcome:
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

    def __init__(self, model: EnrolmentModel, state: EnrolmentState, on_progress: OnProgress) -> None:
        self._model = model
        self._state = state
        self._on_progress = on_progress
        self._counted = -1
        self._best = Count({}, {})
        self._places = (state.best_period, state.best_room)
        self._last = -math.inf

    def __call__(self, share: float, *, force: bool = False) -> None:
        now = time.monotonic()
        if not force and now - self._last < PROGRESS_SECONDS:
            return
        self._last = now
        best = self.best_count()
        hard_violations, cost = best.rank
        progress = Progress(
            stage=Stage.CONSTRUCTING if hard_violations else Stage.IMPROVING,
            share=share,
            hard_violations=hard_violations,
            cost=cost,
            parts=best.parts,
            bound=self._model.bound or None,
            moves=self._state.moves,
        )
        self._on_progress(progress, self.best_assignment)

    def best_count(self) -> Count:
        """The best timetable by part."""
        if self._counted != self._state.bests:
            self._counted = self._state.bests
            model, periods = self._model, self._state.best_period.copy()
            self._places = periods, cheapest_rooms(model, periods, self._state.best_room.copy())
            self._best = count(model, *self._places)
        return self._best

    def best_assignment(self) -> Assignment:
        """A copy of the best timetable."""
        self.best_count()
        periods, rooms = self._places
        times = np.where(periods >= 0, self._model.period_time[periods], -1).astype(np.int32)
        return self._model.attended_by_all(times, rooms)


def warm_up() -> None:
    """Fill the on-disk cache of compiled kernels by solving a toy problem: seconds the first time only."""
    limits = Limits(seconds=3600.0, moves=2_000, target=-1)
    search_enrolment(toy_model(), limits, lambda progress, read: None, lambda: False)

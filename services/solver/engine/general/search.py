"""The general search: phases and temperatures over the budget, in slices; the best timetable found so far.

Owns the driver of the kernels. Must not know the problem's format, processes, or who listens.
"""

from __future__ import annotations

import time as clock
from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from services.solver.engine.general.layout import (
    OWN_SOFT,
    PAR_BEST_HARD,
    PAR_BEST_SOFT,
    PAR_HARD,
    PAR_MOVES,
    PAR_SETTLED,
    PAR_SOFT,
)
from services.solver.engine.general.model import (
    ROOMS_AT,
    ROOMS_LEN,
    RULE_HARD,
    RULE_PENALTY,
    SOFT_AT,
    SOFT_END,
    TIMES_AT,
    TIMES_LEN,
    GeneralModel,
)
from services.solver.engine.general.state import RESECTION_SHARE, State, score_general
from services.solver.engine.general.toy import toy_model
from services.solver.engine.search import (
    Assignment,
    Limits,
    Meeting,
    OnProgress,
    Outcome,
    Progress,
    ShouldStop,
    Stage,
)

__all__ = ["score_general", "search_general", "warm_up"]

SLICE_SECONDS = 0.15
FIRST_SLICE_MOVES = 2_000
MAX_SLICE_MOVES = 100_000
# Slices of a run with a move budget: many enough to follow the temperatures, short enough to stop between them.
BUDGET_SLICES = 200
MAX_BUDGET_SLICE_MOVES = 25_000


@dataclass(frozen=True, slots=True)
class Phase:
    """How a stretch of the budget is annealed. Weights and temperatures are in units of `scale` (see `soft_scales`)."""

    until: float  # share of the budget at which the phase ends
    hot: float
    cold: float
    hard_weight: float
    # Added to the weight of what is violated: after each slice without soft costs, else per hundredth of the budget.
    growth: float
    chain_share: float
    student_share: float
    soft_on: bool = True


# Without soft costs a timetable without violations is found soonest, and with it something to fall back on.
CONSTRUCT = Phase(
    until=0.25, hot=10.0, cold=2.0, hard_weight=100.0, growth=10.0, chain_share=0.3, student_share=0.1, soft_on=False
)
# A heavier violation keeps the way to better timetables shut while it is hot: growth sees to it that none is left.
TOGETHER = Phase(until=1.0, hot=30.0, cold=0.3, hard_weight=300.0, growth=10.0, chain_share=0.15, student_share=0.1)
WARM = Phase(until=1.0, hot=2.0, cold=0.3, hard_weight=1_000.0, growth=50.0, chain_share=0.15, student_share=0.1)
# Violations left after that, or a third of the budget after a start: soft costs off until they are gone, hot enough to
# leave where the first phase got stuck; a second time if need be. Then a weight that keeps them away.
FEASIBILITY_AFTER = 1 / 3
FEASIBILITY_UNTIL = (0.6, 0.85)
FEASIBILITY = Phase(
    until=1.0, hot=30.0, cold=3.0, hard_weight=100.0, growth=2.0, chain_share=0.3, student_share=0.1, soft_on=False
)
AFTERWARDS = Phase(until=1.0, hot=20.0, cold=0.3, hard_weight=300.0, growth=10.0, chain_share=0.3, student_share=0.1)


# Where one part's penalties are far smaller than the others', the end of a phase with soft costs cools on for them.
TAIL_SHARE = 0.15
TAIL_BELOW = 0.6
# The same share (see `RESECTION_SHARE`) above so many units of temperature: such a move takes ten times as long as
# another, and while it is hot most of them are accepted and none settles anything.
RESECTION_HOT = 0.02
RESECTION_BELOW = 10.0
# Of the moves of one class, those to a likely time (see `prospects`), from when on keeping that table takes at most so
# many entries a move on average: as long as most times are accepted, they are found by chance, and the table is dear.
BATH_SHARE = 0.85
BATH_ENTRIES = 400.0
# Marks of a phase at which searches of one problem are compared, and the first of them: before it all are hot.
MARKS = 20
FIRST_MARK = 4
# See `crowd_weight`.
CROWD_SHARE = 4.0
# The first temperature in shares of what the dearest classes but one of a hundred cost, and its limits: hot enough that
# they, too, change their places, no hotter.
DEAR = 0.99
HOT_SHARE = 0.1
LEAST_HOT, MOST_HOT = 20.0, 100.0
# From this share of a phase on, what is still violated grows so much faster.
LATE = 0.5
LATE_GROWTH = 10.0


def soft_scales(model: GeneralModel) -> tuple[float, float]:
    """The size of one soft penalty, relative to the problems that the phases' figures were found on: (usual, smallest).

    The median of the typical costs of the parts (5 on those problems); and the least of these and of all penalties of
    times and rooms, because a search that ends too hot for those leaves them to chance.
    """
    typical: list[float] = []
    least: list[float] = []
    for at, length, weight in ((TIMES_AT, TIMES_LEN, model.time_weight), (ROOMS_AT, ROOMS_LEN, model.room_weight)):
        starts = np.unique(model.classes[:, [at, length]], axis=0)
        listed = [model.pool[a + 1 : a + 2 * n : 2] for a, n in starts if n > 1]
        penalties = np.concatenate(listed) if listed else np.zeros(0, np.int32)
        penalties = penalties[penalties > 0]
        if len(penalties) and weight:
            typical.append(float(np.median(penalties)) * weight)
            least.append(float(penalties.min()) * weight)
    soft = model.rules[(model.rules[:, RULE_HARD] == 0) & (model.rules[:, RULE_PENALTY] > 0), RULE_PENALTY]
    if len(soft) and model.distribution_weight:
        typical.append(float(np.median(soft)) * model.distribution_weight)
    by_set = model.classes[:, SOFT_AT], model.classes[:, SOFT_END]  # those by constraints have been looked at
    curricula = [model.soft_weights[a:b] for a, b in zip(*by_set, strict=True) if a < b]
    if curricula:
        typical.append(float(np.median(np.concatenate(curricula))))
    if len(model.requests) and model.student_weight:
        typical.append(float(model.student_weight))
    if not typical:
        return 1.0, 1.0
    return max(0.2, float(np.median(typical)) / 5.0), max(0.2, min(typical + least) / 5.0)


def crowd_weight(model: GeneralModel) -> float:
    """What a hard violation has to weigh at least: a few times the conflicts of all students of a usual class.

    Otherwise it pays to break a rule rather than to let a class's students clash, and at the size of a university no
    timetable without violations is seen before the search is half over.
    """
    return CROWD_SHARE * model.student_weight * int(model.student_slots[-1]) / max(1, model.n_classes)


def option_bound(model: GeneralModel) -> int:
    """A lower bound that costs nothing: every class in its cheapest time and room."""
    total = 0
    for at, length, weight in ((TIMES_AT, TIMES_LEN, model.time_weight), (ROOMS_AT, ROOMS_LEN, model.room_weight)):
        pairs, count = np.unique(model.classes[:, [at, length]], axis=0, return_counts=True)
        for (a, n), classes in zip(pairs, count, strict=True):
            if n:
                total += weight * int(classes) * int(model.pool[a + 1 : a + 2 * n : 2].min())
    return total


class _Budget:
    """How much of the limits is used, in moves if there is a budget of moves, else in seconds since the call."""

    def __init__(self, limits: Limits, began: float) -> None:
        self._limits = limits
        self._end = began + limits.seconds
        self._begin = began
        self._slice_moves = FIRST_SLICE_MOVES
        self.moves = 0

    def search_begins(self) -> None:
        """Compiling and loading are over: temperatures fall over what is left."""
        self._begin = min(clock.perf_counter(), self._end)

    @property
    def share(self) -> float:
        now = clock.perf_counter()
        by_clock = 1.0 if now >= self._end else (now - self._begin) / (self._end - self._begin)
        if self._limits.moves is None:
            return by_clock
        return 1.0 if by_clock >= 1.0 else min(1.0, self.moves / max(1, self._limits.moves))

    def next_slice(self) -> int:
        if self._limits.moves is None:
            left = max(0.0, self._end - clock.perf_counter())
            return max(64, int(self._slice_moves * min(1.0, left / SLICE_SECONDS)))
        size = min(MAX_BUDGET_SLICE_MOVES, -(-self._limits.moves // BUDGET_SLICES))
        return max(1, min(size, self._limits.moves - self.moves))

    def slice_done(self, moves: int, seconds: float) -> None:
        self.moves += moves
        ideal = moves * SLICE_SECONDS / max(seconds, 1e-4)
        self._slice_moves = int(min(MAX_SLICE_MOVES, 4 * moves, max(256, ideal)))


class _Search:
    def __init__(
        self, model: GeneralModel, limits: Limits, began: float, start: Assignment | None, meeting: Meeting | None
    ) -> None:
        self._model = model
        self._meeting = meeting
        self._budget = _Budget(limits, began)
        self._scale, self._fine_scale = soft_scales(model)
        self._target = max(limits.target, option_bound(model))
        self._state = State(model, limits.seed)
        self._first = CONSTRUCT if start is None else WARM
        self._state.load(start, self._weight(self._first), self._first.soft_on)
        self._budget.search_begins()
        self._best_seen: tuple[int, int] | None = None
        self._parts: dict[str, int] = {}
        # Since the last mark, and what they were on average before it.
        self._energies: list[float] = []
        self._mark, self._energy = -1, 0.0
        self._soft_phases = 0

    def _weight(self, phase: Phase) -> int:
        if not phase.soft_on:
            return max(1, round(phase.hard_weight))
        return max(1, round(max(phase.hard_weight * self._scale, crowd_weight(self._model))))

    def _hot(self) -> float:
        """The first temperature of the phase with all costs, for the timetable that it begins with, in units."""
        costs = self._state.own[self._state.movable, OWN_SOFT]
        dear = float(np.quantile(costs, DEAR)) / self._scale if len(costs) else 0.0
        return min(max(LEAST_HOT, HOT_SHARE * dear), MOST_HOT)

    @property
    def best_rank(self) -> tuple[int, int]:
        par = self._state.par
        return int(par[PAR_BEST_HARD]), int(par[PAR_BEST_SOFT])

    def run(self) -> Iterator[None]:
        """One step per slice."""
        if self._first is WARM:
            yield from self._anneal(WARM, stop_when_bad_after=FEASIBILITY_AFTER)
        else:
            yield from self._anneal(CONSTRUCT, stop_when_feasible=True)
            if self.best_rank[0] == 0:
                self._state.restart_from_best(self._weight(TOGETHER), soft_on=True)
                yield from self._anneal(replace(TOGETHER, hot=self._hot()))
        for until in FEASIBILITY_UNTIL:
            if self._budget.share < until and self.best_rank[0] > 0:
                self._state.restart_from_best(self._weight(FEASIBILITY), soft_on=False)
                yield from self._anneal(replace(FEASIBILITY, until=until), stop_when_feasible=True)
        if self._budget.share < 1.0:
            self._state.restart_from_best(self._weight(AFTERWARDS), soft_on=True)
            yield from self._anneal(AFTERWARDS)

    def _anneal(
        self, phase: Phase, *, stop_when_bad_after: float = 2.0, stop_when_feasible: bool = False
    ) -> Iterator[None]:
        began = self._budget.share
        seen = began
        self._soft_phases += phase.soft_on
        bath = 0.0
        while (share := self._budget.share) < phase.until:
            if self.best_rank[0] > 0 and share >= stop_when_bad_after:
                return
            if self.best_rank[0] == 0 and stop_when_feasible:
                return
            progress = (share - began) / max(1e-9, phase.until - began)
            temperature = self._temperature(phase, progress)
            moves = self._budget.next_slice()
            before = clock.perf_counter()
            hot = temperature > RESECTION_BELOW * self._scale
            settled = int(self._state.par[PAR_SETTLED])
            self._state.anneal(
                moves,
                temperature,
                temperature,
                phase.chain_share,
                phase.student_share,
                RESECTION_HOT if hot else RESECTION_SHARE,
                bath,
            )
            if phase.soft_on and bath == 0.0:
                settled = int(self._state.par[PAR_SETTLED]) - settled
                bath = BATH_SHARE if settled * self._state.settling <= BATH_ENTRIES * moves else 0.0
            self._budget.slice_done(moves, clock.perf_counter() - before)
            if self._state.par[PAR_HARD] > 0:
                self._state.refresh(self._growth(phase, progress, 100.0 * (self._budget.share - seen)))
            seen = self._budget.share
            if self._meeting is not None and phase.soft_on:
                self._compare(self._meeting, phase, progress, temperature)
            yield

    def _compare(self, meeting: Meeting, phase: Phase, progress: float, temperature: float) -> None:
        """Go on from another search's timetable if that one stands better at the same mark of its cooling."""
        weight = self._weight(phase)
        self._energies.append(float(self._state.par[PAR_SOFT]) + weight * float(self._state.par[PAR_HARD]))
        mark = int(progress * MARKS)
        if mark != self._mark:
            self._mark, self._energy = mark, fmean(self._energies)
            self._energies.clear()
        if mark >= FIRST_MARK:
            # A second phase's marks are others: what this search posted in its first must not meet it there.
            number = self._soft_phases * (MARKS + 2) + mark
            other = meeting.compare(number, temperature, self._energy, self._state.now)
            if other is not None:
                self._state.take_over(other, weight)

    def _growth(self, phase: Phase, progress: float, hundredths: float) -> int:
        """What is added to the weight of every violation after a slice."""
        if not phase.soft_on:
            return max(1, round(phase.growth))
        late = LATE_GROWTH if progress > LATE else 1.0
        return max(1, round(phase.growth * late * self._scale * hundredths))

    def _temperature(self, phase: Phase, progress: float) -> float:
        """Falls geometrically; at the end of the phase further down to the part with the smallest penalties, if any."""
        if not phase.soft_on:
            return float(phase.hot * (phase.cold / phase.hot) ** progress)
        hot, cold = phase.hot * self._scale, phase.cold * self._scale
        if self._fine_scale > TAIL_BELOW * self._scale:
            return float(hot * (cold / hot) ** progress)
        main = 1.0 - TAIL_SHARE
        if progress < main:
            return float(hot * (cold / hot) ** (progress / main))
        return float(cold * (self._fine_scale / self._scale) ** ((progress - main) / TAIL_SHARE))

    @property
    def finished(self) -> bool:
        hard, cost = self.best_rank
        return hard == 0 and cost <= self._target

    def progress(self) -> Progress:
        if self._best_seen != self.best_rank:
            self._best_seen = self.best_rank
            _, self._parts = score_general(self._model, self._state.best())
        hard, cost = self.best_rank
        return Progress(
            stage=Stage.CONSTRUCTING if hard else Stage.IMPROVING,
            share=self._budget.share,
            hard_violations=hard,
            cost=cost,
            parts=dict(self._parts),
            moves=int(self._state.par[PAR_MOVES]),
        )

    def best(self) -> Assignment:
        return self._state.best()

    @property
    def moves(self) -> int:
        return int(self._state.par[PAR_MOVES])


def search_general(
    model: GeneralModel,
    limits: Limits,
    on_progress: OnProgress,
    should_stop: ShouldStop,
    start: Assignment | None = None,
    meeting: Meeting | None = None,
) -> Outcome:
    """Search until a limit is reached or `should_stop()`; both callbacks are called between slices of about 0.15 s.

    `start` is continued from and never worsened: the outcome ranks at least as well. Its classes without a (valid)
    place get a random one, its incomplete sectionings are made anew. At a `meeting` the search may go on from another's
    timetable, so the same seed gives another one.
    """
    began = clock.perf_counter()
    search = _Search(model, limits, began, start, meeting)
    on_progress(search.progress(), search.best)
    for _ in () if search.finished or should_stop() else search.run():
        on_progress(search.progress(), search.best)
        if search.finished or should_stop():
            break
    best = search.best()
    if start is not None:
        given = _without_halves(model, start)
        hard, cost = score_general(model, given)
        if (sum(hard.values()), sum(cost.values())) < search.best_rank:
            best = given
    hard, cost = score_general(model, best)
    bound = option_bound(model)
    return Outcome(
        assignment=best,
        hard_violations=sum(hard.values()),
        cost=sum(cost.values()),
        parts=cost,
        hard=hard,
        method="general-annealing",
        moves=search.moves,
        bound=bound if bound > 0 or not cost else None,
    )


def _without_halves(model: GeneralModel, start: Assignment) -> Assignment:
    """The assignment with classes unplaced that lack a time, or a room that they need: such a class is nowhere."""
    whole = (start.times >= 0) & ((start.rooms >= 0) | (model.classes[:, ROOMS_LEN] == 0))
    nowhere = np.int32(-1)
    return replace(start, times=np.where(whole, start.times, nowhere), rooms=np.where(whole, start.rooms, nowhere))


def warm_up() -> None:
    """Compile the kernels, or load them from numba's cache: about half a minute of CPU the first time, then 0.3 s."""
    # The moves end it. Seconds would cut it short where compiling is slow, and leave a kernel to the first real search.
    search_general(toy_model(), Limits(seconds=3600.0, moves=64, target=-1), lambda _p, _r: None, lambda: False)

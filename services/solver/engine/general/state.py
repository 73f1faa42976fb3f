"""A search's own arrays, and the calls of the kernels on them.

Owns allocation, loading a start, reading assignments out, and scoring. Must not know temperatures, clocks or reports.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from services.solver.engine.general import kernel, loading, resectioning, students, ties
from services.solver.engine.general.layout import (
    CON_WEIGHT,
    LIST_AT,
    LIST_COLUMNS,
    MATES_LEN,
    OWN_EXTRA,
    OWN_HARD,
    PAR_BAD,
    PAR_BASE,
    PAR_BEST_HARD,
    PAR_BEST_SOFT,
    PAR_CHECK,
    PAR_DAYS,
    PAR_DISTRIBUTION,
    PAR_HARD,
    PAR_HOT,
    PAR_KEPT,
    PAR_KEPT_AT,
    PAR_NO_ROOM,
    PAR_PROSPECTS,
    PAR_ROOM,
    PAR_SIZE,
    PAR_SOFT,
    PAR_SOFT_ON,
    PAR_STUDENT,
    PAR_TIME,
    PAR_UNDO,
    PAR_UNSECTIONED,
    PAR_WEEKS,
    PROSPECT_TIME,
    ROOM,
    ROOM_HEAD,
    SEEN,
    SEEN_ROOM,
    STUDENTS,
)
from services.solver.engine.general.model import (
    CLASH_ALL,
    CLASH_AT,
    CONFIG,
    COURSE,
    COURSE_CHOICE,
    PARENT,
    REQ_AT,
    REQ_COURSE,
    REQ_LEN,
    REQ_STUDENT,
    ROOMS_LEN,
    RULE_AT,
    RULE_END,
    RULE_HARD,
    SLOT,
    SOFT_ALL,
    SOFT_AT,
    TIMES_AT,
    TIMES_LEN,
    GeneralModel,
)
from services.solver.engine.general.occupancy import build_busy
from services.solver.engine.general.overlaps import tell_overlaps
from services.solver.engine.general.prospects import build_prospects
from services.solver.engine.general.random import gumbel_noise
from services.solver.engine.general.recount import (
    HARD_PARTS,
    ROOM_COST,
    SOFT_PARTS,
    TIME_COST,
    recount,
)
from services.solver.engine.random import seeded
from services.solver.engine.search import Assignment

# Requests with a choice per class that is moved from which on students get their usual share of moves.
CHOOSERS_PER_CLASS = 2
# Of the moves of classes whose students could go elsewhere, those that take other sections for them into account.
RESECTION_SHARE = 0.05
# Classes up to which the places in the lists of mates are looked up in a table, 128 MB at most; beyond, searched for.
MAX_INDEXED = 8_000
# Entries of the table of taken rooms, 32 MB at most; beyond, rooms are drawn at random.
MAX_BUSY = 16_000_000

Array = np.ndarray[Any, Any]
Parts = dict[str, int]


class State:
    """The arrays of one search (see `layout`). `best_*` is the best timetable seen, by (violations, cost)."""

    def __init__(self, model: GeneralModel, seed: int) -> None:
        self.model = model
        n, n_slots = model.n_classes, int(model.student_slots[-1])
        self.rng = seeded(seed)
        self.par = np.zeros(PAR_SIZE, np.int64)
        self.par[PAR_WEEKS], self.par[PAR_DAYS], self.par[PAR_NO_ROOM] = model.weeks, model.days, model.n_rooms
        self.par[PAR_STUDENT], self.par[PAR_DISTRIBUTION] = model.student_weight, model.distribution_weight
        self.par[PAR_TIME], self.par[PAR_ROOM] = model.time_weight, model.room_weight
        self.par[PAR_KEPT_AT], self.par[PAR_KEPT] = model.kept_at, model.kept_weight
        self.par[PAR_SOFT_ON] = 1
        # A look costs a comparison, a copy about a tenth of a nanosecond per byte.
        self.par[PAR_CHECK] = min(2048, max(32, (n + n_slots) // 16))
        self.rooms = np.zeros((model.n_rooms + 1, 4), np.int64)
        self.rooms[:, 0], self.rooms[:, 1], self.rooms[:, ROOM_HEAD] = model.places, model.blocked_row, -1
        self.time = np.zeros(n, np.int64)
        self.place = np.zeros(n, np.int64)
        self.st = np.zeros((n, 8), np.int64)
        self.own = np.zeros((n, 6), np.int64)
        self.con = np.zeros((len(model.rules), 2), np.int64)
        self.mates = np.zeros((model.mates_size, 2), np.int32)
        indexed = n if n <= MAX_INDEXED else 0
        self.mate_at = np.zeros((indexed, indexed), np.int16)
        longest = int((model.rules[:, RULE_END] - model.rules[:, RULE_AT]).max()) if len(model.rules) else 0
        self.work = np.zeros(2 * longest + 1, np.int64)
        self.log = np.zeros((ties.MAX_JOINT, 5), np.int64)
        told = tell_overlaps(model)
        self.lists, self.overlaps = told.lists, told.overlaps
        self.prospects = self._prospects(told.columns)
        # What one entry of it could come to at most: weights beyond that do without likely times.
        most = int(model.student_weight) * n_slots + int(model.soft_weights.sum())
        self._expectable = most <= np.iinfo(np.int32).max
        self.noise = gumbel_noise()
        tabled = len(model.times) if len(model.times) * model.n_rooms <= MAX_BUSY else 0
        self.busy = np.zeros((tabled, model.n_rooms), np.int16)
        self.movable = np.flatnonzero((model.classes[:, TIMES_LEN] > 1) | (model.classes[:, ROOMS_LEN] > 1)).astype(
            np.int64
        )
        self.bad = np.zeros(n, np.int64)
        self.hot = np.zeros(len(model.requests), np.int64)
        # Requests that can be sectioned in more than one way.
        self.choosers = np.flatnonzero(model.courses[model.requests[:, REQ_COURSE], COURSE_CHOICE] == 1).astype(
            np.int64
        )
        many = max(1, CHOOSERS_PER_CLASS * len(self.movable))
        self._student_share = min(1.0, len(self.choosers) / many)
        self.slots = np.full(n_slots, -1, np.int64)
        self.chosen = np.full(len(model.requests), -1, np.int64)
        widest = int((model.configs[:, 1] - model.configs[:, 0]).max())
        self.pick = np.zeros(4 * widest, np.int64)
        self.swap = np.full(2 * widest, -1, np.int64)
        self.undo = np.zeros((resectioning.MAX_UNDO, 2 + widest), np.int64)
        self.par[PAR_UNDO] = -1
        self.best_time, self.best_room = self.time.copy(), self.st[:, ROOM].copy()
        self.best_slots = self.slots.copy()

    def _prospects(self, columns: int) -> Array:
        """The table's row of times filled; what the classes meet there is worked out when it is first asked for."""
        m = self.model
        lengths = m.classes[:, TIMES_LEN]
        within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        prospects = np.zeros((3, columns), np.int32)
        prospects[PROSPECT_TIME] = -1
        first = self.lists[LIST_AT : LIST_COLUMNS * m.n_classes : LIST_COLUMNS].astype(np.int64)
        times = m.pool[np.repeat(m.classes[:, TIMES_AT], lengths) + 2 * within]
        prospects[PROSPECT_TIME, np.repeat(first, lengths) + within] = times
        return prospects

    # The kernels take flat array arguments: numba passes a tuple of them thirteen times slower.
    def _static(self) -> tuple[Array, ...]:
        m = self.model
        return (m.times, m.gaps, m.travel, m.blocked, m.classes, m.pool, m.soft_peers, m.soft_weights, m.rules)

    def _class_side(self) -> tuple[Array, ...]:
        return (
            *self._static(),
            self.par,
            self.rooms,
            self.time,
            self.place,
            self.st,
            self.own,
            self.con,
            self.mates,
            self.work,
        )

    def _student_side(self) -> tuple[Array, ...]:
        m = self.model
        return (
            m.courses,
            m.course_requests,
            m.requests,
            m.configs,
            m.subparts,
            m.student_slots,
            self.slots,
            self.chosen,
            self.mate_at,
        )

    def load(self, start: Assignment | None, base: int, soft_on: bool = True) -> None:
        """Take over `start` as far as it fits the problem, fill the rest at random, section every request.

        `base` is the weight of a hard violation; without `soft_on` soft costs do not count in acceptance.
        """
        m = self.model
        self.par[PAR_SOFT_ON] = int(soft_on)
        nowhere = np.full(m.n_classes, -1, np.int64)
        if start is None:
            self._place(nowhere, nowhere)
        else:
            self._place(np.array(start.times, np.int64), np.array(start.rooms, np.int64))
        if start is not None:
            self._take_sections(start)
        self._build(base)
        loading.first_fit(
            m.times, m.gaps, m.travel, m.classes, m.pool, self.par, self.time, self.place, self.st, self.own,
            self.mates, *self._student_side(), self.pick, self.swap, self.undo, self.prospects, self.lists,
            self.overlaps, self.rng,
        )  # fmt: skip
        self.keep_as_best()

    def restart_from_best(self, base: int, soft_on: bool) -> None:
        """Begin a phase at the best timetable: every hard violation weighs `base` again; soft costs count or do not."""
        m = self.model
        self._place(self.best_time, self.best_room)
        self.slots[:] = self.best_slots
        first = self.slots[m.requests[:, REQ_AT]]
        self.chosen[:] = np.where(first >= 0, m.classes[first, CONFIG], -1)
        self.par[PAR_SOFT_ON] = int(soft_on)
        self._build(base)

    def take_over(self, other: Assignment, base: int) -> None:
        """Go on from another search's timetable, in which every class has a place; the best one seen stays."""
        self._place(np.array(other.times, np.int64), np.array(other.rooms, np.int64))
        self.slots[:], self.chosen[:] = -1, -1
        self._take_sections(other)
        self._build(base)

    def _build(self, base: int) -> None:
        """Everything that follows from `time`, `st[:, ROOM]`, the penalties, `slots` and `chosen`."""
        m = self.model
        self.par[PAR_BASE] = base
        self.par[PAR_PROSPECTS] = 0
        self.st[:, SEEN], self.st[:, SEEN_ROOM] = self.time, self.st[:, ROOM]
        self.con[:, CON_WEIGHT] = np.where(m.rules[:, RULE_HARD] == 1, base, 0)
        self.own[:, OWN_EXTRA] = 0
        self.rooms[:, ROOM_HEAD] = -1
        self.st[:, STUDENTS], self.st[:, MATES_LEN] = 0, 0
        self.mate_at[:] = 0
        self.par[PAR_UNSECTIONED] = int((self.chosen < 0).sum())
        loading.load(
            m.times, m.gaps, m.travel, m.classes, m.pool, m.rules, self.par, self.rooms, self.time, self.place, self.st,
            self.con, self.mates, self.work, m.student_slots, self.slots, self.mate_at,
        )  # fmt: skip
        self.refresh(0)
        hard, cost = self.score_now()
        self.par[PAR_HARD], self.par[PAR_SOFT] = sum(hard.values()), sum(cost.values())

    def _place(self, times: Array, rooms: Array) -> None:
        """Every class in that time and room if they are among its options, else in random ones."""
        m = self.model
        loading.place_all(m.classes, m.pool, self.par, self.time, self.st, self.own, self.rng, times, rooms)

    def _take_sections(self, start: Assignment) -> None:
        """The start's complete sectionings; a request that is sectioned incompletely there begins anew."""
        m = self.model
        if not len(m.requests):
            return
        wide = np.int64(len(m.courses))
        keys = m.requests[:, REQ_STUDENT] * wide + m.requests[:, REQ_COURSE]
        order = np.argsort(keys)
        student = np.repeat(np.arange(m.n_students), np.diff(start.attended_start))
        wanted = student * wide + m.classes[start.attended, COURSE]
        request = order[np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)]
        asked = keys[request] == wanted
        request, rows, listed = request[asked], m.classes[start.attended[asked]], start.attended[asked]
        at = m.requests[request, REQ_AT]
        self.slots[at + rows[:, SLOT]] = listed
        # Complete: as many classes as the configuration has subparts, each in a slot of its own, parents among them.
        n = np.bincount(request, minlength=len(keys))
        config = np.full(len(keys), -1, np.int64)
        config[request] = rows[:, CONFIG]
        fits = (n > 0) & (n == m.configs[config, 1] - m.configs[config, 0])
        parent = rows[:, PARENT]
        wrong = (rows[:, CONFIG] != config[request]) | (self.slots[at + rows[:, SLOT]] != listed)
        parent_at = np.where(parent >= 0, at + m.classes[parent, SLOT], 0)
        wrong |= (parent >= 0) & (self.slots[parent_at] != parent)
        fits[request[wrong]] = False
        self.chosen[:] = np.where(fits, config, -1)
        width = m.requests[:, REQ_LEN]
        self.slots[np.repeat(~fits, width)] = -1

    def refresh(self, growth: int) -> None:
        """Recompute every contribution; `growth` is added to the weight of what is violated."""
        loading.refresh(growth, *self._class_side())

    def keep_as_best(self) -> None:
        self.best_time[:], self.best_room[:], self.best_slots[:] = self.time, self.st[:, ROOM], self.slots
        self.par[PAR_BEST_HARD], self.par[PAR_BEST_SOFT] = self.par[PAR_HARD], self.par[PAR_SOFT]

    def anneal(
        self,
        moves: int,
        hot: float,
        cold: float,
        chain_share: float,
        student_share: float,
        resection_share: float = RESECTION_SHARE,
        bath_share: float = 0.0,
    ) -> None:
        """One slice; the shares of moves are explained at `kernel.anneal`."""
        m = self.model
        bath_share *= self._expectable
        if bath_share > 0 and self.par[PAR_PROSPECTS] == 0:
            build_prospects(
                m.times, m.gaps, m.classes, m.pool, m.soft_peers, m.soft_weights, self.par, self.st, self.mates,
                self.prospects, self.lists, self.overlaps,
            )  # fmt: skip
            build_busy(m.times, m.gaps, m.blocked, self.par, self.rooms, self.time, self.st, self.busy)
        if len(m.requests):
            self.par[PAR_HOT] = students.list_hot(
                m.times, m.gaps, m.travel, m.classes, self.time, self.place, self.st, m.courses, m.requests,
                m.student_slots, self.slots, self.chosen, self.hot,
            )  # fmt: skip
        bad = self.movable[self.own[self.movable, OWN_HARD] > 0]
        self.bad[: len(bad)] = bad
        self.par[PAR_BAD] = len(bad)
        kernel.anneal(
            moves, hot, cold, chain_share, student_share * self._share_of_students(), resection_share, bath_share,
            *self._class_side(), self.log, self.movable, self.bad, *self._student_side(), self.hot, self.choosers,
            self.pick, self.swap, self.undo, self.prospects, self.lists, self.overlaps, self.busy, self.noise,
            self.best_time, self.best_room, self.best_slots, self.rng,
        )  # fmt: skip

    @property
    def settling(self) -> float:
        """How many entries of `prospects` and `busy` an accepted move to another time concerns, on average."""
        rows = self.model.classes
        peers = rows[:, CLASH_ALL] - rows[:, CLASH_AT] + rows[:, SOFT_ALL] - rows[:, SOFT_AT] + self.st[:, MATES_LEN]
        return float(peers.mean() * rows[:, TIMES_LEN].mean()) + 2 * len(self.busy)

    def _share_of_students(self) -> float:
        """How much of the usual share of student moves makes sense: little where few students have a choice."""
        if self.par[PAR_UNSECTIONED] > 0 and len(self.model.requests):
            return 1.0
        return self._student_share

    def best(self) -> Assignment:
        return self._assignment(self.best_time, self.best_room, self.best_slots)

    def now(self) -> Assignment:
        return self._assignment(self.time, self.st[:, ROOM], self.slots)

    def _assignment(self, time: Array, room: Array, slots: Array) -> Assignment:
        taken = slots >= 0
        before = np.concatenate([np.zeros(1, np.int64), np.cumsum(taken)])
        return Assignment(
            times=time.astype(np.int32),
            rooms=np.where(room == self.model.n_rooms, -1, room).astype(np.int32),
            attended_start=before[self.model.student_slots].astype(np.int32),
            attended=slots[taken].astype(np.int32),
        )

    def score_now(self) -> tuple[Parts, Parts]:
        return score_general(self.model, self.now())


def score_general(model: GeneralModel, assignment: Assignment) -> tuple[Parts, Parts]:
    """The engine's own count of any assignment: (hard violations, weighted cost), each by part, without zeros."""
    par = np.zeros(PAR_SIZE, np.int64)
    par[PAR_WEEKS], par[PAR_DAYS], par[PAR_NO_ROOM] = model.weeks, model.days, model.n_rooms
    par[PAR_STUDENT], par[PAR_DISTRIBUTION] = model.student_weight, model.distribution_weight
    par[PAR_KEPT_AT], par[PAR_KEPT] = model.kept_at, model.kept_weight
    rooms = np.zeros((model.n_rooms + 1, 4), np.int64)
    rooms[:, 0], rooms[:, 1] = model.places, model.blocked_row
    st = np.zeros((model.n_classes, 6), np.int64)
    st[:, ROOM] = np.where(assignment.rooms < 0, model.n_rooms, assignment.rooms)
    longest = int((model.rules[:, RULE_END] - model.rules[:, RULE_AT]).max()) if len(model.rules) else 0
    work = np.zeros(2 * longest + 1, np.int64)
    hard, cost = np.zeros(len(HARD_PARTS), np.int64), np.zeros(len(SOFT_PARTS), np.int64)
    recount(
        model.times, model.gaps, model.travel, model.blocked, model.classes, model.pool, model.soft_peers,
        model.soft_weights, model.rules, par, rooms, np.array(assignment.times, np.int64), st, work, model.configs,
        model.requests, np.array(assignment.attended_start, np.int64), np.array(assignment.attended, np.int64), hard,
        cost,
    )  # fmt: skip
    cost[TIME_COST] *= model.time_weight
    cost[ROOM_COST] *= model.room_weight
    return (
        {name: int(n) for name, n in zip(HARD_PARTS, hard, strict=True) if n},
        {name: int(n) for name, n in zip(SOFT_PARTS, cost, strict=True) if n},
    )

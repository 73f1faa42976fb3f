"""The tables of one period-grid search: one timetable, everything counted about it, and the best one so far.

Owns the mutable arrays, their layout and the calls into the kernels. Must not know budgets, temperatures' course or
when to stop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.solver.engine.grid import chains, kernel, tables
from services.solver.engine.grid.model import GridModel, Int32s
from services.solver.engine.random import seeded
from services.solver.engine.search import Assignment


@dataclass(frozen=True, slots=True)
class Count:
    """A timetable counted by part; the names are those of the rules."""

    hard: Mapping[str, int]
    parts: Mapping[str, int]

    @property
    def rank(self) -> tuple[int, int]:
        """(hard violations, cost); smaller is better."""
        return (sum(self.hard.values()), sum(self.parts.values()))


class GridState:
    """One timetable and its tables; `advance` anneals it in place.

    cell_of[lectures], room_of[lectures]: the places; paid[lectures]: time and room cost there.
    occupant[cells, all rooms]: lecture or -1.
    clash[courses, cells]: lectures in the cell that a lecture of the course must not meet; clash_sum: the sum of their
    indices, which names the lecture where there is just one.
    set_count[compact sets, cells], day_count[courses, days], room_count[courses, all rooms]: lectures;
    days_used[courses]: days with one.
    isolation[courses]: what the course's compact sets cost now, so no move of the course can gain more there.
    _marks[1 + lectures], _taken[cells, all rooms]: of the chain whose number equals the entry; _marks[0] counts chains.
    The other private arrays are of `chains`.
    totals: see `kernel`.
    """

    def __init__(self, model: GridModel, seed: int, start: Assignment | None = None) -> None:
        self.model = model
        n, cells, rooms = model.lectures, model.cells, model.all_rooms
        self.random = seeded(seed)
        self.cell_of = np.full(n, -1, np.int32)
        self.room_of = np.full(n, -1, np.int32)
        self.paid = np.zeros(n, np.int32)
        self.occupant = np.full((cells, rooms), -1, np.int32)
        self.clash = np.zeros((model.courses, cells), np.int16)
        self.clash_sum = np.zeros((model.courses, cells), np.int32)
        self.set_count = np.zeros((len(model.set_cost), cells), np.int16)
        self.day_count = np.zeros((model.courses, model.days), np.int16)
        self.days_used = np.zeros(model.courses, np.int16)
        self.room_count = np.zeros((model.courses, rooms), np.int16)
        self.totals = np.zeros(kernel.TOTALS, np.int64)
        self.isolation = np.zeros(model.courses, np.int64)
        # One move can save a course at most one room and one missing day.
        self._course_gain = model.stability_cost + model.min_days_cost
        sets_of_one = max(1, int(np.diff(model.set_first).max()))
        self._set_change = np.zeros((2, sets_of_one), np.int32)
        self._chain = np.zeros((chains.LONGEST, chains.CHAIN_COLUMNS), np.int32)
        self._marks = np.zeros(1 + n, np.int64)
        self._taken = np.zeros((cells, rooms), np.int64)
        self._course_net = np.zeros(model.courses, np.int32)
        self._set_net = np.zeros(len(model.set_cost), np.int32)
        self._chain_sets = np.zeros((chains.LONGEST * sets_of_one, chains.SET_COLUMNS), np.int32)
        if start is not None:
            self._take_places(start)
        self._place_rest()
        self.recount()
        self.best_cell = self.cell_of.copy()
        self.best_room = self.room_of.copy()
        self.totals[kernel.BEST_HARD] = self.hard
        self.totals[kernel.BEST_COST] = self.cost

    @property
    def hard(self) -> int:
        """Hard violations of the current timetable."""
        return int(self.totals[kernel.CLASHES] + self.totals[kernel.UNPLACED])

    @property
    def cost(self) -> int:
        """Soft cost of the current timetable (exact when nothing is unplaced)."""
        return int(self.totals[kernel.COST])

    @property
    def best_hard(self) -> int:
        return int(self.totals[kernel.BEST_HARD])

    @property
    def best_cost(self) -> int:
        return int(self.totals[kernel.BEST_COST])

    @property
    def bests(self) -> int:
        """How often a new best was met."""
        return int(self.totals[kernel.BESTS])

    @property
    def moves(self) -> int:
        return int(self.totals[kernel.MOVES])

    def advance(
        self,
        moves: int,
        temperature_from: float,
        temperature_to: float,
        hard_weight: float,
        exchange_share: float,
        keep_room_share: float,
        pursue_share: float,
        chain_share: float,
        target: int,
    ) -> int:
        """Make `moves` moves (fewer only if the target is met); returns how many."""
        m = self.model
        return int(
            kernel.anneal(
                m.course, m.time_row, m.room_row, m.time_cost, m.room_cost, m.time_first, m.time_cells, m.room_first,
                m.room_list, m.usable, m.conflict, m.neighbour_first, m.neighbours, m.min_days, m.min_days_cost,
                m.stability_cost, m.set_first, m.sets, m.set_cost, m.member_first, m.members, m.cell_day,
                self._course_gain, kernel.EXPONENTIAL, self.cell_of, self.room_of, self.paid, self.occupant,
                self.clash, self.clash_sum, self.set_count, self._set_change, self.isolation, self.day_count,
                self.days_used, self.room_count, self.best_cell, self.best_room, self.totals, self.random, self._chain,
                self._marks, self._taken, self._course_net, self._set_net, self._chain_sets, int(moves),
                float(temperature_from), float(temperature_to), float(hard_weight), float(exchange_share),
                float(keep_room_share), float(pursue_share), float(chain_share), int(target),
            )
        )  # fmt: skip

    def recount(self) -> None:
        """Fill all tables anew from the places."""
        m = self.model
        tables.count_tables(
            m.course, m.time_row, m.room_row, m.time_cost, m.room_cost, m.usable, m.neighbour_first, m.neighbours,
            m.min_days, m.min_days_cost, m.stability_cost, m.set_first, m.sets, m.set_cost, m.member_first, m.members,
            m.cell_day, self.cell_of, self.room_of, self.paid, self.occupant, self.clash, self.clash_sum,
            self.set_count, self.isolation, self.day_count, self.days_used, self.room_count, self.totals,
        )  # fmt: skip

    def return_to_best(self) -> None:
        """Make the best timetable the current one."""
        self.cell_of[:] = self.best_cell
        self.room_of[:] = self.best_room
        self.recount()

    def best_count(self) -> Count:
        """The best timetable by part."""
        return count(self.model, self.best_cell, self.best_room)

    def best_assignment(self) -> Assignment:
        """A copy of the best timetable; lectures in places that are no option are unplaced."""
        m = self.model
        placed = (
            (m.time_cost[m.time_row, self.best_cell] >= 0)
            & (m.room_cost[m.room_row, self.best_room] >= 0)
            & (m.usable[self.best_room, self.best_cell] != 0)
        )
        return Assignment(
            times=np.where(placed, m.cell_time[self.best_cell], -1).astype(np.int32),
            rooms=np.where(placed, self.best_room, -1).astype(np.int32),
            attended_start=np.zeros(1, np.int32),
            attended=np.zeros(0, np.int32),
        )

    def _take_places(self, start: Assignment) -> None:
        """Put lectures where `start` has them; of several in one place only the first, none where it has no option."""
        cells, rooms = cells_and_rooms(self.model, start)
        taken: set[tuple[int, int]] = set()
        for i, place in enumerate(zip(cells.tolist(), rooms.tolist(), strict=True)):
            if place[0] >= 0 and place[1] >= 0 and place not in taken:
                taken.add(place)
                self.cell_of[i], self.room_of[i] = place

    def _place_rest(self) -> None:
        """Place the lectures that have no place yet, those with many conflicts and few periods first."""
        m = self.model
        degree = np.diff(m.neighbour_first)[m.course]
        options = np.diff(m.time_first)[m.time_row]
        jitter = np.random.default_rng(int(self.random[0])).random(m.lectures)
        order = np.argsort(options / (1.0 + degree) * (0.5 + jitter), kind="stable").astype(np.int32)
        tables.place_all(
            m.course, m.time_row, m.room_row, m.time_cost, m.room_cost, m.time_first, m.time_cells, m.room_first,
            m.room_list, m.usable, m.neighbour_first, m.neighbours, m.cell_time, order, self.cell_of, self.room_of,
            self.random,
        )  # fmt: skip


def cells_and_rooms(model: GridModel, assignment: Assignment) -> tuple[Int32s, Int32s]:
    """The assignment's places on the grid; -1 for a lecture that is unplaced or in a place that is no option."""
    cell_of_time = np.full(int(model.cell_time.max()) + 1, -1, np.int32)
    used = np.flatnonzero(model.cell_time >= 0)
    cell_of_time[model.cell_time[used]] = used
    placed = (assignment.times >= 0) & (assignment.rooms >= 0)
    cells = cell_of_time[np.where(placed, assignment.times, 0)]
    rooms = np.where(placed, assignment.rooms, 0).astype(np.int32)
    placed &= (
        (model.time_cost[model.time_row, cells] >= 0)
        & (model.room_cost[model.room_row, rooms] >= 0)
        & (model.usable[rooms, cells] != 0)
    )
    return np.where(placed, cells, -1).astype(np.int32), np.where(placed, rooms, -1).astype(np.int32)


def count(model: GridModel, cells: Int32s, rooms: Int32s) -> Count:
    """A timetable by part, rules without violation or cost left out.

    `cells[lectures]` and `rooms[lectures]` are places, -1 unplaced; several lectures in one place are room conflicts.
    """
    m = model
    parts: npt.NDArray[np.int64] = np.zeros(tables.PARTS, np.int64)
    tables.tally(
        m.course, m.time_row, m.room_row, m.time_cost, m.room_cost, m.usable, m.conflict, m.min_days, m.min_days_cost,
        m.stability_cost, m.set_first, m.sets, m.set_cost, m.cell_day, cells, rooms, parts,
    )  # fmt: skip
    placed = (cells >= 0) & (rooms >= 0)
    _, together = np.unique(cells[placed].astype(np.int64) * m.all_rooms + rooms[placed], return_counts=True)
    hard = {
        "unplaced": int(parts[tables.PART_UNPLACED]),
        "room_conflict": int((together * (together - 1) // 2).sum()),
        "class_conflict": int(parts[tables.PART_CLASHES]),
    }
    soft = {
        "time": int(parts[tables.PART_TIME]),
        "room": int(parts[tables.PART_ROOM]),
        "MinWorkingDays": int(parts[tables.PART_DAYS]),
        "RoomStability": int(parts[tables.PART_STABILITY]),
        "IsolatedLectures": int(parts[tables.PART_ISOLATED]),
    }
    return Count({k: v for k, v in hard.items() if v}, {k: v for k, v in soft.items() if v})

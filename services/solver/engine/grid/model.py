"""The period-grid problem as arrays.

Owns the meaning and layout of every array that the grid kernels read. Must not know where they come from.

Vocabulary of the arrays: a *lecture* is a class of the expanded problem (same index). A *course* is a group of
lectures with the same conflicts and rules. A *cell* is a period: slot s of day d is cell
`d * (slots_per_day + 1) + s + 2`, so an empty guard cell separates the days and a cell's neighbours can be read without
asking where the day ends. A *place* is a (cell, room). A *compact set* is the lectures of one IsolatedLectures rule.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int32s = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]

# Cells before the first day: removing a lecture reads two cells to the left.
LEADING_GUARDS = 2


def cells_in(days: int, slots_per_day: int) -> int:
    """Length of every per-cell axis, guards included."""
    return LEADING_GUARDS + days * (slots_per_day + 1) + 1


@dataclass(frozen=True, slots=True)
class GridModel:
    """Everything that stays fixed during a search; penalties are weighted (one unit = one point of cost).

    All arrays are C-contiguous. `-1` in a cost table means "not an option". A lecture in a place that is no option
    (used only when nothing else is free) counts as unplaced. Rooms with index >= `rooms` are stand-ins that no lecture
    may use: they exist only so that there are at least as many places as lectures.

    course[lectures]; time_row[lectures], room_row[lectures]: rows of the option tables, which lectures share.
    time_cost[time rows, cells], room_cost[room rows, all rooms]: penalty or -1.
    time_first[time rows + 1], time_cells: the cells allowed by row r are time_cells[time_first[r]:time_first[r + 1]];
    room_first, room_list: likewise the rooms.
    usable[all rooms, cells]: 0 where the room is unavailable.
    conflict[courses, courses]: 1 where a lecture of one and a lecture of the other must not share a cell; the diagonal
    for two lectures of the same course. neighbour_first[courses + 1], neighbours: the same as lists, diagonal included.
    min_days[courses], min_days_cost[courses]: MinWorkingDays and the cost per day short.
    stability_cost[courses]: cost per room beyond the first.
    set_first[courses + 1], sets: compact sets of a course; member_first[compact sets + 1], members: courses of a set;
    set_cost[compact sets]: cost per isolated lecture.
    cell_day[cells], cell_time[cells]: day and time index of the expanded problem, -1 for guards and unlisted periods.
    bound: no timetable costs less. penalty_scale: size of a typical penalty relative to curriculum-based timetabling's;
    lecture_scale: how much more a lecture's compact sets cost together than usual. Both are 1 or more.
    """

    lectures: int
    courses: int
    rooms: int
    days: int
    slots_per_day: int
    course: Int32s
    time_row: Int32s
    room_row: Int32s
    time_cost: Int32s
    room_cost: Int32s
    time_first: Int32s
    time_cells: Int32s
    room_first: Int32s
    room_list: Int32s
    usable: Bytes
    conflict: Bytes
    neighbour_first: Int32s
    neighbours: Int32s
    min_days: Int32s
    min_days_cost: Int32s
    stability_cost: Int32s
    set_first: Int32s
    sets: Int32s
    set_cost: Int32s
    member_first: Int32s
    members: Int32s
    cell_day: Int32s
    cell_time: Int32s
    bound: int
    penalty_scale: float
    lecture_scale: float

    @property
    def cells(self) -> int:
        return len(self.cell_day)

    @property
    def all_rooms(self) -> int:
        """Rooms and stand-ins."""
        return int(self.room_cost.shape[1])

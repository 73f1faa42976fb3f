"""The small steps of the period grid's moves: what a place costs, the tables after a lecture has moved.

Owns exact evaluation and upkeep for one lecture. The arrays' meanings are in `services.solver.engine.grid.model`, the
tables' in `services.solver.engine.grid.state`. Must not know which moves are tried or accepted.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from services.solver.engine.jit import INNER, Array, Int


@njit(**INNER)
def place_cost(
    i: Int, cell: Int, room: Int, time_row: Array, room_row: Array, time_cost: Array, room_cost: Array, usable: Array
) -> Int:
    """What the lecture pays for its time and room; -1 if the place is none of its options."""
    for_time = time_cost[time_row[i], cell]
    for_room = room_cost[room_row[i], room]
    if for_time < 0 or for_room < 0 or usable[room, cell] == 0:
        return np.int64(-1)
    return np.int64(for_time) + np.int64(for_room)


@njit(**INNER)
def shift_in_set(row: Array, origin: Int, target: Int, lectures: Int) -> Int:
    """Move lectures, one or more, from cell to cell in one set's counts; returns the change of isolated lectures.

    Exact whatever the order of several shifts.
    """
    alone = np.int64(0)
    before, after = row[origin - 1], row[origin + 1]
    left = row[origin] - lectures
    if before == 0 and after == 0:
        alone -= lectures
    elif left == 0:
        # The neighbours lose this company; they are alone now unless they have some on their other side.
        if before > 0 and row[origin - 2] == 0:
            alone += before
        if after > 0 and row[origin + 2] == 0:
            alone += after
    row[origin] = left
    before, after = row[target - 1], row[target + 1]
    found = row[target]
    if before == 0 and after == 0:
        alone += lectures
    elif found == 0:
        if before > 0 and row[target - 2] == 0:
            alone -= before
        if after > 0 and row[target + 2] == 0:
            alone -= after
    row[target] = found + lectures
    return alone


@njit(**INNER)
def shift_in_sets(
    course: Int,
    origin: Int,
    target: Int,
    set_first: Array,
    sets: Array,
    set_cost: Array,
    set_count: Array,
    set_change: Array,
) -> Int:
    """Move one lecture of a course from cell to cell in the counts of its compact sets; returns the change of cost.

    Writes each set's change of isolated lectures to `set_change`. Exact whatever the order of several shifts.
    """
    first = set_first[course]
    delta = np.int64(0)
    for k in range(first, set_first[course + 1]):
        q = sets[k]
        alone = shift_in_set(set_count[q], origin, target, 1)
        set_change[k - first] = alone
        delta += alone * set_cost[q]
    return delta


@njit(**INNER)
def unshift_in_sets(course: Int, origin: Int, target: Int, set_first: Array, sets: Array, set_count: Array) -> None:
    """Undo `shift_in_sets(course, origin, target)`."""
    for k in range(set_first[course], set_first[course + 1]):
        row = set_count[sets[k]]
        row[origin] += 1
        row[target] -= 1


@njit(**INNER)
def settle_set(q: Int, change: Int, set_cost: Array, member_first: Array, members: Array, isolation: Array) -> None:
    """After an accepted shift: tell every course of a set by how many isolated lectures it changed."""
    if change != 0:
        cost = np.int64(change) * set_cost[q]
        for x in range(member_first[q], member_first[q + 1]):
            isolation[members[x]] += cost


@njit(**INNER)
def settle_sets(
    course: Int,
    set_first: Array,
    sets: Array,
    set_cost: Array,
    set_change: Array,
    member_first: Array,
    members: Array,
    isolation: Array,
) -> None:
    """After an accepted `shift_in_sets`: tell every course of a set that became cheaper or dearer."""
    first = set_first[course]
    for k in range(first, set_first[course + 1]):
        settle_set(sets[k], set_change[k - first], set_cost, member_first, members, isolation)


@njit(**INNER)
def days_after(course: Int, day: Int, new_day: Int, lectures: Int, day_count: Array, days_used: Array) -> Int:
    """How many days a course would use if lectures of it, one or more, went from one day to another one."""
    days = np.int64(days_used[course])
    if day_count[course, day] == lectures:
        days -= 1
    if day_count[course, new_day] == 0:
        days += 1
    return days


@njit(**INNER)
def cost_of_days(course: Int, days: Int, min_days: Array, min_days_cost: Array) -> Int:
    """What a course pays for using fewer days than it should."""
    return np.int64(min_days_cost[course]) * max(0, min_days[course] - days)


@njit(**INNER)
def shift_days(course: Int, day: Int, new_day: Int, lectures: Int, day_count: Array, days_used: Array) -> None:
    """Move lectures of a course, one or more, from one day to another one in the counts of its days."""
    days_used[course] = days_after(course, day, new_day, lectures, day_count, days_used)
    day_count[course, day] -= lectures
    day_count[course, new_day] += lectures


@njit(**INNER)
def shift_rooms(course: Int, room: Int, new_room: Int, stability_cost: Array, room_count: Array) -> Int:
    """Move one lecture of a course to another room in the counts of its rooms; returns the change of cost.

    The same call with old and new exchanged takes it back. Exact whatever the order of several shifts.
    """
    rooms = np.int64(0)
    if room_count[course, room] == 1:
        rooms -= 1
    if room_count[course, new_room] == 0:
        rooms += 1
    room_count[course, room] -= 1
    room_count[course, new_room] += 1
    return stability_cost[course] * rooms


@njit(**INNER)
def move_clashes(
    lecture: Int,
    course: Int,
    cell: Int,
    new_cell: Int,
    neighbour_first: Array,
    neighbours: Array,
    clash: Array,
    clash_sum: Array,
) -> None:
    """Tell every course that must not meet the lecture of its accepted move from cell to cell."""
    for k in range(neighbour_first[course], neighbour_first[course + 1]):
        other = neighbours[k]
        clash[other, cell] -= 1
        clash[other, new_cell] += 1
        clash_sum[other, cell] -= lecture
        clash_sum[other, new_cell] += lecture

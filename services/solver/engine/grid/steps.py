"""The small steps of the period grid's moves: random numbers, what a place costs, the tables after a lecture has moved.

Owns exact evaluation and upkeep for one lecture. The arrays' meanings are in `services.solver.engine.grid.model`, the
tables' in `services.solver.engine.grid.state`. Must not know which moves are tried or accepted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

# Kernels see arrays of fixed dtypes; naming the dtypes in every signature would hide the arguments' meaning.
Array = Any


@njit(cache=True, nogil=True)
def next_random(random: Array) -> Any:
    """64 random bits (xorshift64*, S. Vigna 2014); `random` is uint64[1] and never 0."""
    x = random[0]
    x ^= x >> np.uint64(12)
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    random[0] = x
    return x * np.uint64(2685821657736338717)


@njit(cache=True, nogil=True)
def below(bits: Any, count: Any) -> Any:
    """An index in [0, count) from the low 20 of the bits (the bias is at most count / 2**20)."""
    return (np.int64(bits & np.uint64(0xFFFFF)) * np.int64(count)) >> 20


@njit(cache=True, nogil=True)
def place_cost(
    i: Any, cell: Any, room: Any, time_row: Array, room_row: Array, time_cost: Array, room_cost: Array, usable: Array
) -> Any:
    """What the lecture pays for its time and room; -1 if the place is none of its options."""
    for_time = time_cost[time_row[i], cell]
    for_room = room_cost[room_row[i], room]
    if for_time < 0 or for_room < 0 or usable[room, cell] == 0:
        return np.int64(-1)
    return np.int64(for_time) + np.int64(for_room)


@njit(cache=True, nogil=True)
def shift_in_set(row: Array, origin: Any, target: Any, lectures: Any) -> Any:
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


@njit(cache=True, nogil=True)
def shift_in_sets(
    course: Any,
    origin: Any,
    target: Any,
    set_first: Array,
    sets: Array,
    set_cost: Array,
    set_count: Array,
    set_change: Array,
) -> Any:
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


@njit(cache=True, nogil=True)
def unshift_in_sets(course: Any, origin: Any, target: Any, set_first: Array, sets: Array, set_count: Array) -> None:
    """Undo `shift_in_sets(course, origin, target)`."""
    for k in range(set_first[course], set_first[course + 1]):
        row = set_count[sets[k]]
        row[origin] += 1
        row[target] -= 1


@njit(cache=True, nogil=True)
def settle_set(q: Any, change: Any, set_cost: Array, member_first: Array, members: Array, isolation: Array) -> None:
    """After an accepted shift: tell every course of a set by how many isolated lectures it changed."""
    if change != 0:
        cost = np.int64(change) * set_cost[q]
        for x in range(member_first[q], member_first[q + 1]):
            isolation[members[x]] += cost


@njit(cache=True, nogil=True)
def settle_sets(
    course: Any,
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


@njit(cache=True, nogil=True)
def days_after(course: Any, day: Any, new_day: Any, lectures: Any, day_count: Array, days_used: Array) -> Any:
    """How many days a course would use if lectures of it, one or more, went from one day to another one."""
    days = np.int64(days_used[course])
    if day_count[course, day] == lectures:
        days -= 1
    if day_count[course, new_day] == 0:
        days += 1
    return days


@njit(cache=True, nogil=True)
def cost_of_days(course: Any, days: Any, min_days: Array, min_days_cost: Array) -> Any:
    """What a course pays for using fewer days than it should."""
    return np.int64(min_days_cost[course]) * max(0, min_days[course] - days)


@njit(cache=True, nogil=True)
def shift_days(course: Any, day: Any, new_day: Any, lectures: Any, day_count: Array, days_used: Array) -> None:
    """Move lectures of a course, one or more, from one day to another one in the counts of its days."""
    days_used[course] = days_after(course, day, new_day, lectures, day_count, days_used)
    day_count[course, day] -= lectures
    day_count[course, new_day] += lectures


@njit(cache=True, nogil=True)
def shift_rooms(course: Any, room: Any, new_room: Any, stability_cost: Array, room_count: Array) -> Any:
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


@njit(cache=True, nogil=True)
def move_clashes(
    lecture: Any,
    course: Any,
    cell: Any,
    new_cell: Any,
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

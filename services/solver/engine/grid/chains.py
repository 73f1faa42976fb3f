"""Kempe chains of the period grid: two cells exchange the lectures that cannot move without one another.

Owns finding, exact evaluation and settling of a chain. The arrays' meanings are in `services.solver.engine.grid.model`,
the tables' in `services.solver.engine.grid.state`. Must not know which chains are tried, nor what is accepted.

A lecture goes to another cell, all that it must not meet there come to its own, and so on, until nothing is in
anybody's way: no new clash is possible (C. Morgenstern, H. Shapiro 1989; for this problem Z. Lü, J.-K. Hao, "Adaptive
tabu search for course timetabling", European Journal of Operational Research 200, 2010). A chain takes as long as a
dozen other moves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from services.solver.engine.grid.steps import (
    Array,
    move_clashes,
    settle_sets,
    shift_counts,
    shift_in_sets,
    unshift_in_sets,
)

# Most lectures of a chain; longer ones are given up.
LONGEST = 14
# Columns of `chain`: one row for each lecture, in the order in which they were found.
LECTURE, NEW_CELL, NEW_ROOM = range(3)
CHAIN_COLUMNS = 3


@njit(cache=True, nogil=True)
def find_chain(
    i: Any,
    new_cell: Any,
    course: Array,
    time_row: Array,
    room_row: Array,
    time_cost: Array,
    room_cost: Array,
    room_first: Array,
    room_list: Array,
    usable: Array,
    conflict: Array,
    stability_cost: Array,
    cell_of: Array,
    room_of: Array,
    occupant: Array,
    clash: Array,
    room_count: Array,
    chain: Array,
    marks: Array,
    taken: Array,
) -> Any:
    """Write to `chain` all that must move if lecture i goes to the cell; returns how many, 0 if they cannot.

    Who can keep the room does; the others, in turn, take the cheapest that is free once the chain has moved. `marks`
    and `taken` are of the state.
    """
    cell = cell_of[i]
    marks[0] += 1
    mark = marks[0]
    marks[1 + i] = mark
    chain[0, LECTURE] = i
    length, k = 1, 0
    while k < length:
        x = chain[k, LECTURE]
        c = course[x]
        there = new_cell if cell_of[x] == cell else cell
        if time_cost[time_row[x], there] < 0:
            return 0
        chain[k, NEW_CELL] = there
        k += 1
        left = clash[c, there]
        if left > LONGEST:
            return 0
        room = 0
        while left > 0:
            y = occupant[there, room]
            room += 1
            if y >= 0 and conflict[c, course[y]] != 0:
                left -= 1
                if marks[1 + y] != mark:
                    if length == LONGEST:
                        return 0
                    marks[1 + y] = mark
                    chain[length, LECTURE] = y
                    length += 1
    for k in range(length):
        x, there = chain[k, LECTURE], chain[k, NEW_CELL]
        room = room_of[x]
        y = occupant[there, room]
        chain[k, NEW_ROOM] = -1
        if usable[room, there] != 0 and (y < 0 or marks[1 + y] == mark):
            chain[k, NEW_ROOM] = room
            taken[there, room] = mark
    for k in range(length):
        if chain[k, NEW_ROOM] >= 0:
            continue
        x, there = chain[k, LECTURE], chain[k, NEW_CELL]
        c, row = course[x], room_row[x]
        least, found = np.int64(1 << 40), -1
        for q in range(room_first[row], room_first[row + 1]):
            room = room_list[q]
            y = occupant[there, room]
            if usable[room, there] == 0 or taken[there, room] == mark or (y >= 0 and marks[1 + y] != mark):
                continue
            cost = np.int64(room_cost[row, room])
            if room_count[c, room] == 0:
                cost += stability_cost[c]
            if cost < least:
                least, found = cost, room
        if found < 0:
            return 0
        chain[k, NEW_ROOM] = found
        taken[there, found] = mark
    return length


@njit(cache=True, nogil=True)
def shift_chain(
    length: Any,
    threshold: Any,
    course: Array,
    time_row: Array,
    room_row: Array,
    time_cost: Array,
    room_cost: Array,
    min_days: Array,
    min_days_cost: Array,
    stability_cost: Array,
    set_first: Array,
    sets: Array,
    set_cost: Array,
    cell_day: Array,
    cell_of: Array,
    room_of: Array,
    paid: Array,
    set_count: Array,
    set_change: Array,
    isolation: Array,
    day_count: Array,
    days_used: Array,
    room_count: Array,
    rooms_used: Array,
    chain: Array,
) -> Any:
    """The change of cost, or, above `threshold`, something above it that is not more than the change.

    At most `threshold`, sets, days and rooms are counted as they will be from now on; above, as they were.
    """
    cost, isolated = np.int64(0), np.int64(0)
    for k in range(length):
        x, there, room = chain[k, LECTURE], chain[k, NEW_CELL], chain[k, NEW_ROOM]
        c = course[x]
        cost += time_cost[time_row[x], there] + room_cost[room_row[x], room] - paid[x]
        cost += shift_counts(
            c, cell_day[cell_of[x]], cell_day[there], room_of[x], room, min_days, min_days_cost, stability_cost,
            day_count, days_used, room_count, rooms_used,
        )  # fmt: skip
        isolated += isolation[c]
    # No set can gain more than it costs now.
    hopeless = cost - isolated > threshold
    if not hopeless:
        for k in range(length):
            x = chain[k, LECTURE]
            cost += shift_in_sets(
                course[x], cell_of[x], chain[k, NEW_CELL], set_first, sets, set_cost, set_count, set_change[k]
            )
        if cost <= threshold:
            return cost
    for k in range(length):
        x, there = chain[k, LECTURE], chain[k, NEW_CELL]
        c = course[x]
        if not hopeless:
            unshift_in_sets(c, cell_of[x], there, set_first, sets, set_count)
        shift_counts(
            c, cell_day[there], cell_day[cell_of[x]], chain[k, NEW_ROOM], room_of[x], min_days, min_days_cost,
            stability_cost, day_count, days_used, room_count, rooms_used,
        )  # fmt: skip
    return cost - isolated if hopeless else cost


@njit(cache=True, nogil=True)
def settle_chain(
    length: Any,
    course: Array,
    time_row: Array,
    room_row: Array,
    time_cost: Array,
    room_cost: Array,
    neighbour_first: Array,
    neighbours: Array,
    set_first: Array,
    sets: Array,
    set_cost: Array,
    member_first: Array,
    members: Array,
    cell_of: Array,
    room_of: Array,
    paid: Array,
    occupant: Array,
    clash: Array,
    clash_sum: Array,
    set_change: Array,
    isolation: Array,
    chain: Array,
) -> None:
    """Move an accepted chain: what `shift_chain` has not counted yet."""
    for k in range(length):
        x = chain[k, LECTURE]
        occupant[cell_of[x], room_of[x]] = -1
    for k in range(length):
        x, there, room = chain[k, LECTURE], chain[k, NEW_CELL], chain[k, NEW_ROOM]
        c = course[x]
        settle_sets(c, set_first, sets, set_cost, set_change[k], member_first, members, isolation)
        move_clashes(x, c, cell_of[x], there, neighbour_first, neighbours, clash, clash_sum)
        cell_of[x], room_of[x] = there, room
        paid[x] = time_cost[time_row[x], there] + room_cost[room_row[x], room]
        occupant[there, room] = x

"""Kempe chains of the period grid: two cells exchange the lectures that cannot move without one another.

Owns finding, exact evaluation and settling of a chain. The arrays' meanings are in `services.solver.engine.grid.model`,
the tables' in `services.solver.engine.grid.state`. Must not know which chains are tried, nor what is accepted.

A lecture goes to another cell, all that it must not meet there come to its own, and so on, until nothing is in
anybody's way: no new clash is possible (C. Morgenstern, H. Shapiro 1989; for this problem Z. Lü, J.-K. Hao, "Adaptive
tabu search for course timetabling", European Journal of Operational Research 200, 2010). A chain takes as
long as eight other moves.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from services.solver.engine.grid.steps import (
    cost_of_days,
    days_after,
    move_clashes,
    settle_set,
    shift_days,
    shift_in_set,
    shift_rooms,
)
from services.solver.engine.jit import INNER, Array, Float, Int

# Most lectures of a chain; longer ones are given up.
LONGEST = 14
# Columns of `chain`: one row for each lecture, in the order in which they were found. NET of a course's first row is
# how many more of its lectures leave the first lecture's cell than come there, of its other rows 0.
LECTURE, NEW_CELL, NEW_ROOM, NET = range(4)
CHAIN_COLUMNS = 4
# Columns of `chain_sets`: one row for each compact set that the chain changes, with how many more of its lectures leave
# the first lecture's cell than come there, and how many more of them are isolated then.
SET, SET_NET, ALONE = range(3)
SET_COLUMNS = 3


@njit(**INNER)
def find_chain(
    i: Int,
    new_cell: Int,
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
    clash_sum: Array,
    room_count: Array,
    chain: Array,
    marks: Array,
    taken: Array,
) -> Int:
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
            if left == 1 and room == 0:
                y = np.int64(clash_sum[c, there])
            else:
                y = np.int64(occupant[there, room])
                room += 1
                if y < 0 or conflict[c, course[y]] == 0:
                    continue
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


@njit(**INNER)
def shift_chain(
    length: Int,
    threshold: Float,
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
    isolation: Array,
    day_count: Array,
    days_used: Array,
    room_count: Array,
    chain: Array,
    course_net: Array,
    set_net: Array,
    chain_sets: Array,
) -> Int:
    """The change of cost (or, above `threshold`, something above it that is not more), and how many sets change.

    At most `threshold`, sets and rooms are counted as they will be from now on, and the changed sets stand in
    `chain_sets`; above, they are counted as they were. Where one lecture of a course or set goes and another comes,
    nothing changes: the nets are counted first. `course_net` and `set_net` are zero before and after.
    """
    cell, new_cell = cell_of[chain[0, LECTURE]], chain[0, NEW_CELL]
    cost, gain = np.int64(0), np.int64(0)
    for k in range(length):
        x = chain[k, LECTURE]
        c = course[x]
        cost += time_cost[time_row[x], chain[k, NEW_CELL]] + room_cost[room_row[x], chain[k, NEW_ROOM]] - paid[x]
        if chain[k, NEW_ROOM] != room_of[x]:
            gain += stability_cost[c]
        course_net[c] += 1 if cell_of[x] == cell else -1
    day, new_day = cell_day[cell], cell_day[new_cell]
    for k in range(length):
        c = course[chain[k, LECTURE]]
        net = course_net[c]
        course_net[c] = 0
        chain[k, NET] = net
        if net != 0:
            gain += isolation[c]
            if day != new_day:
                if net > 0:
                    days = days_after(c, day, new_day, net, day_count, days_used)
                else:
                    days = days_after(c, new_day, day, -net, day_count, days_used)
                cost += cost_of_days(c, days, min_days, min_days_cost)
                cost -= cost_of_days(c, days_used[c], min_days, min_days_cost)
    # No set can gain more than it costs now, and no lecture more than one room.
    if cost - gain > threshold:
        return cost - gain, 0
    for k in range(length):
        x, room = chain[k, LECTURE], chain[k, NEW_ROOM]
        if room != room_of[x]:
            cost += shift_rooms(course[x], room_of[x], room, stability_cost, room_count)
    changed = 0
    for k in range(length):
        net = chain[k, NET]
        if net != 0:
            c = course[chain[k, LECTURE]]
            for p in range(set_first[c], set_first[c + 1]):
                q = sets[p]
                if set_net[q] == 0:
                    chain_sets[changed, SET] = q
                    changed += 1
                set_net[q] += net
    # A set whose net came back to zero and left it again is listed twice; it is done with the first time.
    listed, changed = changed, 0
    for p in range(listed):
        q = chain_sets[p, SET]
        net = set_net[q]
        if net != 0:
            set_net[q] = 0
            if net > 0:
                alone = shift_in_set(set_count[q], cell, new_cell, net)
            else:
                alone = shift_in_set(set_count[q], new_cell, cell, -net)
            cost += alone * set_cost[q]
            chain_sets[changed, SET] = q
            chain_sets[changed, SET_NET] = net
            chain_sets[changed, ALONE] = alone
            changed += 1
    if cost <= threshold:
        return cost, changed
    for p in range(changed):
        q, net = chain_sets[p, SET], chain_sets[p, SET_NET]
        set_count[q, cell] += net
        set_count[q, new_cell] -= net
    for k in range(length):
        x, room = chain[k, LECTURE], chain[k, NEW_ROOM]
        if room != room_of[x]:
            shift_rooms(course[x], room, room_of[x], stability_cost, room_count)
    return cost, 0


@njit(**INNER)
def settle_chain(
    length: Int,
    changed: Int,
    course: Array,
    time_row: Array,
    room_row: Array,
    time_cost: Array,
    room_cost: Array,
    neighbour_first: Array,
    neighbours: Array,
    set_cost: Array,
    member_first: Array,
    members: Array,
    cell_day: Array,
    cell_of: Array,
    room_of: Array,
    paid: Array,
    occupant: Array,
    clash: Array,
    clash_sum: Array,
    isolation: Array,
    day_count: Array,
    days_used: Array,
    chain: Array,
    chain_sets: Array,
) -> None:
    """Move an accepted chain, of which `changed` sets change: what `shift_chain` has not counted yet."""
    first = chain[0, LECTURE]
    day, new_day = cell_day[cell_of[first]], cell_day[chain[0, NEW_CELL]]
    for p in range(changed):
        settle_set(chain_sets[p, SET], chain_sets[p, ALONE], set_cost, member_first, members, isolation)
    for k in range(length):
        x = chain[k, LECTURE]
        occupant[cell_of[x], room_of[x]] = -1
    for k in range(length):
        x, there, room = chain[k, LECTURE], chain[k, NEW_CELL], chain[k, NEW_ROOM]
        c, net = course[x], chain[k, NET]
        if net > 0 and day != new_day:
            shift_days(c, day, new_day, net, day_count, days_used)
        elif net < 0 and day != new_day:
            shift_days(c, new_day, day, -net, day_count, days_used)
        move_clashes(x, c, cell_of[x], there, neighbour_first, neighbours, clash, clash_sum)
        cell_of[x], room_of[x] = there, room
        paid[x] = time_cost[time_row[x], there] + room_cost[room_row[x], room]
        occupant[there, room] = x

"""Kernels that look at a whole period-grid timetable: construct one, count its tables, count its cost by part.

Owns construction and counting from scratch; `kernel` keeps the same tables up to date move by move. Must not know how
moves are chosen.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from services.solver.engine.grid.kernel import CLASHES, COST, UNPLACED
from services.solver.engine.grid.steps import place_cost
from services.solver.engine.jit import ALLOCATING, Array
from services.solver.engine.random import below, next_random

# Indices into the result of `tally`.
PART_UNPLACED, PART_CLASHES, PART_TIME, PART_ROOM, PART_DAYS, PART_STABILITY, PART_ISOLATED = range(7)
PARTS = 7


@njit(**ALLOCATING)
def place_all(
    course: Array,
    time_row: Array,
    room_row: Array,
    time_cost: Array,
    room_cost: Array,
    time_first: Array,
    time_cells: Array,
    room_first: Array,
    room_list: Array,
    usable: Array,
    neighbour_first: Array,
    neighbours: Array,
    cell_time: Array,
    order: Array,
    cell_of: Array,
    room_of: Array,
    random: Array,
) -> None:
    """Give every lecture its own place: lectures with cell -1 are placed in `order`, the others stay.

    Takes the free option with the fewest clashes (a random one of them); where no option is free, any free place.
    """
    cells, all_rooms = time_cost.shape[1], room_cost.shape[1]
    courses = len(neighbour_first) - 1
    taken = np.zeros((cells, all_rooms), np.uint8)
    held = np.zeros((courses, cells), np.int32)
    for i in range(len(course)):
        if cell_of[i] >= 0:
            taken[cell_of[i], room_of[i]] = 1
            held[course[i], cell_of[i]] += 1
    clashes = np.zeros(cells, np.int32)
    spare_cell, spare_room = 0, 0
    for i in order:
        if cell_of[i] >= 0:
            continue
        c = course[i]
        clashes[:] = 0
        for k in range(neighbour_first[c], neighbour_first[c + 1]):
            clashes += held[neighbours[k]]
        found, fewest = -1, 1 << 30
        row, rooms = time_row[i], room_row[i]
        ties = 0
        for k in range(time_first[row], time_first[row + 1]):
            cell = time_cells[k]
            if clashes[cell] > fewest:
                continue
            cheapest, chosen = 1 << 30, -1
            for r in range(room_first[rooms], room_first[rooms + 1]):
                room = room_list[r]
                if not taken[cell, room] and usable[room, cell] and room_cost[rooms, room] < cheapest:
                    cheapest, chosen = room_cost[rooms, room], room
            if chosen < 0:
                continue
            ties = 1 if clashes[cell] < fewest else ties + 1
            fewest = clashes[cell]
            if below(next_random(random), ties) == 0:
                found = cell
                room_of[i] = chosen
        if found < 0:
            while taken[spare_cell, spare_room] or cell_time[spare_cell] < 0:
                spare_room += 1
                if spare_room == all_rooms:
                    spare_room = 0
                    spare_cell += 1
            found = spare_cell
            room_of[i] = spare_room
        cell_of[i] = found
        taken[found, room_of[i]] = 1
        held[c, found] += 1


@njit(**ALLOCATING)
def count_tables(
    course: Array,
    time_row: Array,
    room_row: Array,
    time_cost: Array,
    room_cost: Array,
    usable: Array,
    neighbour_first: Array,
    neighbours: Array,
    min_days: Array,
    min_days_cost: Array,
    stability_cost: Array,
    set_first: Array,
    sets: Array,
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
    set_count: Array,
    isolation: Array,
    day_count: Array,
    days_used: Array,
    room_count: Array,
    totals: Array,
) -> None:
    """Fill every table and the current totals from the lectures' places."""
    occupant[:] = -1
    clash[:] = 0
    clash_sum[:] = 0
    set_count[:] = 0
    day_count[:] = 0
    days_used[:] = 0
    room_count[:] = 0
    unplaced, cost, twice_clashes = 0, 0, 0
    for i in range(len(course)):
        c, cell, room = course[i], cell_of[i], room_of[i]
        occupant[cell, room] = i
        paid[i] = place_cost(i, cell, room, time_row, room_row, time_cost, room_cost, usable)
        if paid[i] < 0:
            unplaced += 1
            paid[i] = 0
        cost += paid[i]
        for k in range(neighbour_first[c], neighbour_first[c + 1]):
            clash[neighbours[k], cell] += 1
            clash_sum[neighbours[k], cell] += i
            # The course's own list holds the course itself where two of its lectures may not meet; the lecture is then
            # found to clash with itself, which the totals below take off again.
            if neighbours[k] == c:
                twice_clashes -= 1
        for k in range(set_first[c], set_first[c + 1]):
            set_count[sets[k], cell] += 1
        day_count[c, cell_day[cell]] += 1
        room_count[c, room] += 1
    for i in range(len(course)):
        twice_clashes += clash[course[i], cell_of[i]]
    for c in range(len(min_days)):
        for day in range(day_count.shape[1]):
            if day_count[c, day] > 0:
                days_used[c] += 1
        rooms_used = 0
        for room in range(room_count.shape[1]):
            if room_count[c, room] > 0:
                rooms_used += 1
        cost += min_days_cost[c] * max(0, min_days[c] - days_used[c])
        cost += stability_cost[c] * (rooms_used - 1)
    isolation[:] = 0
    for q in range(len(set_cost)):
        alone = np.int64(0)
        for cell in range(1, set_count.shape[1] - 1):
            if set_count[q, cell - 1] == 0 and set_count[q, cell + 1] == 0:
                alone += set_count[q, cell]
        cost += set_cost[q] * alone
        for x in range(member_first[q], member_first[q + 1]):
            isolation[members[x]] += set_cost[q] * alone
    totals[CLASHES] = twice_clashes // 2
    totals[UNPLACED] = unplaced
    totals[COST] = cost


@njit(**ALLOCATING)
def tally(
    course: Array,
    time_row: Array,
    room_row: Array,
    time_cost: Array,
    room_cost: Array,
    usable: Array,
    conflict: Array,
    min_days: Array,
    min_days_cost: Array,
    stability_cost: Array,
    set_first: Array,
    sets: Array,
    set_cost: Array,
    cell_day: Array,
    cell_of: Array,
    room_of: Array,
    parts: Array,
) -> None:
    """Count a timetable by part, as the referee does: lectures in places that are no option do not take part.

    `parts` is int64[PARTS]; a cell of -1 means unplaced too.
    """
    lectures, cells, all_rooms = len(course), time_cost.shape[1], room_cost.shape[1]
    days = 0
    for cell in range(cells):
        days = max(days, cell_day[cell] + 1)
    parts[:] = 0
    last = np.full(cells, -1, np.int64)  # lectures of a cell as a chain: the last one, and each one's previous
    previous = np.full(lectures, -1, np.int64)
    day_count = np.zeros((len(min_days), days), np.int32)
    room_count = np.zeros((len(min_days), all_rooms), np.int32)
    set_count = np.zeros((len(set_cost), cells), np.int32)
    for i in range(lectures):
        cell, room = cell_of[i], room_of[i]
        if cell < 0 or room < 0:
            parts[PART_UNPLACED] += 1
            continue
        if place_cost(i, cell, room, time_row, room_row, time_cost, room_cost, usable) < 0:
            parts[PART_UNPLACED] += 1
            continue
        c = course[i]
        parts[PART_TIME] += time_cost[time_row[i], cell]
        parts[PART_ROOM] += room_cost[room_row[i], room]
        day_count[c, cell_day[cell]] += 1
        room_count[c, room] += 1
        for k in range(set_first[c], set_first[c + 1]):
            set_count[sets[k], cell] += 1
        j = last[cell]
        while j >= 0:
            if conflict[c, course[j]]:
                parts[PART_CLASHES] += 1
            j = previous[j]
        previous[i] = last[cell]
        last[cell] = i
    for c in range(len(min_days)):
        used = 0
        for day in range(days):
            used += day_count[c, day] > 0
        parts[PART_DAYS] += min_days_cost[c] * max(0, min_days[c] - used)
        used = 0
        for room in range(all_rooms):
            used += room_count[c, room] > 0
        parts[PART_STABILITY] += stability_cost[c] * max(0, used - 1)
    for q in range(len(set_cost)):
        for cell in range(1, cells - 1):
            if set_count[q, cell - 1] == 0 and set_count[q, cell + 1] == 0:
                parts[PART_ISOLATED] += set_cost[q] * set_count[q, cell]

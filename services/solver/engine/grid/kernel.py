"""The annealing kernel of the period grid: which moves are tried, and what is accepted.

Owns what happens within a slice; `steps` and `chains` evaluate moves and keep the tables. The arrays' meanings are in
`services.solver.engine.grid.model`, the tables' in `services.solver.engine.grid.state`. Must not know clocks, budgets
or stopping.

Neighbourhood and cost follow R. Bellio, S. Ceschia, L. Di Gaspero, A. Schaerf, T. Urli, "Feature-based tuning of
simulated annealing applied to the curriculum-based course timetabling problem", Computers & Operations Research 65
(2016). A rejected move (95 to 99 of 100) costs a few reads; an accepted one updates the tables of all it touches.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from services.solver.engine.grid.chains import find_chain, settle_chain, shift_chain
from services.solver.engine.grid.steps import (
    cost_of_days,
    days_after,
    move_clashes,
    place_cost,
    settle_sets,
    shift_days,
    shift_in_sets,
    shift_rooms,
    unshift_in_sets,
)
from services.solver.engine.jit import KERNEL, Array, Float, Int
from services.solver.engine.random import below, next_random

# Indices into `totals`.
CLASHES, UNPLACED, COST, BEST_HARD, BEST_COST, MOVES, ACCEPTED, BESTS = range(8)
TOTALS = 8

# Acceptance thresholds are drawn from this many equally likely quantiles of the exponential distribution.
QUANTILES = 4096
EXPONENTIAL = (-np.log((np.arange(QUANTILES) + 0.5) / QUANTILES)).astype(np.float32)

# The temperature is set anew after this many moves.
MOVES_PER_TEMPERATURE = 512


@njit(**KERNEL)
def anneal(
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
    conflict: Array,
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
    course_gain: Array,
    exponential: Array,
    cell_of: Array,
    room_of: Array,
    paid: Array,
    occupant: Array,
    clash: Array,
    clash_sum: Array,
    set_count: Array,
    set_change: Array,
    isolation: Array,
    day_count: Array,
    days_used: Array,
    room_count: Array,
    best_cell: Array,
    best_room: Array,
    totals: Array,
    random: Array,
    chain: Array,
    marks: Array,
    taken: Array,
    course_net: Array,
    set_net: Array,
    chain_sets: Array,
    moves: Int,
    temperature_from: Float,
    temperature_to: Float,
    hard_weight: Float,
    exchange_share: Float,
    keep_room_share: Float,
    pursue_share: Float,
    chain_share: Float,
    target: Int,
) -> Int:
    """Make `moves` annealing moves, cooling geometrically; returns how many were made.

    Stops early only when no violation is left and the cost is at most `target`. On return the best arrays hold the best
    timetable met so far, current one included.
    """
    lectures = len(course)
    cooling = temperature_to / temperature_from
    temperature = temperature_from
    exchange_below = np.uint64(exchange_share * 4294967296.0)
    keep_room_below = np.uint64(keep_room_share * 4096.0)
    pursue_below = np.uint64(pursue_share * 4096.0)
    chain_below = np.uint64(chain_share * 4096.0)
    unplaced = totals[UNPLACED]
    hard = totals[CLASHES] + unplaced
    total = totals[COST]
    best_hard, best_total = totals[BEST_HARD], totals[BEST_COST]
    bests, accepted = 0, 0
    unsaved = False
    made = 0
    while made < moves:
        if made % MOVES_PER_TEMPERATURE == 0:
            temperature = temperature_from * cooling ** (made / moves)
        made += 1
        bits = next_random(random)
        i = below(bits, lectures)
        threshold = temperature * exponential[np.int64(bits >> np.uint64(20)) & (QUANTILES - 1)]
        c = course[i]
        cell, room = cell_of[i], room_of[i]
        length, changed = np.int64(0), np.int64(0)
        if (bits >> np.uint64(32)) < exchange_below:
            j = below(next_random(random), lectures)
            if course[j] == c:
                continue
            new_cell, new_room = cell_of[j], room_of[j]
        else:
            bits = next_random(random)
            row = time_row[i]
            first = time_first[row]
            new_cell = time_cells[first + below(bits, time_first[row + 1] - first)]
            draw = (bits >> np.uint64(20)) & np.uint64(0xFFF)
            in_way = np.int64(clash[c, new_cell])
            j = np.int64(clash_sum[c, new_cell])  # if just one is in the way, this one
            # An exchange will do if nothing is in the way of the one in the way; one of the same course is none at all.
            tangled = in_way > 1 or (in_way == 1 and course[j] != c and clash[course[j], cell] > 1)
            if tangled and new_cell != cell and hard == 0 and draw < chain_below:
                length = np.int64(
                    find_chain(
                        i, new_cell, course, time_row, room_row, time_cost, room_cost, room_first, room_list, usable,
                        conflict, stability_cost, cell_of, room_of, occupant, clash, clash_sum, room_count, chain,
                        marks, taken,
                    )
                )  # fmt: skip
                if length == 0:
                    continue
            if length > 0:
                new_room = room
            elif in_way == 1 and new_cell != cell and draw < pursue_below:
                # One lecture is in the way: only an exchange with that one can avoid the clash.
                new_room = room_of[j]
            else:
                draw = (bits >> np.uint64(52)) & np.uint64(0xFFF)
                if draw < keep_room_below:
                    new_room = room
                else:
                    row = room_row[i]
                    first = room_first[row]
                    new_room = room_list[first + below(bits >> np.uint64(32), room_first[row + 1] - first)]
                j = np.int64(occupant[new_cell, new_room])
            if length == 0 and j >= 0 and course[j] == c:
                continue

        clashes, outside = np.int64(0), np.int64(0)
        if length > 0:
            cost, changed = shift_chain(
                length, threshold, course, time_row, room_row, time_cost, room_cost, min_days, min_days_cost,
                stability_cost, set_first, sets, set_cost, cell_day, cell_of, room_of, paid, set_count, isolation,
                day_count, days_used, room_count, chain, course_net, set_net, chain_sets,
            )  # fmt: skip
            if cost > threshold:
                continue
        else:
            # Clashes: two reads per lecture. A lecture counts itself where it stands if its course must not double up.
            d = c
            if j >= 0:
                d = course[j]
            if cell != new_cell:
                clashes = clash[c, new_cell] - clash[c, cell] + conflict[c, c]
                if j >= 0:
                    clashes += clash[d, cell] - clash[d, new_cell] + conflict[d, d] - 2 * conflict[c, d]
            # The rest can gain at most what is being paid now, so most moves end here.
            rest = paid[i] + course_gain[c] + isolation[c]
            if j >= 0:
                rest += paid[j] + course_gain[d] + isolation[d]
            if unplaced == 0 and hard_weight * clashes - rest > threshold:
                continue

            # Options: a move may not raise the number of lectures in places that are no option.
            cost_i = place_cost(i, new_cell, new_room, time_row, room_row, time_cost, room_cost, usable)
            cost_j = 0
            if cost_i < 0:
                outside += 1
                cost_i = 0
            if j >= 0:
                cost_j = place_cost(j, cell, room, time_row, room_row, time_cost, room_cost, usable)
                if cost_j < 0:
                    outside += 1
                    cost_j = 0
            if unplaced > 0:
                if place_cost(i, cell, room, time_row, room_row, time_cost, room_cost, usable) < 0:
                    outside -= 1
                if j >= 0 and place_cost(j, new_cell, new_room, time_row, room_row, time_cost, room_cost, usable) < 0:
                    outside -= 1
            if outside > 0:
                continue
            delta = hard_weight * (clashes + outside)
            cost = cost_i - paid[i]
            rest = isolation[c]
            if j >= 0:
                cost += cost_j - paid[j]
                rest += isolation[d]
            if room != new_room:
                if room_count[c, room] == 1:
                    cost -= stability_cost[c]
                if room_count[c, new_room] == 0:
                    cost += stability_cost[c]
                if j >= 0:
                    if room_count[d, new_room] == 1:
                        cost -= stability_cost[d]
                    if room_count[d, room] == 0:
                        cost += stability_cost[d]
            if cell != new_cell:
                day, new_day = cell_day[cell], cell_day[new_cell]
                if day != new_day:
                    days = days_after(c, day, new_day, 1, day_count, days_used)
                    cost += cost_of_days(c, days, min_days, min_days_cost)
                    cost -= cost_of_days(c, days_used[c], min_days, min_days_cost)
                    if j >= 0:
                        days = days_after(d, new_day, day, 1, day_count, days_used)
                        cost += cost_of_days(d, days, min_days, min_days_cost)
                        cost -= cost_of_days(d, days_used[d], min_days, min_days_cost)
                if delta + cost - rest > threshold:
                    continue
                cost += shift_in_sets(c, cell, new_cell, set_first, sets, set_cost, set_count, set_change[0])
                if j >= 0:
                    cost += shift_in_sets(d, new_cell, cell, set_first, sets, set_cost, set_count, set_change[1])
                if delta + cost > threshold:
                    unshift_in_sets(c, cell, new_cell, set_first, sets, set_count)
                    if j >= 0:
                        unshift_in_sets(d, new_cell, cell, set_first, sets, set_count)
                    continue
                settle_sets(c, set_first, sets, set_cost, set_change[0], member_first, members, isolation)
                if j >= 0:
                    settle_sets(d, set_first, sets, set_cost, set_change[1], member_first, members, isolation)
            elif delta + cost > threshold:
                continue

        # Accepted. A new best is saved only when it is about to be left: bests come in long runs while cooling.
        if unsaved and (clashes + outside > 0 or (clashes + outside == 0 and cost > 0)):
            for k in range(lectures):
                best_cell[k], best_room[k] = cell_of[k], room_of[k]
            unsaved = False
        accepted += 1
        if length > 0:
            settle_chain(
                length, changed, course, time_row, room_row, time_cost, room_cost, neighbour_first, neighbours,
                set_cost, member_first, members, cell_day, cell_of, room_of, paid, occupant, clash, clash_sum,
                isolation, day_count, days_used, chain, chain_sets,
            )  # fmt: skip
        else:
            if room != new_room:
                shift_rooms(c, room, new_room, stability_cost, room_count)
                if j >= 0:
                    shift_rooms(d, new_room, room, stability_cost, room_count)
            if cell != new_cell:
                day, new_day = cell_day[cell], cell_day[new_cell]
                if day != new_day:
                    shift_days(c, day, new_day, 1, day_count, days_used)
                    if j >= 0:
                        shift_days(d, new_day, day, 1, day_count, days_used)
                move_clashes(i, c, cell, new_cell, neighbour_first, neighbours, clash, clash_sum)
                if j >= 0:
                    move_clashes(j, d, new_cell, cell, neighbour_first, neighbours, clash, clash_sum)
            cell_of[i], room_of[i], paid[i] = new_cell, new_room, cost_i
            occupant[new_cell, new_room] = i
            occupant[cell, room] = j
            if j >= 0:
                cell_of[j], room_of[j], paid[j] = cell, room, cost_j
        hard += clashes + outside
        unplaced += outside
        total += cost
        if hard < best_hard or (hard == best_hard and total < best_total):
            best_hard = hard
            best_total = total
            bests += 1
            unsaved = True
            if hard == 0 and total <= target:
                break
    if unsaved:
        for k in range(lectures):
            best_cell[k], best_room[k] = cell_of[k], room_of[k]
    totals[CLASHES] = hard - unplaced
    totals[UNPLACED] = unplaced
    totals[COST] = total
    totals[BEST_HARD] = best_hard
    totals[BEST_COST] = best_total
    totals[BESTS] += bests
    totals[ACCEPTED] += accepted
    totals[MOVES] += made
    return made

"""The annealing kernel: how moves are drawn and accepted within a slice.

Owns the three kinds of moves and their acceptance. Must not know clocks, budgets or how the temperature falls over the
whole search.

An event goes to another period. What conflicts with it there goes to its old period in exchange (`chains`), or one
conflicting event goes on to a third period, or it loses its place: the search runs through partial timetables that
break no hard rule, at a price for every event without a place (Y. Nagata, "Random partial neighborhood search for the
post-enrollment course timetabling problem", Computers & Operations Research 90, 2018).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from services.solver.engine.enrolment.chains import fit_rooms, grow, in_order, move_chain, own_change
from services.solver.engine.enrolment.displacing import in_the_way, may_take
from services.solver.engine.enrolment.model import (
    AFTER_AT,
    AFTER_END,
    BEFORE_AT,
    BEFORE_END,
    ROOMS_AT,
    ROOMS_END,
    TIMES_AT,
    TIMES_END,
)
from services.solver.engine.enrolment.places import eject, enter, keep, leave, no_longer_waiting, peek, toggle
from services.solver.engine.enrolment.rooms import FREE, seek_room, take_room
from services.solver.engine.jit import INNER, KERNEL, Array, Int
from services.solver.engine.random import below, next_random

# Indices into `totals`.
UNPLACED, COST, BEST_UNPLACED, BEST_COST, MOVES, ACCEPTED, BESTS, STAMP = range(8)
TOTALS = 8

# Acceptance thresholds are drawn from this many equally likely quantiles of the exponential distribution.
QUANTILES = 4096
EXPONENTIAL = -np.log((np.arange(QUANTILES) + 0.5) / QUANTILES)

# The temperature is set anew after this many moves.
MOVES_PER_TEMPERATURE = 512
# Times that a chain may grow because of rooms, and third periods that are looked at.
ROOM_TRIES = 4
ONWARD_TRIES = 4
REJECTED = 1 << 40


@njit(**INNER)
def try_chain(
    e: Int,
    a: Int,
    b: Int,
    cost: Int,
    threshold: float,
    limit: Int,
    event: Array,
    pool: Array,
    time_cost: Array,
    conflict: Array,
    day_cost: Array,
    swing: Array,
    period: Array,
    room: Array,
    place: Array,
    members: Array,
    count: Array,
    occupant: Array,
    clash: Array,
    day: Array,
    sway: Array,
    rows: Array,
    trial: Array,
    seen: Array,
    wanted_by: Array,
    queue: Array,
    chain: Array,
    mark: Array,
    totals: Array,
    random: Array,
) -> tuple[Int, Int]:
    """Complete the chain that begins with e; its size and cost if it may be moved and pays, size 0 if not.

    `cost` is e's own change. Nothing is moved yet: `rows` holds the rooms.
    """
    totals[STAMP] += 1
    stamp = totals[STAMP]
    chain[0] = e
    mark[e] = stamp
    size, done = 1, 0
    priced = 1
    for _ in range(ROOM_TRIES):
        size = grow(chain, done, size, a, b, limit, time_cost, conflict, period, members, clash, mark, stamp)
        if size < 0:
            break
        done = size
        for i in range(priced, size):
            x = chain[i]
            target = a + b - period[x]
            cost += own_change(
                x, period[x], target, event, pool, time_cost, day_cost, swing, day, sway, clash[target, x]
            )
        priced = size
        if cost > threshold:
            break
        if not in_order(chain, size, a, b, event, pool, period, mark, stamp):
            break
        y = fit_rooms(
            chain, size, a, b, event, pool, period, room, members, count, occupant, rows, trial, seen, wanted_by, queue,
            mark, stamp, random,
        )  # fmt: skip
        if y == -1:
            return size, cost
        if y < 0 or size >= limit:
            break
        mark[y] = stamp
        chain[size] = y
        size += 1
    return 0, 0


@njit(**KERNEL)
def anneal(
    event: Array,
    student: Array,
    pool: Array,
    time_cost: Array,
    conflict: Array,
    day_cost: Array,
    swing: Array,
    exponential: Array,
    period: Array,
    room: Array,
    place: Array,
    members: Array,
    count: Array,
    occupant: Array,
    clash: Array,
    day: Array,
    sway: Array,
    change: Array,
    waiting: Array,
    rows: Array,
    trial: Array,
    seen: Array,
    wanted_by: Array,
    queue: Array,
    chain: Array,
    mark: Array,
    best_period: Array,
    best_room: Array,
    totals: Array,
    random: Array,
    moves: Int,
    temperature_from: float,
    temperature_to: float,
    price: float,
    limit: Int,
    short: Int,
    long_share: float,
    displace_share: float,
    onward_share: float,
    target: Int,
) -> Int:
    """Make `moves` annealing moves, cooling geometrically; returns how many were made.

    `long_share` of the chains may have up to `limit` events, the others up to `short`.
    """
    events = len(period)
    cooling = temperature_to / temperature_from
    temperature = temperature_from
    displace_below = np.uint64(displace_share * 1048576.0)
    long_below = np.uint64(long_share * 1048576.0)
    onward_below = np.uint64(onward_share * 1048576.0)
    unplaced, total = totals[UNPLACED], totals[COST]
    best_unplaced, best_total = totals[BEST_UNPLACED], totals[BEST_COST]
    unsaved = False
    made, accepted, bests = 0, 0, 0
    while made < moves:
        if made % MOVES_PER_TEMPERATURE == 0:
            temperature = temperature_from * cooling ** (made / moves)
        made += 1
        bits = next_random(random)
        e = below(bits, events)
        threshold = temperature * exponential[np.int64(bits >> np.uint64(20)) & (QUANTILES - 1)]
        displacing = (bits >> np.uint64(40)) & np.uint64(0xFFFFF) < displace_below
        bits = next_random(random)
        if unplaced > 0 and displacing and bits >> np.uint64(63):
            e = waiting[below(bits >> np.uint64(40), unplaced)]
        a = period[e]
        first = event[e, TIMES_AT]
        b = pool[first + below(bits, event[e, TIMES_END] - first)]
        if a == b:
            continue
        in_way = clash[b, e]
        delta = 0
        if a >= 0:
            if in_way == 0:
                displacing = False
            if not displacing:
                longest = limit if (bits >> np.uint64(20)) & np.uint64(0xFFFFF) < long_below else short
                if in_way >= longest:
                    continue
                delta = own_change(e, a, b, event, pool, time_cost, day_cost, swing, day, sway, in_way)
                if delta > threshold:
                    continue
                size, delta = try_chain(
                    e, a, b, delta, threshold, longest, event, pool, time_cost, conflict, day_cost, swing, period, room,
                    place, members, count, occupant, clash, day, sway, rows, trial, seen, wanted_by, queue, chain, mark,
                    totals, random,
                )  # fmt: skip
                if size == 0:
                    continue
                if unsaved and delta > 0:
                    keep(period, room, best_period, best_room)
                    unsaved = False
                move_chain(
                    chain, size, a, b, event, student, pool, swing, period, room, place, members, count, occupant,
                    clash, day, sway, change, rows,
                )  # fmt: skip
                accepted += 1
                total += delta
                if unplaced == best_unplaced and total < best_total:
                    best_total = total
                    bests += 1
                    unsaved = True
                    if unplaced == 0 and total <= target:
                        break
                continue
            if in_way > 2:
                continue
        n, r = in_the_way(
            e, b, 2, event, pool, conflict, period, room, members, occupant, clash, rows[0], seen, wanted_by, queue,
            chain, random,
        )  # fmt: skip
        if n < 0:
            continue
        onward = -1
        if n == 1 and ((bits >> np.uint64(20)) & np.uint64(0xFFFFF)) < onward_below:
            f = chain[0]
            first, end = event[f, TIMES_AT], event[f, TIMES_END]
            for _ in range(ONWARD_TRIES):
                q = pool[first + below(next_random(random), end - first)]
                if q != b and q != a and q != period[f] and clash[q, f] == 0 and may_take(f, q, e, event, pool, period):
                    onward = q
                    break
            if onward >= 0:
                # e and f in order with one another
                for k in range(event[e, AFTER_AT], event[e, AFTER_END]):
                    if pool[k] == f and onward <= b:
                        onward = -1
                for k in range(event[e, BEFORE_AT], event[e, BEFORE_END]):
                    if pool[k] == f and onward >= b:
                        onward = -1
            if onward < 0:
                continue
        net = n
        if a < 0:
            net -= 1
        if onward >= 0:
            net -= 1
        delta = time_cost[e, b]
        for i in range(n):
            y = chain[i]
            p = period[y]
            delta += peek(y, p, event, pool, day_cost, day) - time_cost[y, p]
        if a >= 0:
            delta += peek(e, a, event, pool, day_cost, day) - time_cost[e, a]
        delta += peek(e, b, event, pool, day_cost, day)
        room_on = -1
        refused = False
        if onward >= 0:
            f = chain[0]
            delta += peek(f, onward, event, pool, day_cost, day) + time_cost[f, onward]
            refused = delta + price * net > threshold
            if not refused and event[f, ROOMS_AT] < event[f, ROOMS_END]:
                # e's room is sought again afterwards
                room_on, _ = seek_room(f, occupant[onward], event, pool, seen, wanted_by, queue)
                refused = room_on < 0
        for i in range(n):
            y = chain[i]
            peek(y, period[y], event, pool, day_cost, day)
        if a >= 0:
            peek(e, a, event, pool, day_cost, day)
        peek(e, b, event, pool, day_cost, day)
        if onward >= 0:
            peek(chain[0], onward, event, pool, day_cost, day)
        if refused or delta + price * net > threshold:
            continue
        if unsaved and (net > 0 or (net == 0 and delta > 0)):
            keep(period, room, best_period, best_room)
            unsaved = False
        for i in range(n):
            toggle(chain[i], period[chain[i]], event, student, pool, swing, day, sway, change)
            unplaced = eject(
                chain[i], unplaced, event, pool, period, room, place, members, count, occupant, clash, waiting
            )
        if a >= 0:
            toggle(e, a, event, student, pool, swing, day, sway, change)
            if room[e] >= 0:
                occupant[a, room[e]] = FREE
            leave(e, a, event, pool, place, members, count, clash)
        else:
            unplaced = no_longer_waiting(e, unplaced, place, waiting)
        room[e] = -1
        if r >= 0:
            r, _ = seek_room(e, occupant[b], event, pool, seen, wanted_by, queue)
            take_room(e, r, occupant[b], room, wanted_by)
        enter(e, b, event, pool, place, members, count, clash)
        toggle(e, b, event, student, pool, swing, day, sway, change)
        period[e] = b
        if onward >= 0:
            f = chain[0]
            unplaced = no_longer_waiting(f, unplaced, place, waiting)
            if room_on >= 0:
                r, _ = seek_room(f, occupant[onward], event, pool, seen, wanted_by, queue)
                take_room(f, r, occupant[onward], room, wanted_by)
            enter(f, onward, event, pool, place, members, count, clash)
            toggle(f, onward, event, student, pool, swing, day, sway, change)
            period[f] = onward
        accepted += 1
        total += delta
        if unplaced < best_unplaced or (unplaced == best_unplaced and total < best_total):
            best_unplaced, best_total = unplaced, total
            bests += 1
            unsaved = True
            if unplaced == 0 and total <= target:
                break
    if unsaved:
        keep(period, room, best_period, best_room)
    totals[UNPLACED], totals[COST] = unplaced, total
    totals[BEST_UNPLACED], totals[BEST_COST] = best_unplaced, best_total
    totals[MOVES] += made
    totals[ACCEPTED] += accepted
    totals[BESTS] += bests
    return made

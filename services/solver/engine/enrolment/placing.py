"""Placing events: a tabu search over partial timetables that break no hard rule.

Owns the construction of a first timetable and its repair: an event that has no place takes one, and whatever is in its
way there loses its own (partial colourings, I. Blöchliger, N. Zufferey, Computers & Operations Research 35, 2008). Must
not know costs.
"""

from __future__ import annotations

from numba import njit

from services.solver.engine.enrolment.displacing import in_the_way
from services.solver.engine.enrolment.kernel import BEST_UNPLACED, BESTS, MOVES, UNPLACED
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
from services.solver.engine.enrolment.places import eject, enter, keep, no_longer_waiting
from services.solver.engine.enrolment.rooms import FREE, seek_room, take_room
from services.solver.engine.jit import INNER, KERNEL, Array, Int
from services.solver.engine.random import below, next_random


@njit(**INNER)
def out_of_order(e: Int, p: Int, event: Array, pool: Array, period: Array) -> Int:
    """Placed events that the order would forbid with event e in period p (those in p itself are rivals besides)."""
    wrong = 0
    for k in range(event[e, AFTER_AT], event[e, AFTER_END]):
        q = period[pool[k]]
        wrong += q >= 0 and q < p
    for k in range(event[e, BEFORE_AT], event[e, BEFORE_END]):
        wrong += period[pool[k]] > p
    return wrong


@njit(**KERNEL)
def place_events(
    event: Array,
    pool: Array,
    conflict: Array,
    period: Array,
    room: Array,
    place: Array,
    members: Array,
    count: Array,
    occupant: Array,
    clash: Array,
    waiting: Array,
    rows: Array,
    seen: Array,
    wanted_by: Array,
    queue: Array,
    chain: Array,
    tabu: Array,
    best_period: Array,
    best_room: Array,
    totals: Array,
    random: Array,
    steps: Int,
) -> Int:
    """Make up to `steps` insertions; returns how many.

    `tabu[events, periods]`: the number of moves (`totals`) until which the event may not return there.
    """
    unplaced = totals[UNPLACED]
    best = totals[BEST_UNPLACED]
    now = totals[MOVES]
    made = 0
    while made < steps and unplaced > 0:
        made += 1
        now += 1
        fewest = 1 << 30
        ties = 0
        e, p = -1, -1
        offset = below(next_random(random), unplaced)
        for w in range(min(unplaced, 12)):
            x = waiting[(offset + w) % unplaced]
            for k in range(event[x, TIMES_AT], event[x, TIMES_END]):
                q = pool[k]
                key = clash[q, x] + out_of_order(x, q, event, pool, period)
                if key > fewest:
                    continue
                if event[x, ROOMS_AT] < event[x, ROOMS_END]:
                    for r in range(rows.shape[1]):
                        y = occupant[q, r]
                        rows[0, r] = y
                        if y >= 0 and conflict[x, y]:
                            rows[0, r] = FREE
                    r, reached = seek_room(x, rows[0], event, pool, seen, wanted_by, queue)
                    if r < 0:
                        if reached < 2:
                            continue
                        key += 1
                if key > fewest or (tabu[x, q] > now and unplaced - 1 + key >= best):
                    continue
                if key < fewest:
                    fewest = key
                    ties = 0
                ties += 1
                if below(next_random(random), ties) == 0:
                    e, p = x, q
        if e < 0:
            continue
        n, r = in_the_way(
            e, p, len(chain), event, pool, conflict, period, room, members, occupant, clash, rows[0], seen, wanted_by,
            queue, chain, random,
        )  # fmt: skip
        tenure = 10 + below(next_random(random), 10) + (6 * unplaced) // 10
        for i in range(n):
            y = chain[i]
            tabu[y, period[y]] = now + tenure
            unplaced = eject(y, unplaced, event, pool, period, room, place, members, count, occupant, clash, waiting)
        unplaced = no_longer_waiting(e, unplaced, place, waiting)
        if r >= 0:
            r, _ = seek_room(e, occupant[p], event, pool, seen, wanted_by, queue)
            take_room(e, r, occupant[p], room, wanted_by)
        enter(e, p, event, pool, place, members, count, clash)
        period[e] = p
        if unplaced < best:
            best = unplaced
            totals[BESTS] += 1
            keep(period, room, best_period, best_room)
    totals[UNPLACED] = unplaced
    totals[BEST_UNPLACED] = best
    totals[MOVES] = now
    return made

"""What an event would drive out: those in its way in a period, and whether the order allows it there.

Owns the list of what would have to leave. Must not know costs, nor whether it is worth it.
"""

from __future__ import annotations

from numba import njit

from services.solver.engine.enrolment.model import (
    AFTER_AT,
    AFTER_END,
    BEFORE_AT,
    BEFORE_END,
    ROOMS_AT,
    ROOMS_END,
)
from services.solver.engine.enrolment.rooms import FREE, seek_room
from services.solver.engine.jit import INNER, Array, Bool, Int
from services.solver.engine.random import below, next_random


@njit(**INNER)
def may_take(x: Int, p: Int, skip: Int, event: Array, pool: Array, period: Array) -> Bool:
    """True if the order allows event x in period p, whatever event `skip` does."""
    for k in range(event[x, AFTER_AT], event[x, AFTER_END]):
        q = period[pool[k]]
        if q >= 0 and q <= p and pool[k] != skip:
            return False
    for k in range(event[x, BEFORE_AT], event[x, BEFORE_END]):  # noqa: SIM110  # numba has no all() of a generator
        if period[pool[k]] >= p and pool[k] != skip:
            return False
    return True


@njit(**INNER)
def in_the_way(
    e: Int,
    b: Int,
    most: Int,
    event: Array,
    pool: Array,
    conflict: Array,
    period: Array,
    room: Array,
    members: Array,
    occupant: Array,
    clash: Array,
    row: Array,
    seen: Array,
    wanted_by: Array,
    queue: Array,
    chain: Array,
    random: Array,
) -> tuple[Int, Int]:
    """What would have to leave for event e to come to period b, in `chain`: how many (-1: more than `most`), e's room.

    `row` are the period's rooms without them.
    """
    n = 0
    left = clash[b, e]
    if left > most:
        return -1, -1
    k = 0
    while left > 0:
        y = members[b, k]
        k += 1
        if conflict[e, y]:
            left -= 1
            chain[n] = y
            n += 1
    for k in range(event[e, AFTER_AT], event[e, AFTER_END]):
        y = pool[k]
        if period[y] >= 0 and period[y] < b:
            if n == most:
                return -1, -1
            chain[n] = y
            n += 1
    for k in range(event[e, BEFORE_AT], event[e, BEFORE_END]):
        y = pool[k]
        if period[y] > b:
            if n == most:
                return -1, -1
            chain[n] = y
            n += 1
    if event[e, ROOMS_AT] == event[e, ROOMS_END]:
        return n, -1
    for r in range(row.shape[0]):
        row[r] = occupant[b, r]
    for i in range(n):
        y = chain[i]
        if period[y] == b and room[y] >= 0:
            row[room[y]] = FREE
    r, reached = seek_room(e, row, event, pool, seen, wanted_by, queue)
    if r < 0:
        if reached < 2 or n == most:
            return -1, -1
        y = queue[1 + below(next_random(random), reached - 1)]
        chain[n] = y
        n += 1
        row[room[y]] = FREE
        r, _ = seek_room(e, row, event, pool, seen, wanted_by, queue)
    return n, r

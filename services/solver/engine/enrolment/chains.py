"""Chains: events that change between two periods together, so that no hard rule is broken.

Owns how a chain grows (A. B. Kempe 1879, with rooms besides), whether it may be moved, and what moving it costs. Must
not know which chains are tried or accepted.

A chain begins with one event that leaves period a for b. Events of b in conflict with it come to a in exchange, and so
on, until nobody in the chain conflicts with anybody who stays. Where the rooms do not suffice, one of the events in the
way joins the chain.
"""

from __future__ import annotations

from numba import njit

from services.solver.engine.enrolment.model import (
    AFTER_AT,
    AFTER_END,
    BEFORE_AT,
    BEFORE_END,
    DAY_SHIFT,
    DAY_WIDTH,
    STUDENTS_AT,
    STUDENTS_END,
)
from services.solver.engine.enrolment.places import change_period, toggle_both
from services.solver.engine.enrolment.rooms import FREE, seek_room, take_room
from services.solver.engine.jit import INNER, Array, Bool, Index, Int
from services.solver.engine.random import below, next_random


@njit(**INNER)
def own_change(
    x: Int,
    a: Int,
    b: Int,
    event: Array,
    pool: Array,
    time_cost: Array,
    day_cost: Array,
    swing: Array,
    day: Array,
    sway: Array,
    left: Int,
) -> Int:
    """What event x pays more when it goes from period a to b, as one of a chain; `left` rivals are in b.

    A student of x with another event in b (it conflicts with x, so it is in the chain too and goes from b to a) has
    the same days after as before; any other student's days change by this event alone. So the changes of a chain's
    events add up.
    """
    d, e = a >> DAY_SHIFT, b >> DAY_SHIFT
    coming = 1 << (b & (DAY_WIDTH - 1))
    delta = time_cost[x, b] - time_cost[x, a]
    if d != e:
        t, u = a & (DAY_WIDTH - 1), b & (DAY_WIDTH - 1)
        delta += sway[x, d, t] + sway[x, e, u]
        if left > 0:
            here, there = Index(d), Index(e)
            for k in range(Index(event[x, STUDENTS_AT]), Index(event[x, STUDENTS_END])):
                s = Index(pool[k])
                n = day[there, s]
                if n & coming != 0:
                    delta -= swing[Index(day[here, s]), t] + swing[Index(n), u]
        return delta
    both = coming | 1 << (a & (DAY_WIDTH - 1))
    here = Index(d)
    for k in range(Index(event[x, STUDENTS_AT]), Index(event[x, STUDENTS_END])):
        m = day[here, Index(pool[k])]
        if m & coming == 0:
            delta += day_cost[Index(m ^ both)] - day_cost[Index(m)]
    return delta


@njit(**INNER)
def grow(
    chain: Array,
    done: Int,
    size: Int,
    a: Int,
    b: Int,
    limit: Int,
    time_cost: Array,
    conflict: Array,
    period: Array,
    members: Array,
    clash: Array,
    mark: Array,
    stamp: Int,
) -> Int:
    """Add what conflicts with the chain where it goes, and what conflicts with that; the new size, or -1 if it may not.

    The first `done` events have been looked at before.
    """
    i = done
    while i < size:
        x = chain[i]
        i += 1
        target = a + b - period[x]
        if time_cost[x, target] < 0:
            return -1
        left = clash[target, x]
        k, row, own = Index(0), Index(target), Index(x)
        while left > 0:
            y = members[row, k]
            k += Index(1)
            if conflict[own, Index(y)]:
                left -= 1
                if mark[y] != stamp:
                    if size >= limit:
                        return -1
                    mark[y] = stamp
                    chain[size] = y
                    size += 1
    return size


@njit(**INNER)
def in_order(
    chain: Array, size: Int, a: Int, b: Int, event: Array, pool: Array, period: Array, mark: Array, stamp: Int
) -> Bool:
    """True if what must come before or after an event of the chain still does once the chain has moved."""
    for i in range(size):
        x = chain[i]
        target = a + b - period[x]
        for k in range(event[x, AFTER_AT], event[x, AFTER_END]):
            y = pool[k]
            p = period[y]
            if mark[y] == stamp:
                p = a + b - p
            if p >= 0 and p <= target:
                return False
        for k in range(event[x, BEFORE_AT], event[x, BEFORE_END]):
            y = pool[k]
            p = period[y]
            if mark[y] == stamp:
                p = a + b - p
            if p >= target:
                return False
    return True


@njit(**INNER)
def fit_rooms(
    chain: Array,
    size: Int,
    a: Int,
    b: Int,
    event: Array,
    pool: Array,
    period: Array,
    room: Array,
    members: Array,
    count: Array,
    occupant: Array,
    rows: Array,
    trial: Array,
    seen: Array,
    wanted_by: Array,
    queue: Array,
    mark: Array,
    stamp: Int,
    random: Array,
) -> Int:
    """Rooms for both periods with the chain moved: -1 if there are, else an event outside it that is in the way.

    Fills `rows` (of a and of b) and the rooms `trial` of all events of both periods. -2: no event's leaving would help.
    """
    one, two = Index(a), Index(b)
    for r in range(Index(rows.shape[1])):
        rows[0, r] = occupant[one, r]
        rows[1, r] = occupant[two, r]
    for k in range(Index(count[a])):
        here = Index(members[one, k])
        trial[here] = room[here]
    for k in range(Index(count[b])):
        there = Index(members[two, k])
        trial[there] = room[there]
    for i in range(size):
        x = chain[i]
        if room[x] >= 0:
            rows[0 if period[x] == a else 1, room[x]] = FREE
    for i in range(size):
        x = chain[i]
        if room[x] < 0:
            continue
        row = rows[1 if period[x] == a else 0]
        r, reached = seek_room(x, row, event, pool, seen, wanted_by, queue)
        if r < 0:
            return _in_the_way(reached, queue, mark, stamp, random)
        take_room(x, r, row, trial, wanted_by)
    return -1


@njit(**INNER)
def _in_the_way(reached: Int, queue: Array, mark: Array, stamp: Int, random: Array) -> Int:
    """A random event of `queue[1:reached]` that is not in the chain, or -2."""
    found, seen = -2, 0
    for k in range(1, reached):
        y = queue[k]
        if mark[y] != stamp:
            seen += 1
            if below(next_random(random), seen) == 0:
                found = y
    return found


@njit(**INNER)
def move_chain(
    chain: Array,
    size: Int,
    a: Int,
    b: Int,
    event: Array,
    student: Array,
    pool: Array,
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
    change: Array,
    rows: Array,
) -> None:
    """Move the chain into the rooms that `fit_rooms` found, and bring every table up to date."""
    for i in range(size):
        x = chain[i]
        p = period[x]
        q = a + b - p
        change_period(x, p, q, event, pool, place, members, count, clash)
        period[x] = q
        # A student with two events in the chain is toggled twice, and stays.
        toggle_both(x, p, q, event, student, pool, swing, day, sway, change)
    for r in range(rows.shape[1]):
        x, y = rows[0, r], rows[1, r]
        occupant[a, r] = x
        occupant[b, r] = y
        if x >= 0:
            room[x] = r
        if y >= 0:
            room[y] = r

"""The tables that know where events are, kept exact as single events come and go.

Owns the lists of periods, the counts of clashes and the students' days. Must not know rooms' matchings beyond giving a
room back, nor why events move.
"""

from __future__ import annotations

from numba import njit

from services.solver.engine.enrolment.model import (
    DAY_SHIFT,
    DAY_WIDTH,
    RIVALS_AT,
    RIVALS_END,
    STUDENTS_AT,
    STUDENTS_END,
)
from services.solver.engine.enrolment.rooms import FREE
from services.solver.engine.jit import INNER, LEAF, Array, Index, Int


@njit(**INNER)
def keep(period: Array, room: Array, best_period: Array, best_room: Array) -> None:
    """Remember where everything is as the best timetable."""
    for k in range(len(period)):
        best_period[k], best_room[k] = period[k], room[k]


@njit(**INNER)
def leave(x: Int, p: Int, event: Array, pool: Array, place: Array, members: Array, count: Array, clash: Array) -> None:
    """Take the event out of the list of period p, and out of its rivals' clashes there."""
    _leave_list(x, p, place, members, count)
    at = Index(p)
    for k in range(Index(event[x, RIVALS_AT]), Index(event[x, RIVALS_END])):
        clash[at, Index(pool[k])] -= 1


@njit(**INNER)
def enter(x: Int, p: Int, event: Array, pool: Array, place: Array, members: Array, count: Array, clash: Array) -> None:
    """Put the event into the list of period p, and into its rivals' clashes there."""
    _enter_list(x, p, place, members, count)
    at = Index(p)
    for k in range(Index(event[x, RIVALS_AT]), Index(event[x, RIVALS_END])):
        clash[at, Index(pool[k])] += 1


@njit(**INNER)
def change_period(
    x: Int, p: Int, q: Int, event: Array, pool: Array, place: Array, members: Array, count: Array, clash: Array
) -> None:
    """`leave` p and `enter` q at once."""
    _leave_list(x, p, place, members, count)
    _enter_list(x, q, place, members, count)
    before, after = Index(p), Index(q)
    for k in range(Index(event[x, RIVALS_AT]), Index(event[x, RIVALS_END])):
        y = Index(pool[k])
        clash[before, y] -= 1
        clash[after, y] += 1


@njit(**LEAF)
def _leave_list(x: Int, p: Int, place: Array, members: Array, count: Array) -> None:
    last = count[p] - 1
    y = members[p, last]
    members[p, place[x]] = y
    place[y] = place[x]
    count[p] = last


@njit(**LEAF)
def _enter_list(x: Int, p: Int, place: Array, members: Array, count: Array) -> None:
    members[p, count[p]] = x
    place[x] = count[p]
    count[p] += 1


@njit(**INNER)
def peek(x: Int, p: Int, event: Array, pool: Array, day_cost: Array, day: Array) -> Int:
    """As `toggle`, for the days alone: returns the change of cost, and `sway` is wrong until it is done again."""
    d = Index(p >> DAY_SHIFT)
    bit = 1 << (p & (DAY_WIDTH - 1))
    delta = 0
    for k in range(Index(event[x, STUDENTS_AT]), Index(event[x, STUDENTS_END])):
        s = Index(pool[k])
        m = day[d, s]
        delta += day_cost[Index(m ^ bit)] - day_cost[Index(m)]
        day[d, s] = m ^ bit
    return delta


@njit(**LEAF)
def _tell(
    s: Int, d: Int, bits: Int, student: Array, pool: Array, swing: Array, day: Array, sway: Array, change: Array
) -> None:
    """Turn these slots of the student's day d, and tell all of the student's events."""
    m = day[d, s]
    day[d, s] = m ^ bits
    before, after = Index(m), Index(m ^ bits)
    # As long as the constant DAY_WIDTH, but as a constant it would be sixteen turns one after the other.
    width = Index(change.shape[0])
    for t in range(width):
        change[t] = swing[after, t] - swing[before, t]
    for n in range(Index(student[s, 0]), Index(student[s, 1])):
        x = Index(pool[n])
        for t in range(width):
            sway[x, d, t] += change[t]


@njit(**INNER)
def toggle(
    x: Int, p: Int, event: Array, student: Array, pool: Array, swing: Array, day: Array, sway: Array, change: Array
) -> None:
    """Take period p out of the days of the event's students, or put it in, and tell all their events."""
    d = Index(p >> DAY_SHIFT)
    bit = 1 << (p & (DAY_WIDTH - 1))
    for k in range(Index(event[x, STUDENTS_AT]), Index(event[x, STUDENTS_END])):
        _tell(Index(pool[k]), d, bit, student, pool, swing, day, sway, change)


@njit(**INNER)
def toggle_both(
    x: Int, p: Int, q: Int, event: Array, student: Array, pool: Array, swing: Array, day: Array, sway: Array,
    change: Array,
) -> None:  # fmt: skip
    """`toggle` periods p and q."""
    d, e = Index(p >> DAY_SHIFT), Index(q >> DAY_SHIFT)
    bit, other = 1 << (p & (DAY_WIDTH - 1)), 1 << (q & (DAY_WIDTH - 1))
    if d == e:
        bit |= other
    for k in range(Index(event[x, STUDENTS_AT]), Index(event[x, STUDENTS_END])):
        s = Index(pool[k])
        _tell(s, d, bit, student, pool, swing, day, sway, change)
        if d != e:
            _tell(s, e, other, student, pool, swing, day, sway, change)


@njit(**INNER)
def eject(
    x: Int,
    unplaced: Int,
    event: Array,
    pool: Array,
    period: Array,
    room: Array,
    place: Array,
    members: Array,
    count: Array,
    occupant: Array,
    clash: Array,
    waiting: Array,
) -> Int:
    """Take the event out of its period and room and put it on the list of the unplaced; returns how many these are.

    The days of its students are the caller's.
    """
    p = period[x]
    if room[x] >= 0:
        occupant[p, room[x]] = FREE
    leave(x, p, event, pool, place, members, count, clash)
    period[x] = -1
    room[x] = -1
    waiting[unplaced] = x
    place[x] = unplaced
    return unplaced + 1


@njit(**INNER)
def no_longer_waiting(x: Int, unplaced: Int, place: Array, waiting: Array) -> Int:
    """Take the event off the list of the unplaced; returns how many are left."""
    last = waiting[unplaced - 1]
    waiting[place[x]] = last
    place[last] = place[x]
    return unplaced - 1

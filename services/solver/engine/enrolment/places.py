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
from services.solver.engine.jit import INNER, Array, Int


@njit(**INNER)
def keep(period: Array, room: Array, best_period: Array, best_room: Array) -> None:
    """Remember where everything is as the best timetable."""
    for k in range(len(period)):
        best_period[k], best_room[k] = period[k], room[k]


@njit(**INNER)
def leave(x: Int, p: Int, event: Array, pool: Array, place: Array, members: Array, count: Array, clash: Array) -> None:
    """Take the event out of the list of period p, and out of its rivals' clashes there."""
    last = count[p] - 1
    y = members[p, last]
    members[p, place[x]] = y
    place[y] = place[x]
    count[p] = last
    for k in range(event[x, RIVALS_AT], event[x, RIVALS_END]):
        clash[p, pool[k]] -= 1


@njit(**INNER)
def enter(x: Int, p: Int, event: Array, pool: Array, place: Array, members: Array, count: Array, clash: Array) -> None:
    """Put the event into the list of period p, and into its rivals' clashes there."""
    members[p, count[p]] = x
    place[x] = count[p]
    count[p] += 1
    for k in range(event[x, RIVALS_AT], event[x, RIVALS_END]):
        clash[p, pool[k]] += 1


@njit(**INNER)
def peek(x: Int, p: Int, event: Array, pool: Array, day_cost: Array, day: Array) -> Int:
    """As `toggle`, for the days alone: returns the change of cost, and `sway` is wrong until it is done again."""
    d = p >> DAY_SHIFT
    bit = 1 << (p & (DAY_WIDTH - 1))
    delta = 0
    for k in range(event[x, STUDENTS_AT], event[x, STUDENTS_END]):
        s = pool[k]
        m = day[d, s]
        delta += day_cost[m ^ bit] - day_cost[m]
        day[d, s] = m ^ bit
    return delta


@njit(**INNER)
def toggle(
    x: Int, p: Int, event: Array, student: Array, pool: Array, swing: Array, day: Array, sway: Array, change: Array
) -> None:
    """Take period p out of the days of the event's students, or put it in, and tell all their events."""
    d = p >> DAY_SHIFT
    bit = 1 << (p & (DAY_WIDTH - 1))
    for k in range(event[x, STUDENTS_AT], event[x, STUDENTS_END]):
        s = pool[k]
        m = day[d, s]
        day[d, s] = m ^ bit
        after, before = swing[m ^ bit], swing[m]
        for t in range(DAY_WIDTH):
            change[t] = after[t] - before[t]
        for n in range(student[s, 0], student[s, 1]):
            row = sway[pool[n], d]
            for t in range(DAY_WIDTH):
                row[t] += change[t]


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

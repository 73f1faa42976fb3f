"""The tables of a timetable, filled from nothing but where its events are.

Owns the meaning of every table that the kernels keep up to date; `state` lists them. Must not know moves.
"""

from __future__ import annotations

from numba import njit

from services.solver.engine.enrolment.kernel import COST, UNPLACED
from services.solver.engine.enrolment.model import DAY_SHIFT, DAY_WIDTH, STUDENTS_AT, STUDENTS_END
from services.solver.engine.enrolment.places import enter
from services.solver.engine.enrolment.rooms import CLOSED, FREE
from services.solver.engine.jit import KERNEL, Array


@njit(**KERNEL)
def fill(
    event: Array,
    student: Array,
    pool: Array,
    closed: Array,
    time_cost: Array,
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
    waiting: Array,
    totals: Array,
) -> None:
    """Fill everything after `room`, and the totals of cost and events without a place."""
    count[:] = 0
    clash[:] = 0
    day[:] = 0
    sway[:] = 0
    for p in range(occupant.shape[0]):
        for r in range(occupant.shape[1]):
            occupant[p, r] = CLOSED if closed[p, r] else FREE
    cost = 0
    unplaced = 0
    for e in range(len(period)):
        p = period[e]
        if p < 0:
            waiting[unplaced] = e
            place[e] = unplaced
            unplaced += 1
            continue
        if room[e] >= 0:
            occupant[p, room[e]] = e
        enter(e, p, event, pool, place, members, count, clash)
        cost += time_cost[e, p]
        d = p >> DAY_SHIFT
        for k in range(event[e, STUDENTS_AT], event[e, STUDENTS_END]):
            day[d, pool[k]] |= 1 << (p & (DAY_WIDTH - 1))
    for s in range(day.shape[1]):
        for d in range(day.shape[0]):
            m = day[d, s]
            cost += day_cost[m]
            for n in range(student[s, 0], student[s, 1]):
                for t in range(DAY_WIDTH):
                    sway[pool[n], d, t] += swing[m, t]
    totals[COST] = cost
    totals[UNPLACED] = unplaced

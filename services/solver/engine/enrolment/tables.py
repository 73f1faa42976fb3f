"""tables"""
from __future__ import annotations
import numpy as np
from numba import njit
from services.solver.engine.enrolment.jit import KERNEL, Array, Int
from services.solver.engine.enrolment.places import enter
from services.solver.engine.enrolment.rooms import CLOSED, FREE
from services.solver.engine.enrolment.kernel import COST, UNPLACED
from services.solver.engine.enrolment.model import DAY_SHIFT, DAY_WIDTH, STUDENTS_AT, STUDENTS_END

@njit(**KERNEL)
def fill(event, student, pool, closed, time_cost, day_cost, swing, period, room, place, members, count, occupant, clash, day, sway, change, waiting, totals):
    count[:] = 0
    clash[:] = 0
    day[:] = 0
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
    for d in range(day.shape[0]):
        for s in range(day.shape[1]):
            cost += day_cost[day[d, s]]
    sway[:] = 0
    for s in range(day.shape[1]):
        for d in range(day.shape[0]):
            for t in range(DAY_WIDTH):
                change[t] = swing[day[d, s], t]
            for n in range(student[s, 0], student[s, 1]):
                for t in range(DAY_WIDTH):
                    sway[pool[n], d, t] += change[t]
    totals[COST] = cost
    totals[UNPLACED] = unplaced

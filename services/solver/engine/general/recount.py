"""The objective from scratch: violations and cost by part of any assignment.

Owns the engine's own count, which its incremental totals must equal after any number of moves. It shares the rules with
the search but none of its caches; the referee shares nothing. Must not know moves.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from services.solver.engine.general.layout import (
    PAR_KEPT,
    PAR_KEPT_AT,
    PAR_NO_ROOM,
    PAR_STUDENT,
    PREVIOUS,
    ROOM,
    ROOM_BLOCKED,
    ROOM_PLACE,
)
from services.solver.engine.general.model import (
    CLASH_AT,
    CLASH_END,
    CONFIG,
    COURSE,
    LIMIT,
    PARENT,
    REQ_AT,
    REQ_COURSE,
    REQ_LEN,
    REQ_STUDENT,
    ROOMS_AT,
    ROOMS_LEN,
    RULE_A,
    RULE_AT,
    RULE_END,
    RULE_HARD,
    RULE_KIND,
    RULE_NAMES,
    RULE_WHOLE,
    SLOT,
    SOFT_AT,
    SOFT_END,
    TIMES_AT,
    TIMES_LEN,
)
from services.solver.engine.general.rules import gap_between, pair_violated, set_measure, soft_cost
from services.solver.engine.jit import ALLOCATING, INNER, Array, Bool, Int

HARD_PARTS = (
    "unplaced",
    "room_conflict",
    "room_unavailable",
    "class_conflict",
    "class_limit",
    "unsectioned",
    *RULE_NAMES,
)
SOFT_PARTS = ("time", "room", "student", "curriculum", "change", *RULE_NAMES)
UNPLACED, ROOM_CONFLICT, ROOM_UNAVAILABLE, CLASS_CONFLICT, CLASS_LIMIT, UNSECTIONED, HARD_RULES = range(7)
TIME_COST, ROOM_COST, STUDENT_COST, CURRICULUM_COST, CHANGE_COST, SOFT_RULES = range(6)


@njit(**INNER)
def rule_measure(
    k: int,
    times: Array,
    gaps: Array,
    travel: Array,
    pool: Array,
    rules: Array,
    par: Array,
    rooms: Array,
    time: Array,
    st: Array,
    work: Array,
) -> Int:
    """How far rule k is from holding: violated pairs, or the measure of the whole set."""
    if rules[k, RULE_WHOLE] == 1:
        nobody = np.int64(-1)
        return set_measure(k, nobody, nobody, nobody, times, pool, rules, par, rooms, time, st, work)
    count = 0
    for m in range(rules[k, RULE_AT], rules[k, RULE_END]):
        i = pool[m]
        if time[i] < 0:
            continue
        for o in range(m + 1, rules[k, RULE_END]):
            j = pool[o]
            if time[j] >= 0 and pair_violated(
                rules[k, RULE_KIND],
                rules[k, RULE_A],
                time[i],
                st[i, ROOM],
                time[j],
                st[j, ROOM],
                times,
                gaps,
                travel,
                rooms,
            ):
                count += 1
    return count


@njit(**INNER)
def penalty_of(option: int, at: int, length: int, pool: Array) -> Int:
    """The penalty of an option in a list of (index, penalty) pairs; 0 if it is not there."""
    for m in range(at, at + 2 * length, 2):
        if pool[m] == option:
            return np.int64(pool[m + 1])
    return np.int64(0)


@njit(**INNER)
def sectioned(
    student: int, course: int, classes: Array, configs: Array, attended_start: Array, attended: Array
) -> Bool:
    """True if the student has one class of every subpart of one configuration of the course, with their parents."""
    config, n = -1, 0
    lo, hi = attended_start[student], attended_start[student + 1]
    for a in range(lo, hi):
        i = attended[a]
        if classes[i, COURSE] != course:
            continue
        if config >= 0 and classes[i, CONFIG] != config:
            return False
        config = classes[i, CONFIG]
        n += 1
        found = classes[i, PARENT] < 0
        for b in range(lo, hi):
            j = attended[b]
            found = found or j == classes[i, PARENT]
            if b != a and classes[j, COURSE] == course and classes[j, SLOT] == classes[i, SLOT]:
                return False
        if not found:
            return False
    return config >= 0 and n == configs[config, 1] - configs[config, 0]


@njit(**ALLOCATING)
def recount(
    times: Array,
    gaps: Array,
    travel: Array,
    blocked: Array,
    classes: Array,
    pool: Array,
    soft_peers: Array,
    soft_weights: Array,
    rules: Array,
    par: Array,
    rooms: Array,
    time: Array,
    st: Array,
    work: Array,
    configs: Array,
    requests: Array,
    attended_start: Array,
    attended: Array,
    hard: Array,
    cost: Array,
) -> None:
    """Fill `hard` and `cost` (by HARD_PARTS and SOFT_PARTS, costs unweighted for time and room).

    `time` may hold -1 (unplaced); `st[:, ROOM]` holds the "no room" index where there is none.
    """
    n = classes.shape[0]
    no_room = par[PAR_NO_ROOM]
    seats = np.zeros(n, np.int64)
    newest = np.full(no_room + 1, -1, np.int64)
    for i in range(n):
        u, r = time[i], st[i, ROOM]
        if u < 0 or (classes[i, ROOMS_LEN] > 0 and r == no_room):
            hard[UNPLACED] += 1
        if u < 0:
            continue
        if r < no_room:
            cost[ROOM_COST] += penalty_of(r, classes[i, ROOMS_AT], classes[i, ROOMS_LEN], pool)
        cost[TIME_COST] += penalty_of(u, classes[i, TIMES_AT], classes[i, TIMES_LEN], pool)
        p = rooms[r, ROOM_PLACE]
        if rooms[r, ROOM_BLOCKED] >= 0 and blocked[rooms[r, ROOM_BLOCKED], u] != 0:
            hard[ROOM_UNAVAILABLE] += 1
        if r < no_room:
            j = newest[r]
            while j >= 0:
                if gap_between(u, time[j], times, gaps) < 0:
                    hard[ROOM_CONFLICT] += 1
                j = st[j, PREVIOUS]
            st[i, PREVIOUS] = newest[r]
            newest[r] = i
        for m in range(classes[i, CLASH_AT], classes[i, CLASH_END]):
            j = pool[m] >> 1
            if j < i and time[j] >= 0:
                hard[CLASS_CONFLICT] += gap_between(u, time[j], times, gaps) < travel[p, rooms[st[j, ROOM], ROOM_PLACE]]
        for m in range(classes[i, SOFT_AT], classes[i, SOFT_END]):
            j = soft_peers[m] >> 1
            if (
                j < i
                and time[j] >= 0
                and (gap_between(u, time[j], times, gaps) < travel[p, rooms[st[j, ROOM], ROOM_PLACE]])
            ):
                cost[CURRICULUM_COST] += soft_weights[m]
    for k in range(rules.shape[0]):
        measure = rule_measure(k, times, gaps, travel, pool, rules, par, rooms, time, st, work)
        if rules[k, RULE_HARD] == 1:
            hard[HARD_RULES + rules[k, RULE_KIND]] += measure
        cost[SOFT_RULES + rules[k, RULE_KIND]] += soft_cost(k, measure, rules, par)
    for s in range(attended_start.shape[0] - 1):
        for a in range(attended_start[s], attended_start[s + 1]):
            i = attended[a]
            seats[i] += 1
            if time[i] < 0:
                continue
            p = rooms[st[i, ROOM], ROOM_PLACE]
            for b in range(attended_start[s], a):
                j = attended[b]
                if time[j] >= 0 and (
                    gap_between(time[i], time[j], times, gaps) < travel[p, rooms[st[j, ROOM], ROOM_PLACE]]
                ):
                    cost[STUDENT_COST] += par[PAR_STUDENT]
    for i in range(n):
        hard[CLASS_LIMIT] += max(0, seats[i] - classes[i, LIMIT])
    for q in range(requests.shape[0]):
        if not sectioned(requests[q, REQ_STUDENT], requests[q, REQ_COURSE], classes, configs, attended_start, attended):
            hard[UNSECTIONED] += 1
        if par[PAR_KEPT_AT] < 0:
            continue
        s = requests[q, REQ_STUDENT]
        for k in range(requests[q, REQ_AT], requests[q, REQ_AT] + requests[q, REQ_LEN]):
            c = pool[par[PAR_KEPT_AT] + k]
            left = c >= 0
            for a in range(attended_start[s], attended_start[s + 1]):
                left = left and attended[a] != c
            if left:
                cost[CHANGE_COST] += par[PAR_KEPT]

"""Putting an assignment into a search's arrays: lists of rooms and mates, measures, contributions; first sectioning.

Owns what is built once per start (or after the weights changed) and then kept exact by the moves. Must not know
annealing.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from services.solver.engine.general.contribution import evaluate, link
from services.solver.engine.general.layout import (
    CON_MEASURE,
    CON_WEIGHT,
    OWN_EXTRA,
    OWN_HARD,
    OWN_ROOM,
    OWN_SOFT,
    OWN_TIME,
    OWN_WEIGHT,
    PAR_NO_ROOM,
    PAR_ROOM,
    PAR_SOFT_ON,
    PAR_TIME,
    ROOM,
    ROOM_PLACE,
    STUDENTS,
)
from services.solver.engine.general.model import ROOMS_AT, ROOMS_LEN, RULE_HARD, TIMES_AT, TIMES_LEN
from services.solver.engine.general.random import below
from services.solver.engine.general.recount import rule_measure
from services.solver.engine.general.sectioning import add_mates
from services.solver.engine.general.students import move_student
from services.solver.engine.jit import KERNEL, Array


@njit(**KERNEL)
def place_all(
    classes: Array,
    pool: Array,
    par: Array,
    time: Array,
    st: Array,
    own: Array,
    rng: Array,
    wanted_time: Array,
    wanted_room: Array,
) -> None:
    """Every class in the wanted time and room where they are among its options, else in random ones."""
    for i in range(classes.shape[0]):
        for what in range(2):
            at, n, wanted, weight = classes[i, TIMES_AT], classes[i, TIMES_LEN], wanted_time[i], par[PAR_TIME]
            if what == 1:
                at, n, wanted, weight = classes[i, ROOMS_AT], classes[i, ROOMS_LEN], wanted_room[i], par[PAR_ROOM]
            option, penalty = par[PAR_NO_ROOM], np.int64(0)
            if n > 0:
                taken = np.int64(-1)
                for k in range(n):
                    if pool[at + 2 * k] == wanted:
                        taken = np.int64(k)
                        break
                if taken < 0:
                    taken = below(rng, n)
                option = np.int64(pool[at + 2 * taken])
                penalty = pool[at + 2 * taken + 1] * weight
            if what == 0:
                time[i] = option
                own[i, OWN_TIME] = penalty
            else:
                st[i, ROOM] = option
                own[i, OWN_ROOM] = penalty


@njit(**KERNEL)
def load(
    times: Array,
    gaps: Array,
    travel: Array,
    classes: Array,
    pool: Array,
    rules: Array,
    par: Array,
    rooms: Array,
    time: Array,
    place: Array,
    st: Array,
    con: Array,
    mates: Array,
    work: Array,
    student_slots: Array,
    slots: Array,
    mate_at: Array,
) -> None:
    """Build lists and measures from `time`, `st[:, ROOM]` and `slots`; every class must have a time."""
    for i in range(classes.shape[0]):
        r = st[i, ROOM]
        place[i] = rooms[r, ROOM_PLACE]
        link(i, r, rooms, st)
    for s in range(student_slots.shape[0] - 1):
        for a in range(student_slots[s], student_slots[s + 1]):
            i = slots[a]
            if i < 0:
                continue
            st[i, STUDENTS] += 1
            for b in range(student_slots[s], student_slots[s + 1]):
                if b != a and slots[b] >= 0:
                    add_mates(i, slots[b], np.int64(1), classes, st, mates, mate_at)
    for k in range(rules.shape[0]):
        con[k, CON_MEASURE] = rule_measure(k, times, gaps, travel, pool, rules, par, rooms, time, st, work)


@njit(**KERNEL)
def refresh(
    growth: int,
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
    place: Array,
    st: Array,
    own: Array,
    con: Array,
    mates: Array,
    work: Array,
) -> None:
    """Work out every class's contribution again, after adding `growth` to the weight of everything that is violated."""
    if growth != 0:
        for i in range(classes.shape[0]):
            if own[i, OWN_HARD] > 0:
                own[i, OWN_EXTRA] += growth
        for k in range(rules.shape[0]):
            if rules[k, RULE_HARD] == 1 and con[k, CON_MEASURE] > 0:
                con[k, CON_WEIGHT] += growth
    soft_on = par[PAR_SOFT_ON]
    par[PAR_SOFT_ON] = 1
    for i in range(classes.shape[0]):
        hard, weight, soft = evaluate(
            i, time[i], st[i, ROOM], own[i, OWN_TIME] + own[i, OWN_ROOM], math.inf, times, gaps, travel, blocked,
            classes, pool, soft_peers, soft_weights, rules, par, rooms, time, place, st, own, con, mates, work,
        )  # fmt: skip
        own[i, OWN_HARD] = hard
        own[i, OWN_WEIGHT] = weight
        own[i, OWN_SOFT] = soft
    par[PAR_SOFT_ON] = soft_on


@njit(**KERNEL)
def first_fit(
    times: Array,
    gaps: Array,
    travel: Array,
    classes: Array,
    pool: Array,
    par: Array,
    time: Array,
    place: Array,
    st: Array,
    own: Array,
    mates: Array,
    courses: Array,
    course_requests: Array,
    requests: Array,
    configs: Array,
    subparts: Array,
    student_slots: Array,
    slots: Array,
    chosen: Array,
    mate_at: Array,
    pick: Array,
    swap: Array,
    undo: Array,
    prospects: Array,
    lists: Array,
    overlaps: Array,
    rng: Array,
) -> None:
    """Give every request without classes the first seats that are found, in random places of its course."""
    n = requests.shape[0]
    if n == 0:
        return
    start = below(rng, n)
    for k in range(n):
        q = (start + k) % n
        if chosen[q] < 0:
            # A threshold below every change: an exchange would only pass the want of a seat on.
            move_student(
                q, np.int64(-1), -math.inf, times, gaps, travel, classes, pool, par, time, place, st, own, mates,
                courses, course_requests, requests, configs, subparts, student_slots, slots, chosen, mate_at, pick,
                swap, undo, prospects, lists, overlaps, rng,
            )  # fmt: skip

"""Putting an assignment into a search's arrays: lists, loads, counts, measures, cells; first sectioning.

Owns what is built once per start (or after the weights changed) and then kept exact by the moves. Must not know
annealing.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from services.solver.engine.general.cells import fill_cells, mate_position, tie_violated
from services.solver.engine.general.jit import KERNEL, Array
from services.solver.engine.general.layout import (
    CON_MEASURE,
    CON_WEIGHT,
    NEXT,
    PAR_NO_ROOM,
    PAR_TABLED,
    PLACE_OPTION,
    ROOM,
    ROOM_BLOCKED,
    ROOM_HEAD,
    ROOM_OPTION,
    ROOM_PLACE,
    ROOM_WEIGHT,
    STUDENTS,
    TIME_OPTION,
)
from services.solver.engine.general.model import (
    PEER,
    PEER_TIE,
    PEERS_AT,
    PEERS_END,
    ROOM_PEERS_AT,
    ROOM_PEERS_END,
    ROOMS_AT,
    ROOMS_LEN,
    RULE_HARD,
    RULE_WHOLE,
    TIE_A,
    TIE_FIRST,
    TIE_HARD,
    TIE_KIND,
    TIMES_AT,
    TIMES_LEN,
    WHICH_AT,
)
from services.solver.engine.general.random import below
from services.solver.engine.general.recount import rule_measure
from services.solver.engine.general.relocation import add_load, link, room_load
from services.solver.engine.general.rules import rooms_violated
from services.solver.engine.general.students import move_student


@njit(**KERNEL)
def place_all(
    classes: Array,
    pool: Array,
    par: Array,
    rooms: Array,
    time: Array,
    place: Array,
    st: Array,
    rng: Array,
    wanted_time: Array,
    wanted_room: Array,
) -> None:
    """Every class in the wanted time and room where they are among its options, else in random ones."""
    for i in range(classes.shape[0]):
        for what in range(2):
            at, n, wanted = classes[i, TIMES_AT], classes[i, TIMES_LEN], wanted_time[i]
            if what == 1:
                at, n, wanted = classes[i, ROOMS_AT], classes[i, ROOMS_LEN], wanted_room[i]
            taken = np.int64(-1)
            for k in range(n):
                if pool[at + 2 * k] == wanted:
                    taken = np.int64(k)
                    break
            if taken < 0:
                taken = np.int64(0)
                if n > 0:
                    taken = below(rng, n)
            if what == 0:
                st[i, TIME_OPTION] = taken
                time[i] = pool[at + 2 * taken]
            else:
                st[i, ROOM_OPTION] = taken
                st[i, PLACE_OPTION] = pool[classes[i, WHICH_AT] + taken]
                st[i, ROOM] = pool[at + 2 * taken]
                place[i] = rooms[st[i, ROOM], ROOM_PLACE]


@njit(**KERNEL)
def load_all(
    times: Array,
    gaps: Array,
    travel: Array,
    blocked: Array,
    overlap_at: Array,
    overlaps: Array,
    classes: Array,
    pool: Array,
    rules: Array,
    par: Array,
    rooms: Array,
    load: Array,
    time: Array,
    st: Array,
    con: Array,
    mates: Array,
    mate_at: Array,
    courses: Array,
    work: Array,
    student_slots: Array,
    slots: Array,
) -> None:
    """Build lists, loads and measures from `time`, `st` and `slots`; everything counted must be zero before."""
    if load.shape[0] > 0:
        for r in range(par[PAR_NO_ROOM]):
            if rooms[r, ROOM_BLOCKED] >= 0:
                for u in range(load.shape[0]):
                    load[u, r] += blocked[rooms[r, ROOM_BLOCKED], u]
    for i in range(classes.shape[0]):
        r = np.int64(st[i, ROOM])
        link(i, r, rooms, st)
        if r < par[PAR_NO_ROOM]:
            add_load(r, np.int64(time[i]), np.int64(1), overlap_at, overlaps, load)
    for s in range(student_slots.shape[0] - 1):
        for a in range(student_slots[s], student_slots[s + 1]):
            i = slots[a]
            if i < 0:
                continue
            st[i, STUDENTS] += 1
            for b in range(student_slots[s], student_slots[s + 1]):
                if b != a and slots[b] >= 0:
                    mates[mate_position(i, slots[b], classes, courses, mate_at)] += 1
    for k in range(rules.shape[0]):
        con[k, CON_MEASURE] = 0
        if rules[k, RULE_WHOLE] == 1:
            con[k, CON_MEASURE] = rule_measure(k, times, gaps, travel, pool, rules, par, rooms, time, st, work)


@njit(**KERNEL)
def refresh(
    growth: int,
    times: Array,
    gaps: Array,
    travel: Array,
    near_at: Array,
    near: Array,
    blocked: Array,
    classes: Array,
    pool: Array,
    rules: Array,
    peers: Array,
    ties: Array,
    mate_class: Array,
    par: Array,
    rooms: Array,
    load: Array,
    time: Array,
    place: Array,
    st: Array,
    cells: Array,
    con: Array,
    pair_weight: Array,
    mates: Array,
) -> None:
    """Work out every cell again, after adding `growth` to the weight of everything that is violated."""
    if growth != 0:
        for i in range(classes.shape[0]):
            for m in range(classes[i, PEERS_AT], classes[i, PEERS_END]):
                tie, j = peers[m, PEER_TIE], peers[m, PEER]
                if ties[tie, TIE_HARD] != 0 and tie_violated(
                    ties[tie, TIE_KIND], ties[tie, TIE_A], ties[tie, TIE_FIRST], time[i], place[i], time[j], place[j],
                    times, gaps, travel,
                ):  # fmt: skip
                    pair_weight[m] += growth
            for m in range(classes[i, ROOM_PEERS_AT], classes[i, ROOM_PEERS_END]):
                tie = peers[m, PEER_TIE]
                if ties[tie, TIE_HARD] != 0 and rooms_violated(
                    ties[tie, TIE_KIND], st[i, ROOM], st[peers[m, PEER], ROOM], par[PAR_NO_ROOM]
                ):
                    pair_weight[m] += growth
        for k in range(rules.shape[0]):
            if rules[k, RULE_HARD] == 1 and con[k, CON_MEASURE] > 0:
                con[k, CON_WEIGHT] += growth
        for r in range(par[PAR_NO_ROOM]):
            i = rooms[r, ROOM_HEAD]
            while i >= 0:
                if room_load(np.int64(r), np.int64(time[i]), times, gaps, blocked, rooms, load, time, st) > 1:
                    rooms[r, ROOM_WEIGHT] += growth
                    break
                i = st[i, NEXT]
    if par[PAR_TABLED] == 1:
        for i in range(classes.shape[0]):
            fill_cells(
                i, times, gaps, travel, near_at, near, classes, pool, peers, ties, mate_class, par, time, place, cells,
                pair_weight, mates,
            )  # fmt: skip


@njit(**KERNEL)
def first_fit(
    times: Array,
    gaps: Array,
    travel: Array,
    near_at: Array,
    near: Array,
    classes: Array,
    pool: Array,
    par: Array,
    time: Array,
    place: Array,
    st: Array,
    cells: Array,
    mates: Array,
    mate_at: Array,
    courses: Array,
    course_requests: Array,
    requests: Array,
    configs: Array,
    subparts: Array,
    student_slots: Array,
    slots: Array,
    chosen: Array,
    pick: Array,
    swap: Array,
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
                q, -math.inf, times, gaps, travel, near_at, near, classes, pool, par, time, place, st, cells, mates,
                mate_at, courses, course_requests, requests, configs, subparts, student_slots, slots, chosen, pick,
                swap, rng,
            )  # fmt: skip

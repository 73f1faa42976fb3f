"""What a class violates and costs where it is or might go, and moving it there.

Owns the exact deltas of class moves: every term of the objective that involves a class is in its cells, in its room's
load, or in `extras`; relocation brings all three up to date for everybody. Must not know which moves are tried.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from services.solver.engine.general.cells import shift_cells, tie_violated
from services.solver.engine.general.jit import INNER, LEAF, Array, Int
from services.solver.engine.general.layout import (
    CON_MEASURE,
    CON_WEIGHT,
    HARD,
    NEXT,
    PAR_HARD,
    PAR_NO_ROOM,
    PAR_ROOM,
    PAR_SOFT,
    PAR_SOFT_ON,
    PAR_STUDENT,
    PAR_TABLED,
    PAR_TIME,
    PLACE_OPTION,
    PREVIOUS,
    ROOM,
    ROOM_BLOCKED,
    ROOM_HEAD,
    ROOM_OPTION,
    ROOM_PLACE,
    ROOM_WEIGHT,
    SOFT,
    TIME_OPTION,
)
from services.solver.engine.general.model import (
    CELLS_AT,
    MATES_AT,
    MATES_END,
    PEER,
    PEER_TIE,
    PEERS_AT,
    PEERS_END,
    PLACES_LEN,
    ROOM_PEERS_AT,
    ROOM_PEERS_END,
    ROOM_STABILITY,
    ROOMS_AT,
    RULE_HARD,
    RULE_KIND,
    SAME_ATTENDEES,
    TIE_A,
    TIE_FIRST,
    TIE_HARD,
    TIE_KIND,
    TIE_SOFT,
    TIMES_AT,
    WHICH_AT,
    WHOLE_AT,
    WHOLE_END,
)
from services.solver.engine.general.rules import gap_between, rooms_violated, set_measure, soft_cost


@njit(**LEAF)
def room_load(
    r: int,
    u: int,
    times: Array,
    gaps: Array,
    blocked: Array,
    rooms: Array,
    load: Array,
    time: Array,
    st: Array,
) -> Int:
    """Classes in room r that overlap time u, and one more if the room is unavailable then."""
    if load.shape[0] > 0:
        return np.int64(load[u, r])
    count = 0
    if rooms[r, ROOM_BLOCKED] >= 0:
        count += np.int64(blocked[rooms[r, ROOM_BLOCKED], u])
    j = rooms[r, ROOM_HEAD]
    while j >= 0:
        if gap_between(u, time[j], times, gaps) < 0:
            count += 1
        j = st[j, NEXT]
    return count


@njit(**LEAF)
def add_load(r: int, u: int, sign: int, overlap_at: Array, overlaps: Array, load: Array) -> None:
    """A class with time u enters room r (sign 1) or leaves it (-1)."""
    if load.shape[0] > 0:
        for k in range(overlap_at[u], overlap_at[u + 1]):
            load[overlaps[k], r] += sign


@njit(**LEAF)
def unlink(i: int, rooms: Array, st: Array) -> None:
    """Take class i out of its room's list."""
    after, before = st[i, NEXT], st[i, PREVIOUS]
    if before >= 0:
        st[before, NEXT] = after
    else:
        rooms[st[i, ROOM], ROOM_HEAD] = after
    if after >= 0:
        st[after, PREVIOUS] = before


@njit(**LEAF)
def link(i: int, r: int, rooms: Array, st: Array) -> None:
    """Put class i first in the list of room r."""
    head = rooms[r, ROOM_HEAD]
    st[i, ROOM] = r
    st[i, NEXT] = head
    st[i, PREVIOUS] = -1
    if head >= 0:
        st[head, PREVIOUS] = i
    rooms[r, ROOM_HEAD] = i


@njit(**INNER)
def extras(
    i: int,
    u: int,
    r: int,
    times: Array,
    classes: Array,
    pool: Array,
    rules: Array,
    peers: Array,
    ties: Array,
    par: Array,
    rooms: Array,
    time: Array,
    st: Array,
    con: Array,
    pair_weight: Array,
    work: Array,
) -> tuple[Int, Int]:
    """(weight of violations, cost) of class i in time u and room r by rules on whole sets and by ties of rooms."""
    weight = 0
    soft = 0
    for m in range(classes[i, ROOM_PEERS_AT], classes[i, ROOM_PEERS_END]):
        tie = peers[m, PEER_TIE]
        if rooms_violated(ties[tie, TIE_KIND], r, st[peers[m, PEER], ROOM], par[PAR_NO_ROOM]):
            weight += pair_weight[m]
            soft += ties[tie, TIE_SOFT]
    for m in range(classes[i, WHOLE_AT], classes[i, WHOLE_END]):
        k = pool[m]
        measure = con[k, CON_MEASURE]
        if u != time[i] or (r != st[i, ROOM] and rules[k, RULE_KIND] == ROOM_STABILITY):
            measure = set_measure(k, i, u, r, times, pool, rules, par, rooms, time, st, work)
        weight += measure * con[k, CON_WEIGHT]
        soft += soft_cost(k, measure, rules, par)
    return weight, soft


@njit(**LEAF)
def present(
    i: int,
    times: Array,
    gaps: Array,
    blocked: Array,
    classes: Array,
    pool: Array,
    par: Array,
    rooms: Array,
    load: Array,
    time: Array,
    st: Array,
    cells: Array,
) -> tuple[Int, Int]:
    """(weight of violations, cost) of class i where it is, without extras; its cells must be ready."""
    t, k, r = st[i, TIME_OPTION], st[i, ROOM_OPTION], st[i, ROOM]
    c = classes[i, CELLS_AT] + t * classes[i, PLACES_LEN] + st[i, PLACE_OPTION]
    weight = np.int64(cells[c, HARD])
    if r < par[PAR_NO_ROOM]:
        weight += (room_load(r, time[i], times, gaps, blocked, rooms, load, time, st) - 1) * rooms[r, ROOM_WEIGHT]
    soft = cells[c, SOFT] + pool[classes[i, TIMES_AT] + 2 * t + 1] * par[PAR_TIME]
    return weight, soft + pool[classes[i, ROOMS_AT] + 2 * k + 1] * par[PAR_ROOM]


@njit(**INNER)
def relocate(
    i: int,
    t: int,
    k: int,
    times: Array,
    gaps: Array,
    travel: Array,
    near_at: Array,
    near: Array,
    blocked: Array,
    overlap_at: Array,
    overlaps: Array,
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
    work: Array,
) -> tuple[Int, Int]:
    """Put class i in its time option t and room option k; returns the exact change of (weight of violations, cost)."""
    u0, r0, p0 = time[i], st[i, ROOM], place[i]
    u, r = pool[classes[i, TIMES_AT] + 2 * t], pool[classes[i, ROOMS_AT] + 2 * k]
    p = rooms[r, ROOM_PLACE]
    soft = (pool[classes[i, TIMES_AT] + 2 * t + 1] - pool[classes[i, TIMES_AT] + 2 * st[i, TIME_OPTION] + 1]) * par[
        PAR_TIME
    ] + (pool[classes[i, ROOMS_AT] + 2 * k + 1] - pool[classes[i, ROOMS_AT] + 2 * st[i, ROOM_OPTION] + 1]) * par[
        PAR_ROOM
    ]
    hard = 0
    weight = 0
    soft_on = par[PAR_SOFT_ON]
    for m in range(classes[i, WHOLE_AT], classes[i, WHOLE_END]):
        rule = pool[m]
        if u == u0 and (r == r0 or rules[rule, RULE_KIND] != ROOM_STABILITY):
            continue
        measure = set_measure(rule, i, u, r, times, pool, rules, par, rooms, time, st, work)
        if rules[rule, RULE_HARD] == 1:
            hard += measure - con[rule, CON_MEASURE]
            weight += (measure - con[rule, CON_MEASURE]) * con[rule, CON_WEIGHT]
        else:
            soft += soft_cost(rule, measure, rules, par) - soft_cost(rule, con[rule, CON_MEASURE], rules, par)
        con[rule, CON_MEASURE] = measure
    if r != r0:
        for m in range(classes[i, ROOM_PEERS_AT], classes[i, ROOM_PEERS_END]):
            tie = peers[m, PEER_TIE]
            s = st[peers[m, PEER], ROOM]
            change = 0
            if rooms_violated(ties[tie, TIE_KIND], r, s, par[PAR_NO_ROOM]):
                change = 1
            if rooms_violated(ties[tie, TIE_KIND], r0, s, par[PAR_NO_ROOM]):
                change -= 1
            hard += change * ties[tie, TIE_HARD]
            weight += change * pair_weight[m]
            soft += change * ties[tie, TIE_SOFT]
    if u != u0 or r != r0:
        # Out, then in: neither count has the class itself in it.
        unlink(i, rooms, st)
        for step in range(2):
            s, v, sign = r0, u0, -1
            if step == 1:
                s, v, sign = r, u, 1
            if s < par[PAR_NO_ROOM]:
                if step == 0:
                    add_load(s, v, sign, overlap_at, overlaps, load)
                change = sign * room_load(s, v, times, gaps, blocked, rooms, load, time, st)
                hard += change
                weight += change * rooms[s, ROOM_WEIGHT]
                if step == 1:
                    add_load(s, v, sign, overlap_at, overlaps, load)
        link(i, r, rooms, st)
    if u != u0 or p != p0:
        end = classes[i, PEERS_END]
        # One call for both lists: its body is long, and compiled where it stands.
        for m in range(classes[i, PEERS_AT], end + classes[i, MATES_END] - classes[i, MATES_AT]):
            kind, a, first, hard_unit, hard_weight = SAME_ATTENDEES, 0, 0, 0, 0
            if m < end:
                j = np.int64(peers[m, PEER])
                tie = peers[m, PEER_TIE]
                kind, a, first = ties[tie, TIE_KIND], ties[tie, TIE_A], ties[tie, TIE_FIRST]
                if u == u0 and kind != SAME_ATTENDEES:
                    continue
                hard_unit = ties[tie, TIE_HARD]
                hard_weight = pair_weight[m]
                soft_unit = ties[tie, TIE_SOFT]
            else:
                x = classes[i, MATES_AT] + m - end
                if mates[x] == 0:
                    continue
                j = np.int64(mate_class[x])
                soft_unit = mates[x] * par[PAR_STUDENT]
            v, q = time[j], place[j]
            change = 0
            if tie_violated(kind, a, first, u, p, v, q, times, gaps, travel):
                change = 1
            if tie_violated(kind, a, first, u0, p0, v, q, times, gaps, travel):
                change -= 1
            hard += change * hard_unit
            weight += change * hard_weight
            soft += change * soft_unit
            soft_unit *= soft_on
            if par[PAR_TABLED] == 1 and (hard_weight != 0 or soft_unit != 0):
                shift_cells(
                    j, kind, a, 1 - first, hard_weight, soft_unit, u0, p0, u, p, times, gaps, travel, near_at, near,
                    classes, pool, par, cells,
                )  # fmt: skip
    time[i] = u
    place[i] = p
    st[i, TIME_OPTION] = t
    st[i, ROOM_OPTION] = k
    st[i, PLACE_OPTION] = pool[classes[i, WHICH_AT] + k]
    par[PAR_HARD] += hard
    par[PAR_SOFT] += soft
    return weight, soft

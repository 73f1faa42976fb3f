"""What a class contributes to the objective where it is, and where it might go: evaluation and relocation.

Owns the exact deltas of class moves. Every term of the objective that involves a class is in its contribution (a rule
on a set counts whole for each member), so a move's delta is the new contribution less the old one; the old one is kept
in `own`. Must not know which moves are tried, nor why.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from services.solver.engine.general.layout import (
    CON_MEASURE,
    CON_WEIGHT,
    MATES_LEN,
    NEXT,
    OWN_EXTRA,
    OWN_HARD,
    OWN_ROOM,
    OWN_SOFT,
    OWN_TIME,
    OWN_WEIGHT,
    PAR_BASE,
    PAR_DISTRIBUTION,
    PAR_HARD,
    PAR_NO_ROOM,
    PAR_SOFT,
    PAR_SOFT_ON,
    PAR_STUDENT,
    PREVIOUS,
    ROOM,
    ROOM_BLOCKED,
    ROOM_HEAD,
    ROOM_PLACE,
)
from services.solver.engine.general.model import (
    CLASH_ALL,
    CLASH_AT,
    MATES_AT,
    RULE_A,
    RULE_AT,
    RULE_END,
    RULE_HARD,
    RULE_KIND,
    RULE_PENALTY,
    RULE_WHOLE,
    RULES_AT,
    RULES_END,
    SOFT_ALL,
    SOFT_AT,
)
from services.solver.engine.general.rules import gap_between, pair_violated, set_measure, soft_cost
from services.solver.engine.jit import INNER, LEAF, Array, Index, Int


@njit(**INNER)
def count_pairs(
    k: int,
    i: int,
    u: int,
    r: int,
    times: Array,
    gaps: Array,
    travel: Array,
    pool: Array,
    rules: Array,
    rooms: Array,
    time: Array,
    st: Array,
) -> Int:
    """Pairs of class i, in time u and room r, that violate pair rule k."""
    kind, a = rules[k, RULE_KIND], rules[k, RULE_A]
    count = 0
    before = True  # members listed before i come first (Precedence reads the order)
    for m in range(Index(rules[k, RULE_AT]), Index(rules[k, RULE_END])):
        j = pool[m]
        if j == i:
            before = False
            continue
        v, s = time[Index(j)], st[Index(j), ROOM]
        if before:
            count += pair_violated(kind, a, v, s, u, r, times, gaps, travel, rooms)
        else:
            count += pair_violated(kind, a, u, r, v, s, times, gaps, travel, rooms)
    return count


@njit(**INNER)
def evaluate(
    i: int,
    u: int,
    r: int,
    penalty: int,
    bound: float,
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
) -> tuple[Int, Int, Int]:
    """(violations, their weight, cost) of class i in time u and room r.

    All terms are >= 0, so it stops as soon as the partial sum exceeds `bound`; the result is then incomplete, and its
    weight + cost exceeds the bound. Cheap terms come first.
    """
    soft_on = par[PAR_SOFT_ON]
    base = par[PAR_BASE] + own[i, OWN_EXTRA]
    p = Index(rooms[r, ROOM_PLACE])
    hard = 0
    weight = 0
    soft = penalty
    if soft * soft_on > bound:
        return hard, weight, soft
    if rooms[r, ROOM_BLOCKED] >= 0 and blocked[rooms[r, ROOM_BLOCKED], u] != 0:
        hard += 1
        weight += base
    if r < par[PAR_NO_ROOM]:
        j = rooms[r, ROOM_HEAD]
        while j >= 0:
            if j != i and gap_between(u, time[Index(j)], times, gaps) < 0:
                hard += 1
                weight += base + own[j, OWN_EXTRA]
            j = st[Index(j), NEXT]
    if weight + soft * soft_on > bound:
        return hard, weight, soft
    for m in range(Index(classes[i, CLASH_AT]), Index(classes[i, CLASH_ALL])):
        peer = Index(pool[m] >> 1)
        if gap_between(u, time[peer], times, gaps) < travel[p, Index(place[peer])] * (pool[m] & 1):
            hard += 1
            weight += base + own[peer, OWN_EXTRA]
    if weight + soft * soft_on > bound:
        return hard, weight, soft
    for m in range(classes[i, RULES_AT], classes[i, RULES_END]):
        k = pool[m]
        if rules[k, RULE_WHOLE] == 1:
            measure = set_measure(k, i, u, r, times, pool, rules, par, rooms, time, st, work)
            soft += soft_cost(k, measure, rules, par)
        else:
            measure = count_pairs(k, i, u, r, times, gaps, travel, pool, rules, rooms, time, st)
            soft += soft_cost(k, measure, rules, par)
        if rules[k, RULE_HARD] == 1:
            hard += measure
            weight += measure * con[k, CON_WEIGHT]
        if weight + soft * soft_on > bound:
            return hard, weight, soft
    if soft_on == 0:
        return hard, weight, soft
    for m in range(Index(classes[i, SOFT_AT]), Index(classes[i, SOFT_ALL])):
        peer = Index(soft_peers[m] >> 1)
        if gap_between(u, time[peer], times, gaps) < travel[p, Index(place[peer])] * (soft_peers[m] & 1):
            soft += soft_weights[m]
    student = par[PAR_STUDENT]
    if student == 0:
        return hard, weight, soft
    first = classes[i, MATES_AT]
    for m in range(Index(first), Index(first + st[i, MATES_LEN])):
        peer = Index(mates[m, 0])
        if gap_between(u, time[peer], times, gaps) < travel[p, Index(place[peer])]:
            soft += mates[m, 1] * student
            if weight + soft > bound:
                return hard, weight, soft
    return hard, weight, soft


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
def room_conflicts(
    i: int,
    u: int,
    r: int,
    sign: int,
    times: Array,
    gaps: Array,
    par: Array,
    rooms: Array,
    time: Array,
    st: Array,
    own: Array,
) -> tuple[Int, Int]:
    """Add (sign 1) or take away (-1) the conflicts of class i with the others in room r; returns the change for i."""
    hard, weight = 0, 0
    if r < par[PAR_NO_ROOM]:
        j = rooms[r, ROOM_HEAD]
        while j >= 0:
            if gap_between(u, time[Index(j)], times, gaps) < 0:
                w = par[PAR_BASE] + own[i, OWN_EXTRA] + own[j, OWN_EXTRA]
                own[j, OWN_HARD] += sign
                own[j, OWN_WEIGHT] += sign * w
                hard += sign
                weight += sign * w
            j = st[Index(j), NEXT]
    return hard, weight


@njit(**INNER)
def rule_change(
    k: int,
    i: int,
    u: int,
    r: int,
    times: Array,
    gaps: Array,
    travel: Array,
    pool: Array,
    rules: Array,
    par: Array,
    rooms: Array,
    time: Array,
    st: Array,
    own: Array,
    con: Array,
    work: Array,
) -> tuple[Int, Int, Int]:
    """Bring rule k and its members' contributions up to date with class i going to time u and room r."""
    hard_rule = rules[k, RULE_HARD] == 1
    change = 0
    cost = 0
    if rules[k, RULE_WHOLE] == 1:
        measure = set_measure(k, i, u, r, times, pool, rules, par, rooms, time, st, work)
        change = measure - con[k, CON_MEASURE]
        if change == 0:
            return 0, 0, 0
        cost = soft_cost(k, measure, rules, par) - soft_cost(k, con[k, CON_MEASURE], rules, par)
        for m in range(rules[k, RULE_AT], rules[k, RULE_END]):
            j = pool[m]
            if j == i:
                continue
            if hard_rule:
                own[j, OWN_HARD] += change
                own[j, OWN_WEIGHT] += change * con[k, CON_WEIGHT]
            else:
                own[j, OWN_SOFT] += cost
    else:
        kind, a = rules[k, RULE_KIND], rules[k, RULE_A]
        unit = par[PAR_DISTRIBUTION] * rules[k, RULE_PENALTY]
        u0, r0 = time[i], st[i, ROOM]
        before = True
        for m in range(Index(rules[k, RULE_AT]), Index(rules[k, RULE_END])):
            j = pool[m]
            if j == i:
                before = False
                continue
            v, s = time[Index(j)], st[Index(j), ROOM]
            # The operands in listed order, chosen by value so that the rule is compiled into the loop only twice.
            if before:
                was = pair_violated(kind, a, v, s, u0, r0, times, gaps, travel, rooms)
                now = pair_violated(kind, a, v, s, u, r, times, gaps, travel, rooms)
            else:
                was = pair_violated(kind, a, u0, r0, v, s, times, gaps, travel, rooms)
                now = pair_violated(kind, a, u, r, v, s, times, gaps, travel, rooms)
            if was == now:
                continue
            sign = 1 if now else -1
            change += sign
            if hard_rule:
                own[j, OWN_HARD] += sign
                own[j, OWN_WEIGHT] += sign * con[k, CON_WEIGHT]
            else:
                own[j, OWN_SOFT] += sign * unit
                cost += sign * unit
    con[k, CON_MEASURE] += change
    if hard_rule:
        return change, change * con[k, CON_WEIGHT], 0
    return 0, 0, cost


@njit(**INNER)
def relocate(
    i: int,
    u: int,
    r: int,
    time_penalty: int,
    room_penalty: int,
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
) -> tuple[Int, Int, Int]:
    """Put class i in time u and room r; returns the exact change of (violations, their weight, cost).

    Every contribution that changes is brought up to date, so nothing has to be evaluated again afterwards.
    """
    u0, r0 = time[i], st[i, ROOM]
    p0, p = Index(place[i]), Index(rooms[r, ROOM_PLACE])
    soft = time_penalty + room_penalty - own[i, OWN_TIME] - own[i, OWN_ROOM]
    base = par[PAR_BASE] + own[i, OWN_EXTRA]
    unlink(i, rooms, st)
    hard, weight = room_conflicts(i, u0, r0, np.int64(-1), times, gaps, par, rooms, time, st, own)
    hard_new, weight_new = room_conflicts(i, u, r, np.int64(1), times, gaps, par, rooms, time, st, own)
    hard += hard_new
    weight += weight_new
    if rooms[r0, ROOM_BLOCKED] >= 0 and blocked[rooms[r0, ROOM_BLOCKED], u0] != 0:
        hard -= 1
        weight -= base
    if rooms[r, ROOM_BLOCKED] >= 0 and blocked[rooms[r, ROOM_BLOCKED], u] != 0:
        hard += 1
        weight += base
    for m in range(Index(classes[i, CLASH_AT]), Index(classes[i, CLASH_ALL])):
        j, walk = Index(pool[m] >> 1), pool[m] & 1
        v, q = time[j], Index(place[j])
        was = gap_between(u0, v, times, gaps) < travel[p0, q] * walk
        now = gap_between(u, v, times, gaps) < travel[p, q] * walk
        if was != now:
            sign = 1 if now else -1
            w = sign * (base + own[j, OWN_EXTRA])
            own[j, OWN_HARD] += sign
            own[j, OWN_WEIGHT] += w
            hard += sign
            weight += w
    for m in range(classes[i, RULES_AT], classes[i, RULES_END]):
        dh, dw, ds = rule_change(
            pool[m], i, u, r, times, gaps, travel, pool, rules, par, rooms, time, st, own, con, work
        )
        hard += dh
        weight += dw
        soft += ds
    for m in range(Index(classes[i, SOFT_AT]), Index(classes[i, SOFT_ALL])):
        j, walk = Index(soft_peers[m] >> 1), soft_peers[m] & 1
        v, q = time[j], Index(place[j])
        was = gap_between(u0, v, times, gaps) < travel[p0, q] * walk
        now = gap_between(u, v, times, gaps) < travel[p, q] * walk
        if was != now:
            cost = soft_weights[m] if now else -soft_weights[m]
            own[j, OWN_SOFT] += cost
            soft += cost
    first = classes[i, MATES_AT]
    for m in range(Index(first), Index(first + st[i, MATES_LEN])):
        j = Index(mates[m, 0])
        v, q = time[j], Index(place[j])
        was = gap_between(u0, v, times, gaps) < travel[p0, q]
        now = gap_between(u, v, times, gaps) < travel[p, q]
        if was != now:
            cost = mates[m, 1] * par[PAR_STUDENT]
            if was:
                cost = -cost
            own[j, OWN_SOFT] += cost
            soft += cost
    time[i] = u
    place[i] = p
    link(i, r, rooms, st)
    own[i, OWN_TIME] = time_penalty
    own[i, OWN_ROOM] = room_penalty
    own[i, OWN_HARD] += hard
    own[i, OWN_WEIGHT] += weight
    own[i, OWN_SOFT] += soft
    par[PAR_HARD] += hard
    par[PAR_SOFT] += soft
    return hard, weight, soft

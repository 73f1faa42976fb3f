"""The annealing kernel: class moves, ejection chains and student moves for one slice of the search.

Owns how moves are drawn and accepted, and when the best timetable is copied. Must not know temperatures over the whole
budget, phases, clocks or what is reported.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from services.solver.engine.general.contribution import evaluate, relocate
from services.solver.engine.general.jit import INNER, KERNEL, Array, Bool, Int
from services.solver.engine.general.layout import (
    NEXT,
    OWN_HARD,
    OWN_ROOM,
    OWN_SOFT,
    OWN_TIME,
    OWN_WEIGHT,
    PAR_BAD,
    PAR_BEST_HARD,
    PAR_BEST_SOFT,
    PAR_CHECK,
    PAR_HARD,
    PAR_HOT,
    PAR_MOVES,
    PAR_NO_ROOM,
    PAR_ROOM,
    PAR_SOFT,
    PAR_SOFT_ON,
    PAR_TIME,
    ROOM,
    ROOM_BLOCKED,
    ROOM_HEAD,
)
from services.solver.engine.general.model import (
    CLASH_AT,
    CLASH_END,
    COURSE_REQ_AT,
    COURSE_REQ_END,
    REQ_COURSE,
    ROOMS_AT,
    ROOMS_LEN,
    RULE_A,
    RULE_AT,
    RULE_END,
    RULE_HARD,
    RULE_KIND,
    RULE_WHOLE,
    RULES_AT,
    RULES_END,
    TIMES_AT,
    TIMES_LEN,
)
from services.solver.engine.general.random import below, draw, unit
from services.solver.engine.general.rules import gap_between, pair_violated
from services.solver.engine.general.students import move_student

MAX_CHAIN = 8
# Options tried for each class that a chain pushes out.
CHAIN_OPTIONS = 6
# Share of chains of up to MAX_CHAIN - 2 classes; the others push out one.
LONG_CHAINS = 0.15
# Share of student moves among the requests, and of class moves among the classes, that something is wrong with.
HOT_SHARE = 0.75
BAD_SHARE = 0.25
BAD_CHAINS = 0.5
# Rooms looked at for one that is free at the time drawn.
ROOM_TRIES = 3


@njit(**INNER)
def draw_option(
    i: int,
    times: Array,
    gaps: Array,
    blocked: Array,
    classes: Array,
    pool: Array,
    par: Array,
    rooms: Array,
    time: Array,
    st: Array,
    own: Array,
    rng: Array,
) -> tuple[Int, Int, Int, Int]:
    """A random option of class i: (time, room, their weighted penalties); another time, another room, or both."""
    u, r = np.int64(time[i]), np.int64(st[i, ROOM])
    time_penalty, room_penalty = own[i, OWN_TIME], own[i, OWN_ROOM]
    n_times, n_rooms = classes[i, TIMES_LEN], classes[i, ROOMS_LEN]
    what = draw(rng) % 3
    if (what != 0 or n_rooms < 2) and n_times > 1:
        at = classes[i, TIMES_AT] + 2 * below(rng, n_times)
        u = np.int64(pool[at])
        time_penalty = pool[at + 1] * par[PAR_TIME]
    if (what != 1 or n_times < 2) and n_rooms > 1:
        for _ in range(ROOM_TRIES):
            at = classes[i, ROOMS_AT] + 2 * below(rng, n_rooms)
            r = np.int64(pool[at])
            room_penalty = pool[at + 1] * par[PAR_ROOM]
            free = rooms[r, ROOM_BLOCKED] < 0 or blocked[rooms[r, ROOM_BLOCKED], u] == 0
            j = rooms[r, ROOM_HEAD]
            while j >= 0 and free:
                free = j == i or gap_between(u, time[j], times, gaps) >= 0
                j = st[j, NEXT]
            if free:
                break
    return u, r, time_penalty, room_penalty


@njit(**INNER)
def find_obstacle(
    i: int,
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
    rng: Array,
) -> Int:
    """A random class that is in a violation with class i where it is now; -1 if none."""
    u, r, p = time[i], st[i, ROOM], place[i]
    found = -1
    seen = 0
    if r < par[PAR_NO_ROOM]:
        j = rooms[r, ROOM_HEAD]
        while j >= 0:
            if j != i and gap_between(u, time[j], times, gaps) < 0:
                seen += 1
                if below(rng, seen) == 0:
                    found = j
            j = st[j, NEXT]
    for m in range(classes[i, CLASH_AT], classes[i, CLASH_END]):
        j = pool[m]
        if gap_between(u, time[j], times, gaps) < travel[p, place[j]]:
            seen += 1
            if below(rng, seen) == 0:
                found = j
    for m in range(classes[i, RULES_AT], classes[i, RULES_END]):
        k = pool[m]
        if rules[k, RULE_HARD] == 0 or con[k, 1] == 0:
            continue
        before = True
        for o in range(rules[k, RULE_AT], rules[k, RULE_END]):
            j = pool[o]
            if j == i:
                before = False
                continue
            violated = True
            if rules[k, RULE_WHOLE] == 0:
                first, second = i, j
                if before:
                    first, second = j, i
                violated = pair_violated(
                    rules[k, RULE_KIND],
                    rules[k, RULE_A],
                    time[first],
                    st[first, ROOM],
                    time[second],
                    st[second, ROOM],
                    times,
                    gaps,
                    travel,
                    rooms,
                )
            if violated:
                seen += 1
                if below(rng, seen) == 0:
                    found = j
    return found


@njit(**INNER)
def move_class(
    i: int,
    threshold: float,
    soft_bound: float,
    depth: int,
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
    log: Array,
    rng: Array,
) -> Bool:
    """Try a random option of class i; with `depth` > 0 push out what stands in its way, up to `depth` classes.

    Accepted if the weighted change of everything together is at most `threshold`, else undone.
    """
    soft_on = par[PAR_SOFT_ON]
    total = 0.0
    steps = 0
    while True:
        # The chain's first class takes one random option, the ones pushed out the best of a few.
        tries = 1 if steps == 0 else CHAIN_OPTIONS
        best_delta = math.inf
        best_u, best_r, best_tp, best_rp = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
        present = own[i, OWN_WEIGHT] + own[i, OWN_SOFT] * soft_on
        for _ in range(tries):
            u, r, tp, rp = draw_option(i, times, gaps, blocked, classes, pool, par, rooms, time, st, own, rng)
            if u == time[i] and r == st[i, ROOM]:
                continue
            bound = present + min(threshold - total if depth <= steps else math.inf, best_delta)
            hard, weight, soft = evaluate(
                i, u, r, tp + rp, bound, times, gaps, travel, blocked, classes, pool, soft_peers, soft_weights, rules,
                par, rooms, time, place, st, own, con, mates, work,
            )  # fmt: skip
            delta = float(weight + soft * soft_on - present)
            if steps == 0 and delta > threshold:
                # A chain can mend the violations that its first step adds, not its cost.
                added = (soft - own[i, OWN_SOFT]) * soft_on
                if depth == 0 or hard <= own[i, OWN_HARD] or added > soft_bound:
                    return False
            if delta < best_delta and present + delta <= bound:
                best_delta = delta
                best_u, best_r, best_tp, best_rp = u, r, tp, rp
        if best_delta == math.inf:
            break
        log[steps, 0] = i
        log[steps, 1] = time[i]
        log[steps, 2] = st[i, ROOM]
        log[steps, 3] = own[i, OWN_TIME]
        log[steps, 4] = own[i, OWN_ROOM]
        steps += 1
        _, weight, soft = relocate(
            i, best_u, best_r, best_tp, best_rp, times, gaps, travel, blocked, classes, pool, soft_peers, soft_weights,
            rules, par, rooms, time, place, st, own, con, mates, work,
        )  # fmt: skip
        total += weight + soft * soft_on
        if total <= threshold:
            return True
        if steps > depth:
            break
        i = find_obstacle(i, times, gaps, travel, classes, pool, rules, par, rooms, time, place, st, con, rng)
        if i < 0:
            break
    for k in range(steps - 1, -1, -1):
        relocate(
            log[k, 0], log[k, 1], log[k, 2], log[k, 3], log[k, 4], times, gaps, travel, blocked, classes, pool,
            soft_peers, soft_weights, rules, par, rooms, time, place, st, own, con, mates, work,
        )  # fmt: skip
    return False


@njit(**KERNEL)
def anneal(
    n: int,
    t_first: float,
    t_last: float,
    chain_share: float,
    student_share: float,
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
    log: Array,
    movable: Array,
    bad: Array,
    courses: Array,
    course_requests: Array,
    requests: Array,
    configs: Array,
    subparts: Array,
    student_slots: Array,
    slots: Array,
    chosen: Array,
    hot: Array,
    pick: Array,
    swap: Array,
    best_time: Array,
    best_room: Array,
    best_slots: Array,
    rng: Array,
) -> None:
    """Make n moves, the temperature falling geometrically from t_first to t_last; keeps the best timetable seen."""
    temperature = t_first
    factor = (t_last / t_first) ** (1.0 / max(1.0, n / 64.0))
    n_movable, n_requests = movable.shape[0], requests.shape[0]
    for step in range(n):
        if step & 63 == 0:
            temperature *= factor
        threshold = -temperature * math.log(unit(rng))
        if unit(rng) <= student_share:
            q = below(rng, n_requests)
            if par[PAR_HOT] > 0 and unit(rng) < HOT_SHARE:
                q = np.int64(hot[below(rng, par[PAR_HOT])])
            for _ in range(2):
                moved = move_student(
                    q, threshold, times, gaps, travel, classes, pool, par, time, place, st, own, mates, courses,
                    course_requests, requests, configs, subparts, student_slots, slots, chosen, pick, swap, rng,
                )  # fmt: skip
                if moved or chosen[q] >= 0:
                    break
                # No seat for an unsectioned request: move a fellow student, perhaps out of the way.
                course = requests[q, REQ_COURSE]
                r0 = courses[course, COURSE_REQ_AT]
                q = np.int64(course_requests[r0 + below(rng, courses[course, COURSE_REQ_END] - r0)])
        elif n_movable > 0:
            i = np.int64(movable[below(rng, n_movable)])
            share = chain_share
            if par[PAR_BAD] > 0 and par[PAR_HARD] > 0 and unit(rng) < BAD_SHARE:
                j = np.int64(bad[below(rng, par[PAR_BAD])])
                if own[j, OWN_HARD] > 0:
                    i = j
                    share = BAD_CHAINS
            depth = 0
            if unit(rng) <= share:
                depth = 1
                if unit(rng) < LONG_CHAINS:
                    depth = MAX_CHAIN - 2
            move_class(
                i, threshold, 2.0 * temperature, depth, times, gaps, travel, blocked, classes, pool, soft_peers,
                soft_weights, rules, par, rooms, time, place, st, own, con, mates, work, log, rng,
            )  # fmt: skip
        # Copying is dear and new bests come in bursts, so it is done now and then, and at the first feasible timetable.
        if step % par[PAR_CHECK] != 0 and step < n - 1 and (par[PAR_HARD] > 0 or par[PAR_BEST_HARD] == 0):
            continue
        if par[PAR_HARD] < par[PAR_BEST_HARD] or (
            par[PAR_HARD] == par[PAR_BEST_HARD] and par[PAR_SOFT] < par[PAR_BEST_SOFT]
        ):
            par[PAR_BEST_HARD] = par[PAR_HARD]
            par[PAR_BEST_SOFT] = par[PAR_SOFT]
            for c in range(time.shape[0]):
                best_time[c] = time[c]
                best_room[c] = st[c, ROOM]
            for s in range(slots.shape[0]):
                best_slots[s] = slots[s]
    par[PAR_MOVES] += n

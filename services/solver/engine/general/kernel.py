"""The annealing kernel: class moves, ejection chains and student moves for one slice of the search.

Owns how moves are drawn and accepted, and when the best timetable is copied. Must not know temperatures over the whole
budget, phases, clocks or what is reported.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from services.solver.engine.general.cells import ready_cells, tie_violated
from services.solver.engine.general.jit import INNER, KERNEL, Array, Bool, Int
from services.solver.engine.general.layout import (
    CON_MEASURE,
    NEXT,
    PAR_BAD,
    PAR_BASE,
    PAR_BEST_HARD,
    PAR_BEST_SOFT,
    PAR_CHECK,
    PAR_HARD,
    PAR_HOT,
    PAR_MOVES,
    PAR_NO_ROOM,
    PAR_SOFT,
    PAR_SOFT_ON,
    ROOM,
    ROOM_HEAD,
    ROOM_OPTION,
    TIME_OPTION,
)
from services.solver.engine.general.model import (
    COURSE_REQ_AT,
    COURSE_REQ_END,
    PEER,
    PEER_TIE,
    PEERS_AT,
    PEERS_END,
    REQ_COURSE,
    ROOM_PEERS_AT,
    ROOM_PEERS_END,
    ROOMS_AT,
    RULE_AT,
    RULE_END,
    RULE_HARD,
    TIE_A,
    TIE_FIRST,
    TIE_HARD,
    TIE_KIND,
    TIMES_AT,
    WHOLE_AT,
    WHOLE_END,
)
from services.solver.engine.general.options import option_at, pick, scan
from services.solver.engine.general.random import below, unit
from services.solver.engine.general.relocation import extras, present, relocate
from services.solver.engine.general.rules import gap_between, rooms_violated
from services.solver.engine.general.students import move_student

MAX_CHAIN = 8
# Share of chains of up to MAX_CHAIN - 2 classes; the others push out up to two.
LONG_CHAINS = 0.15
# A violation that a chain's first step makes counts as much as this many temperatures, for chains can mend it.
CHAIN_DISCOUNT = 2.0
# Share of student moves among the requests, and of class moves among the classes, that something is wrong with.
HOT_SHARE = 0.75
BAD_SHARE = 0.25
BAD_CHAINS = 0.5
# Share of moves of classes in rules on whole sets that draw any option, whatever its cost without these rules.
BLIND_SHARE = 0.5
# Not literals, each of which numba would compile a version of the called function for.
FULL = np.float64(1.0)


@njit(**INNER)
def find_obstacle(
    i: int,
    times: Array,
    gaps: Array,
    travel: Array,
    classes: Array,
    pool: Array,
    rules: Array,
    peers: Array,
    ties: Array,
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
    found = np.int64(-1)
    seen = np.int64(0)
    if r < par[PAR_NO_ROOM]:
        j = rooms[r, ROOM_HEAD]
        while j >= 0:
            if j != i and gap_between(u, time[j], times, gaps) < 0:
                seen += 1
                if below(rng, seen) == 0:
                    found = j
            j = st[j, NEXT]
    for m in range(classes[i, PEERS_AT], classes[i, PEERS_END]):
        tie = peers[m, PEER_TIE]
        j = np.int64(peers[m, PEER])
        if ties[tie, TIE_HARD] != 0 and tie_violated(
            ties[tie, TIE_KIND], ties[tie, TIE_A], ties[tie, TIE_FIRST], u, p, time[j], place[j], times, gaps, travel
        ):
            seen += 1
            if below(rng, seen) == 0:
                found = j
    for m in range(classes[i, ROOM_PEERS_AT], classes[i, ROOM_PEERS_END]):
        tie = peers[m, PEER_TIE]
        j = np.int64(peers[m, PEER])
        if ties[tie, TIE_HARD] != 0 and rooms_violated(ties[tie, TIE_KIND], r, st[j, ROOM], par[PAR_NO_ROOM]):
            seen += 1
            if below(rng, seen) == 0:
                found = j
    for m in range(classes[i, WHOLE_AT], classes[i, WHOLE_END]):
        k = pool[m]
        if rules[k, RULE_HARD] == 1 and con[k, CON_MEASURE] > 0:
            for o in range(rules[k, RULE_AT], rules[k, RULE_END]):
                if pool[o] != i:
                    seen += 1
                    if below(rng, seen) == 0:
                        found = pool[o]
    return found


@njit(**INNER)
def move_class(
    i: int,
    temperature: float,
    depth: int,
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
    log: Array,
    value: Array,
    share: Array,
    window: Array,
    rng: Array,
) -> Bool:
    """Move class i to another option; with `depth` > 0 push out what stands in its way, up to `depth` classes.

    Without a chain the option is drawn by the weights that all options have at this temperature (heat bath), and
    accepted so that the equilibrium is that of simulated annealing (J. S. Liu 1996, "metropolized Gibbs"). A chain
    begins with an option that adds violations; it is accepted if the change of everything together is at most a random
    threshold, else undone.
    """
    soft_on = par[PAR_SOFT_ON]
    mark = unit(rng)
    threshold = -temperature * math.log(mark)
    total = 0.0
    steps = 0
    while True:
        ready_cells(
            i,
            times,
            gaps,
            travel,
            near_at,
            near,
            classes,
            pool,
            peers,
            ties,
            mate_class,
            par,
            time,
            place,
            cells,
            pair_weight,
            mates,
        )
        discount = FULL
        if steps == 0 and depth > 0:
            discount = min(FULL, CHAIN_DISCOUNT * temperature / par[PAR_BASE])
        n = scan(
            i, discount, times, gaps, blocked, classes, pool, par, rooms, load, time, st, cells, value, window, rng
        )
        which, low, sum_of_shares = pick(n, temperature, value, share, rng)
        if which < 0:
            break
        if depth == 0:
            weight, soft = present(i, times, gaps, blocked, classes, pool, par, rooms, load, time, st, cells)
            before = float(weight + soft * soft_on)
            special = (
                classes[i, WHOLE_AT] < classes[i, WHOLE_END] or classes[i, ROOM_PEERS_AT] < classes[i, ROOM_PEERS_END]
            )
            gain = 0.0
            if special and unit(rng) < BLIND_SHARE:
                which = below(rng, n)
                if value[which] == math.inf:
                    return False
                gain = before - value[which]
            else:
                # Chance of leaving: the others' share of everything, by what the others' is after the move.
                d = (low - before) / temperature
                if d > 30.0:
                    return False
                stay = math.exp(d)
                if mark * (stay + sum_of_shares - share[which]) > sum_of_shares:
                    return False
                threshold = -temperature * math.log(unit(rng))
            t, k = option_at(which, i, classes, window)
            if special:
                u, r = pool[classes[i, TIMES_AT] + 2 * t], pool[classes[i, ROOMS_AT] + 2 * k]
                for step in range(2):
                    weight, soft = extras(
                        i, u, r, times, classes, pool, rules, peers, ties, par, rooms, time, st, con, pair_weight, work
                    )
                    if step == 0:
                        gain -= weight + soft * soft_on
                        u, r = time[i], st[i, ROOM]
                    else:
                        gain += weight + soft * soft_on
                if -gain > threshold:
                    return False
        else:
            t, k = option_at(which, i, classes, window)
        log[steps, 0] = i
        log[steps, 1] = st[i, TIME_OPTION]
        log[steps, 2] = st[i, ROOM_OPTION]
        steps += 1
        weight, soft = relocate(
            i, t, k, times, gaps, travel, near_at, near, blocked, overlap_at, overlaps, classes, pool, rules, peers,
            ties, mate_class, par, rooms, load, time, place, st, cells, con, pair_weight, mates, work,
        )  # fmt: skip
        total += weight + soft * soft_on
        if depth == 0 or total <= threshold:
            return True
        if steps > depth:
            break
        # What stands in the way of the class that moved last, or else of one that moved before.
        found = np.int64(-1)
        back = steps - 1
        while found < 0 and back >= 0:
            found = find_obstacle(
                log[back, 0], times, gaps, travel, classes, pool, rules, peers, ties, par, rooms, time, place, st, con,
                rng,
            )  # fmt: skip
            back -= 1
        if found < 0:
            break
        i = found
    for back in range(steps - 1, -1, -1):
        relocate(
            log[back, 0], log[back, 1], log[back, 2], times, gaps, travel, near_at, near, blocked, overlap_at, overlaps,
            classes, pool, rules, peers, ties, mate_class, par, rooms, load, time, place, st, cells, con, pair_weight,
            mates, work,
        )  # fmt: skip
    return False


@njit(**KERNEL)
def list_bad(
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
    movable: Array,
    bad: Array,
) -> Int:
    """List the movable classes that are in a violation; returns how many."""
    n = 0
    for m in range(movable.shape[0]):
        i = np.int64(movable[m])
        ready_cells(
            i,
            times,
            gaps,
            travel,
            near_at,
            near,
            classes,
            pool,
            peers,
            ties,
            mate_class,
            par,
            time,
            place,
            cells,
            pair_weight,
            mates,
        )
        weight, _ = present(i, times, gaps, blocked, classes, pool, par, rooms, load, time, st, cells)
        more, _ = extras(
            i, np.int64(time[i]), np.int64(st[i, ROOM]), times, classes, pool, rules, peers, ties, par, rooms, time, st,
            con, pair_weight, work,
        )  # fmt: skip
        if weight + more > 0:
            bad[n] = i
            n += 1
    return n


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
    log: Array,
    value: Array,
    share: Array,
    window: Array,
    movable: Array,
    bad: Array,
    mate_at: Array,
    courses: Array,
    course_requests: Array,
    requests: Array,
    configs: Array,
    subparts: Array,
    student_slots: Array,
    slots: Array,
    chosen: Array,
    hot: Array,
    picked: Array,
    swap: Array,
    best_time: Array,
    best_room: Array,
    best_slots: Array,
    rng: Array,
    stats: Array,
) -> None:
    """Make n moves, the temperature falling geometrically from t_first to t_last; keeps the best timetable seen."""
    temperature = t_first
    factor = (t_last / t_first) ** (1.0 / max(1.0, n / 64.0))
    n_movable, n_requests = movable.shape[0], requests.shape[0]
    for step in range(n):
        if step & 63 == 0:
            temperature *= factor
        if unit(rng) <= student_share:
            threshold = -temperature * math.log(unit(rng))
            q = below(rng, n_requests)
            if par[PAR_HOT] > 0 and unit(rng) < HOT_SHARE:
                q = np.int64(hot[below(rng, par[PAR_HOT])])
            for _ in range(2):
                moved = move_student(
                    q, threshold, times, gaps, travel, near_at, near, classes, pool, par, time, place, st, cells, mates,
                    mate_at, courses, course_requests, requests, configs, subparts, student_slots, slots, chosen,
                    picked, swap, rng,
                )  # fmt: skip
                stats[0] += 1
                if moved:
                    stats[1] += 1
                if moved or chosen[q] >= 0:
                    break
                # No seat for an unsectioned request: move a fellow student, perhaps out of the way.
                course = requests[q, REQ_COURSE]
                r0 = courses[course, COURSE_REQ_AT]
                q = np.int64(course_requests[r0 + below(rng, courses[course, COURSE_REQ_END] - r0)])
        elif n_movable > 0:
            i = np.int64(movable[below(rng, n_movable)])
            chains = chain_share
            if par[PAR_BAD] > 0 and par[PAR_HARD] > 0 and unit(rng) < BAD_SHARE:
                i = np.int64(bad[below(rng, par[PAR_BAD])])
                chains = BAD_CHAINS
            depth = np.int64(0)
            if unit(rng) <= chains:
                depth = np.int64(2)
                if unit(rng) < LONG_CHAINS:
                    depth = np.int64(MAX_CHAIN - 2)
            done = move_class(
                i, temperature, depth, times, gaps, travel, near_at, near, blocked, overlap_at, overlaps, classes, pool,
                rules, peers, ties, mate_class, par, rooms, load, time, place, st, cells, con, pair_weight, mates, work,
                log, value, share, window, rng,
            )  # fmt: skip
            at = 2
            if depth > 0:
                at = 4
            stats[at] += 1
            if done:
                stats[at + 1] += 1
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

"""The annealing kernel: class moves, ejection chains and student moves for one slice of the search.

Owns how moves are drawn and accepted, and when the best timetable is copied. Must not know temperatures over the whole
budget, phases, clocks or what is reported.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from services.solver.engine.general.contribution import evaluate, relocate
from services.solver.engine.general.layout import (
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
    PAR_ROOM,
    PAR_SOFT,
    PAR_SOFT_ON,
    ROOM,
    STUDENTS,
)
from services.solver.engine.general.model import (
    COURSE,
    COURSE_CHOICE,
    COURSE_REQ_AT,
    COURSE_REQ_END,
    REQ_COURSE,
    ROOMS_AT,
    ROOMS_LEN,
    TIES_ALL,
    TIES_AT,
    TIMES_LEN,
)
from services.solver.engine.general.occupancy import is_tabled, likely_room
from services.solver.engine.general.options import (
    RELATED_OPTIONS,
    ROOM_TRIES,
    draw_option,
    find_obstacle,
    likely_option,
    related_option,
)
from services.solver.engine.general.prospects import likely_time, settle
from services.solver.engine.general.random import below, unit
from services.solver.engine.general.resectioning import move_with_students
from services.solver.engine.general.students import move_student
from services.solver.engine.general.ties import move_tied
from services.solver.engine.jit import INNER, KERNEL, Array, Bool

MAX_CHAIN = 8
# Share of joint moves among those of classes with ties.
JOINT_SHARE = 0.3
# Share of chains that begin with any room, most likely a taken one: the two classes may change rooms.
ANY_ROOM = 0.5
# Options tried for each class that a chain pushes out, beside those that the move before it suggests: one at each of
# its times, from a random one on, up to this many; at least the smaller number, if need be with other rooms.
MIN_CHAIN_OPTIONS = 6
MAX_CHAIN_OPTIONS = 24
# Share of chains of up to MAX_CHAIN - 2 classes; the others push out one.
LONG_CHAINS = 0.15
# Share of student moves among the requests, and of class moves among the classes, that something is wrong with.
HOT_SHARE = 0.75
BAD_SHARE = 0.25
BAD_CHAINS = 0.5
# Of the draws of a likely time that end with the present one, those that go on to a likely room.
ROOM_SHARE = 0.5


@njit(**INNER)
def move_class(
    i: int,
    at_time: int,
    at_room: int,
    threshold: float,
    temperature: float,
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
    prospects: Array,
    lists: Array,
    overlaps: Array,
    busy: Array,
    noise: Array,
    rng: Array,
) -> Bool:
    """Try a random option of class i; with `depth` > 0 push out what stands in its way, up to `depth` classes.

    Accepted if the weighted change of everything together is at most `threshold`, else undone. With `at_time` >= 0 the
    class's first time is the one at that place in its list; with `at_room` >= 0 it keeps its time and takes that room.
    """
    soft_on = par[PAR_SOFT_ON]
    total = 0.0
    steps = 0
    while True:
        # The chain's first class takes one random option, the ones pushed out the best of a few: exchanges, the same
        # time or room, and one at each time.
        tries = np.int64(1)
        n_times = classes[i, TIMES_LEN]
        place_in_list = np.int64(at_time)
        if steps > 0:
            tries = RELATED_OPTIONS + max(MIN_CHAIN_OPTIONS, min(MAX_CHAIN_OPTIONS, n_times))
            place_in_list = below(rng, n_times)
        room_tries = np.int64(ROOM_TRIES)
        if steps == 0 and depth > 0 and unit(rng) < ANY_ROOM:
            room_tries = np.int64(1)
        best_delta = math.inf
        best_u, best_r, best_tp, best_rp = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
        present = own[i, OWN_WEIGHT] + own[i, OWN_SOFT] * soft_on
        for attempt in range(tries):
            if steps > 0 and attempt < RELATED_OPTIONS:
                j = log[steps - 1, 0]
                u, r, tp, rp = related_option(
                    i, np.int64(attempt), log[steps - 1, 1], log[steps - 1, 2], np.int64(time[j]),
                    np.int64(st[j, ROOM]), classes, pool, par, time, st, own,
                )  # fmt: skip
            elif steps == 0 and at_room >= 0:
                at = classes[i, ROOMS_AT] + 2 * at_room
                u, tp = np.int64(time[i]), own[i, OWN_TIME]
                r, rp = np.int64(pool[at]), pool[at + 1] * par[PAR_ROOM]
            elif steps == 0 and at_time >= 0 and is_tabled(par, busy):
                # Not for the others of a chain: the table is behind what it has just tried.
                u, r, tp, rp = likely_option(
                    i, place_in_list, temperature, times, gaps, classes, pool, par, st, own, busy, noise, rng
                )
            else:
                if steps > 0:
                    place_in_list += 1
                    if place_in_list >= n_times:
                        place_in_list = np.int64(0)
                u, r, tp, rp = draw_option(
                    i, place_in_list, room_tries, times, gaps, blocked, classes, pool, par, rooms, time,
                    st, own, rng,
                )  # fmt: skip
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
                if depth == 0 or hard <= own[i, OWN_HARD] or added > 2.0 * temperature:
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
            for k in range(steps):
                settle(
                    np.int64(log[k, 0]), times, gaps, classes, pool, soft_peers, soft_weights, par, time, st, mates,
                    prospects, lists, overlaps, busy,
                )  # fmt: skip
            return True
        if steps > depth:
            break
        # What stands in the way of the class moved last; if nothing does, what is left in the way of those before it.
        found = np.int64(-1)
        looked_at = steps
        while found < 0 and looked_at > 0:
            looked_at -= 1
            found = find_obstacle(
                np.int64(log[looked_at, 0]), times, gaps, travel, classes, pool, rules, par, rooms, time, place, st,
                con, rng,
            )  # fmt: skip
        i = int(found)
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
    resection_share: float,
    bath_share: float,
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
    mate_at: Array,
    hot: Array,
    choosers: Array,
    pick: Array,
    swap: Array,
    undo: Array,
    prospects: Array,
    lists: Array,
    overlaps: Array,
    busy: Array,
    noise: Array,
    best_time: Array,
    best_room: Array,
    best_slots: Array,
    rng: Array,
) -> None:
    """Make n moves, the temperature falling geometrically from t_first to t_last; keeps the best timetable seen.

    The shares are of chains among class moves, of student moves, and, among the moves of classes whose students could
    go elsewhere, of those that take other sections for them into account, and, among the other moves of one class, of
    those to a likely time (which takes `prospects` kept up to date).
    """
    temperature = t_first
    factor = (t_last / t_first) ** (1.0 / max(1.0, n / 64.0))
    n_movable, n_choosers = movable.shape[0], choosers.shape[0]
    for step in range(n):
        if step & 63 == 0:
            temperature *= factor
        threshold = -temperature * math.log(unit(rng))
        if unit(rng) <= student_share:
            if par[PAR_HOT] > 0 and (n_choosers == 0 or unit(rng) < HOT_SHARE):
                q = np.int64(hot[below(rng, par[PAR_HOT])])
            elif n_choosers > 0:
                q = np.int64(choosers[below(rng, n_choosers)])
            else:
                continue
            for _ in range(2):
                moved = move_student(
                    q, np.int64(-1), threshold, times, gaps, travel, classes, pool, par, time, place, st, own, mates,
                    courses, course_requests, requests, configs, subparts, student_slots, slots, chosen, mate_at, pick,
                    swap, undo, prospects, lists, overlaps, rng,
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
            if classes[i, TIES_AT] < classes[i, TIES_ALL] and classes[i, TIMES_LEN] > 1 and unit(rng) < JOINT_SHARE:
                move_tied(
                    i, threshold, times, gaps, travel, blocked, classes, pool, soft_peers, soft_weights,
                    rules, par, rooms, time, place, st, own, con, mates, work, log, prospects, lists, overlaps,
                    busy, rng,
                )  # fmt: skip
            elif (
                par[PAR_SOFT_ON] == 1
                and st[i, STUDENTS] > 0
                and classes[i, TIMES_LEN] > 1
                and courses[classes[i, COURSE], COURSE_CHOICE] == 1
                and unit(rng) < resection_share
            ):
                move_with_students(
                    i, threshold, times, gaps, travel, blocked, classes, pool, soft_peers, soft_weights,
                    rules, par, rooms, time, place, st, own, con, mates, work, courses, course_requests, requests,
                    configs, subparts, student_slots, slots, chosen, mate_at, pick, swap, undo, prospects, lists,
                    overlaps, busy, rng,
                )  # fmt: skip
            else:
                depth = 0
                if unit(rng) <= share:
                    depth = 1
                    if unit(rng) < LONG_CHAINS:
                        depth = MAX_CHAIN - 2
                at_time, at_room, expected = np.int64(-1), np.int64(-1), 0.0
                if depth == 0 and unit(rng) <= bath_share:
                    if classes[i, TIMES_LEN] > 1:
                        at_time, expected = likely_time(
                            i, temperature, classes, pool, par, st, own, prospects, lists, noise, rng
                        )
                    if at_time < 0:
                        if classes[i, ROOMS_LEN] < 2 or not is_tabled(par, busy) or unit(rng) > ROOM_SHARE:
                            continue
                        at_room, expected = likely_room(
                            i,
                            np.int64(time[i]),
                            temperature,
                            times,
                            gaps,
                            classes,
                            pool,
                            par,
                            st,
                            own,
                            busy,
                            noise,
                            rng,
                        )
                        if pool[classes[i, ROOMS_AT] + 2 * at_room] == st[i, ROOM]:
                            continue
                move_class(
                    i, at_time, at_room, threshold + expected, temperature, depth, times, gaps, travel, blocked,
                    classes, pool, soft_peers, soft_weights, rules, par, rooms, time, place, st, own, con, mates, work,
                    log, prospects, lists, overlaps, busy, noise, rng,
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

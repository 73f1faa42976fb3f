"""A class's move together with other sections for its students.

Owns the move and its undoing. Must not know which classes are moved so, nor how students are moved by themselves.

A class with twenty students hardly ever goes to a time at which ten of them are elsewhere: by themselves they can only
leave once it is there, and it only goes there once they have left.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from services.solver.engine.general.contribution import evaluate, relocate
from services.solver.engine.general.layout import (
    MATES_LEN,
    OWN_ROOM,
    OWN_SOFT,
    OWN_TIME,
    OWN_WEIGHT,
    PAR_SOFT,
    PAR_STUDENT,
    PAR_UNDO,
    ROOM,
)
from services.solver.engine.general.model import (
    CONFIG,
    COURSE,
    COURSE_REQ_AT,
    COURSE_REQ_END,
    MATES_AT,
    REQ_AT,
    REQ_STUDENT,
    SLOT,
    TIMES_AT,
    TIMES_LEN,
)
from services.solver.engine.general.options import ROOM_TRIES, draw_option
from services.solver.engine.general.prospects import settle
from services.solver.engine.general.random import below
from services.solver.engine.general.rules import gap_between
from services.solver.engine.general.sectioning import section
from services.solver.engine.general.students import move_student
from services.solver.engine.jit import INNER, Array, Bool, Index

# Sectionings that are tried for each student in the way.
TRIES = 8
# Sectionings written down for the way back; an exchange takes three.
MAX_UNDO = 256


@njit(**INNER)
def move_with_students(
    i: int,
    threshold: float,
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
    busy: Array,
    rng: Array,
) -> Bool:
    """Try another time of class i, and other sections of its course for those of its students who clash there.

    Accepted if the weighted change of everything together is at most `threshold`, else undone.
    """
    at_time = below(rng, classes[i, TIMES_LEN])
    u0, r0 = np.int64(time[i]), np.int64(st[i, ROOM])
    if pool[classes[i, TIMES_AT] + 2 * at_time] == u0:
        return False
    u, r, tp, rp = draw_option(
        i, at_time, np.int64(ROOM_TRIES), times, gaps, blocked, classes, pool, par, rooms, time, st, own, rng
    )
    # As if no student were in the way.
    present = own[i, OWN_WEIGHT] + own[i, OWN_SOFT]
    student = par[PAR_STUDENT]
    par[PAR_STUDENT] = 0
    _, weight, soft = evaluate(
        i, u, r, tp + rp, present + threshold, times, gaps, travel, blocked, classes, pool, soft_peers, soft_weights,
        rules, par, rooms, time, place, st, own, con, mates, work,
    )  # fmt: skip
    par[PAR_STUDENT] = student
    if weight + soft - present > threshold:
        return False
    soft_before = np.int64(par[PAR_SOFT])
    tp0, rp0 = own[i, OWN_TIME], own[i, OWN_ROOM]
    _, weight, soft = relocate(
        i, u, r, tp, rp, times, gaps, travel, blocked, classes, pool, soft_peers, soft_weights, rules, par, rooms, time,
        place, st, own, con, mates, work,
    )  # fmt: skip
    if weight + soft <= threshold:
        settle(
            i, times, gaps, classes, pool, soft_peers, soft_weights, par, time, st, mates, prospects, lists, overlaps,
            busy,
        )  # fmt: skip
        return True
    # What the students who clash with class i cost: none of them can save more than his or her part of it.
    left = np.int64(0)
    p = Index(place[i])
    for m in range(Index(classes[i, MATES_AT]), Index(classes[i, MATES_AT] + st[i, MATES_LEN])):
        j = Index(mates[m, 0])
        if gap_between(u, time[j], times, gaps) < travel[p, Index(place[j])]:
            left += mates[m, 1]
    par[PAR_UNDO] = 0
    course = classes[i, COURSE]
    first = courses[course, COURSE_REQ_AT]
    n = courses[course, COURSE_REQ_END] - first
    k = below(rng, n)
    for _ in range(n):
        q = np.int64(course_requests[first + k])
        k += 1
        if k == n:
            k = np.int64(0)
        if chosen[q] != classes[i, CONFIG] or slots[requests[q, REQ_AT] + classes[i, SLOT]] != i:
            continue
        student = requests[q, REQ_STUDENT]
        clashes = np.int64(0)
        for m in range(Index(student_slots[student]), Index(student_slots[student + 1])):
            x = slots[m]
            if x >= 0 and x != i and gap_between(u, time[Index(x)], times, gaps) < travel[p, Index(place[Index(x)])]:
                clashes += 1
        if clashes == 0:
            continue
        left -= clashes
        for _ in range(TRIES):
            if par[PAR_UNDO] + 3 > undo.shape[0]:
                break
            if move_student(
                q, i, -0.5, times, gaps, travel, classes, pool, par, time, place, st, own, mates, courses,
                course_requests, requests, configs, subparts, student_slots, slots, chosen, mate_at, pick, swap, undo,
                prospects, lists, overlaps, rng,
            ):  # fmt: skip
                break
        if weight + par[PAR_SOFT] - soft_before - left * par[PAR_STUDENT] > threshold:
            break
    entries = par[PAR_UNDO]
    par[PAR_UNDO] = -1
    if weight + par[PAR_SOFT] - soft_before <= threshold:
        settle(
            i, times, gaps, classes, pool, soft_peers, soft_weights, par, time, st, mates, prospects, lists, overlaps,
            busy,
        )  # fmt: skip
        return True
    width = undo.shape[1] - 2
    for entry in range(entries - 1, -1, -1):
        q, config = np.int64(undo[entry, 0]), np.int64(undo[entry, 1])
        for m in range(width):
            swap[m] = undo[entry, 2 + m]
        length = np.int64(width)
        if config < 0:
            length = np.int64(0)
        section(
            q, config, length, swap, np.int64(0), times, gaps, travel, classes, par, time, place, st, own, mates,
            requests, student_slots, slots, chosen, mate_at, undo, prospects, lists, overlaps,
        )  # fmt: skip
    relocate(
        i, u0, r0, tp0, rp0, times, gaps, travel, blocked, classes, pool, soft_peers, soft_weights, rules, par, rooms,
        time, place, st, own, con, mates, work,
    )  # fmt: skip
    par[PAR_SOFT] = soft_before  # also what leaving kept sections cost
    return False

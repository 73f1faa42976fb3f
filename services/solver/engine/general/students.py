"""Student moves: another sectioning for one request, and which requests need one.

Owns what is tried and what it changes. Must not know how a sectioning is found or given, class moves or annealing.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from services.solver.engine.general.layout import (
    PAR_BASE,
    PAR_KEPT,
    PAR_KEPT_AT,
    PAR_SOFT,
    PAR_STUDENT,
    STUDENTS,
)
from services.solver.engine.general.model import (
    COURSE_CHOICE,
    COURSE_CONFIGS_AT,
    COURSE_CONFIGS_END,
    COURSE_REQ_AT,
    COURSE_REQ_END,
    LIMIT,
    REQ_AT,
    REQ_COURSE,
    REQ_LEN,
    REQ_STUDENT,
    SLOT,
)
from services.solver.engine.general.random import below, unit
from services.solver.engine.general.rules import gap_between
from services.solver.engine.general.sectioning import pick_sections, section
from services.solver.engine.jit import INNER, KERNEL, Array, Bool, Index, Int

# Fellow students looked at for one who is not in the class that is to be left.
PARTNERS = 4
# Not literals, each of which numba would compile a version of the called function for.
NONE, ZERO = np.int64(-1), np.int64(0)


@njit(**INNER)
def conflicts(
    picked: Array,
    at: int,
    n: int,
    lo: int,
    hi: int,
    skip_at: int,
    skip_len: int,
    times: Array,
    gaps: Array,
    travel: Array,
    time: Array,
    place: Array,
    slots: Array,
) -> Int:
    """Student conflicts of the classes picked[at : at + n] among themselves and with the student's other classes."""
    count = 0
    skip_from, skip_to = Index(skip_at), Index(skip_at + skip_len)
    for k in range(Index(at), Index(at + n)):
        c = picked[k]
        if c < 0:
            continue
        u, p = time[Index(c)], Index(place[Index(c)])
        for m in range(Index(lo), Index(hi)):
            x = slots[m]
            if x >= 0 and (m < skip_from or m >= skip_to):
                count += gap_between(u, time[Index(x)], times, gaps) < travel[p, Index(place[Index(x)])]
        for m in range(Index(at), k):
            x = picked[m]
            if x >= 0:
                count += gap_between(u, time[Index(x)], times, gaps) < travel[p, Index(place[Index(x)])]
    return count


@njit(**INNER)
def kept_sections(picked: Array, first: int, n: int, at: int, pool: Array, par: Array) -> Int:
    """How many of picked[first : first + n], for the slots from `at` on, are classes that the student should keep."""
    count = 0
    if par[PAR_KEPT_AT] >= 0:
        for k in range(n):
            count += picked[first + k] >= 0 and picked[first + k] == pool[par[PAR_KEPT_AT] + at + k]
    return count


@njit(**INNER)
def move_student(
    q: int,
    leave: int,
    threshold: float,
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
) -> Bool:
    """Try another sectioning of request q: free seats if there are, else an exchange within the course.

    With `leave` >= 0, a class that it attends, mostly one without that class, in the same configuration if it can.
    Accepted if the weighted change is at most `threshold`. An unsectioned request takes any seats it can get.
    """
    course = requests[q, REQ_COURSE]
    k0 = courses[course, COURSE_CONFIGS_AT]
    n_configs = courses[course, COURSE_CONFIGS_END] - k0
    at, length = requests[q, REQ_AT], requests[q, REQ_LEN]
    lo, hi = student_slots[requests[q, REQ_STUDENT]], student_slots[requests[q, REQ_STUDENT] + 1]
    config = chosen[q]
    n = ZERO
    target = k0 + below(rng, n_configs)
    if config < 0:
        for _ in range(n_configs):
            n = pick_sections(q, target, NONE, classes, pool, st, requests, configs, subparts, slots, pick, rng)
            if n > 0:
                break
            target = k0 + (target - k0 + 1) % n_configs
    else:
        if unit(rng) < 0.5 or leave >= 0:
            target = config
        g = configs[target, 0] + below(rng, configs[target, 1] - configs[target, 0])
        if leave >= 0:
            g = configs[target, 0] + classes[leave, SLOT]
            if subparts[g, 1] - subparts[g, 0] == 1:
                target = k0 + below(rng, n_configs)
                g = configs[target, 0] + below(rng, configs[target, 1] - configs[target, 0])
        size = subparts[g, 1] - subparts[g, 0]
        forced = pool[subparts[g, 0] + below(rng, size)]
        if slots[at + classes[forced, SLOT]] == forced:
            if size == 1:
                if target == config and configs[target, 1] - configs[target, 0] == 1:
                    return False
            else:
                forced = pool[subparts[g, 0] + below(rng, size)]
        n = pick_sections(q, target, forced, classes, pool, st, requests, configs, subparts, slots, pick, rng)
    student = par[PAR_STUDENT]
    if n > 0:
        before = conflicts(slots, at, length, lo, hi, at, length, times, gaps, travel, time, place, slots)
        after = conflicts(pick, ZERO, n, lo, hi, at, length, times, gaps, travel, time, place, slots)
        left = kept_sections(slots, at, length, at, pool, par) - kept_sections(pick, ZERO, n, at, pool, par)
        left *= par[PAR_KEPT]
        relief = 0.0  # leaving a class that a start overfilled
        for k in range(length):
            c = slots[at + k]
            if c >= 0 and st[c, STUDENTS] > classes[c, LIMIT] and (k >= n or pick[k] != c):
                relief += par[PAR_BASE]
        if config >= 0 and (after - before) * student + left - relief > threshold:
            return False
        par[PAR_SOFT] += left
        section(
            q, target, n, pick, ZERO, times, gaps, travel, classes, par, time, place, st, own, mates, requests,
            student_slots, slots, chosen, mate_at, undo, prospects, lists, overlaps,
        )  # fmt: skip
        return True
    # No seat: exchange the whole sectioning with another request of the course.
    r0 = courses[course, COURSE_REQ_AT]
    other = course_requests[r0 + below(rng, courses[course, COURSE_REQ_END] - r0)]
    other_at = requests[other, REQ_AT]
    if leave >= 0:
        for _ in range(PARTNERS):
            if slots[other_at + classes[leave, SLOT]] != leave:
                break
            other = course_requests[r0 + below(rng, courses[course, COURSE_REQ_END] - r0)]
            other_at = requests[other, REQ_AT]
    differs = False
    for k in range(length):
        if slots[at + k] != slots[other_at + k]:
            differs = True
    if other == q or not differs:
        return False
    lo2, hi2 = student_slots[requests[other, REQ_STUDENT]], student_slots[requests[other, REQ_STUDENT] + 1]
    delta = -conflicts(slots, at, length, lo, hi, at, length, times, gaps, travel, time, place, slots)
    delta -= conflicts(slots, other_at, length, lo2, hi2, other_at, length, times, gaps, travel, time, place, slots)
    delta += conflicts(slots, other_at, length, lo, hi, at, length, times, gaps, travel, time, place, slots)
    delta += conflicts(slots, at, length, lo2, hi2, other_at, length, times, gaps, travel, time, place, slots)
    left = kept_sections(slots, at, length, at, pool, par) + kept_sections(slots, other_at, length, other_at, pool, par)
    left -= kept_sections(slots, other_at, length, at, pool, par) + kept_sections(
        slots, at, length, other_at, pool, par
    )
    left *= par[PAR_KEPT]
    if delta * student + left > threshold:
        return False
    par[PAR_SOFT] += left
    for k in range(length):
        swap[k] = slots[at + k]
        swap[length + k] = slots[other_at + k]
    mine, theirs = chosen[q], chosen[other]
    # Three steps (mine out, theirs replaced by mine, mine back in as theirs), so that no class is ever over its limit.
    for step in range(3):
        who = other if step == 1 else q
        what = NONE
        source = ZERO
        if step == 1:
            what = mine
        elif step == 2:
            what = theirs
            source = length
        taken = length if what >= 0 else ZERO
        section(
            who, what, taken, swap, source, times, gaps, travel, classes, par, time, place, st, own, mates, requests,
            student_slots, slots, chosen, mate_at, undo, prospects, lists, overlaps,
        )  # fmt: skip
    return True


@njit(**KERNEL)
def list_hot(
    times: Array,
    gaps: Array,
    travel: Array,
    classes: Array,
    time: Array,
    place: Array,
    st: Array,
    courses: Array,
    requests: Array,
    student_slots: Array,
    slots: Array,
    chosen: Array,
    hot: Array,
) -> Int:
    """List the requests that are unsectioned, or could go elsewhere and are in a class over its limit or in a student
    conflict; returns how many.
    """
    n = 0
    for q in range(requests.shape[0]):
        at, length = requests[q, REQ_AT], requests[q, REQ_LEN]
        student = requests[q, REQ_STUDENT]
        lo, hi = student_slots[student], student_slots[student + 1]
        listed = chosen[q] < 0
        if not listed and courses[requests[q, REQ_COURSE], COURSE_CHOICE] == 0:
            continue
        for k in range(at, at + length):
            listed = listed or (slots[k] >= 0 and st[slots[k], STUDENTS] > classes[slots[k], LIMIT])
        if listed or conflicts(slots, at, length, lo, hi, at, length, times, gaps, travel, time, place, slots) > 0:
            hot[n] = q
            n += 1
    return n

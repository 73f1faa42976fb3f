"""One request's sectioning: which classes a student attends for a course, and what follows from it.

Owns the lists of classes with common students, and finding and giving a sectioning (one class per subpart of one
configuration, parents respected, never over a class limit). Must not know which students are moved, nor class moves.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from services.solver.engine.general.layout import (
    MATES_LEN,
    OWN_SOFT,
    PAR_HARD,
    PAR_PROSPECTS,
    PAR_SOFT,
    PAR_STUDENT,
    PAR_UNDO,
    PAR_UNSECTIONED,
    PROSPECT_SOFT,
    SEEN,
    STUDENTS,
)
from services.solver.engine.general.model import (
    CONFIG,
    LIMIT,
    MATES_AT,
    PARENT,
    REQ_AT,
    REQ_LEN,
    REQ_STUDENT,
    SLOT,
)
from services.solver.engine.general.overlaps import meet
from services.solver.engine.general.random import below
from services.solver.engine.general.rules import gap_between
from services.solver.engine.jit import INNER, Array, Index, Int

# Steps of the search for one sectioning: enough for every course we have seen, a bound for hostile ones.
MAX_STEPS = 400


@njit(**INNER)
def add_mates(i: int, j: int, amount: int, classes: Array, st: Array, mates: Array, mate_at: Array) -> None:
    """Change the number of students that class i shares with class j, on i's side."""
    first, n = classes[i, MATES_AT], st[i, MATES_LEN]
    indexed = mate_at.shape[0] > 0
    at = np.int64(0)
    if indexed:
        at = np.int64(mate_at[Index(i), Index(j)])
    else:
        for m in range(n):
            if mates[Index(first + m), 0] == j:
                at = np.int64(m + 1)
                break
    if at == 0:
        mates[first + n, 0] = j
        mates[first + n, 1] = amount
        st[i, MATES_LEN] = n + 1
        if indexed:
            mate_at[i, j] = n + 1
        return
    m = first + at - 1
    mates[m, 1] += amount
    if mates[m, 1] == 0:
        last = mates[first + n - 1, 0]
        mates[m, 0] = last
        mates[m, 1] = mates[first + n - 1, 1]
        st[i, MATES_LEN] = n - 1
        if indexed:
            mate_at[i, last] = at
            mate_at[i, j] = 0


@njit(**INNER)
def attend(
    c: int,
    at: int,
    sign: int,
    lo: int,
    hi: int,
    times: Array,
    gaps: Array,
    travel: Array,
    classes: Array,
    par: Array,
    time: Array,
    place: Array,
    st: Array,
    own: Array,
    mates: Array,
    slots: Array,
    mate_at: Array,
    prospects: Array,
    lists: Array,
    overlaps: Array,
) -> None:
    """Put the student of slots [lo, hi) into class c at slot `at` (sign 1), or take him or her out of it (-1)."""
    if sign < 0:
        slots[at] = -1
        if st[c, STUDENTS] > classes[c, LIMIT]:
            par[PAR_HARD] -= 1
    cost = sign * par[PAR_STUDENT]
    u, p = time[Index(c)], Index(place[Index(c)])
    for k in range(Index(lo), Index(hi)):
        x = slots[k]
        if x < 0:
            continue
        add_mates(c, x, sign, classes, st, mates, mate_at)
        add_mates(x, c, sign, classes, st, mates, mate_at)
        if par[PAR_PROSPECTS] == 1:
            soft, amount = np.int64(PROSPECT_SOFT), np.int64(cost)
            meet(c, np.int64(st[x, SEEN]), soft, amount, times, gaps, classes, prospects, lists, overlaps)
            meet(x, np.int64(st[c, SEEN]), soft, amount, times, gaps, classes, prospects, lists, overlaps)
        if gap_between(u, time[Index(x)], times, gaps) < travel[p, Index(place[Index(x)])]:
            own[c, OWN_SOFT] += cost
            own[Index(x), OWN_SOFT] += cost
            par[PAR_SOFT] += cost
    st[c, STUDENTS] += sign
    if sign > 0:
        slots[at] = c
        if st[c, STUDENTS] > classes[c, LIMIT]:
            par[PAR_HARD] += 1


@njit(**INNER)
def pick_sections(
    q: int,
    config: int,
    forced: int,
    classes: Array,
    pool: Array,
    st: Array,
    requests: Array,
    configs: Array,
    subparts: Array,
    slots: Array,
    pick: Array,
    rng: Array,
) -> Int:
    """Find a complete sectioning of request q in a configuration, with seats left; returns its length, 0 if none.

    `pick[0:n]` receives the classes. With `forced` >= 0 that class and its parents are taken; elsewhere the request's
    present classes come first, then the others from a random one on. Depth first, so it finds one if there is one
    (within MAX_STEPS). `pick` has 4 x longest configuration places: classes, wanted, tried, offset.
    """
    g0 = configs[config, 0]
    n = configs[config, 1] - g0
    at = requests[q, REQ_AT]
    wide = pick.shape[0] // 4
    wanted, tried, offset = wide, 2 * wide, 3 * wide
    for k in range(n):
        pick[wanted + k] = -1
    c = forced
    while c >= 0 and classes[c, CONFIG] == config and pick[wanted + classes[c, SLOT]] < 0:
        pick[wanted + classes[c, SLOT]] = c
        c = classes[c, PARENT]
    k = 0
    pick[tried] = 0
    pick[offset] = below(rng, subparts[g0, 1] - subparts[g0, 0])
    for _ in range(MAX_STEPS):
        start = subparts[g0 + k, 0]
        size = subparts[g0 + k, 1] - start
        chosen = -1
        while pick[tried + k] <= size and chosen < 0:
            t = pick[tried + k]
            pick[tried + k] = t + 1
            present = slots[at + k]
            if pick[wanted + k] >= 0:
                c = pick[wanted + k]
                pick[tried + k] = size + 1
            elif t == 0:
                c = present
                if c < 0 or classes[c, CONFIG] != config:
                    continue
            else:
                c = pool[start + (pick[offset + k] + t - 1) % size]
            if st[c, STUDENTS] >= classes[c, LIMIT] and c != present:
                continue
            parent = classes[c, PARENT]
            if parent >= 0 and (
                classes[parent, CONFIG] != config or classes[parent, SLOT] >= k or pick[classes[parent, SLOT]] != parent
            ):
                continue
            chosen = c
        if chosen >= 0:
            pick[k] = chosen
            k += 1
            if k == n:
                return n
            pick[tried + k] = 0
            pick[offset + k] = below(rng, subparts[g0 + k, 1] - subparts[g0 + k, 0])
        else:
            k -= 1
            if k < 0:
                return 0
    return 0


@njit(**INNER)
def section(
    q: int,
    config: int,
    n: int,
    picked: Array,
    first: int,
    times: Array,
    gaps: Array,
    travel: Array,
    classes: Array,
    par: Array,
    time: Array,
    place: Array,
    st: Array,
    own: Array,
    mates: Array,
    requests: Array,
    student_slots: Array,
    slots: Array,
    chosen: Array,
    mate_at: Array,
    undo: Array,
    prospects: Array,
    lists: Array,
    overlaps: Array,
) -> None:
    """Give request q the classes picked[first : first + n] of a configuration (-1 and n = 0: none)."""
    at, length = requests[q, REQ_AT], requests[q, REQ_LEN]
    lo, hi = student_slots[requests[q, REQ_STUDENT]], student_slots[requests[q, REQ_STUDENT] + 1]
    if par[PAR_UNDO] >= 0:
        entry = par[PAR_UNDO]
        undo[entry, 0] = q
        undo[entry, 1] = chosen[q]
        for k in range(length):
            undo[entry, 2 + k] = slots[at + k]
        par[PAR_UNDO] = entry + 1
    # First out of every class that changes, then in, through one call: its body is long and compiled where it stands.
    for step in range(2 * length):
        k = step if step < length else step - length
        new = picked[first + k] if k < n else -1
        old = slots[at + k]
        sign = 0
        c = new
        if step < length:
            if old >= 0 and old != new:
                sign = -1
                c = old
        elif new >= 0 and old != new:
            sign = 1
        if sign != 0:
            attend(
                c,
                at + k,
                sign,
                lo,
                hi,
                times,
                gaps,
                travel,
                classes,
                par,
                time,
                place,
                st,
                own,
                mates,
                slots,
                mate_at,
                prospects,
                lists,
                overlaps,
            )
    if chosen[q] < 0 and config >= 0:
        par[PAR_UNSECTIONED] -= 1
        par[PAR_HARD] -= 1
    elif chosen[q] >= 0 and config < 0:
        par[PAR_UNSECTIONED] += 1
        par[PAR_HARD] += 1
    chosen[q] = config

"""What every class would meet at each of its times, and a likely time drawn by it (a heat bath).

Owns the table `prospects`: what it counts, how it follows accepted moves, the draw. Must not know other rules than
clashes, nor what is accepted: the draw is a proposal, and whoever accepts it evaluates it in full. Rooms are
`occupancy`'s.

A random time is refused 99 times of 100 once the search has cooled, after a look through all that the class could clash
with there. With the table one pass over a class's times, a few reads each, stands for as many tries as it has times
(S. Geman, D. Geman 1984). What the table leaves out (rooms, walking times, distribution constraints) is made up for in
the acceptance: a proposal passes if its true change exceeds the expected one by no more than the threshold (W. Hastings
1970).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from services.solver.engine.general.layout import (
    HITS_AT,
    MATES_LEN,
    OWN_EXTRA,
    PAR_BASE,
    PAR_PROSPECTS,
    PAR_SETTLED,
    PAR_SOFT_ON,
    PAR_STUDENT,
    PAR_TIME,
    PROSPECT_HARD,
    PROSPECT_SOFT,
    PROSPECT_TIME,
    PROSPECTS_AT,
    SEEN,
)
from services.solver.engine.general.model import CLASH_ALL, CLASH_AT, MATES_AT, SOFT_ALL, SOFT_AT, TIMES_AT, TIMES_LEN
from services.solver.engine.general.occupancy import settle_room
from services.solver.engine.general.random import NOISE, draw
from services.solver.engine.general.rules import gap_between
from services.solver.engine.jit import INNER, KERNEL, LEAF, Array, Float, Int


@njit(**LEAF)
def meet(
    i: int,
    v: int,
    what: int,
    amount: int,
    times: Array,
    gaps: Array,
    classes: Array,
    st: Array,
    prospects: Array,
    hits: Array,
) -> None:
    """Class i meets `amount` more at all of its times that overlap time v."""
    at = st[i, PROSPECTS_AT]
    if hits.shape[0] > 0:
        row = st[i, HITS_AT] + v
        for k in range(np.int64(hits[row]), np.int64(hits[row + 1])):
            prospects[what, at + hits[k]] += amount
        return
    for k in range(at, at + classes[i, TIMES_LEN]):
        prospects[what, k] += amount * np.int64(gap_between(v, prospects[PROSPECT_TIME, k], times, gaps) < 0)


@njit(**INNER)
def settle(
    i: int,
    times: Array,
    gaps: Array,
    classes: Array,
    pool: Array,
    soft_peers: Array,
    soft_weights: Array,
    par: Array,
    time: Array,
    st: Array,
    mates: Array,
    prospects: Array,
    hits: Array,
    busy: Array,
) -> None:
    """Tell rooms, and all that class i could clash with, where it is. Called once a move is accepted: most are not."""
    settle_room(i, times, gaps, par, time, st, busy)
    was, now = np.int64(st[i, SEEN]), np.int64(time[i])
    if was == now:
        return
    st[i, SEEN] = now
    par[PAR_SETTLED] += 1
    if par[PAR_PROSPECTS] == 0:
        return
    # One place for the three lists: a call's body is compiled where it stands.
    mates_at, soft_at, clash_at = classes[i, MATES_AT], classes[i, SOFT_AT], classes[i, CLASH_AT]
    n_mates = st[i, MATES_LEN]
    n_soft = n_mates + classes[i, SOFT_ALL] - soft_at
    n_all = n_soft + classes[i, CLASH_ALL] - clash_at
    for m in range(n_all):
        what = np.int64(PROSPECT_SOFT)
        if m < n_mates:
            j = np.int64(mates[mates_at + m, 0])
            amount = np.int64(mates[mates_at + m, 1] * par[PAR_STUDENT])
        elif m < n_soft:
            j = np.int64(soft_peers[soft_at + m - n_mates] >> 1)
            amount = np.int64(soft_weights[soft_at + m - n_mates])
        else:
            j = np.int64(pool[clash_at + m - n_soft] >> 1)
            amount = np.int64(1)
            what = np.int64(PROSPECT_HARD)
        meet(j, was, what, -amount, times, gaps, classes, st, prospects, hits)
        meet(j, now, what, amount, times, gaps, classes, st, prospects, hits)


@njit(**INNER)
def likely_time(
    i: int,
    temperature: float,
    classes: Array,
    pool: Array,
    par: Array,
    st: Array,
    own: Array,
    prospects: Array,
    noise: Array,
    rng: Array,
) -> tuple[Int, Float]:
    """A place in class i's list of times, drawn by what they promise, and the change of weight and cost to expect.

    (-1, 0) if that is the present time. Exact, as a draw, where only times, clashes and students matter.
    """
    at, n, first = classes[i, TIMES_AT], classes[i, TIMES_LEN], st[i, PROSPECTS_AT]
    base = par[PAR_BASE] + own[i, OWN_EXTRA]
    soft_on = par[PAR_SOFT_ON]
    k = draw(rng) & (NOISE - 1)
    chosen, least, cost, present = np.int64(-1), 0.0, 0.0, 0.0
    for m in range(n):
        expected = float(
            prospects[PROSPECT_HARD, first + m] * base
            + (prospects[PROSPECT_SOFT, first + m] + pool[at + 2 * m + 1] * par[PAR_TIME]) * soft_on
        )
        k = (k + 1) & (NOISE - 1)
        value = expected - temperature * noise[k]
        if prospects[PROSPECT_TIME, first + m] == st[i, SEEN]:
            present = expected
        if chosen < 0 or value < least:
            chosen, least, cost = np.int64(m), value, expected
    if prospects[PROSPECT_TIME, first + chosen] == st[i, SEEN]:
        return np.int64(-1), 0.0
    return chosen, cost - present


@njit(**KERNEL)
def build_prospects(
    times: Array,
    gaps: Array,
    classes: Array,
    pool: Array,
    soft_peers: Array,
    soft_weights: Array,
    par: Array,
    st: Array,
    mates: Array,
    prospects: Array,
    hits: Array,
) -> None:
    """Work the whole table out for where the classes and students are now, and have it kept up to date from now on."""
    for k in range(prospects.shape[1]):
        prospects[PROSPECT_HARD, k] = 0
        prospects[PROSPECT_SOFT, k] = 0
    hard, soft = np.int64(PROSPECT_HARD), np.int64(PROSPECT_SOFT)
    for i in range(classes.shape[0]):
        v = np.int64(st[i, SEEN])
        for m in range(classes[i, CLASH_AT], classes[i, CLASH_ALL]):
            meet(np.int64(pool[m] >> 1), v, hard, np.int64(1), times, gaps, classes, st, prospects, hits)
        for m in range(classes[i, SOFT_AT], classes[i, SOFT_ALL]):
            amount = np.int64(soft_weights[m])
            meet(np.int64(soft_peers[m] >> 1), v, soft, amount, times, gaps, classes, st, prospects, hits)
        for m in range(classes[i, MATES_AT], classes[i, MATES_AT] + st[i, MATES_LEN]):
            amount = np.int64(mates[m, 1] * par[PAR_STUDENT])
            meet(np.int64(mates[m, 0]), v, soft, amount, times, gaps, classes, st, prospects, hits)
    par[PAR_PROSPECTS] = 1


@njit(**KERNEL)
def count_hits(domains: Array, times: Array, gaps: Array, pool: Array, counts: Array) -> None:
    """How many times of a list overlap each time: counts[lists, times]; domains[lists, 2]: where they are, how many."""
    for d in range(domains.shape[0]):
        for v in range(times.shape[0]):
            for k in range(domains[d, 1]):
                counts[d, v] += np.int64(gap_between(v, pool[domains[d, 0] + 2 * k], times, gaps) < 0)


@njit(**KERNEL)
def fill_hits(domains: Array, times: Array, gaps: Array, pool: Array, hits: Array) -> None:
    """Write which they are behind the offsets that begin `hits`."""
    at = np.int64(hits[0])
    for d in range(domains.shape[0]):
        for v in range(times.shape[0]):
            for k in range(domains[d, 1]):
                if gap_between(v, pool[domains[d, 0] + 2 * k], times, gaps) < 0:
                    hits[at] = k
                    at += 1

"""What every class would meet at each of its times, and a likely time drawn by it (a heat bath).

Owns the table `prospects`: what it counts, how it follows accepted moves, the draw. Must not know other rules than
clashes, nor what is accepted: the draw is a proposal, and whoever accepts it evaluates it in full. Which times overlap
is told by `overlaps`; rooms are `occupancy`'s.

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
    LIST_AT,
    LIST_COLUMNS,
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
    SEEN,
)
from services.solver.engine.general.model import CLASH_ALL, CLASH_AT, MATES_AT, SOFT_ALL, SOFT_AT, TIMES_AT, TIMES_LEN
from services.solver.engine.general.occupancy import settle_room
from services.solver.engine.general.overlaps import meet, shift
from services.solver.engine.general.random import NOISE, draw
from services.solver.engine.jit import INNER, KERNEL, Array, Float, Index, Int


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
    lists: Array,
    overlaps: Array,
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
    mates_at, soft_at, clash_at = Index(classes[i, MATES_AT]), Index(classes[i, SOFT_AT]), Index(classes[i, CLASH_AT])
    n_mates = Index(st[i, MATES_LEN])
    n_soft = n_mates + Index(classes[i, SOFT_ALL]) - soft_at
    n_all = n_soft + Index(classes[i, CLASH_ALL]) - clash_at
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
        shift(j, was, now, what, amount, times, gaps, classes, prospects, lists, overlaps)


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
    lists: Array,
    noise: Array,
    rng: Array,
) -> tuple[Int, Float]:
    """A place in class i's list of times, drawn by what they promise, and the change of weight and cost to expect.

    (-1, 0) if that is the present time. Exact, as a draw, where only times, clashes and students matter.
    """
    penalty_at, first = Index(classes[i, TIMES_AT] + 1), Index(lists[LIST_COLUMNS * i + LIST_AT])
    base = par[PAR_BASE] + own[i, OWN_EXTRA]
    soft_on = par[PAR_SOFT_ON]
    seen = st[i, SEEN]
    k = draw(rng) & (NOISE - 1)
    chosen, least, cost, present = np.int64(-1), 0.0, 0.0, 0.0
    for m in range(Index(classes[i, TIMES_LEN])):
        expected = float(
            prospects[PROSPECT_HARD, first + m] * base
            + (prospects[PROSPECT_SOFT, first + m] + pool[penalty_at + Index(2) * m] * par[PAR_TIME]) * soft_on
        )
        k = (k + 1) & (NOISE - 1)
        value = expected - temperature * noise[Index(k)]
        if prospects[PROSPECT_TIME, first + m] == seen:
            present = expected
        if chosen < 0 or value < least:
            chosen, least, cost = np.int64(m), value, expected
    if prospects[PROSPECT_TIME, first + Index(chosen)] == seen:
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
    lists: Array,
    overlaps: Array,
) -> None:
    """Work the whole table out for where the classes and students are now, and have it kept up to date from now on."""
    for k in range(prospects.shape[1]):
        prospects[PROSPECT_HARD, k] = 0
        prospects[PROSPECT_SOFT, k] = 0
    hard, soft = np.int64(PROSPECT_HARD), np.int64(PROSPECT_SOFT)
    for i in range(classes.shape[0]):
        v = np.int64(st[i, SEEN])
        for m in range(classes[i, CLASH_AT], classes[i, CLASH_ALL]):
            meet(np.int64(pool[m] >> 1), v, hard, np.int64(1), times, gaps, classes, prospects, lists, overlaps)
        for m in range(classes[i, SOFT_AT], classes[i, SOFT_ALL]):
            amount = np.int64(soft_weights[m])
            meet(np.int64(soft_peers[m] >> 1), v, soft, amount, times, gaps, classes, prospects, lists, overlaps)
        for m in range(classes[i, MATES_AT], classes[i, MATES_AT] + st[i, MATES_LEN]):
            amount = np.int64(mates[m, 1] * par[PAR_STUDENT])
            meet(np.int64(mates[m, 0]), v, soft, amount, times, gaps, classes, prospects, lists, overlaps)
    par[PAR_PROSPECTS] = 1

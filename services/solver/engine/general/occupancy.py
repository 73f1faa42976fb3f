"""How many classes stand in a room's way at each time, and a likely room drawn by it (a heat bath).

Owns the table `busy`: what it counts, how it follows accepted moves, the draw. Must not know what speaks for a room but
penalties and the other classes in it, nor what is accepted: the draw is a proposal, as that of `prospects` is.

A class has a hundred rooms to choose from, most of them taken or worse than the present one. Looking through the lists
of their classes takes longer than all the rest of a move; with the table a room costs one read.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from services.solver.engine.general.layout import (
    OWN_EXTRA,
    PAR_BASE,
    PAR_NO_ROOM,
    PAR_PROSPECTS,
    PAR_ROOM,
    PAR_SOFT_ON,
    ROOM,
    ROOM_BLOCKED,
    SEEN,
    SEEN_ROOM,
)
from services.solver.engine.general.model import ROOMS_AT, ROOMS_LEN
from services.solver.engine.general.random import NOISE, draw
from services.solver.engine.general.rules import gap_between
from services.solver.engine.jit import INNER, KERNEL, LEAF, Array, Bool, Float, Index, Int


@njit(**INNER)
def is_tabled(par: Array, busy: Array) -> Bool:
    """True while the table is kept up to date."""
    return par[PAR_PROSPECTS] == 1 and busy.shape[0] > 0


@njit(**INNER)
def settle_room(i: int, times: Array, gaps: Array, par: Array, time: Array, st: Array, busy: Array) -> None:
    """Count class i where it is now. Called once a move is accepted, before the class's time counts as seen."""
    was, now = st[i, SEEN], time[i]
    r0, r = st[i, SEEN_ROOM], st[i, ROOM]
    if was == now and r0 == r:
        return
    st[i, SEEN_ROOM] = r
    if is_tabled(par, busy):
        # A look at a gap is cheap; a write is a cache line of its own, and few times overlap.
        if r0 < par[PAR_NO_ROOM]:
            for v in range(Index(busy.shape[0])):
                if gap_between(was, v, times, gaps) < 0:
                    busy[v, Index(r0)] -= np.int16(1)
        if r < par[PAR_NO_ROOM]:
            for v in range(Index(busy.shape[0])):
                if gap_between(now, v, times, gaps) < 0:
                    busy[v, Index(r)] += np.int16(1)


@njit(**LEAF)
def in_way(i: int, u: int, r: int, times: Array, gaps: Array, st: Array, busy: Array) -> Int:
    """How many other classes, or closures, are in the way of class i in room r at time u."""
    if r == st[i, SEEN_ROOM] and gap_between(u, st[i, SEEN], times, gaps) < 0:
        return np.int64(busy[Index(u), Index(r)]) - 1
    return np.int64(busy[Index(u), Index(r)])


@njit(**INNER)
def likely_room(
    i: int,
    u: int,
    temperature: float,
    times: Array,
    gaps: Array,
    classes: Array,
    pool: Array,
    par: Array,
    st: Array,
    own: Array,
    busy: Array,
    noise: Array,
    rng: Array,
) -> tuple[Int, Float]:
    """A place in class i's list of rooms, drawn by what they promise at time u, and the change to expect at this time.

    The change is of weight and cost against the present room at time u. Exact, as a draw, where only penalties and
    taken rooms matter.
    """
    at, n = Index(classes[i, ROOMS_AT]), classes[i, ROOMS_LEN]
    base = par[PAR_BASE] + own[i, OWN_EXTRA]
    penalty_weight = par[PAR_SOFT_ON] * par[PAR_ROOM]
    mine = st[i, SEEN_ROOM]
    k = draw(rng) & (NOISE - 1)
    chosen, least, cost, present = np.int64(-1), 0.0, 0.0, 0.0
    for m in range(Index(n)):
        r = pool[at + Index(2) * m]
        expected = float(
            in_way(i, u, r, times, gaps, st, busy) * base + pool[at + Index(2) * m + Index(1)] * penalty_weight
        )
        k = (k + 1) & (NOISE - 1)
        value = expected - temperature * noise[Index(k)]
        if r == mine:
            present = expected
        if chosen < 0 or value < least:
            chosen, least, cost = np.int64(m), value, expected
    return chosen, cost - present


@njit(**KERNEL)
def build_busy(
    times: Array, gaps: Array, blocked: Array, par: Array, rooms: Array, time: Array, st: Array, busy: Array
) -> None:
    """Count anew for where the classes are now, closed rooms as if a class were there."""
    n_rooms = par[PAR_NO_ROOM]
    for v in range(busy.shape[0]):
        for r in range(n_rooms):
            row = rooms[r, ROOM_BLOCKED]
            busy[v, r] = 0
            if row >= 0 and blocked[row, v] != 0:
                busy[v, r] = 1
        for i in range(time.shape[0]):
            if st[i, ROOM] < n_rooms:
                busy[v, st[i, ROOM]] += np.int16(gap_between(time[i], v, times, gaps) < 0)

"""Choosing one of a class's options by what the table says about them.

Owns the scan of a class's options and the draw among them. Must not know what is accepted, nor chains.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from services.solver.engine.general.jit import INNER, Array, Float, Int
from services.solver.engine.general.layout import (
    HARD,
    PAR_NO_ROOM,
    PAR_ROOM,
    PAR_SOFT_ON,
    PAR_TIME,
    ROOM,
    ROOM_OPTION,
    ROOM_WEIGHT,
    SOFT,
    TIME_OPTION,
)
from services.solver.engine.general.model import (
    CELLS_AT,
    PLACES_LEN,
    ROOMS_AT,
    ROOMS_LEN,
    TIMES_AT,
    TIMES_LEN,
    WHICH_AT,
)
from services.solver.engine.general.random import below, unit
from services.solver.engine.general.relocation import room_load
from services.solver.engine.general.rules import gap_between

# Options looked at in one scan; of a class with more a random window is taken.
MAX_SCAN = 256
# Options worse than the best by more than this many temperatures are never drawn (e^-12 = 0.000006).
REACH = 12.0


@njit(**INNER)
def scan(
    i: int,
    discount: float,
    times: Array,
    gaps: Array,
    blocked: Array,
    classes: Array,
    pool: Array,
    par: Array,
    rooms: Array,
    load: Array,
    time: Array,
    st: Array,
    cells: Array,
    value: Array,
    window: Array,
    rng: Array,
) -> Int:
    """Fill `value` with what class i would weigh in each option looked at but its present one (infinity); how many.

    Extras are not in it. Violations count `discount` times their weight; with a discount options without any are left
    out (infinity). `window` keeps where the options start and how many rooms there are per time.
    """
    n_times, n_rooms = classes[i, TIMES_LEN], max(np.int64(1), classes[i, ROOMS_LEN])
    n, m = n_times, n_rooms
    t, first_room = np.int64(0), np.int64(0)
    if n * m > MAX_SCAN:
        # All times in some of the rooms, or all rooms at some of the times.
        if below(rng, np.int64(2)) == 0:
            n = min(n, MAX_SCAN)
            m = min(m, max(1, MAX_SCAN // n))
        else:
            m = min(m, MAX_SCAN)
            n = min(n, max(1, MAX_SCAN // m))
        t, first_room = below(rng, n_times), below(rng, n_rooms)
    window[0], window[1], window[2] = t, first_room, m
    soft_on, no_room = par[PAR_SOFT_ON], par[PAR_NO_ROOM]
    u0, r0, t0, k0 = time[i], st[i, ROOM], st[i, TIME_OPTION], st[i, ROOM_OPTION]
    times_at, rooms_at, which = classes[i, TIMES_AT], classes[i, ROOMS_AT], classes[i, WHICH_AT]
    at = 0
    for _ in range(n):
        u = pool[times_at + 2 * t]
        by_time = pool[times_at + 2 * t + 1] * par[PAR_TIME]
        c = classes[i, CELLS_AT] + t * classes[i, PLACES_LEN]
        own = gap_between(u0, u, times, gaps) < 0
        k = first_room
        for _ in range(m):
            r = pool[rooms_at + 2 * k]
            p = c + pool[which + k]
            hard = cells[p, HARD]
            if r < no_room:
                there = room_load(r, u, times, gaps, blocked, rooms, load, time, st)
                if own and r == r0:
                    there -= 1
                hard += there * rooms[r, ROOM_WEIGHT]
            soft = (cells[p, SOFT] + by_time + pool[rooms_at + 2 * k + 1] * par[PAR_ROOM]) * soft_on
            value[at] = hard * discount + soft
            if (t == t0 and k == k0) or (discount < 1.0 and hard == 0):
                value[at] = math.inf
            at += 1
            k += 1
            if k == n_rooms:
                k = np.int64(0)
        t += 1
        if t == n_times:
            t = np.int64(0)
    return at


@njit(**INNER)
def pick(n: int, temperature: float, value: Array, share: Array, rng: Array) -> tuple[Int, Float, Float]:
    """Draw one of `value[:n]` with probability proportional to exp(-value / temperature).

    Returns (which, lowest value, sum of exp((lowest - value) / temperature)); (-1, infinity, 0) if all are.
    `share[:n]` keeps the terms of the sum.
    """
    low = math.inf
    for k in range(n):
        low = min(low, value[k])
    if low == math.inf:
        return np.int64(-1), low, 0.0
    total = 0.0
    for k in range(n):
        d = (value[k] - low) / temperature
        share[k] = 0.0
        if d < REACH:
            share[k] = math.exp(-d)
            total += share[k]
    point = unit(rng) * total
    chosen = np.int64(-1)
    for k in range(n):
        if share[k] > 0.0:
            chosen = np.int64(k)
            point -= share[k]
            if point <= 0.0:
                break
    return chosen, low, total


@njit(**INNER)
def option_at(which: int, i: int, classes: Array, window: Array) -> tuple[Int, Int]:
    """The (time option, room option) that the last scan of class i had at this place."""
    t = window[0] + which // window[2]
    k = window[1] + which % window[2]
    n_times, n_rooms = classes[i, TIMES_LEN], max(np.int64(1), classes[i, ROOMS_LEN])
    if t >= n_times:
        t -= n_times
    if k >= n_rooms:
        k -= n_rooms
    return t, k

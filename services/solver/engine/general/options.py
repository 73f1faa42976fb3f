"""What a class could be moved to, and what stands in its way.

Owns how options are drawn, those that another class's move suggests or asks for, and the search for an obstacle. Must
not know what is accepted.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from services.solver.engine.general.layout import (
    JOINT,
    NEXT,
    OWN_ROOM,
    OWN_TIME,
    PAR_JOINT,
    PAR_NO_ROOM,
    PAR_ROOM,
    PAR_TIME,
    ROOM,
    ROOM_BLOCKED,
    ROOM_HEAD,
)
from services.solver.engine.general.model import (
    CLASH_ALL,
    CLASH_AT,
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
    TIES_AT,
    TIMES_AT,
    TIMES_LEN,
)
from services.solver.engine.general.occupancy import in_way, likely_room
from services.solver.engine.general.random import below, draw
from services.solver.engine.general.rules import gap_between, pair_violated
from services.solver.engine.jit import INNER, Array, Bool, Index, Int

# Rooms looked at for one that is free at the time drawn.
ROOM_TRIES = 3
# What `related_option` knows.
RELATED_OPTIONS = 5


@njit(**INNER)
def draw_option(
    i: int,
    at_time: int,
    tries: int,
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
    """A random option of class i: (time, room, their weighted penalties); another time, another room, or both.

    With `at_time` >= 0 the time is the one at this place in the class's list, and only the room is drawn, or kept.
    Up to `tries` rooms are looked at for one that is free at that time; 1 where its class may be pushed out.
    """
    u, r = np.int64(time[i]), np.int64(st[i, ROOM])
    time_penalty, room_penalty = own[i, OWN_TIME], own[i, OWN_ROOM]
    n_times, n_rooms = classes[i, TIMES_LEN], classes[i, ROOMS_LEN]
    what = draw(rng) % 3
    if at_time >= 0 and what == 0:
        what = np.int64(2)
    if (what != 0 or n_rooms < 2) and n_times > 1:
        at = classes[i, TIMES_AT]
        if at_time >= 0:
            at += 2 * at_time
        else:
            at += 2 * below(rng, n_times)
        u = np.int64(pool[at])
        time_penalty = pool[at + 1] * par[PAR_TIME]
    if (what != 1 or n_times < 2) and n_rooms > 1:
        for _ in range(tries):
            at = classes[i, ROOMS_AT] + 2 * below(rng, n_rooms)
            r = np.int64(pool[at])
            room_penalty = pool[at + 1] * par[PAR_ROOM]
            free = rooms[r, ROOM_BLOCKED] < 0 or blocked[rooms[r, ROOM_BLOCKED], u] == 0
            j = rooms[r, ROOM_HEAD]
            while j >= 0 and free:
                free = j == i or gap_between(u, time[Index(j)], times, gaps) >= 0
                j = st[Index(j), NEXT]
            if free:
                break
    return u, r, time_penalty, room_penalty


@njit(**INNER)
def likely_option(
    i: int,
    at_time: int,
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
) -> tuple[Int, Int, Int, Int]:
    """The time at this place in class i's list, with a likely room at it: (time, room, their weighted penalties).

    A third of the time the present room, if that is free: most rooms are taken at any other time.
    """
    at = classes[i, TIMES_AT] + 2 * at_time
    u, r = np.int64(pool[at]), np.int64(st[i, ROOM])
    time_penalty, room_penalty = pool[at + 1] * par[PAR_TIME], own[i, OWN_ROOM]
    keeps = draw(rng) % 3 == 1
    if classes[i, ROOMS_LEN] > 1 and not (keeps and in_way(i, u, r, times, gaps, st, busy) <= 0):
        m, _ = likely_room(i, u, temperature, times, gaps, classes, pool, par, st, own, busy, noise, rng)
        at = classes[i, ROOMS_AT] + 2 * m
        r, room_penalty = np.int64(pool[at]), pool[at + 1] * par[PAR_ROOM]
    return u, r, time_penalty, room_penalty


@njit(**INNER)
def option_with(i: int, first: int, wanted: int, classes: Array, pool: Array) -> Int:
    """Where the pool has option `wanted` of class i, in its list of times or rooms (`first`: TIMES_AT, ROOMS_AT)."""
    at = classes[i, first]
    for m in range(Index(at), Index(at + 2 * classes[i, first + 1]), Index(2)):
        if pool[m] == wanted:
            return np.int64(m)
    return np.int64(-1)


@njit(**INNER)
def related_option(
    i: int,
    which: int,
    u0: int,
    r0: int,
    u: int,
    r: int,
    classes: Array,
    pool: Array,
    par: Array,
    time: Array,
    st: Array,
    own: Array,
) -> tuple[Int, Int, Int, Int]:
    """What another class's move from (u0, r0) to (u, r) suggests for class i, which stands in its way.

    0 to 2: the room, the time or both that have become free, so that the two change places. 3 and 4: the same time or
    the same room, for classes that are tied to each other. The present option if class i has no such option.
    """
    time_penalty, room_penalty = own[i, OWN_TIME], own[i, OWN_ROOM]
    v, s = np.int64(time[i]), np.int64(st[i, ROOM])
    wanted_time, wanted_room = v, s
    if which == 3:
        wanted_time = np.int64(u)
    elif which == 1 or which == 2:
        wanted_time = np.int64(u0)
    if which == 4:
        wanted_room = np.int64(r)
    elif which == 0 or which == 2:
        wanted_room = np.int64(r0)
    at = np.int64(0)
    if wanted_time != v:
        at = option_with(i, np.int64(TIMES_AT), wanted_time, classes, pool)
        if at >= 0:
            time_penalty = pool[at + 1] * par[PAR_TIME]
    if wanted_room != s and at >= 0:
        at = option_with(i, np.int64(ROOMS_AT), wanted_room, classes, pool)
        if at >= 0:
            room_penalty = pool[at + 1] * par[PAR_ROOM]
    if at < 0:
        return v, s, own[i, OWN_TIME], own[i, OWN_ROOM]
    return wanted_time, wanted_room, time_penalty, room_penalty


@njit(**INNER)
def ties_hold(
    i: int,
    u: int,
    last: int,
    times: Array,
    gaps: Array,
    travel: Array,
    classes: Array,
    pool: Array,
    par: Array,
    rooms: Array,
    time: Array,
    st: Array,
) -> Bool:
    """True if time u suits class i beside all the classes that the present joint move has placed.

    `last` is TIES_END for the hard ties only, or TIES_ALL.
    """
    r = np.int64(st[i, ROOM])
    for m in range(classes[i, TIES_AT], classes[i, last], 2):
        j = pool[m]
        if st[j, JOINT] == par[PAR_JOINT] and pair_violated(
            pool[m + 1], np.int64(0), u, r, time[j], r, times, gaps, travel, rooms
        ):
            return False
    return True


@njit(**INNER)
def untied(
    i: int,
    last: int,
    times: Array,
    gaps: Array,
    travel: Array,
    classes: Array,
    pool: Array,
    par: Array,
    rooms: Array,
    time: Array,
    st: Array,
) -> Int:
    """A class tied to class i that has to follow the present joint move where it stands now; -1 if none."""
    for m in range(classes[i, TIES_AT], classes[i, last], 2):
        j = np.int64(pool[m])
        if st[j, JOINT] != par[PAR_JOINT] and not ties_hold(
            j, np.int64(time[j]), last, times, gaps, travel, classes, pool, par, rooms, time, st
        ):
            return j
    return np.int64(-1)


@njit(**INNER)
def tied_time(
    i: int,
    last: int,
    times: Array,
    gaps: Array,
    travel: Array,
    classes: Array,
    pool: Array,
    par: Array,
    rooms: Array,
    time: Array,
    st: Array,
    rng: Array,
) -> Int:
    """Where class i's list of times has one, from a random one on, with which its ties hold; -1 if none."""
    n = classes[i, TIMES_LEN]
    k = below(rng, n)
    for _ in range(n):
        u = np.int64(pool[classes[i, TIMES_AT] + 2 * k])
        if ties_hold(i, u, last, times, gaps, travel, classes, pool, par, rooms, time, st):
            return k
        k += 1
        if k == n:
            k = np.int64(0)
    return np.int64(-1)


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
            if j != i and gap_between(u, time[Index(j)], times, gaps) < 0:
                seen += 1
                if below(rng, seen) == 0:
                    found = j
            j = st[Index(j), NEXT]
    for m in range(Index(classes[i, CLASH_AT]), Index(classes[i, CLASH_ALL])):
        j = pool[m] >> 1
        if gap_between(u, time[Index(j)], times, gaps) < travel[p, Index(place[Index(j)])] * (pool[m] & 1):
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

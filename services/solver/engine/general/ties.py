"""Joint moves: a class and all that its ties ask to move with it.

Owns the move and its undoing. Must not know which classes are tried.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from services.solver.engine.general.contribution import relocate
from services.solver.engine.general.layout import JOINT, OWN_ROOM, OWN_TIME, PAR_JOINT, PAR_SOFT_ON, ROOM
from services.solver.engine.general.model import TIES_ALL, TIES_END, TIMES_AT, TIMES_LEN
from services.solver.engine.general.options import ROOM_TRIES, draw_option, tied_time, untied
from services.solver.engine.general.prospects import settle
from services.solver.engine.general.random import below, unit
from services.solver.engine.jit import INNER, Array, Bool

# Classes that are moved together at most.
MAX_JOINT = 48
# Share of joint moves that keep the soft rules of this kind, too.
SOFT_TIES = 0.5


@njit(**INNER)
def move_tied(
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
    log: Array,
    prospects: Array,
    lists: Array,
    overlaps: Array,
    busy: Array,
    rng: Array,
) -> Bool:
    """Try another time of class i, and with it other times of all classes that ties then ask to move as well.

    Accepted if the weighted change of everything together is at most `threshold`, else undone.
    """
    par[PAR_JOINT] += 1
    last = np.int64(TIES_END)
    if unit(rng) < SOFT_TIES:
        last = np.int64(TIES_ALL)
    total = 0.0
    steps = 0
    done = 0  # classes of the log whose ties have been looked at
    j = np.int64(i)
    at_time = below(rng, classes[i, TIMES_LEN])
    possible = pool[classes[i, TIMES_AT] + 2 * at_time] != time[i]
    while possible:
        u, r, tp, rp = draw_option(
            j, at_time, np.int64(ROOM_TRIES), times, gaps, blocked, classes, pool, par, rooms, time, st,
            own, rng,
        )  # fmt: skip
        log[steps, 0] = j
        log[steps, 1] = time[j]
        log[steps, 2] = st[j, ROOM]
        log[steps, 3] = own[j, OWN_TIME]
        log[steps, 4] = own[j, OWN_ROOM]
        steps += 1
        _, weight, soft = relocate(
            j, u, r, tp, rp, times, gaps, travel, blocked, classes, pool, soft_peers, soft_weights, rules, par, rooms,
            time, place, st, own, con, mates, work,
        )  # fmt: skip
        st[j, JOINT] = par[PAR_JOINT]
        total += weight + soft * par[PAR_SOFT_ON]
        j = np.int64(-1)
        while done < steps and j < 0:
            j = untied(log[done, 0], last, times, gaps, travel, classes, pool, par, rooms, time, st)
            if j < 0:
                done += 1
        if j < 0:
            if total <= threshold:
                for k in range(steps):
                    settle(
                        np.int64(log[k, 0]), times, gaps, classes, pool, soft_peers, soft_weights, par, time, st, mates,
                        prospects, lists, overlaps, busy,
                    )  # fmt: skip
                return True
            break
        at_time = tied_time(j, last, times, gaps, travel, classes, pool, par, rooms, time, st, rng)
        possible = at_time >= 0 and steps < MAX_JOINT
    for k in range(steps - 1, -1, -1):
        relocate(
            log[k, 0], log[k, 1], log[k, 2], log[k, 3], log[k, 4], times, gaps, travel, blocked, classes, pool,
            soft_peers, soft_weights, rules, par, rooms, time, place, st, own, con, mates, work,
        )  # fmt: skip
    return False

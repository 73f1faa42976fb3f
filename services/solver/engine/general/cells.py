"""The table of what every option of every class would violate and cost: filling it, and keeping it exact.

Owns `cells` (see `layout`): the part of the objective that hangs on a class's time and place and on those of one other
class at a time, that is pair rules, clash lists, soft curricula and students in common. What hangs on rooms or on whole
sets is not in it. Must not know moves, nor why anything is looked at.

A look at an option is then one read, where adding its terms up takes a pass over some hundred peers; the price is paid
when a class or a student moves, which is rare once the search is cool.
"""

from __future__ import annotations

from numba import njit

from services.solver.engine.general.hashing import look_up
from services.solver.engine.general.jit import INNER, LEAF, Array, Bool, Int
from services.solver.engine.general.layout import HARD, PAR_DOMAINS, PAR_SOFT_ON, PAR_STUDENT, PAR_TABLED, SOFT
from services.solver.engine.general.model import (
    CELLS_AT,
    COURSE,
    DOMAIN,
    FIRST_OF_COURSE,
    MATES_AT,
    MATES_END,
    NOT_OVERLAP,
    PEER,
    PEER_TIE,
    PEERS_AT,
    PEERS_END,
    PLACES_AT,
    PLACES_LEN,
    SAME_ATTENDEES,
    TIE_A,
    TIE_FIRST,
    TIE_KIND,
    TIE_SOFT,
    TIMES_AT,
    TIMES_LEN,
)
from services.solver.engine.general.rules import gap_between, pair_violated


@njit(**LEAF)
def tie_violated(
    kind: int,
    a: int,
    first: int,
    u: int,
    p: int,
    v: int,
    q: int,
    times: Array,
    gaps: Array,
    travel: Array,
) -> Bool:
    """True if a tie of times and places does not hold for (time u, place p) and (v, q); `first`: u's class is first."""
    if kind == SAME_ATTENDEES:
        return gap_between(u, v, times, gaps) < travel[p, q]
    if first:
        return pair_violated(kind, a, u, v, times, gaps)
    return pair_violated(kind, a, v, u, times, gaps)


@njit(**LEAF)
def shift_cells(
    i: int,
    kind: int,
    a: int,
    first: int,
    hard: int,
    soft: int,
    v0: int,
    q0: int,
    v: int,
    q: int,
    times: Array,
    gaps: Array,
    travel: Array,
    near_at: Array,
    near: Array,
    classes: Array,
    pool: Array,
    par: Array,
    cells: Array,
) -> None:
    """Class i's cells after a peer that it is tied to went from (time v0, place q0) to (v, q); -1: there was, is none.

    `first` is as class i's list has it. Cells that the peer's new place violates gain (hard, soft), those that the old
    one violated lose it.
    """
    at, n_places = classes[i, CELLS_AT], classes[i, PLACES_LEN]
    options, places = classes[i, TIMES_AT], classes[i, PLACES_AT]
    if near_at.shape[0] > 0 and (kind == SAME_ATTENDEES or kind == NOT_OVERLAP):  # noqa: SIM109  # a tuple for `in`
        # By far the most: only the options that the old and the new time come near to.
        for step in range(2):
            w, s, sign = v0, q0, -1
            if step == 1:
                w, s, sign = v, q, 1
            if w < 0:
                continue
            row = w * par[PAR_DOMAINS] + classes[i, DOMAIN]
            for m in range(near_at[row], near_at[row + 1]):
                t = near[m]
                c = at + t * n_places
                gap = gap_between(w, pool[options + 2 * t], times, gaps)
                for k in range(n_places):
                    if gap < 0 or (kind == SAME_ATTENDEES and gap < travel[s, pool[places + k]]):
                        cells[c + k, HARD] += sign * hard
                        cells[c + k, SOFT] += sign * soft
        return
    for t in range(classes[i, TIMES_LEN]):
        u = pool[options + 2 * t]
        c = at + t * n_places
        for k in range(n_places):
            p = pool[places + k]
            change = 0
            if v >= 0 and tie_violated(kind, a, first, u, p, v, q, times, gaps, travel):
                change = 1
            if v0 >= 0 and tie_violated(kind, a, first, u, p, v0, q0, times, gaps, travel):
                change -= 1
            if change != 0:
                cells[c + k, HARD] += change * hard
                cells[c + k, SOFT] += change * soft


@njit(**INNER)
def fill_cells(
    i: int,
    times: Array,
    gaps: Array,
    travel: Array,
    near_at: Array,
    near: Array,
    classes: Array,
    pool: Array,
    peers: Array,
    ties: Array,
    mate_class: Array,
    par: Array,
    time: Array,
    place: Array,
    cells: Array,
    pair_weight: Array,
    mates: Array,
) -> None:
    """Work class i's cells out from where everybody is."""
    at = classes[i, CELLS_AT]
    for c in range(at, at + classes[i, TIMES_LEN] * classes[i, PLACES_LEN]):
        cells[c, HARD] = 0
        cells[c, SOFT] = 0
    soft_on = par[PAR_SOFT_ON]
    first, end = classes[i, PEERS_AT], classes[i, PEERS_END]
    # One call for both lists: its body is long, and compiled where it stands.
    for m in range(first, end + (classes[i, MATES_END] - classes[i, MATES_AT]) * soft_on):
        kind, a, before, hard = SAME_ATTENDEES, 0, 0, 0
        if m < end:
            j = peers[m, PEER]
            tie = peers[m, PEER_TIE]
            kind, a, before = ties[tie, TIE_KIND], ties[tie, TIE_A], ties[tie, TIE_FIRST]
            hard = pair_weight[m]
            soft = ties[tie, TIE_SOFT] * soft_on
        else:
            x = classes[i, MATES_AT] + m - end
            if mates[x] == 0:
                continue
            j = mate_class[x]
            soft = mates[x] * par[PAR_STUDENT]
        if hard != 0 or soft != 0:
            shift_cells(
                i,
                kind,
                a,
                before,
                hard,
                soft,
                -1,
                0,
                time[j],
                place[j],
                times,
                gaps,
                travel,
                near_at,
                near,
                classes,
                pool,
                par,
                cells,
            )


@njit(**INNER)
def ready_cells(
    i: int,
    times: Array,
    gaps: Array,
    travel: Array,
    near_at: Array,
    near: Array,
    classes: Array,
    pool: Array,
    peers: Array,
    ties: Array,
    mate_class: Array,
    par: Array,
    time: Array,
    place: Array,
    cells: Array,
    pair_weight: Array,
    mates: Array,
) -> None:
    """Call it before reading class i's cells: where memory does not allow a table they are worked out now."""
    if par[PAR_TABLED] == 0:
        fill_cells(
            i,
            times,
            gaps,
            travel,
            near_at,
            near,
            classes,
            pool,
            peers,
            ties,
            mate_class,
            par,
            time,
            place,
            cells,
            pair_weight,
            mates,
        )


@njit(**LEAF)
def mate_position(i: int, j: int, classes: Array, courses: Array, mate_at: Array) -> Int:
    """Where `mates` counts the students that class i shares with class j."""
    key = classes[i, COURSE] * courses.shape[0] + classes[j, COURSE]
    return classes[i, MATES_AT] + look_up(key, mate_at) + j - classes[j, FIRST_OF_COURSE]

"""The rules of a timetable as compiled functions: gaps between times, pair rules, rules on a whole set.

Owns what each distribution type means (ITC-2019 problem description; the last three from ITC-2007 track 3), once, for
the search and for the recount. Must not know moves, caches or annealing.

`work` is scratch (at least twice the longest rule) and `state` of a class is read through `time` and `st`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from services.solver.engine.general.layout import (
    PAR_DAYS,
    PAR_DISTRIBUTION,
    PAR_NO_ROOM,
    PAR_STAMP,
    PAR_WEEKS,
    ROOM,
    ROOM_PLACE,
    ROOM_STAMP,
)
from services.solver.engine.general.model import (
    DAYS,
    DIFFERENT_DAYS,
    DIFFERENT_ROOM,
    DIFFERENT_TIME,
    DIFFERENT_WEEKS,
    END,
    FIRST_MEETING,
    ISOLATED_LECTURES,
    MAX_BLOCK,
    MAX_BREAKS,
    MAX_DAY_LOAD,
    MAX_DAYS,
    MIN_GAP,
    MIN_WORKING_DAYS,
    NEVER_MEET,
    NOT_OVERLAP,
    OVERLAP,
    PRECEDENCE,
    ROOM_STABILITY,
    RULE_A,
    RULE_AT,
    RULE_B,
    RULE_END,
    RULE_HARD,
    RULE_KIND,
    RULE_PENALTY,
    SAME_ATTENDEES,
    SAME_ROOM,
    SAME_START,
    SAME_TIME,
    SAME_WEEKS,
    START,
    WEEKS,
)
from services.solver.engine.jit import INNER, LEAF, Array, Bool, Index, Int


@njit(**LEAF)
def gap_between(u: int, v: int, times: Array, gaps: Array) -> Int:
    """Slots between two times where they meet: negative if they overlap, NEVER_MEET without a common day and week."""
    if gaps.shape[0] > 0:
        return np.int64(gaps[Index(u), Index(v)])
    if times[u, WEEKS] & times[v, WEEKS] == 0 or times[u, DAYS] & times[v, DAYS] == 0:
        return np.int64(NEVER_MEET)
    return max(times[u, START], times[v, START]) - min(times[u, END], times[v, END])


@njit(**INNER)
def pair_violated(
    kind: int,
    a: int,
    u: int,
    r: int,
    v: int,
    s: int,
    times: Array,
    gaps: Array,
    travel: Array,
    rooms: Array,
) -> Bool:
    """True if the pair rule does not hold for (time u, room r), listed first, and (time v, room s).

    Two classes without a room comply with SameRoom and with DifferentRoom alike.
    """
    if kind == SAME_ROOM:
        return r != s
    if kind == DIFFERENT_ROOM:
        return r == s and r < rooms.shape[0] - 1
    if kind >= NOT_OVERLAP and kind != PRECEDENCE:
        gap = gap_between(u, v, times, gaps)
        if kind == NOT_OVERLAP:
            return gap < 0
        if kind == SAME_ATTENDEES:
            return gap < travel[Index(rooms[Index(r), ROOM_PLACE]), Index(rooms[Index(s), ROOM_PLACE])]
        if kind == MIN_GAP:
            return gap < a if gap < NEVER_MEET else False
        # WORK_DAY
        return gap < NEVER_MEET and max(times[u, END], times[v, END]) - min(times[u, START], times[v, START]) > a
    x, y = Index(u), Index(v)
    start_u, end_u, start_v, end_v = times[x, START], times[x, END], times[y, START], times[y, END]
    if kind == PRECEDENCE:
        first_u, first_v = times[x, FIRST_MEETING], times[y, FIRST_MEETING]
        return first_u > first_v or (first_u == first_v and end_u > start_v)
    if kind == SAME_START:
        return start_u != start_v
    if kind == SAME_TIME:
        return not ((start_u <= start_v and end_v <= end_u) or (start_v <= start_u and end_u <= end_v))
    if kind == DIFFERENT_TIME:
        return start_u < end_v and start_v < end_u
    if kind == OVERLAP:
        return gap_between(u, v, times, gaps) >= 0
    column = DAYS
    if kind == SAME_WEEKS or kind == DIFFERENT_WEEKS:  # noqa: SIM109  # numba builds a tuple for `in`
        column = WEEKS
    one, two = times[x, column], times[y, column]
    if kind == DIFFERENT_DAYS or kind == DIFFERENT_WEEKS:  # noqa: SIM109  # as above
        return one & two != 0
    both = one | two
    return both != one and both != two


@njit(**INNER)
def bits_set(x: int) -> Int:
    count = 0
    while x:
        x &= x - 1
        count += 1
    return count


@njit(**INNER)
def set_measure(
    k: int,
    i: int,
    u: int,
    r: int,
    times: Array,
    pool: Array,
    rules: Array,
    par: Array,
    rooms: Array,
    time: Array,
    st: Array,
    work: Array,
) -> Int:
    """How far rule k on a whole set is from holding, with class i in time u and room r instead of where it is."""
    kind, limit, apart = rules[k, RULE_KIND], rules[k, RULE_A], rules[k, RULE_B]
    at, end = rules[k, RULE_AT], rules[k, RULE_END]
    if kind == MAX_DAYS or kind == MIN_WORKING_DAYS:  # noqa: SIM109  # as above
        days = 0
        for m in range(at, end):
            v = u if pool[m] == i else time[Index(pool[m])]
            if v >= 0:
                days |= times[Index(v), DAYS]
        used = bits_set(days)
        return max(0, used - limit) if kind == MAX_DAYS else max(0, limit - used)
    if kind == ROOM_STABILITY:
        # A stamp per room instead of a set: the count of the call that saw the room last.
        par[PAR_STAMP] += 1
        distinct = 0
        for m in range(at, end):
            j = pool[m]
            s = r if j == i else st[j, ROOM]
            if j != i and time[j] < 0:
                continue
            if s < par[PAR_NO_ROOM] and rooms[s, ROOM_STAMP] != par[PAR_STAMP]:
                rooms[s, ROOM_STAMP] = par[PAR_STAMP]
                distinct += 1
        return max(0, distinct - 1)
    if kind == ISOLATED_LECTURES:
        isolated = 0
        for m in range(at, end):
            v = u if pool[m] == i else time[Index(pool[m])]
            if v < 0:
                continue
            lonely = times[v, DAYS]
            for o in range(at, end):
                w = u if pool[o] == i else time[pool[o]]
                if o == m or w < 0 or times[v, WEEKS] & times[w, WEEKS] == 0:
                    continue
                if times[v, START] == times[w, END] or times[v, END] == times[w, START]:
                    lonely &= ~times[w, DAYS]
            isolated += bits_set(lonely)
        return isolated
    return day_measure(kind, limit, apart, at, end, i, u, times, pool, par, time, work)


@njit(**INNER)
def day_measure(
    kind: int,
    limit: int,
    apart: int,
    at: int,
    end: int,
    i: int,
    u: int,
    times: Array,
    pool: Array,
    par: Array,
    time: Array,
    work: Array,
) -> Int:
    """MaxDayLoad, MaxBreaks, MaxBlock: excess summed over the days of every week."""
    n = 0
    all_days = 0
    for m in range(at, end):
        v = u if pool[m] == i else time[Index(pool[m])]
        if v < 0:
            continue
        all_days |= times[Index(v), DAYS]
        start = times[Index(v), START]
        k = n
        while k > 0 and times[Index(work[k - 1]), START] > start:
            work[k] = work[k - 1]
            k -= 1
        work[k] = v
        n += 1
    total = 0
    for d in range(par[PAR_DAYS]):
        if not all_days >> d & 1:
            continue
        on_day = n  # the day's classes, in order of start, stand behind those of the whole week
        for k in range(n):
            if times[Index(work[k]), DAYS] >> d & 1:
                work[on_day] = work[k]
                on_day += 1
        seen = 0
        value = 0
        for w in range(par[PAR_WEEKS]):
            # Most weeks repeat the week before: its value is kept (needs one bit per class, so up to 63 classes).
            active = 0
            for k in range(n, on_day):
                if times[Index(work[k]), WEEKS] >> w & 1:
                    active |= 1 << min(k - n, 62)
            if active == 0:
                continue
            if active != seen or on_day - n > 62:
                seen = active
                value = week_day_measure(kind, limit, apart, n, on_day, w, times, work)
            total += value
    return total


@njit(**INNER)
def week_day_measure(kind: int, limit: int, apart: int, at: int, end: int, week: int, times: Array, work: Array) -> Int:
    """The excess on one day of one week; `work[at:end]` are the day's times by start."""
    load = 0
    blocks = 0
    too_long = 0
    block_start, block_end, block_size = 0, 0, 0
    for k in range(at, end):
        v = Index(work[k])
        if not times[v, WEEKS] >> week & 1:
            continue
        load += times[v, END] - times[v, START]
        if block_size > 0 and times[v, START] <= block_end + apart:
            block_size += 1
            block_end = max(block_end, times[v, END])
            continue
        if block_size > 1 and block_end - block_start > limit:
            too_long += 1
        blocks += 1
        block_size = 1
        block_start, block_end = times[v, START], times[v, END]
    if kind == MAX_DAY_LOAD:
        return max(0, load - limit)
    if kind == MAX_BREAKS:
        return max(0, blocks - limit - 1)
    if block_size > 1 and block_end - block_start > limit:
        too_long += 1
    return too_long


@njit(**LEAF)
def soft_cost(k: int, measure: int, rules: Array, par: Array) -> Int:
    """The weighted cost of soft rule k at a measure; the rules per day divide by the number of weeks, at the end."""
    if rules[k, RULE_HARD] == 1:
        return 0
    amount = rules[k, RULE_PENALTY] * measure
    if MAX_DAY_LOAD <= rules[k, RULE_KIND] <= MAX_BLOCK:
        amount //= par[PAR_WEEKS]
    return par[PAR_DISTRIBUTION] * amount

"""From the expanded problem to the arrays of the period-grid search, if its shape allows.

Owns the decision what a period-grid problem is, and the translation. Must not know how the grid is searched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

import numpy as np

from schemas.problem.expand import ExpandedProblem
from schemas.problem.model import DistributionType
from services.solver.engine.grid.model import LEADING_GUARDS, GridModel, Int32s, cells_in

# The search keeps several two-dimensional tables; none may pass 256 MB (int32).
MAX_TABLE_ENTRIES = 1 << 26
# One weighted penalty; keeps every sum of penalties of one move far inside 32 bits.
MAX_PENALTY = 1 << 24
# The usual penalties of curriculum-based timetabling are 1, 2 and 5: what temperatures and hard weights are tuned to.
TUNED_PENALTY = 2.0
# And what all compact sets of a lecture cost together, on average, up to which the tuning holds as it is.
TUNED_SETS_COST = 8.0

_PER_COURSE = (DistributionType.MIN_WORKING_DAYS, DistributionType.ROOM_STABILITY)
_Options = tuple[tuple[int, int], ...]


def is_grid(expanded: ExpandedProblem) -> bool:
    """True if `compile_grid` takes the problem."""
    return obstacle(expanded) is None


def obstacle(expanded: ExpandedProblem) -> str | None:
    """The first property that keeps the problem off the period grid, as a phrase; None if there is none."""
    problem = expanded.problem
    calendar, weights = problem.calendar, problem.weights
    if calendar.weeks != 1:
        return "several weeks"
    if any(t.end - t.start != 1 or t.days.bit_count() != 1 or t.weeks != 1 for t in expanded.times):
        return "a time that is not one slot of one day"
    if any(t.days >= 1 << calendar.days or t.end > calendar.slots_per_day for t in expanded.times):
        return "a time outside the calendar"
    if len({(t.days, t.start) for t in expanded.times}) != len(expanded.times):
        return "two times for the same period"
    if expanded.travel:
        return "walking times"
    if any(expanded.requests):
        return "students"
    if expanded.soft_curricula:
        return "soft curricula"
    if any(len(configs) != 1 for configs in expanded.courses) or any(len(s) != 1 for s in expanded.subparts):
        return "alternatives within a course"
    if any(not c.rooms or not c.times for c in expanded.classes):
        return "a class without room"
    if _largest_penalty(expanded) > MAX_PENALTY:
        return "a penalty beyond the grid's number range"
    groups = _courses(expanded)
    if groups is None:
        return "a distribution other than the three of curriculum-based timetabling on its usual classes"
    cells = cells_in(calendar.days, calendar.slots_per_day)
    rooms = len(expanded.room_unavailable) + _stand_ins(expanded)
    compact_sets = sum(d.type is DistributionType.ISOLATED_LECTURES for d, _ in expanded.distributions)
    rows = len({c.rooms for c in expanded.classes})
    time_rows = len({c.times for c in expanded.classes})
    largest = max(
        len(groups) ** 2, (len(groups) + compact_sets + time_rows + rooms) * cells, (len(groups) + rows) * rooms
    )
    if largest > MAX_TABLE_ENTRIES:
        return "a size beyond the grid's tables"
    if min(weights.time, weights.room, weights.distribution) < 0:
        return "a negative weight"
    return None


def compile_grid(expanded: ExpandedProblem) -> GridModel:
    """The arrays of a problem that `is_grid` accepts; raises `ValueError` naming the obstacle otherwise."""
    reason = obstacle(expanded)
    groups = _courses(expanded)
    if reason is not None or groups is None:
        raise ValueError(f"not a period-grid problem: {reason}")
    calendar, weights = expanded.problem.calendar, expanded.problem.weights
    cells = cells_in(calendar.days, calendar.slots_per_day)
    cell_of = [
        LEADING_GUARDS + (t.days.bit_length() - 1) * (calendar.slots_per_day + 1) + t.start for t in expanded.times
    ]
    cell_day = np.full(cells, -1, np.int32)
    cell_time = np.full(cells, -1, np.int32)
    for time, cell in enumerate(cell_of):
        cell_day[cell] = expanded.times[time].days.bit_length() - 1
        cell_time[cell] = time

    time_row, time_domains = _rows(c.times for c in expanded.classes)
    room_row, room_domains = _rows(c.rooms or () for c in expanded.classes)
    all_rooms = len(expanded.room_unavailable) + _stand_ins(expanded)
    time_cost = np.full((len(time_domains), cells), -1, np.int32)
    for row, domain in enumerate(time_domains):
        for time, penalty in domain:
            time_cost[row, cell_of[time]] = weights.time * penalty
    room_cost = np.full((len(room_domains), all_rooms), -1, np.int32)
    for row, domain in enumerate(room_domains):
        for room, penalty in domain:
            room_cost[row, room] = weights.room * penalty
    time_first, time_cells = _lists([[cell_of[t] for t, _ in domain] for domain in time_domains])
    room_first, room_list = _lists([[r for r, _ in domain] for domain in room_domains])
    usable = np.ones((all_rooms, cells), np.uint8)
    for room, blocks in enumerate(expanded.room_unavailable):
        for time, cell in enumerate(cell_of):
            if any(expanded.times[time].overlaps(block) for block in blocks):
                usable[room, cell] = 0

    course = np.zeros(len(expanded.classes), np.int32)
    for index, members in enumerate(groups):
        course[list(members)] = index
    conflict = np.zeros((len(groups), len(groups)), np.uint8)
    for clash_set in expanded.clash_sets:
        together = np.unique(course[list(clash_set)])
        conflict[np.ix_(together, together)] = 1
    for index, members in enumerate(groups):
        if len(members) == 1:
            conflict[index, index] = 0
    neighbour_first, neighbours = _lists([np.flatnonzero(row).tolist() for row in conflict])

    min_days = np.zeros(len(groups), np.int32)
    min_days_cost = np.zeros(len(groups), np.int32)
    stability_cost = np.zeros(len(groups), np.int32)
    compact: dict[tuple[int, ...], int] = {}
    for distribution, classes in expanded.distributions:
        cost = weights.distribution * (distribution.penalty or 0)
        if distribution.type is DistributionType.ISOLATED_LECTURES:
            key = tuple(sorted(classes))
            compact[key] = compact.get(key, 0) + cost
        elif distribution.type is DistributionType.ROOM_STABILITY:
            stability_cost[course[classes[0]]] += cost
        else:
            min_days[course[classes[0]]] = distribution.parameters[0]
            min_days_cost[course[classes[0]]] += cost
    sets_of: list[list[int]] = [[] for _ in groups]
    costly = [(members, cost) for members, cost in compact.items() if cost]
    courses_of = [np.unique(course[list(members)]).tolist() for members, _ in costly]
    for index, together in enumerate(courses_of):
        for group in together:
            sets_of[group].append(index)
    set_first, sets = _lists(sets_of)
    member_first, members_of_sets = _lists(courses_of)

    penalty_scale = _penalty_scale(expanded)
    sets_cost = sum(cost * len(together) for (_, cost), together in zip(costly, courses_of, strict=True)) / len(groups)

    return GridModel(
        lectures=len(expanded.classes),
        courses=len(groups),
        rooms=len(expanded.room_unavailable),
        days=calendar.days,
        slots_per_day=calendar.slots_per_day,
        course=course,
        time_row=time_row,
        room_row=room_row,
        time_cost=time_cost,
        room_cost=room_cost,
        time_first=time_first,
        time_cells=time_cells,
        room_first=room_first,
        room_list=room_list,
        usable=usable,
        conflict=conflict,
        neighbour_first=neighbour_first,
        neighbours=neighbours,
        min_days=min_days,
        min_days_cost=min_days_cost,
        stability_cost=stability_cost,
        set_first=set_first,
        sets=sets,
        set_cost=np.array([cost for _, cost in costly], np.int32),
        member_first=member_first,
        members=members_of_sets,
        cell_day=cell_day,
        cell_time=cell_time,
        bound=_bound(expanded, groups, min_days, min_days_cost, costly),
        penalty_scale=penalty_scale,
        lecture_scale=max(1.0, sets_cost / (TUNED_SETS_COST * penalty_scale)),
    )


def _largest_penalty(expanded: ExpandedProblem) -> int:
    weights = expanded.problem.weights
    times = {c.times for c in expanded.classes}
    rooms = {c.rooms or () for c in expanded.classes}
    return max(
        weights.time * max((p for domain in times for _, p in domain), default=0),
        weights.room * max((p for domain in rooms for _, p in domain), default=0),
        weights.distribution * sum(d.penalty or 0 for d, _ in expanded.distributions if d.type in _PER_COURSE),
        weights.distribution * max((d.penalty or 0 for d, _ in expanded.distributions), default=0),
    )


def _stand_ins(expanded: ExpandedProblem) -> int:
    """Rooms to add so that there is a place for every class, if only one that counts as unplaced."""
    periods = len(expanded.times)
    missing = len(expanded.classes) - periods * len(expanded.room_unavailable)
    return max(0, -(-missing // periods))


def _courses(expanded: ExpandedProblem) -> list[tuple[int, ...]] | None:
    """Classes grouped by course and by the rules that they are under; None if a rule does not fit the grid.

    The lectures of one course usually form one group; two teachers of one course make two.
    """
    rules: list[list[int]] = [[] for _ in expanded.classes]
    for number, members in enumerate(expanded.clash_sets):
        for i in members:
            rules[i].append(number)
    for number, (distribution, members) in enumerate(expanded.distributions, start=len(expanded.clash_sets)):
        fits = distribution.type in _PER_COURSE or distribution.type is DistributionType.ISOLATED_LECTURES
        if not fits or distribution.required or len(set(members)) != len(members):
            return None
        for i in members:
            rules[i].append(number)
    groups: dict[tuple[int, ...], list[int]] = {}
    for i, c in enumerate(expanded.classes):
        groups.setdefault((c.course, *rules[i]), []).append(i)
    as_found = {tuple(members) for members in groups.values()}
    seen: set[tuple[DistributionType, int]] = set()
    for distribution, members in expanded.distributions:
        if distribution.type is DistributionType.ISOLATED_LECTURES:
            continue
        if tuple(sorted(members)) not in as_found:
            return None
        if distribution.type is DistributionType.MIN_WORKING_DAYS:
            key = (distribution.type, min(members))
            if key in seen:
                return None
            seen.add(key)
    return [tuple(members) for members in groups.values()]


def _rows(domains: Iterable[_Options]) -> tuple[Int32s, list[_Options]]:
    """Equal domains once: the row of each class and the domain of each row."""
    row_of: dict[_Options, int] = {}
    rows = [row_of.setdefault(domain, len(row_of)) for domain in domains]
    return np.array(rows, np.int32), list(row_of)


def _lists(lists: Sequence[Sequence[int]]) -> tuple[Int32s, Int32s]:
    """Lists one after another: where each starts (and the end of the last), and their items."""
    first = np.zeros(len(lists) + 1, np.int32)
    np.cumsum([len(x) for x in lists], out=first[1:])
    return first, np.array([i for x in lists for i in x], np.int32)


def _bound(
    expanded: ExpandedProblem,
    groups: Sequence[tuple[int, ...]],
    min_days: Int32s,
    min_days_cost: Int32s,
    compact: Sequence[tuple[tuple[int, ...], int]],
) -> int:
    """What every timetable pays: the cheapest option of each class, days out of reach, compact sets of one lecture."""
    weights = expanded.problem.weights
    total = sum(cost for members, cost in compact if len(members) == 1)
    for c in expanded.classes:
        total += weights.time * min(p for _, p in c.times)
        total += weights.room * min(p for _, p in c.rooms or ())
    for index, members in enumerate(groups):
        days = {expanded.times[t].days for i in members for t, _ in expanded.classes[i].times}
        total += int(min_days_cost[index]) * max(0, int(min_days[index]) - min(len(members), len(days)))
    return total


def _penalty_scale(expanded: ExpandedProblem) -> float:
    """A typical penalty over the one that the search was tuned to (option penalties only where there is no other)."""
    weights = expanded.problem.weights
    found = [weights.distribution * (d.penalty or 0) for d, _ in expanded.distributions]
    if not any(found):
        found = [weights.time * p for c in expanded.classes for _, p in c.times]
        found += [weights.room * p for c in expanded.classes for _, p in c.rooms or ()]
    positive = [p for p in found if p > 0]
    return max(1.0, median(positive) / TUNED_PENALTY) if positive else 1.0

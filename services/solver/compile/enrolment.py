"""From the expanded problem to the arrays of the enrolment search, if its shape allows.

Owns the decision what an enrolment problem is, and the translation. Must not know how it is searched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from statistics import median

import numpy as np

from schemas.problem.expand import ExpandedProblem
from schemas.problem.model import DistributionType, StudentRuleType
from services.solver.engine.enrolment.model import (
    DAY_RULES,
    DAY_WIDTH,
    MAX_SLOTS_PER_DAY,
    PAIR_RULES,
    EnrolmentModel,
    Int32s,
)

# Tables of events x events and events x periods: 64 MB at two bytes each.
MAX_TABLE_ENTRIES = 1 << 25
# One weighted penalty; keeps every sum of penalties of one move far inside 32 bits.
MAX_PENALTY = 1 << 20


def is_enrolment(expanded: ExpandedProblem) -> bool:
    """True if `compile_enrolment` takes the problem."""
    return obstacle(expanded) is None


def obstacle(expanded: ExpandedProblem) -> str | None:
    """The first property that keeps the problem from the enrolment search, as a phrase; None if there is none."""
    problem = expanded.problem
    calendar, weights = problem.calendar, problem.weights
    rules = problem.student_rules
    if not any(expanded.requests):
        return "no students"
    if all(rule.type is not StudentRuleType.NO_CONFLICT for rule in rules):
        return "student conflicts that are a cost"
    if any(rule.required and rule.type is not StudentRuleType.NO_CONFLICT for rule in rules):
        return "a required rule on students' days"
    if calendar.weeks != 1:
        return "several weeks"
    if calendar.slots_per_day > MAX_SLOTS_PER_DAY:
        return f"more than {MAX_SLOTS_PER_DAY} slots a day"
    if any(t.end - t.start != 1 or t.days.bit_count() != 1 or t.weeks != 1 for t in expanded.times):
        return "a time that is not one slot of one day"
    if any(t.days >= 1 << calendar.days or t.end > calendar.slots_per_day for t in expanded.times):
        return "a time outside the calendar"
    if len({(t.days, t.start) for t in expanded.times}) != len(expanded.times):
        return "two times for the same period"
    if expanded.travel:
        return "walking times"
    if any(len(configs) != 1 for configs in expanded.courses) or any(len(s) != 1 for s in expanded.subparts):
        return "alternatives within a course"
    if any(c.limit < len(students) for c, students in zip(expanded.classes, _attendance(expanded), strict=True)):
        return "a class with fewer seats than students"
    if any(penalty for _, penalty in expanded.soft_curricula):
        return "soft curricula"
    for distribution, _ in expanded.distributions:
        fits = distribution.type.value in PAIR_RULES and distribution.required
        if not fits and (distribution.required or distribution.penalty):
            return "a distribution other than what keeps classes apart or in order"
    events, periods = len(expanded.classes), calendar.days * DAY_WIDTH
    if max(events * events, events * periods) > MAX_TABLE_ENTRIES:
        return "a size beyond the enrolment search's tables"
    listed = {c.times for c in expanded.classes}
    housed = {c.rooms or () for c in expanded.classes}
    largest = weights.time * max((p for domain in listed for _, p in domain), default=0)
    dearest = weights.room * max((p for domain in housed for _, p in domain), default=0)
    if (
        max(largest, dearest, weights.student * calendar.slots_per_day * sum(r.penalty or 0 for r in rules))
        > MAX_PENALTY
    ):
        return "a penalty beyond the enrolment search's number range"
    return None


def compile_enrolment(expanded: ExpandedProblem) -> EnrolmentModel:
    """The arrays of a problem that `is_enrolment` accepts; raises `ValueError` naming the obstacle otherwise."""
    reason = obstacle(expanded)
    if reason is not None:
        raise ValueError(f"not an enrolment problem: {reason}")
    problem = expanded.problem
    calendar, weights = problem.calendar, problem.weights
    events, periods = len(expanded.classes), calendar.days * DAY_WIDTH
    period_of = [(t.days.bit_length() - 1) * DAY_WIDTH + t.start for t in expanded.times]
    period_time = np.full(periods, -1, np.int32)
    for time, period in enumerate(period_of):
        period_time[period] = time
    time_cost = np.full((events, periods), -1, np.int32)
    for number, c in enumerate(expanded.classes):
        for time, penalty in c.times:
            time_cost[number, period_of[time]] = weights.time * penalty
    # At least one room, so that no table is empty.
    rooms = max(1, len(problem.rooms))
    room_cost = np.full((events, rooms), -1, np.int32)
    for number, c in enumerate(expanded.classes):
        for room, penalty in c.rooms or ():
            room_cost[number, room] = weights.room * penalty
    closed = np.zeros((periods, rooms), np.uint8)
    for room, blocks in enumerate(expanded.room_unavailable):
        for time, period in enumerate(period_of):
            closed[period, room] = any(expanded.times[time].overlaps(block) for block in blocks)
    attendance = _attendance(expanded)
    common = _common(attendance, len(expanded.requests))
    taught = np.zeros((events, events), np.uint8)
    for a, b in expanded.clash_pairs():
        taught[a, b] = taught[b, a] = 1
    pairs = list(_pair_rules(expanded))
    conflict = (common > 0) | (taught != 0)
    for _, a, b in pairs:
        conflict[a, b] = conflict[b, a] = True
    np.fill_diagonal(conflict, False)
    ordered = [(a, b) for kind, a, b in pairs if PAIR_RULES[kind] == DistributionType.PRECEDENCE]
    afters: list[list[int]] = [[] for _ in range(events)]
    befores: list[list[int]] = [[] for _ in range(events)]
    for a, b in dict.fromkeys(ordered):
        afters[a].append(b)
        befores[b].append(a)
    attends: list[list[int]] = [[] for _ in expanded.requests]
    for number, students in enumerate(attendance):
        for student in students:
            attends[student].append(number)
    pool = _Pool()
    event = pool.rows(
        [np.flatnonzero(row >= 0).tolist() for row in time_cost],
        [[r for r, _ in c.rooms or ()] for c in expanded.classes],
        [np.flatnonzero(row).tolist() for row in conflict],
        afters,
        befores,
        attendance,
    )
    student_rows = pool.rows(attends)
    rules: list[tuple[int, int, int, int]] = []
    for rule in problem.student_rules:
        if rule.type is not StudentRuleType.NO_CONFLICT:
            first, second = (*rule.parameters, 0, 0)[:2]
            rules.append((DAY_RULES.index(rule.type.value), first, second, weights.student * (rule.penalty or 0)))
    day_cost = _day_cost(rules, calendar.slots_per_day)
    return EnrolmentModel(
        days=calendar.days,
        slots_per_day=calendar.slots_per_day,
        event=event,
        student=student_rows,
        pool=pool.array(),
        time_cost=time_cost,
        room_cost=room_cost,
        closed=closed,
        conflict=conflict.astype(np.uint8),
        day_cost=day_cost,
        swing=_swing(day_cost, calendar.slots_per_day),
        rules=np.array(rules, np.int32).reshape(-1, 4),
        common=common,
        taught=taught,
        pair_rules=np.array(pairs, np.int32).reshape(-1, 3),
        period_time=period_time,
        bound=weights.time * sum(min(p for _, p in c.times) for c in expanded.classes)
        + weights.room * sum(min((p for _, p in c.rooms or ()), default=0) for c in expanded.classes),
        scale=_scale(expanded, rules),
    )


def _attendance(expanded: ExpandedProblem) -> list[list[int]]:
    """The students of each class, where there is no choice of classes."""
    of_course: list[list[int]] = [[] for _ in expanded.courses]
    for student, courses in enumerate(expanded.requests):
        for course in dict.fromkeys(courses):
            of_course[course].append(student)
    return [of_course[c.course] for c in expanded.classes]


def _common(attendance: Sequence[Sequence[int]], students: int) -> Int32s:
    attends = np.zeros((len(attendance), max(1, students)), np.float32)
    for event, listed in enumerate(attendance):
        attends[event, list(listed)] = 1.0
    return (attends @ attends.T).astype(np.int32)


def _pair_rules(expanded: ExpandedProblem) -> Iterator[tuple[int, int, int]]:
    for distribution, members in expanded.distributions:
        if distribution.required:
            for a, b in combinations(members, 2):
                yield PAIR_RULES.index(distribution.type.value), a, b


class _Pool:
    """Lists one after another."""

    def __init__(self) -> None:
        self._items: list[int] = []

    def rows(self, *kinds: Sequence[Sequence[int]]) -> Int32s:
        """Add several kinds of lists; where each thing's lists begin and end."""
        rows: list[list[int]] = [[] for _ in kinds[0]]
        for lists in kinds:
            for row, items in zip(rows, lists, strict=True):
                row += (len(self._items), len(self._items) + len(items))
                self._items += items
        return np.array(rows, np.int32).reshape(len(kinds[0]), 2 * len(kinds))

    def array(self) -> Int32s:
        return np.array([*self._items, 0], np.int32)


def _day_cost(rules: Sequence[tuple[int, int, int, int]], slots: int) -> Int32s:
    """What each day costs a student, by the mask of its slots."""
    cost = np.zeros(1 << slots, np.int32)
    for mask in range(1 << slots):
        taken = [s for s in range(slots) if mask >> s & 1]
        cost[mask] = sum(penalty * _excess(DAY_RULES[kind], a, b, taken) for kind, a, b, penalty in rules)
    return cost


def _swing(day_cost: Int32s, slots: int) -> Int32s:
    """What taking one slot out of a day, or putting it in, adds to the day's cost."""
    masks = np.arange(len(day_cost))
    swing = np.zeros((len(day_cost), DAY_WIDTH), np.int32)
    for slot in range(slots):
        swing[:, slot] = day_cost[masks ^ (1 << slot)] - day_cost
    return swing


def _excess(rule: str, limit: int, apart: int, taken: Sequence[int]) -> int:
    """By how much a day with these slots taken breaks the rule."""
    if rule == StudentRuleType.SINGLE_CLASS_DAY:
        return int(len(taken) == 1)
    if rule == StudentRuleType.MAX_DAY_LOAD:
        return max(0, len(taken) - limit)
    beyond = run = 0
    for n, slot in enumerate(taken):
        run = run + 1 if n and slot - taken[n - 1] - 1 <= apart else 1
        beyond += run > limit
    return beyond


def _scale(expanded: ExpandedProblem, rules: Sequence[tuple[int, int, int, int]]) -> float:
    """A typical soft penalty."""
    found = [float(penalty) for _, _, _, penalty in rules if penalty]
    if not found:
        weight = expanded.problem.weights.time
        found = [float(weight * p) for c in expanded.classes for _, p in c.times if p]
    return max(1.0, median(found)) if found else 1.0

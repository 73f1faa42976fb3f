"""Expanded problem to the arrays of the general search.

Owns the translation only: tables of gaps between times, walking times by place, constraints, sectioning tables.
Must not know the kernels, nor search anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt

from schemas.problem.expand import ExpandedProblem
from schemas.problem.findings import Finding, InvalidProblemError
from services.solver.compile.enrolment import obstacle
from services.solver.compile.general_peers import Peers, must_not_clash, should_not_clash
from services.solver.engine.general.model import (
    CLASH_ALL,
    CLASH_AT,
    CLASH_END,
    CLASS_COLUMNS,
    FIRST_WHOLE,
    NEVER_MEET,
    NOT_OVERLAP,
    RULE_NAMES,
    RULES_AT,
    RULES_END,
    SAME_ATTENDEES,
    SOFT_ALL,
    SOFT_AT,
    SOFT_END,
    TIES_ALL,
    TIES_AT,
    TIMES_TIED,
    GeneralModel,
    Int16s,
    Int64s,
    UInt8s,
)

# Above this many times the table of gaps (2 bytes per pair) costs more memory than it saves time.
MAX_TABLED_TIMES = 6_000
# Bound on hostile input: places for classes with common students (8 bytes each).
MAX_MATES = 100_000_000
# Classes of a rule that are moved together; a larger set is left to moves of single classes.
MAX_TIED = 40
MAX_TIES = 2_000_000
MAX_TIES_OF_CLASS = 400

_RULE_CODE = {name: code for code, name in enumerate(RULE_NAMES)}


class _Pool:
    """A flat list of lists; equal lists are stored once, because a university repeats its domains."""

    def __init__(self) -> None:
        self._parts: list[Int64s] = []
        self._seen: dict[bytes, int] = {}
        self._size = 0

    def add(self, values: npt.NDArray[np.int64]) -> int:
        """Where the values start."""
        key = values.tobytes()
        if key not in self._seen:
            self._seen[key] = self._size
            self._parts.append(values)
            self._size += len(values)
            if self._size >= 2**31:
                raise InvalidProblemError(
                    [Finding("problem_too_large", "", "The lists of options and clashes exceed 2^31 entries together.")]
                )
        return self._seen[key]

    def array(self) -> Int64s:
        return np.concatenate([*self._parts, np.zeros(1, np.int64)]).astype(np.int64)


def compile_general(expanded: ExpandedProblem) -> GeneralModel:
    """Build the arrays. Raises `InvalidProblemError` when the problem exceeds what the arrays can hold."""
    problem = expanded.problem
    if problem.student_rules and any(expanded.requests):
        raise InvalidProblemError(
            [
                Finding(
                    "student_rules_not_searched",
                    "/student_rules",
                    "Rules for students are searched only where everybody's classes are fixed and each fills one slot"
                    f" of one week. This problem has {obstacle(expanded)}. Change that, or remove the rules.",
                )
            ]
        )
    n = len(expanded.classes)
    pool = _Pool()
    classes = np.zeros((n, CLASS_COLUMNS), np.int64)
    option_places: dict[int, tuple[int, int]] = {}

    def options(listed: tuple[tuple[int, int], ...]) -> tuple[int, int]:
        # Keyed by identity first: shared domains are shared tuples, and hashing thousands of pairs per class is slow.
        if id(listed) not in option_places:
            flat = np.array(listed, np.int64).reshape(-1)
            option_places[id(listed)] = (pool.add(flat), len(listed))
        return option_places[id(listed)]

    rank = _subpart_ranks(expanded)
    for i, c in enumerate(expanded.classes):
        times_at, times_len = options(c.times)
        rooms_at, rooms_len = options(c.rooms) if c.rooms else (0, 0)
        classes[i, :4] = (times_at, times_len, rooms_at, rooms_len)
        classes[i, 10:14] = (c.limit, -1 if c.parent is None else c.parent, rank[c.subpart], c.config)
        classes[i, 15] = c.course

    configs, subparts = _sectioning_tables(expanded, rank, pool)
    rules, must, should = _rules(expanded, classes, pool)
    listed, classes[:, [CLASH_AT, CLASH_END, CLASH_ALL]] = must_not_clash(expanded, must)
    classes[:, [CLASH_AT, CLASH_END, CLASH_ALL]] += pool.add(listed) if len(listed) else 0
    soft_peers, soft_weights, classes[:, [SOFT_AT, SOFT_END, SOFT_ALL]] = should_not_clash(expanded, should)
    courses, course_requests, requests, student_slots = _requests(expanded)
    kept_at, kept_weight = _kept_sections(expanded, rank, requests, int(student_slots[-1]), pool)
    mates_size = _mates(expanded, requests, classes)
    times, gaps = _times(expanded)
    places, travel = _places(expanded)
    blocked, blocked_row = _blocked(expanded)
    weights = problem.weights
    return GeneralModel(
        weeks=problem.calendar.weeks,
        days=problem.calendar.days,
        time_weight=weights.time,
        room_weight=weights.room,
        distribution_weight=weights.distribution,
        student_weight=weights.student,
        times=times,
        gaps=gaps,
        places=places,
        travel=travel,
        blocked=blocked,
        blocked_row=blocked_row,
        classes=classes,
        pool=pool.array(),
        soft_peers=soft_peers,
        soft_weights=soft_weights,
        rules=rules,
        configs=configs,
        subparts=subparts,
        courses=courses,
        course_requests=course_requests,
        requests=requests,
        student_slots=student_slots,
        mates_size=mates_size,
        kept_at=kept_at,
        kept_weight=kept_weight,
    )


def _times(expanded: ExpandedProblem) -> tuple[Int64s, Int16s]:
    rows = [
        (t.weeks, t.days, t.start, t.end, 8 * max(0, (t.weeks & -t.weeks).bit_length() - 1) + _first(t.days))
        for t in expanded.times
    ]
    times = np.array(rows, np.int64).reshape(-1, 5)
    n = len(times)
    if n > MAX_TABLED_TIMES:
        return times, np.zeros((0, 0), np.int16)
    gaps = np.empty((n, n), np.int16)
    weeks, days, start, end = (np.ascontiguousarray(times[:, k]) for k in range(4))
    for u in range(n):
        meet = ((weeks & weeks[u]) != 0) & ((days & days[u]) != 0)
        gap = np.maximum(start, start[u]) - np.minimum(end, end[u])
        gaps[u] = np.where(meet, np.maximum(gap, -1), NEVER_MEET)
    return times, gaps


def _first(bits: int) -> int:
    return max(0, (bits & -bits).bit_length() - 1)


def _places(expanded: ExpandedProblem) -> tuple[Int64s, Int16s]:
    """Rooms that are equally far from every room are one place: the table then fits the fastest memory."""
    n = len(expanded.problem.rooms)
    walks: list[dict[int, int]] = [{} for _ in range(n)]
    for (a, b), slots in expanded.travel.items():
        if slots and a != b:
            walks[a][b] = slots
            walks[b][a] = slots
    # Rooms with the same walks have no walk between them: neither lists itself.
    seen: dict[frozenset[tuple[int, int]], int] = {}
    member: list[int] = []
    places = np.zeros(n + 1, np.int64)
    for r in range(n):
        key = frozenset(walks[r].items())
        if key not in seen:
            seen[key] = len(member)
            member.append(r)
        places[r] = seen[key]
    places[n] = len(member)
    travel = np.zeros((len(member) + 1, len(member) + 1), np.int16)
    for p, r in enumerate(member):
        for other, slots in walks[r].items():
            travel[p, places[other]] = slots
    return places, travel


def _blocked(expanded: ExpandedProblem) -> tuple[UInt8s, Int64s]:
    """One row per distinct list of unavailable blocks."""
    rows: dict[tuple[object, ...], int] = {}
    tables: list[UInt8s] = []
    blocked_row = np.full(len(expanded.room_unavailable) + 1, -1, np.int64)
    weeks, days, start, end = (
        np.array([getattr(t, name) for t in expanded.times], np.int64) for name in ("weeks", "days", "start", "end")
    )
    for r, blocks in enumerate(expanded.room_unavailable):
        if not blocks:
            continue
        if blocks not in rows:
            rows[blocks] = len(tables)
            table = np.zeros(len(expanded.times), np.uint8)
            for b in blocks:
                table |= ((weeks & b.weeks) != 0) & ((days & b.days) != 0) & (start < b.end) & (b.start < end)
            tables.append(table)
        blocked_row[r] = rows[blocks]
    return np.array(tables, np.uint8).reshape(len(tables), len(expanded.times)), blocked_row


def _rules(expanded: ExpandedProblem, classes: Int64s, pool: _Pool) -> tuple[Int64s, Peers, Peers]:
    """The constraints, and the pairs that hard and soft ones keep apart: these are no longer the kernels' rules.

    One flat list of all that a class must not overlap is read many times faster than one list per constraint.
    """
    must, should = Peers(), Peers()
    rows: list[tuple[int, ...]] = []
    of_class: list[list[int]] = [[] for _ in expanded.classes]
    ties: list[tuple[list[tuple[int, int]], list[tuple[int, int]]]] = [([], []) for _ in expanded.classes]
    n_ties = 0
    for distribution, listed in expanded.distributions:
        members = tuple(dict.fromkeys(listed))
        code = _RULE_CODE[distribution.type.value]
        a, b = (*distribution.parameters, 0, 0)[:2]
        start = pool.add(np.array(members, np.int64))
        penalty = distribution.penalty or 0
        peers = must if distribution.required else should
        if code in (NOT_OVERLAP, SAME_ATTENDEES) and peers.takes(len(members)):
            weight = penalty * expanded.problem.weights.distribution
            if distribution.required or weight:
                peers.add(np.array(members, np.int64), weight, walk=code == SAME_ATTENDEES)
        else:
            for i in members:
                of_class[i].append(len(rows))
        rows.append(
            (code, a, b, int(distribution.required), penalty, start, start + len(members), int(code >= FIRST_WHOLE))
        )
        if code in TIMES_TIED and len(members) <= MAX_TIED and n_ties < MAX_TIES:
            n_ties += len(members) ** 2
            for i in members:
                listed_ties = ties[i][not distribution.required]
                if len(listed_ties) < MAX_TIES_OF_CLASS:
                    listed_ties.extend((j, code) for j in members if j != i)
    for i, listed_rules in enumerate(of_class):
        if listed_rules:
            start = pool.add(np.array(listed_rules, np.int64))
            classes[i, RULES_AT : RULES_END + 1] = (start, start + len(listed_rules))
        hard, soft = ties[i]
        if hard or soft:
            start = pool.add(np.array(hard + soft, np.int64).reshape(-1))
            classes[i, TIES_AT : TIES_ALL + 1] = (start, start + 2 * len(hard), start + 2 * len(hard + soft))
    return np.array(rows, np.int64).reshape(-1, 8), must, should


def _subpart_ranks(expanded: ExpandedProblem) -> list[int]:
    """The position of every subpart in its configuration, parents' subparts first."""
    rank = [0] * len(expanded.subparts)
    for listed in expanded.configs:
        above = {
            s: {
                expanded.classes[p].subpart
                for i in expanded.subparts[s]
                if (p := expanded.classes[i].parent) is not None
            }
            for s in listed
        }
        done: set[int] = set()
        waiting = list(listed)
        while waiting:
            # A cycle among subparts (each class has a parent below) is broken at the first one left.
            ready = [s for s in waiting if not (above[s] - done) & set(waiting)] or waiting[:1]
            for s in ready:
                rank[s] = len(done)
                done.add(s)
            waiting = [s for s in waiting if s not in done]
    return rank


def _sectioning_tables(expanded: ExpandedProblem, rank: Sequence[int], pool: _Pool) -> tuple[Int64s, Int64s]:
    configs = np.zeros((len(expanded.configs), 2), np.int64)
    subparts: list[tuple[int, int]] = []
    for k, listed in enumerate(expanded.configs):
        configs[k] = (len(subparts), len(subparts) + len(listed))
        for s in sorted(listed, key=rank.__getitem__):
            start = pool.add(np.array(expanded.subparts[s], np.int64))
            subparts.append((start, start + len(expanded.subparts[s])))
    return configs, np.array(subparts, np.int64).reshape(-1, 2)


def _requests(expanded: ExpandedProblem) -> tuple[Int64s, Int64s, Int64s, Int64s]:
    """Courses, requests by course, requests, and the slots of each student."""
    width = [max((len(expanded.configs[k]) for k in listed), default=0) for listed in expanded.courses]
    courses = np.zeros((len(expanded.courses), 5), np.int64)
    for c, listed in enumerate(expanded.courses):
        # Configurations are numbered problem-wide in the courses' order, so those of one course are a range.
        courses[c, :2] = (min(listed), max(listed) + 1)
        courses[c, 4] = len(listed) > 1 or any(len(expanded.subparts[s]) > 1 for s in expanded.configs[listed[0]])
    wanted = [tuple(dict.fromkeys(listed)) for listed in expanded.requests]
    count = np.array([len(listed) for listed in wanted], np.int64)
    course = np.fromiter(chain.from_iterable(wanted), np.int64, int(count.sum()))
    slots = np.array(width, np.int64)[course]
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(slots)])
    requests = np.stack([np.repeat(np.arange(len(wanted)), count), course, ends[:-1], slots], axis=1)
    student_slots = ends[np.concatenate([np.zeros(1, np.int64), np.cumsum(count)])]
    order = np.argsort(requests[:, 1], kind="stable").astype(np.int64)
    bounds = np.searchsorted(requests[order, 1], np.arange(len(courses) + 1))
    courses[:, 2] = bounds[:-1]
    courses[:, 3] = bounds[1:]
    return courses, order, requests, student_slots


def _kept_sections(
    expanded: ExpandedProblem, rank: Sequence[int], requests: Int64s, slots: int, pool: _Pool
) -> tuple[int, int]:
    """Where in the pool the classes stand that students should go on attending, by slot, and what leaving costs."""
    kept = expanded.kept
    if kept is None or not kept.section_weight or not slots:
        return -1, 0
    wanted = np.full(slots, -1, np.int64)
    at = {(int(row[0]), int(row[1])): int(row[2]) for row in requests}
    for s, classes in enumerate(kept.sections):
        for i in classes:
            c = expanded.classes[i]
            wanted[at[s, c.course] + rank[c.subpart]] = i
    return pool.add(wanted), kept.section_weight


def _mates(expanded: ExpandedProblem, requests: Int64s, classes: Int64s) -> int:
    """Give every class room for the classes it can share students with: those of courses requested together."""
    n_courses, n = len(expanded.courses), len(classes)
    sizes = np.bincount(classes[:, 15], minlength=n_courses).astype(np.int64)
    capacity = np.zeros(n_courses, np.int64)
    if len(requests):
        keys = _distinct(np.concatenate(list(_course_pairs(requests, n_courses))))
        capacity = np.bincount(keys // n_courses, weights=sizes[keys % n_courses], minlength=n_courses).astype(np.int64)
    per_class = np.minimum(capacity[classes[:, 15]], n)
    ends = np.cumsum(per_class)
    total = int(ends[-1]) if n else 0
    if total > MAX_MATES:
        raise InvalidProblemError(
            [Finding("problem_too_large", "/students", f"Students tie more than {MAX_MATES:,} pairs of classes.")]
        )
    classes[:, 14] = ends - per_class
    return total


def _course_pairs(requests: Int64s, n_courses: int) -> Iterable[Int64s]:
    """Keys course x n_courses + course of the courses that one student requests, in parts of bounded size."""
    _, first, count = np.unique(requests[:, 0], return_index=True, return_counts=True)
    course = requests[:, 1].astype(np.int64)
    for length in np.unique(count):
        starts = first[count == length]
        step = max(1, 5_000_000 // int(length) ** 2)
        for at in range(0, len(starts), step):
            taken = course[starts[at : at + step, None] + np.arange(length)[None, :]]
            yield _distinct((taken[:, :, None] * n_courses + taken[:, None, :]).reshape(-1))


def _distinct(values: Int64s) -> Int64s:
    """The values, each once, in order. np.unique does it by hashing, which takes ten times as long on integers."""
    ranked: Int64s = np.sort(values)
    new: npt.NDArray[np.bool_] = np.ones(len(ranked), np.bool_)
    new[1:] = ranked[1:] != ranked[:-1]
    kept: Int64s = ranked[new]
    return kept

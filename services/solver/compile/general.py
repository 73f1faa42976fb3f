"""Expanded problem to the arrays of the general search.

Owns the translation only: options, tables of gaps between times, walking times by place, merged clash lists.
Must not know the kernels, nor search anything.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from schemas.problem.expand import ExpandedProblem
from schemas.problem.findings import Finding, InvalidProblemError
from services.solver.compile.general_peers import peers_of
from services.solver.compile.general_students import mates_of, requests_of, sectioning_tables, subpart_ranks
from services.solver.engine.general.model import (
    CELLS_AT,
    CLASH_AT,
    CLASH_END,
    CLASS_COLUMNS,
    CONFIG,
    COURSE,
    DOMAIN,
    FIRST_WHOLE,
    LIMIT,
    NEVER_MEET,
    PARENT,
    PLACES_AT,
    PLACES_LEN,
    ROOMS_AT,
    ROOMS_LEN,
    RULE_NAMES,
    SLOT,
    SOFT_AT,
    SOFT_END,
    TIMES_AT,
    TIMES_LEN,
    WHICH_AT,
    WHOLE_AT,
    WHOLE_END,
    GeneralModel,
    Int16s,
    Int32s,
    Int64s,
    UInt8s,
)

# Above this many times the table of gaps (2 bytes per pair) costs more memory than it saves time.
MAX_TABLED_TIMES = 6_000
# Likewise above this many pairs of a time and an option for the lists of options near a time.
MAX_NEAR = 30_000_000
# Bound on hostile input: pairs in clash lists (8 bytes each).
MAX_PAIRS = 200_000_000

RULE_CODE = {name: code for code, name in enumerate(RULE_NAMES)}


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
    weights = problem.weights
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

    rank = subpart_ranks(expanded)
    places, travel = _places(expanded)
    no_room = ((len(places) - 1, 0),)
    for i, c in enumerate(expanded.classes):
        times_at, times_len = options(c.times)
        rooms_at, rooms_len = options(c.rooms or no_room)
        classes[i, [TIMES_AT, TIMES_LEN, ROOMS_AT, ROOMS_LEN]] = (
            times_at,
            times_len,
            rooms_at,
            rooms_len if c.rooms else 0,
        )
        classes[i, [LIMIT, PARENT]] = (c.limit, -1 if c.parent is None else c.parent)
        classes[i, [SLOT, CONFIG, COURSE]] = (rank[c.subpart], c.config, c.course)

    cells = _cells(classes, pool, places)
    configs, subparts = sectioning_tables(expanded, rank, pool)
    _hard_peers(expanded, classes, pool)
    soft_peers, soft_weights = _soft_peers(expanded, classes)
    rules = _rules(expanded, classes, pool)
    times, gaps = _times(expanded)
    overlap_at, overlaps = _overlaps(gaps)
    flat = pool.array()
    domains, near_at, near = _near(gaps, int(travel.max(initial=0)), classes, flat)
    peers, ties = peers_of(classes, flat, rules, soft_peers, soft_weights, weights.distribution)
    courses, course_requests, requests, student_slots = requests_of(expanded)
    mate_class, mate_at = mates_of(expanded, requests, classes)
    blocked, blocked_row = _blocked(expanded)
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
        domains=domains,
        near_at=near_at,
        near=near,
        overlap_at=overlap_at,
        overlaps=overlaps,
        classes=classes,
        pool=flat,
        soft_peers=soft_peers,
        soft_weights=soft_weights,
        rules=rules,
        peers=peers,
        ties=ties,
        configs=configs,
        subparts=subparts,
        courses=courses,
        course_requests=course_requests,
        requests=requests,
        student_slots=student_slots,
        mate_class=mate_class,
        mate_at=mate_at,
        cells=cells,
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


def _overlaps(gaps: Int16s) -> tuple[Int64s, Int32s]:
    """For every time those that overlap it, as one list with where each begins."""
    if not len(gaps):
        return np.zeros(1, np.int64), np.zeros(0, np.int32)
    rows, times = np.nonzero(gaps < 0)
    return np.searchsorted(rows, np.arange(len(gaps) + 1)).astype(np.int64), times.astype(np.int32)


def _near(gaps: Int16s, farthest: int, classes: Int64s, pool: Int64s) -> tuple[int, Int32s, Int32s]:
    """(number of distinct lists of time options, where each time's and list's part begins, options near the time)."""
    lists, which = np.unique(classes[:, [TIMES_AT, TIMES_LEN]], axis=0, return_inverse=True)
    classes[:, DOMAIN] = which.reshape(-1)
    n, domains = len(gaps), len(lists)
    nothing = (domains, np.zeros(0, np.int32), np.zeros(0, np.int32))
    if not n or n * max(domains, int(lists[:, 1].sum())) > MAX_NEAR:
        return nothing
    counts = np.zeros((n, domains), np.int64)
    found: list[tuple[Int64s, Int64s]] = []
    for d, (at, length) in enumerate(lists):
        times, options = np.nonzero(gaps[:, pool[at : at + 2 * length : 2]] < max(0, farthest))
        counts[:, d] = np.bincount(times, minlength=n)
        found.append((times * domains + d, options))
    order = np.argsort(np.concatenate([keys for keys, _ in found]), kind="stable")
    near = np.concatenate([options for _, options in found])[order]
    near_at = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts.reshape(-1))])
    return domains, near_at.astype(np.int32), near.astype(np.int32)


def _cells(classes: Int64s, pool: _Pool, places: Int64s) -> int:
    """The distinct places of every class's rooms, and where its cells are; returns how many cells there are."""
    flat = pool.array()
    known: dict[tuple[int, int], tuple[int, int, int]] = {}
    for row in classes:
        rooms_at, rooms_len = int(row[ROOMS_AT]), max(1, int(row[ROOMS_LEN]))
        if (rooms_at, rooms_len) not in known:
            distinct, which = np.unique(places[flat[rooms_at : rooms_at + 2 * rooms_len : 2]], return_inverse=True)
            known[rooms_at, rooms_len] = (pool.add(distinct), len(distinct), pool.add(which.astype(np.int64)))
        row[[PLACES_AT, PLACES_LEN, WHICH_AT]] = known[rooms_at, rooms_len]
    ends = np.cumsum(classes[:, TIMES_LEN] * classes[:, PLACES_LEN])
    classes[:, CELLS_AT] = ends - classes[:, TIMES_LEN] * classes[:, PLACES_LEN]
    return int(ends[-1])


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


def _pairs(expanded: ExpandedProblem, listed: Sequence[int], alternatives: bool) -> tuple[Int64s, Int64s]:
    """The pairs (i, j), both ways, of a set; without `alternatives` only those that one student could attend."""
    if len(listed) ** 2 > MAX_PAIRS:
        raise _too_many_pairs()
    members = np.array(listed, np.int64)
    tied = ~np.eye(len(members), dtype=bool)
    if not alternatives:
        course, config, subpart = (
            np.array([getattr(expanded.classes[i], name) for i in listed]) for name in ("course", "config", "subpart")
        )
        same_course = course[:, None] == course[None, :]
        tied &= ~(same_course & ((config[:, None] != config[None, :]) | (subpart[:, None] == subpart[None, :])))
    a, b = np.nonzero(tied)
    return members[a], members[b]


def _hard_peers(expanded: ExpandedProblem, classes: Int64s, pool: _Pool) -> None:
    """Merge the clash sets: a pair that stands in several sets is one violation."""
    n = len(expanded.classes)
    keys = np.zeros(0, np.int64)
    fresh: list[Int64s] = []
    waiting = 0
    sets = [(members, False) for members in expanded.clash_sets] + [(m, True) for m in expanded.instructor_sets]
    for members, alternatives in sets:
        a, b = _pairs(expanded, members, alternatives)
        fresh.append(a * n + b)
        waiting += len(a)
        if waiting > 20_000_000:
            keys, fresh, waiting = np.unique(np.concatenate([keys, *fresh])), [], 0
            if len(keys) > MAX_PAIRS:
                raise _too_many_pairs()
    keys = np.unique(np.concatenate([keys, *fresh])) if fresh else keys
    bounds = np.searchsorted(keys, np.arange(n + 1, dtype=np.int64) * n)
    peers = (keys % n).astype(np.int64)
    for i in range(n):
        if bounds[i] < bounds[i + 1]:
            start = pool.add(peers[bounds[i] : bounds[i + 1]])
            classes[i, [CLASH_AT, CLASH_END]] = (start, start + bounds[i + 1] - bounds[i])


def _soft_peers(expanded: ExpandedProblem, classes: Int64s) -> tuple[Int64s, Int64s]:
    """Pairs of soft curricula with the sum of the weighted penalties: a pair counts once per curriculum."""
    n = len(expanded.classes)
    weight = expanded.problem.weights.distribution
    keys = np.zeros(0, np.int64)
    sums = np.zeros(0, np.int64)
    for members, penalty in expanded.soft_curricula:
        if penalty == 0 or weight == 0:
            continue
        a, b = _pairs(expanded, members, alternatives=False)
        merged = np.concatenate([keys, a * n + b])
        amounts = np.concatenate([sums, np.full(len(a), penalty * weight, np.int64)])
        keys, where = np.unique(merged, return_inverse=True)
        sums = np.zeros(len(keys), np.int64)
        np.add.at(sums, where, amounts)
        if len(keys) > MAX_PAIRS:
            raise _too_many_pairs()
    bounds = np.searchsorted(keys, np.arange(n + 1, dtype=np.int64) * n)
    classes[:, SOFT_AT], classes[:, SOFT_END] = bounds[:-1], bounds[1:]
    return (keys % n).astype(np.int64), sums


def _too_many_pairs() -> InvalidProblemError:
    return InvalidProblemError(
        [
            Finding(
                "problem_too_large",
                "/curricula",
                f"Curricula and instructors tie more than {MAX_PAIRS:,} pairs of classes; split the sets.",
            )
        ]
    )


def _rules(expanded: ExpandedProblem, classes: Int64s, pool: _Pool) -> Int64s:
    """Every distribution constraint; `classes` learns only of those on whole sets, for the others are in `peers`."""
    rows: list[tuple[int, ...]] = []
    of_class: list[list[int]] = [[] for _ in expanded.classes]
    for distribution, listed in expanded.distributions:
        members = tuple(dict.fromkeys(listed))
        code = RULE_CODE[distribution.type.value]
        a, b = (*distribution.parameters, 0, 0)[:2]
        start = pool.add(np.array(members, np.int64))
        if code >= FIRST_WHOLE:
            for i in members:
                of_class[i].append(len(rows))
        penalty = distribution.penalty or 0
        rows.append(
            (code, a, b, int(distribution.required), penalty, start, start + len(members), int(code >= FIRST_WHOLE))
        )
    for i, listed_rules in enumerate(of_class):
        if listed_rules:
            start = pool.add(np.array(listed_rules, np.int64))
            classes[i, [WHOLE_AT, WHOLE_END]] = (start, start + len(listed_rules))
    return np.array(rows, np.int64).reshape(-1, 8)

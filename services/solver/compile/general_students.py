"""Students to the arrays of the general search: sectioning tables, requests, and who can share students with whom.

Owns the translation only. Must not know the kernels, nor search anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from schemas.problem.expand import ExpandedProblem
from schemas.problem.findings import Finding, InvalidProblemError
from services.solver.engine.general.hashing import hash_table
from services.solver.engine.general.model import (
    COURSE,
    FIRST_OF_COURSE,
    MATES_AT,
    MATES_END,
    Int32s,
    Int64s,
)

# Bound on hostile input: places for classes with common students (8 bytes each).
MAX_MATES = 100_000_000


class Pool(Protocol):
    """A flat list of lists."""

    def add(self, values: npt.NDArray[np.int64]) -> int:
        """Where the values start."""


def subpart_ranks(expanded: ExpandedProblem) -> list[int]:
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


def sectioning_tables(expanded: ExpandedProblem, rank: Sequence[int], pool: Pool) -> tuple[Int64s, Int64s]:
    configs = np.zeros((len(expanded.configs), 2), np.int64)
    subparts: list[tuple[int, int]] = []
    for k, listed in enumerate(expanded.configs):
        configs[k] = (len(subparts), len(subparts) + len(listed))
        for s in sorted(listed, key=rank.__getitem__):
            start = pool.add(np.array(expanded.subparts[s], np.int64))
            subparts.append((start, start + len(expanded.subparts[s])))
    return configs, np.array(subparts, np.int64).reshape(-1, 2)


def requests_of(expanded: ExpandedProblem) -> tuple[Int64s, Int64s, Int64s, Int64s]:
    """Courses, requests by course, requests, and the slots of each student."""
    width = [max((len(expanded.configs[k]) for k in listed), default=0) for listed in expanded.courses]
    courses = np.zeros((len(expanded.courses), 4), np.int64)
    for c, listed in enumerate(expanded.courses):
        # Configurations are numbered problem-wide in the courses' order, so those of one course are a range.
        courses[c, :2] = (min(listed), max(listed) + 1)
    rows: list[tuple[int, int, int, int]] = []
    student_slots = [0]
    at = 0
    for s, wanted in enumerate(expanded.requests):
        for c in dict.fromkeys(wanted):
            rows.append((s, c, at, width[c]))
            at += width[c]
        student_slots.append(at)
    requests = np.array(rows, np.int64).reshape(-1, 4)
    order = np.argsort(requests[:, 1], kind="stable").astype(np.int64)
    bounds = np.searchsorted(requests[order, 1], np.arange(len(courses) + 1))
    courses[:, 2] = bounds[:-1]
    courses[:, 3] = bounds[1:]
    return courses, order, requests, np.array(student_slots, np.int64)


def mates_of(expanded: ExpandedProblem, requests: Int64s, classes: Int64s) -> tuple[Int32s, Int64s]:
    """The classes that each class can share students with, those of courses requested together; and where to find one.

    Fills the columns of `classes` that lead there. The hash table tells, for a pair of courses, at which position the
    classes of the second begin in the list of every class of the first.
    """
    n_courses, n = len(expanded.courses), len(classes)
    sizes = np.bincount(classes[:, COURSE], minlength=n_courses).astype(np.int64)
    first = np.cumsum(sizes) - sizes
    classes[:, FIRST_OF_COURSE] = first[classes[:, COURSE]]
    if not len(requests):
        return np.zeros(0, np.int32), np.full((1, 2), -1, np.int64)
    keys = np.unique(np.concatenate(list(_course_pairs(requests, n_courses))))
    one, other = keys // n_courses, keys % n_courses
    ends = np.cumsum(sizes[other])
    starts = np.concatenate([np.zeros(1, np.int64), ends])[np.searchsorted(one, np.arange(n_courses + 1))]
    per_class = (starts[1:] - starts[:-1])[classes[:, COURSE]]
    classes[:, MATES_END] = np.cumsum(per_class)
    classes[:, MATES_AT] = classes[:, MATES_END] - per_class
    total = int(classes[-1, MATES_END])
    if total > MAX_MATES:
        raise InvalidProblemError(
            [Finding("problem_too_large", "/students", f"Students tie more than {MAX_MATES:,} pairs of classes.")]
        )
    of_courses = (np.arange(ends[-1]) - np.repeat(ends - sizes[other] - first[other], sizes[other])).astype(np.int32)
    mate_class = np.zeros(total, np.int32)
    for i in range(n):
        course = classes[i, COURSE]
        mate_class[classes[i, MATES_AT] : classes[i, MATES_END]] = of_courses[starts[course] : starts[course + 1]]
    return mate_class, hash_table(keys, ends - sizes[other] - starts[one])


def _course_pairs(requests: Int64s, n_courses: int) -> Iterable[Int64s]:
    """Keys course x n_courses + course of the courses that one student requests, in parts of bounded size."""
    _, first, count = np.unique(requests[:, 0], return_index=True, return_counts=True)
    course = requests[:, 1].astype(np.int64)
    for length in np.unique(count):
        starts = first[count == length]
        step = max(1, 5_000_000 // int(length) ** 2)
        for at in range(0, len(starts), step):
            taken = course[starts[at : at + step, None] + np.arange(length)[None, :]]
            yield np.unique((taken[:, :, None] * n_courses + taken[:, None, :]).reshape(-1))

"""The general search's problem: frozen arrays, built once by the compiler and shared by every search on it.

Owns the layout of the arrays (column numbers, codes of distribution types; constants to numba). Must not know how they
are filled or searched.

Two layouts keep the kernels quick to call and quick to compile (an argument that is an array costs seven machine words
per call): rows of integers per class, and one flat `pool` that every variable-length list lives in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Int16s = npt.NDArray[np.int16]
Int64s = npt.NDArray[np.int64]
UInt8s = npt.NDArray[np.uint8]
IndexOrIndices = TypeVar("IndexOrIndices", int, Int64s)

# Columns of `GeneralModel.times` (one row per time).
WEEKS, DAYS, START, END, FIRST_MEETING = range(5)

# Columns of `GeneralModel.classes`. Options are (index, penalty) pairs in the pool, peers and rules are plain indices.
(
    TIMES_AT,  # first time option in the pool
    TIMES_LEN,  # number of time options
    ROOMS_AT,
    ROOMS_LEN,  # 0: the class needs no room
    CLASH_AT,  # classes that must not clash with this one (`peer`): by clash sets up to CLASH_END,
    CLASH_END,  # then by NotOverlap and SameAttendees constraints up to CLASH_ALL, as often as there are
    SOFT_AT,  # index into `soft_peers`: classes that should not clash with this one, in the same order
    SOFT_END,
    RULES_AT,  # other distribution constraints that the class is in
    RULES_END,
    LIMIT,
    PARENT,  # -1: none
    SLOT,  # position of the class's subpart in its configuration's order (parents before children)
    CONFIG,
    MATES_AT,  # first place in the list of classes with common students
    COURSE,
    TIES_AT,  # (class, distribution type) pairs in the pool: what must hold between the times of the two
    TIES_END,  # of the hard ones
    TIES_ALL,  # of the soft ones, which follow
    CLASH_ALL,
    SOFT_ALL,
) = range(21)
CLASS_COLUMNS = 21


def peer(other: IndexOrIndices, *, walk: bool) -> IndexOrIndices:
    """An entry in a list of classes that must, or should, not clash: with `walk` there must be time to walk, too."""
    return 2 * other + walk


# Columns of `GeneralModel.rules` (distribution constraints).
RULE_KIND, RULE_A, RULE_B, RULE_HARD, RULE_PENALTY, RULE_AT, RULE_END, RULE_WHOLE = range(8)

# Distribution types by code: the ones below FIRST_WHOLE are counted per pair, the others on the whole set.
RULE_NAMES = (
    "SameStart",
    "SameTime",
    "DifferentTime",
    "SameDays",
    "DifferentDays",
    "SameWeeks",
    "DifferentWeeks",
    "Overlap",
    "NotOverlap",
    "SameRoom",
    "DifferentRoom",
    "SameAttendees",
    "Precedence",
    "WorkDay",
    "MinGap",
    "MaxDays",
    "MaxDayLoad",
    "MaxBreaks",
    "MaxBlock",
    "MinWorkingDays",
    "IsolatedLectures",
    "RoomStability",
)
(
    SAME_START,
    SAME_TIME,
    DIFFERENT_TIME,
    SAME_DAYS,
    DIFFERENT_DAYS,
    SAME_WEEKS,
    DIFFERENT_WEEKS,
    OVERLAP,
    NOT_OVERLAP,
    SAME_ROOM,
    DIFFERENT_ROOM,
    SAME_ATTENDEES,
    PRECEDENCE,
    WORK_DAY,
    MIN_GAP,
    MAX_DAYS,
    MAX_DAY_LOAD,
    MAX_BREAKS,
    MAX_BLOCK,
    MIN_WORKING_DAYS,
    ISOLATED_LECTURES,
    ROOM_STABILITY,
) = range(22)
FIRST_WHOLE = MAX_DAYS
# The times of all their classes change together or, at least where they are hard, not at all.
TIMES_TIED = (SAME_START, SAME_TIME, SAME_DAYS, SAME_WEEKS)

# Columns of `GeneralModel.requests`: student, course, first slot and number of slots (the longest configuration's).
REQ_STUDENT, REQ_COURSE, REQ_AT, REQ_LEN = range(4)

# Columns of `GeneralModel.courses`: configurations [from, to), requests [from, to) in `course_requests`, and 1 if there
# is more than one way to attend the course.
COURSE_CONFIGS_AT, COURSE_CONFIGS_END, COURSE_REQ_AT, COURSE_REQ_END, COURSE_CHOICE = range(5)


@dataclass(frozen=True, slots=True)
class GeneralModel:
    """A problem as arrays; indices are those of the expanded problem unless said otherwise.

    times: int64[times, 5], bit sets of weeks and days, slots [start, end), and 8 x first week + first day.
    gaps: int16[times, times], slots between two times where they meet (negative: they overlap, NEVER_MEET: no common
        day and week); int16[0, 0] when the table would be too large, the kernels compute it then.
    places: int64[rooms + 1], room to row of `travel`; the last room stands for "no room".
    travel: int16[places, places], slots to walk.
    blocked: uint8[rows, times], 1 where a room of that row is unavailable; `blocked_row` int64[rooms + 1], -1 never.
    classes: int64[classes, CLASS_COLUMNS]; pool: int64; soft_peers int64 with soft_weights int64 (weighted) beside it.
    rules: int64[rules, 8].
    configs: int64[configs, 2] ranges of `subparts` int64[subparts, 2] ranges of classes in the pool, parents first.
    courses: int64[courses, 5]; course_requests: int64; requests: int64[requests, 4].
    student_slots: int64[students + 1], the slots of a student: one per subpart, in request order.
    mates_size: places in the lists of classes with common students.
    kept_at: where the pool has, for every slot, the class that the student should go on attending or -1; -1 if nobody
        should. kept_weight: what leaving one costs.
    """

    weeks: int
    days: int
    time_weight: int
    room_weight: int
    distribution_weight: int
    student_weight: int
    times: Int64s
    gaps: Int16s
    places: Int64s
    travel: Int16s
    blocked: UInt8s
    blocked_row: Int64s
    classes: Int64s
    pool: Int64s
    soft_peers: Int64s
    soft_weights: Int64s
    rules: Int64s
    configs: Int64s
    subparts: Int64s
    courses: Int64s
    course_requests: Int64s
    requests: Int64s
    student_slots: Int64s
    mates_size: int
    kept_at: int = -1
    kept_weight: int = 0

    @property
    def n_classes(self) -> int:
        return len(self.classes)

    @property
    def n_rooms(self) -> int:
        return len(self.places) - 1

    @property
    def n_students(self) -> int:
        return len(self.student_slots) - 1


# `gaps` entry of two times without a common day and week; larger than any walk.
NEVER_MEET = 32_767

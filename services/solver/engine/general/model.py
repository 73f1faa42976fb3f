"""The general search's problem: frozen arrays, built once by the compiler and shared by every search on it.

Owns the layout of the arrays (column numbers, codes of distribution types; constants to numba). Must not know how they
are filled or searched.

Two layouts keep the kernels quick to call and quick to compile (an argument that is an array costs seven machine words
per call): rows of integers per class, and one flat `pool` that every variable-length list lives in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int32s = npt.NDArray[np.int32]
Int16s = npt.NDArray[np.int16]
Int64s = npt.NDArray[np.int64]
UInt8s = npt.NDArray[np.uint8]

# Columns of `GeneralModel.times` (one row per time).
WEEKS, DAYS, START, END, FIRST_MEETING = range(5)

# Columns of `GeneralModel.classes`. Options are (index, penalty) pairs in the pool, the other lists are plain indices.
# The first eight are what bringing a peer's cells up to date reads: one line of the cache.
(
    TIMES_AT,  # first time option in the pool
    TIMES_LEN,  # number of time options
    DOMAIN,  # number of its list of time options among the distinct ones
    CELLS_AT,  # first cell: one per time option and place, places running fastest
    PLACES_AT,  # the distinct places of its rooms, in the pool; the one of "no room" if it needs none
    PLACES_LEN,
    ROOMS_AT,  # room options; the only one of a class that needs no room is "no room"
    ROOMS_LEN,  # 0: the class needs no room
    WHICH_AT,  # for every room option the position of its place in the list of places, in the pool
    CLASH_AT,  # classes that must not clash with this one
    CLASH_END,
    SOFT_AT,  # index into `soft_peers`: classes that should not clash with this one
    SOFT_END,
    WHOLE_AT,  # distribution constraints on a whole set that the class is in
    WHOLE_END,
    PEERS_AT,  # index into `peers`: classes that a pair rule ties to this one, by their times (and places)
    PEERS_END,
    ROOM_PEERS_AT,  # index into `peers`: likewise, by their rooms
    ROOM_PEERS_END,
    MATES_AT,  # index into `mate_class`: classes that it can share students with
    MATES_END,
    LIMIT,
    PARENT,  # -1: none
    SLOT,  # position of the class's subpart in its configuration's order (parents before children)
    CONFIG,
    COURSE,
    FIRST_OF_COURSE,  # smallest class of its course; the classes of a course follow one another
) = range(27)
CLASS_COLUMNS = 27

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

# Columns of `GeneralModel.peers` and of `GeneralModel.ties`, which describe them.
PEER, PEER_TIE = range(2)
TIE_KIND, TIE_A, TIE_FIRST, TIE_HARD, TIE_SOFT = range(5)

# Columns of `GeneralModel.mate_at`: pair of courses, position.
MATE_KEY, MATE_POSITION = range(2)

# Columns of `GeneralModel.requests`: student, course, first slot and number of slots (the longest configuration's).
REQ_STUDENT, REQ_COURSE, REQ_AT, REQ_LEN = range(4)

# Columns of `GeneralModel.courses`: configurations [from, to), requests [from, to) in `course_requests`.
COURSE_CONFIGS_AT, COURSE_CONFIGS_END, COURSE_REQ_AT, COURSE_REQ_END = range(4)


@dataclass(frozen=True, slots=True)
class GeneralModel:
    """A problem as arrays; indices are those of the expanded problem unless said otherwise.

    times: int64[times, 5], bit sets of weeks and days, slots [start, end), and 8 x first week + first day.
    gaps: int16[times, times], slots between two times where they meet (negative: they overlap, NEVER_MEET: no common
        day and week); int16[0, 0] when the table would be too large, the kernels compute it then.
    places: int64[rooms + 1], room to row of `travel`; the last room stands for "no room".
    travel: int16[places, places], slots to walk.
    blocked: uint8[rows, times], 1 where a room of that row is unavailable; `blocked_row` int64[rooms + 1], -1 never.
    near: int32, per time u and list d of time options the positions of the options that overlap u or are within a walk
        of it, from near_at[u * domains + d] on (int32); both empty when they would be too large.
    overlaps: int32, the times that overlap time u (itself included) from overlap_at[u] on; empty without `gaps`.
    classes: int64[classes, 27]; pool: int64; soft_peers int64 with soft_weights int64 (weighted) beside it.
    rules: int64[rules, 8].
    peers: int32[pairs, 2], every pair rule and clash list merged, both ways: class and row of `ties`.
    ties: int64[ties, 5], what ties two classes: distribution type, its parameter, whether the list's owner comes first
        (Precedence), violations and weighted cost when it does not hold.
    configs: int64[configs, 2] ranges of `subparts` int64[subparts, 2] ranges of classes in the pool, parents first.
    courses: int64[courses, 4]; course_requests: int64; requests: int64[requests, 4].
    student_slots: int64[students + 1], the slots of a student: one per subpart, in request order.
    mate_class: int32[mates], for every class those it can share students with: all classes of the courses that some
        student requests together with its own (its own among them). mate_at: int64[2^k, 2], a hash table with the
        position of a course in the lists of another one's classes; key -1: empty.
    cells: number of cells of all classes.
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
    domains: int
    near_at: Int32s
    near: Int32s
    overlap_at: Int64s
    overlaps: Int32s
    classes: Int64s
    pool: Int64s
    soft_peers: Int64s
    soft_weights: Int64s
    rules: Int64s
    peers: Int32s
    ties: Int64s
    configs: Int64s
    subparts: Int64s
    courses: Int64s
    course_requests: Int64s
    requests: Int64s
    student_slots: Int64s
    mate_class: Int32s
    mate_at: Int64s
    cells: int

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

"""The enrolment problem as arrays.

Owns the meaning and layout of every array that the enrolment kernels read. Must not know where they come from.

Vocabulary of the arrays: an *event* is a class of the expanded problem (same index); who attends it is fixed. A
*period* is a slot of a day: slot s of day d is period `DAY_WIDTH * d + s`, so days are told by a shift, and a day's
places in a table are one cache line. A student's day is a bit mask of slots.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.solver.engine.search import Assignment

Int32s = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]

DAY_SHIFT = 4
DAY_WIDTH = 1 << DAY_SHIFT
# What a day costs a student is looked up by its mask.
MAX_SLOTS_PER_DAY = 15

# Columns of `EnrolmentModel.event`: lists in the pool, each from its first place to behind its last.
(
    TIMES_AT, TIMES_END, ROOMS_AT, ROOMS_END, RIVALS_AT, RIVALS_END, AFTER_AT, AFTER_END, BEFORE_AT, BEFORE_END,
    STUDENTS_AT, STUDENTS_END,
) = range(12)  # fmt: skip

# Kinds of rules by their numbers in the model: names of distribution types, and of rules for students.
PAIR_RULES = ("NotOverlap", "SameAttendees", "Precedence")
PRECEDENCE = PAIR_RULES.index("Precedence")
DAY_RULES = ("MaxConsecutive", "SingleClassDay", "MaxDayLoad")


@dataclass(frozen=True, slots=True)
class EnrolmentModel:
    """Everything that stays fixed during a search; penalties are weighted (one unit = one point of cost).

    All arrays are C-contiguous.

    event[events, 12]: where each event's lists are in `pool` (see the columns below): allowed periods, rooms that will
    do (none for an event that needs no room), rivals (what it must not share a period with), what must come after and
    before it, its students.
    time_cost[events, periods]: penalty, or -1 where the event may not take place.
    room_cost[events, rooms]: penalty, or -1 where the room will not do.
    closed[periods, rooms]: 1 where the room is unavailable.
    conflict[events, events]: 1 where two events must not share a period.
    student[students, 2]: where each student's events are in `pool`.
    day_cost[2 ** slots per day]: what a day with these slots taken costs a student; swing[2 ** slots per day,
    DAY_WIDTH]: what taking each slot out of the day, or putting it in, adds to that. rules[rules, 4] are the soft rules
    that it is made of: number in `DAY_RULES`, parameters, weighted penalty.
    common[events, events]: common students. taught[events, events]: 1 where the events have a common instructor or
    required curriculum. pair_rules[rules, 3]: required distributions as (number in `PAIR_RULES`, event, event).
    period_time[periods]: time index of the expanded problem, -1 where it has none.
    bound: no timetable costs less. scale: the size of one soft penalty.
    """

    days: int
    slots_per_day: int
    event: Int32s
    student: Int32s
    pool: Int32s
    time_cost: Int32s
    room_cost: Int32s
    closed: Bytes
    conflict: Bytes
    day_cost: Int32s
    swing: Int32s
    rules: Int32s
    common: Int32s
    taught: Bytes
    pair_rules: Int32s
    period_time: Int32s
    bound: int
    scale: float

    @property
    def events(self) -> int:
        return len(self.event)

    @property
    def students(self) -> int:
        return len(self.student)

    @property
    def enrolments(self) -> int:
        """Events of all students together."""
        return int((self.student[:, 1] - self.student[:, 0]).sum())

    @property
    def periods(self) -> int:
        """Length of every per-period axis, unused numbers included."""
        return self.days * DAY_WIDTH

    @property
    def rooms(self) -> int:
        return int(self.closed.shape[1])

    def attended_by_all(self, times: Int32s, rooms: Int32s) -> Assignment:
        """The assignment with everybody at all their events: nobody has a choice."""
        bounds = self.student
        attended = np.concatenate([self.pool[a:b] for a, b in bounds.tolist()] or [np.zeros(0, np.int32)])
        start = np.concatenate([np.zeros(1, np.int64), np.cumsum(bounds[:, 1] - bounds[:, 0])]).astype(np.int32)
        return Assignment(times, rooms, start, attended.astype(np.int32))

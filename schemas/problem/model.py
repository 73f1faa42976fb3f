"""The canonical timetabling problem: what a university asks for, in the vocabulary of ITC-2019.

Owns the shape of the native JSON problem (`horarium.problem/1`) and the limits on its sizes. Cross-references are
checked in `schemas.problem.check`, and needs are expanded to explicit options in `schemas.problem.expand`. Must not
know files, other formats, or how anything is solved.

Source of the vocabulary: T. Müller, H. Rudová, Z. Müllerová, "University course timetabling and International
Timetabling Competition 2019", PATAT 2018. The three types at the end of `DistributionType` come from ITC-2007 track 3
(Di Gaspero, McCollum, Schaerf, 2007), the rules for every student from its track 2 (Lewis, Paechter, McCollum, 2007).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

FORMAT = "horarium.problem/1"

# Bounds on hostile input: each is several times the largest university that we know of.
MAX_CLASSES = 50_000
MAX_COURSES = 50_000
MAX_ROOMS = 20_000
MAX_STUDENTS = 500_000
MAX_TIMES = 50_000
MAX_STUDENT_RULES = 100

Id = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Bits = Annotated[str, StringConstraints(pattern=r"^[01]+$", max_length=366)]
Penalty = Annotated[int, Field(ge=0, le=1_000_000)]


class Strict(BaseModel):
    """A frozen value that rejects unknown fields, so that a misspelt field is an error and not a silent default."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Calendar(Strict):
    """Weeks x days x slots. A slot is the unit of time: `slot_minutes` long, the first one starts at `first_slot`.

    `first_day` (ISO date of the first day of the first week) is needed only for exports with dates.
    """

    weeks: int = Field(ge=1, le=60)
    days: int = Field(ge=1, le=7)
    slots_per_day: int = Field(ge=1, le=1440)
    slot_minutes: int = Field(default=5, ge=1, le=1440)
    first_slot: str = Field(default="00:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    first_day: str | None = Field(default=None, pattern=r"^\d{4}-\d{2}-\d{2}$")


class TimeBlock(Strict):
    """A stretch of slots on some days of some weeks; `weeks` omitted means every week, `days` every day."""

    start: int = Field(ge=0)
    length: int = Field(ge=1)
    days: Bits | None = None
    weeks: Bits | None = None


class Time(Strict):
    """A weekly meeting pattern: meetings start at `start`, last `length` slots, on `days` of `weeks` (bit strings)."""

    id: Id
    weeks: Bits
    days: Bits
    start: int = Field(ge=0)
    length: int = Field(ge=1)


class TimeOption(Strict):
    """A time that a class may take, and what taking it costs (before the weight `time`)."""

    time: Id
    penalty: Penalty = 0


class TimeDomain(Strict):
    """A named list of time options that many classes share."""

    id: Id
    options: list[TimeOption] = Field(min_length=1, max_length=MAX_TIMES)


class RoomOption(Strict):
    """A room that a class may take, and what taking it costs (before the weight `room`)."""

    room: Id
    penalty: Penalty = 0


class RoomNeeds(Strict):
    """What a class needs of a room, instead of a list of rooms.

    `min_capacity` omitted means the class's limit. With `buildings` only rooms there will do; a room outside
    `preferred_buildings` costs `elsewhere_penalty`.
    """

    features: list[Id] = Field(default_factory=list, max_length=100)
    min_capacity: int | None = Field(default=None, ge=0)
    buildings: list[Id] = Field(default_factory=list, max_length=1000)
    preferred_buildings: list[Id] = Field(default_factory=list, max_length=1000)
    elsewhere_penalty: Penalty = 0


class Travel(Strict):
    """Walking time in slots between two buildings (or rooms), both ways."""

    a: Id
    b: Id
    slots: int = Field(ge=0, le=1440)


class Room(Strict):
    """A room: `capacity` seats, in `building`, with `features`, unavailable during the given blocks."""

    id: Id
    name: str | None = Field(default=None, max_length=200)
    capacity: int = Field(ge=0, le=1_000_000)
    building: Id | None = None
    features: list[Id] = Field(default_factory=list, max_length=100)
    unavailable: list[TimeBlock] = Field(default_factory=list, max_length=5000)


class Class(Strict):
    """One section: it takes one time and, unless `rooms` and `room_needs` are both absent, one room.

    Exactly one of `times` and `time_domain`; at most one of `rooms` and `room_needs`. `parent` names the class that a
    student of this one must attend too. `limit` is the number of seats for students.
    """

    id: Id
    limit: int = Field(ge=0, le=1_000_000)
    parent: Id | None = None
    times: list[TimeOption] | None = Field(default=None, min_length=1, max_length=MAX_TIMES)
    time_domain: Id | None = None
    rooms: list[RoomOption] | None = Field(default=None, min_length=1, max_length=MAX_ROOMS)
    room_needs: RoomNeeds | None = None
    instructors: list[Id] = Field(default_factory=list, max_length=100)


class Subpart(Strict):
    """Alternatives: a student of the configuration attends exactly one class of each subpart."""

    id: Id
    classes: list[Class] = Field(min_length=1, max_length=MAX_CLASSES)


class Config(Strict):
    """One way to attend the course; a student attends exactly one configuration of each course."""

    id: Id
    subparts: list[Subpart] = Field(min_length=1, max_length=1000)


class Course(Strict):
    """A course with its configurations."""

    id: Id
    name: str | None = Field(default=None, max_length=200)
    configs: list[Config] = Field(min_length=1, max_length=100)


class Instructor(Strict):
    """An instructor: never teaches two classes at once nor while unavailable, and has time to walk between rooms."""

    id: Id
    name: str | None = Field(default=None, max_length=200)
    unavailable: list[TimeBlock] = Field(default_factory=list, max_length=5000)


class Student(Strict):
    """A student and the courses that he or she must be sectioned into."""

    id: Id
    name: str | None = Field(default=None, max_length=200)
    courses: list[Id] = Field(default_factory=list, max_length=200)


class Curriculum(Strict):
    """Courses whose classes are attended together by a cohort and therefore must not clash.

    Two classes of the set clash when one student could attend both (they are not alternatives of one course) and they
    overlap or leave too little time to walk. Required unless `penalty` is given (per clashing pair, before the weight
    `distribution`). The set is every class of `courses`.
    """

    id: Id
    name: str | None = Field(default=None, max_length=200)
    courses: list[Id] = Field(min_length=1, max_length=2000)
    penalty: Penalty | None = None

    @property
    def required(self) -> bool:
        return self.penalty is None


class DistributionType(StrEnum):
    """The 19 types of ITC-2019, then the three of curriculum-based timetabling."""

    SAME_START = "SameStart"
    SAME_TIME = "SameTime"
    DIFFERENT_TIME = "DifferentTime"
    SAME_DAYS = "SameDays"
    DIFFERENT_DAYS = "DifferentDays"
    SAME_WEEKS = "SameWeeks"
    DIFFERENT_WEEKS = "DifferentWeeks"
    OVERLAP = "Overlap"
    NOT_OVERLAP = "NotOverlap"
    SAME_ROOM = "SameRoom"
    DIFFERENT_ROOM = "DifferentRoom"
    SAME_ATTENDEES = "SameAttendees"
    PRECEDENCE = "Precedence"
    WORK_DAY = "WorkDay"
    MIN_GAP = "MinGap"
    MAX_DAYS = "MaxDays"
    MAX_DAY_LOAD = "MaxDayLoad"
    MAX_BREAKS = "MaxBreaks"
    MAX_BLOCK = "MaxBlock"
    MIN_WORKING_DAYS = "MinWorkingDays"
    ISOLATED_LECTURES = "IsolatedLectures"
    ROOM_STABILITY = "RoomStability"


# How many integer parameters each type takes; types not listed take none.
PARAMETER_COUNT: dict[DistributionType, int] = {
    DistributionType.WORK_DAY: 1,
    DistributionType.MIN_GAP: 1,
    DistributionType.MAX_DAYS: 1,
    DistributionType.MAX_DAY_LOAD: 1,
    DistributionType.MAX_BREAKS: 2,
    DistributionType.MAX_BLOCK: 2,
    DistributionType.MIN_WORKING_DAYS: 1,
}


class Distribution(Strict):
    """A rule over a list of classes: required, or costing `penalty` as its type defines (before weight `distribution`).

    `classes` is ordered (Precedence reads the order). Exactly one of `required: true` and `penalty`.
    The three curriculum types, all on the classes given and all counted over the weeks together:
    MinWorkingDays(n): days of the week short of n. IsolatedLectures: (class, day) pairs where no other class of the
    list is adjacent (ends where it starts or starts where it ends) on that day in a week that both share.
    RoomStability: distinct rooms beyond the first.
    """

    type: DistributionType
    parameters: list[Annotated[int, Field(ge=0, le=100_000)]] = Field(default_factory=list, max_length=2)
    classes: list[Id] = Field(min_length=1, max_length=MAX_CLASSES)
    required: bool = False
    penalty: Penalty | None = None


class StudentRuleType(StrEnum):
    """What may be asked of every student's own week; `StudentRule` says what each means."""

    NO_CONFLICT = "NoConflict"
    MAX_CONSECUTIVE = "MaxConsecutive"
    SINGLE_CLASS_DAY = "SingleClassDay"
    MAX_DAY_LOAD = "MaxDayLoad"


# How many integer parameters each type takes; types not listed take none.
STUDENT_PARAMETER_COUNT: dict[StudentRuleType, int] = {
    StudentRuleType.MAX_CONSECUTIVE: 2,
    StudentRuleType.MAX_DAY_LOAD: 1,
}


class StudentRule(Strict):
    """A rule over the classes that a student attends, applied to every student: required, or at a `penalty`.

    Exactly one of `required: true` and `penalty`. The types:

    NoConflict (only required): no two classes overlap or leave too little time to walk. Each such pair of each student
    is a violation, once however many meetings clash. Without this rule student conflicts are what they are in ITC-2019:
    a pair costs the weight `student`. With it they cost nothing beside the violation.

    The others look at each day of each week on its own: at the classes of the student that meet there, one meeting
    each, from start to end in slots, by start.
    MaxConsecutive(n, S): a class that starts at most S slots after the latest end before it goes on with the run of
    classes before it (so overlapping classes are in one run); counts each class beyond the n-th of a run.
    SingleClassDay: counts the days with exactly one class.
    MaxDayLoad(S): counts the slots of class beyond S, overlapping ones twice.

    What a rule counts is summed over the days of all weeks. Required, each is a violation. Else a student costs
    (`penalty` x sum) div weeks, before the weight `student`: the average over the weeks, rounded down for each student
    and rule, as in ITC-2019's rules on days.

    MaxConsecutive(2, 0) and SingleClassDay at a penalty of 1, with NoConflict, are the rules of post-enrolment
    timetabling (ITC-2002 and ITC-2007 track 2).
    """

    type: StudentRuleType
    parameters: list[Annotated[int, Field(ge=0, le=100_000)]] = Field(default_factory=list, max_length=2)
    required: bool = False
    penalty: Penalty | None = None


class Weights(Strict):
    """The weights of the four sums that make up the cost; `student` is that of student conflicts and student rules."""

    time: int = Field(default=1, ge=0, le=100_000)
    room: int = Field(default=1, ge=0, le=100_000)
    distribution: int = Field(default=1, ge=0, le=100_000)
    student: int = Field(default=1, ge=0, le=100_000)


class Pin(Strict):
    """A class fixed in time, in room, or in both: its domain shrinks to that one option."""

    class_id: Id = Field(alias="class")
    time: Id | None = None
    room: Id | None = None

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Problem(Strict):
    """A whole problem. See `docs/formats.md` for a commented example."""

    format: Literal["horarium.problem/1"] = "horarium.problem/1"
    name: str = Field(min_length=1, max_length=200)
    calendar: Calendar
    weights: Weights = Weights()
    times: list[Time] = Field(max_length=MAX_TIMES)
    time_domains: list[TimeDomain] = Field(default_factory=list, max_length=MAX_TIMES)
    rooms: list[Room] = Field(default_factory=list, max_length=MAX_ROOMS)
    building_travel: list[Travel] = Field(default_factory=list, max_length=1_000_000)
    room_travel: list[Travel] = Field(default_factory=list, max_length=1_000_000)
    courses: list[Course] = Field(min_length=1, max_length=MAX_COURSES)
    instructors: list[Instructor] = Field(default_factory=list, max_length=100_000)
    curricula: list[Curriculum] = Field(default_factory=list, max_length=100_000)
    students: list[Student] = Field(default_factory=list, max_length=MAX_STUDENTS)
    distributions: list[Distribution] = Field(default_factory=list, max_length=500_000)
    student_rules: list[StudentRule] = Field(default_factory=list, max_length=MAX_STUDENT_RULES)
    pins: list[Pin] = Field(default_factory=list, max_length=MAX_CLASSES)

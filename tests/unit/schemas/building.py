"""Tiny problems and timetables, so that the line that matters in a test stands out.

A day has ten slots; `"MT 2-4"` is Monday and Tuesday, slots 2 and 3; `"M 2-4 w1"` the first week of two only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.problem.model import (
    Calendar,
    Class,
    Config,
    Course,
    Curriculum,
    Distribution,
    DistributionType,
    Instructor,
    Problem,
    Room,
    RoomOption,
    Student,
    Subpart,
    Time,
    TimeOption,
)
from schemas.referee import Verdict, judge
from schemas.timetable import Enrolment, Placement, Timetable

DAYS = "MTWRF"
WEEKS = 2
SLOTS = 10


def a_time(name: str) -> Time:
    """The time that its name says."""
    days, hours, *weeks = name.split()
    start, end = map(int, hours.split("-"))
    return Time(
        id=name,
        days="".join("1" if day in days else "0" for day in DAYS),
        weeks="".join("1" if not weeks or str(w + 1) in weeks[0] else "0" for w in range(WEEKS)),
        start=start,
        length=end - start,
    )


def a_class(name: str, **fields: Any) -> Class:
    """Without `times`, whatever `a_problem` is given; without a room unless asked for."""
    return Class(**{"id": name, "limit": 10, "time_domain": "all", **fields})


def a_course(name: str, *subparts: Sequence[Class]) -> Course:
    """One configuration."""
    made = [Subpart(id=f"{name}/{n}", classes=list(classes)) for n, classes in enumerate(subparts)]
    return Course(id=name, configs=[Config(id=name, subparts=made)])


def one_class_courses(*names: str, **fields: Any) -> list[Course]:
    """A course for each name, with one class of the same name."""
    return [a_course(name, [a_class(name, **fields)]) for name in names]


def a_room(name: str, **fields: Any) -> Room:
    return Room(**{"id": name, "capacity": 50, **fields})


def a_student(name: str, *courses: str) -> Student:
    return Student(id=name, courses=list(courses))


def an_instructor(name: str, **fields: Any) -> Instructor:
    return Instructor(id=name, **fields)


def a_curriculum(name: str, *courses: str, penalty: int | None = None) -> Curriculum:
    return Curriculum(id=name, courses=list(courses), penalty=penalty)


def a_rule(
    type_: DistributionType, classes: Sequence[str], *parameters: int, penalty: int | None = None
) -> Distribution:
    """Required unless it has a penalty."""
    return Distribution(
        type=type_, parameters=list(parameters), classes=list(classes), required=penalty is None, penalty=penalty
    )


def a_problem(courses: Sequence[Course], times: Sequence[str] = ("M 0-2",), **fields: Any) -> Problem:
    """Every class may take every time of `times`; the time domain is called "all"."""
    return Problem.model_validate(
        {
            "name": "a problem",
            "calendar": Calendar(weeks=WEEKS, days=len(DAYS), slots_per_day=SLOTS, slot_minutes=60, first_slot="08:00"),
            "times": [a_time(name) for name in dict.fromkeys(times)],
            "time_domains": [{"id": "all", "options": [TimeOption(time=name) for name in dict.fromkeys(times)]}],
            "courses": list(courses),
            **fields,
        }
    )


def anywhere(*rooms: str) -> list[RoomOption]:
    return [RoomOption(room=room) for room in rooms]


def a_timetable(
    places: Mapping[str, str],
    rooms: Mapping[str, str] | None = None,
    attends: Mapping[str, Sequence[str]] | None = None,
) -> Timetable:
    """`places` are the classes' times, `rooms` their rooms, `attends` the students' classes."""
    return Timetable(
        placements=[Placement(class_id=cls, time=time, room=(rooms or {}).get(cls)) for cls, time in places.items()],
        enrolments=[Enrolment(student=student, classes=list(classes)) for student, classes in (attends or {}).items()],
    )


def verdict_of(places: Mapping[str, str], **fields: Any) -> Verdict:
    """The verdict on a timetable of one-class courses, in a problem of just these; `rooms` puts them somewhere."""
    rooms = fields.pop("rooms_of", None)
    options = anywhere(*dict.fromkeys(rooms.values())) if rooms else None
    courses = [a_course(name, [a_class(name, rooms=options if name in (rooms or {}) else None)]) for name in places]
    if rooms and "rooms" not in fields:
        fields["rooms"] = [a_room(name) for name in dict.fromkeys(rooms.values())]
    problem = a_problem(courses, list(places.values()), **fields)
    return judge(problem, a_timetable(places, rooms))

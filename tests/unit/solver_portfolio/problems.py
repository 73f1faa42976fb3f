"""Small problems with a known answer, in the words of a planner."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.problem.check import check
from schemas.problem.expand import ExpandedProblem, expand
from schemas.problem.model import (
    Calendar,
    Class,
    Config,
    Course,
    Curriculum,
    Distribution,
    Instructor,
    Problem,
    Room,
    RoomOption,
    Student,
    Subpart,
    Time,
    TimeOption,
)


def hours(days: int, slots: int) -> list[Time]:
    """One slot each: "d-s"."""
    return [
        Time(id=f"{d}-{s}", weeks="1", days="".join("1" if n == d else "0" for n in range(days)), start=s, length=1)
        for d in range(days)
        for s in range(slots)
    ]


def a_class(
    name: str,
    times: Sequence[Time | str],
    rooms: Sequence[str] = (),
    *,
    taught_by: Sequence[str] = (),
    limit: int = 30,
) -> Class:
    ids = [t if isinstance(t, str) else t.id for t in times]
    return Class(
        id=name,
        limit=limit,
        times=[TimeOption(time=t) for t in ids],
        rooms=[RoomOption(room=r) for r in rooms] or None,
        instructors=list(taught_by),
    )


def a_course(name: str, *alternatives: Class) -> Course:
    """One configuration of one subpart."""
    return Course(id=name, configs=[Config(id=name, subparts=[Subpart(id=name, classes=list(alternatives))])])


def a_problem(
    courses: Sequence[Course],
    *,
    days: int = 2,
    slots: int = 2,
    rooms: Sequence[str] = ("hall",),
    curricula: Sequence[Curriculum] = (),
    distributions: Sequence[Distribution] = (),
    students: Sequence[Student] = (),
) -> ExpandedProblem:
    taught = {i for c in courses for k in c.configs for s in k.subparts for cls in s.classes for i in cls.instructors}
    problem = Problem(
        name="small",
        calendar=Calendar(weeks=1, days=days, slots_per_day=slots),
        times=hours(days, slots),
        rooms=[Room(id=r, capacity=100) for r in rooms],
        courses=list(courses),
        instructors=[Instructor(id=i) for i in sorted(taught)],
        curricula=list(curricula),
        distributions=list(distributions),
        students=list(students),
    )
    assert not check(problem)
    return expand(problem)

"""What differs between two timetables of one problem: classes with another time or room, students with other sections.

Owns the comparison and its counts, by the ids that people know. Must not know costs, nor where the timetables came
from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import Field

from schemas.problem.model import Problem
from schemas.problem.sizes import classes_of
from schemas.timetable import Part, Placement, Timetable


class Place(Part):
    """Where a class stands: a time of the problem and, if it has one, a room."""

    time: str
    room: str | None = None


class ChangedClass(Part):
    """A class at another time, in another room, or both; nowhere (null, or left out) where it is not placed."""

    class_id: str = Field(alias="class")
    before: Place | None = None
    after: Place | None = None


class ResectionedStudent(Part):
    """A student who attends other classes of the courses that he or she asks for."""

    student: str
    left: list[str] = Field(description="Classes attended before and not any more.")
    joined: list[str] = Field(description="Classes attended now and not before.")


@dataclass(frozen=True, slots=True)
class Difference:
    """All that differs, in the problem's order.

    `classes` are those of the `compared` ones (placed in the first timetable, and still in the problem) that have
    changed: `times` of them are at another time, `rooms` in another room, both of them nowhere any more. `sections` are
    the pairs of a student and a class left. `new` counts the classes that only the second timetable places, `gone`
    those that only the first one knows.
    """

    classes: tuple[ChangedClass, ...]
    students: tuple[ResectionedStudent, ...]
    compared: int
    times: int
    rooms: int
    sections: int
    new: int
    gone: int


def difference(problem: Problem, before: Timetable, after: Timetable) -> Difference:
    """Compare two timetables of the problem; the first may be of an earlier version of it.

    See `schemas.change.baseline.Baseline` for what counts as changed. Ids that the problem does not have are passed
    over.
    """
    was, now = _placements(before), _placements(after)
    changed: list[ChangedClass] = []
    compared = times = rooms = new = 0
    for cls in classes_of(problem):
        old, placed = was.get(cls.id), now.get(cls.id)
        if old is None:
            new += placed is not None
            continue
        compared += 1
        needs_room = cls.rooms is not None or cls.room_needs is not None
        other_time = placed is None or placed.time != old.time
        other_room = old.room is not None and (placed is None or (needs_room and placed.room != old.room))
        if other_time or other_room:
            times += other_time
            rooms += other_room
            changed.append(ChangedClass(class_id=cls.id, before=_place(old), after=_place(placed)))
    students = tuple(_resectioned(problem, before, after))
    return Difference(
        classes=tuple(changed),
        students=students,
        compared=compared,
        times=times,
        rooms=rooms,
        sections=sum(len(student.left) for student in students),
        new=new,
        gone=len(was) - compared,
    )


def _place(placement: Placement | None) -> Place | None:
    return None if placement is None else Place(time=placement.time, room=placement.room)


def _placements(timetable: Timetable) -> dict[str, Placement]:
    """By class; of several only the first."""
    placed: dict[str, Placement] = {}
    for placement in timetable.placements:
        placed.setdefault(placement.class_id, placement)
    return placed


def _attended(timetable: Timetable) -> dict[str, list[str]]:
    attended: dict[str, list[str]] = {}
    for enrolment in timetable.enrolments:
        attended.setdefault(enrolment.student, list(dict.fromkeys(enrolment.classes)))
    return attended


def _resectioned(problem: Problem, before: Timetable, after: Timetable) -> Iterator[ResectionedStudent]:
    course_of = {
        cls.id: course.id
        for course in problem.courses
        for config in course.configs
        for subpart in config.subparts
        for cls in subpart.classes
    }
    was, now = _attended(before), _attended(after)
    for student in problem.students:
        wanted = set(student.courses)
        old = [name for name in was.get(student.id, ()) if course_of.get(name) in wanted]
        new = [name for name in now.get(student.id, ()) if course_of.get(name) in wanted]
        left, joined = [c for c in old if c not in new], [c for c in new if c not in old]
        if left or (old and joined):
            yield ResectionedStudent(student=student.id, left=left, joined=joined)

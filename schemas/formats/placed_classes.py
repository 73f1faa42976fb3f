"""A timetable's classes with everything that an export says about them.

Owns the lookup of ids in the problem; a timetable that names what the problem does not have is refused. Must not know
how any export looks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.problem.findings import Finding, InvalidTimetableError
from schemas.problem.model import Class, Course, Problem, Room, Time
from schemas.timetable import Timetable


@dataclass(frozen=True, slots=True)
class PlacedClass:
    """A class in its time and room; `instructors` are names where the problem has them, else ids."""

    course: Course
    cls: Class
    time: Time
    room: Room | None
    instructors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnplacedClass:
    """A class without a place, and why."""

    course: Course
    cls: Class
    instructors: tuple[str, ...]
    reason: str


def placed_classes(problem: Problem, timetable: Timetable) -> tuple[list[PlacedClass], list[UnplacedClass]]:
    """What the timetable places and what it does not, each in the problem's order.

    Raises `InvalidTimetableError` for classes, times and rooms that the problem does not have.
    """
    classes = {cls.id: (order, course, cls) for order, (course, cls) in enumerate(_classes(problem))}
    times = {time.id: time for time in problem.times}
    rooms = {room.id: room for room in problem.rooms}
    names = {i.id: i.name or i.id for i in problem.instructors}
    findings: list[Finding] = []
    placed: list[tuple[int, PlacedClass]] = []
    for n, placement in enumerate(timetable.placements):
        pointer = f"/placements/{n}"
        if placement.class_id not in classes:
            findings.append(_unknown(f"{pointer}/class", "class", placement.class_id))
        elif placement.time not in times:
            findings.append(_unknown(f"{pointer}/time", "time", placement.time))
        elif placement.room is not None and placement.room not in rooms:
            findings.append(_unknown(f"{pointer}/room", "room", placement.room))
        else:
            order, course, cls = classes[placement.class_id]
            room = None if placement.room is None else rooms[placement.room]
            taught_by = tuple(names[i] for i in cls.instructors)
            placed.append((order, PlacedClass(course, cls, times[placement.time], room, taught_by)))
    unplaced: list[tuple[int, UnplacedClass]] = []
    for n, missing in enumerate(timetable.unplaced):
        if missing.class_id not in classes:
            findings.append(_unknown(f"/unplaced/{n}/class", "class", missing.class_id))
            continue
        order, course, cls = classes[missing.class_id]
        unplaced.append((order, UnplacedClass(course, cls, tuple(names[i] for i in cls.instructors), missing.reason)))
    if findings:
        raise InvalidTimetableError(findings)
    placed.sort(key=lambda item: item[0])
    unplaced.sort(key=lambda item: item[0])
    return [item for _, item in placed], [item for _, item in unplaced]


def _classes(problem: Problem) -> Iterator[tuple[Course, Class]]:
    for course in problem.courses:
        for config in course.configs:
            for subpart in config.subparts:
                for cls in subpart.classes:
                    yield course, cls


def _unknown(pointer: str, kind: str, name: str) -> Finding:
    return Finding(f"unknown_{kind}", pointer, f"{kind.capitalize()} {name[:128]!r} is not in the problem.")

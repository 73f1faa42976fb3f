"""Solutions of `.tim` problems: a line `slot room` per event; what has to be left out, and what that costs.

Owns the solution format and the competitions' *distance to feasibility*. The competitions know no violated rules, only
events left out: a timetable that violates any is written without enough of its events that the others violate none.
Must not know how a problem was read, nor how a timetable was found.

Source: R. Lewis, B. Paechter, B. McCollum, ITC-2007 track 2, 2007: a solution is ranked by its distance to feasibility
(the number of students of each event that is left out, summed), then by its soft cost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from schemas.problem.findings import Finding, InvalidTimetableError
from schemas.problem.model import Class, DistributionType, Problem, Room, Time
from schemas.timetable import Enrolment, Placement, Timetable, Unplaced

_LEFT_OUT = ("-1", "-1")


@dataclass(frozen=True, slots=True)
class Distance:
    """How far a timetable is from feasibility: students of the events that have to be left out, and which these are."""

    students: int
    left_out: tuple[str, ...]


def distance_to_feasibility(problem: Problem, timetable: Timetable) -> Distance:
    """What the competition would say of the timetable as it would be written.

    Raises `InvalidTimetableError` if the problem has not the shape of a `.tim` problem.
    """
    written = _Written(problem, timetable)
    missing = [e for e in range(len(written.classes)) if e not in written.kept]
    return Distance(
        sum(written.students[e] for e in missing),
        tuple(written.classes[e].id for e in missing),
    )


def write_tim_solution(problem: Problem, timetable: Timetable) -> str:
    """A line `slot room` per event in the problem's order, `-1 -1` for each that is not placed or has to be left out.

    Raises `InvalidTimetableError` if the problem has not the shape of a `.tim` problem.
    """
    written = _Written(problem, timetable)
    lines = []
    for event in range(len(written.classes)):
        slot, room = written.kept.get(event, (-1, -1))
        lines.append(f"{slot} {room}\n")
    return "".join(lines)


def read_tim_solution(problem: Problem, text: str) -> Timetable:
    """The timetable of a solution file; every student attends all of his or her events.

    Raises `InvalidTimetableError` with `line N` pointers for garbled lines and slots or rooms that do not exist.
    """
    classes = _events(problem)
    times = _times_by_slot(problem)
    lines = [(number, fields) for number, line in enumerate(text.split("\n"), start=1) if (fields := line.split())]
    if len(lines) != len(classes):
        last = lines[-1][0] if lines else 1
        message = f"The file has {len(lines):,} lines, and the problem {len(classes):,} events. Give each event a line."
        raise InvalidTimetableError([Finding("tim_events", f"line {last}", message)])
    placements: list[Placement] = []
    unplaced: list[Unplaced] = []
    findings: list[Finding] = []
    for (number, fields), cls in zip(lines, classes, strict=True):
        if tuple(fields) == _LEFT_OUT:
            unplaced.append(Unplaced(class_id=cls.id, reason="the solution file leaves it out"))
            continue
        wrong = _wrong(fields, len(times), len(problem.rooms))
        if wrong:
            findings.append(Finding("tim_line", f"line {number}", f"Event {cls.id!r}: {wrong}"))
            continue
        slot, room = map(int, fields)
        placements.append(Placement(class_id=cls.id, time=times[slot].id, room=problem.rooms[room].id))
    if findings:
        raise InvalidTimetableError(findings, total=len(findings))
    class_of = {course.id: cls.id for course, cls in zip(problem.courses, classes, strict=True)}
    return Timetable(
        placements=placements,
        enrolments=[
            Enrolment(student=student.id, classes=[class_of[c] for c in student.courses])
            for student in problem.students
            if student.courses
        ],
        unplaced=unplaced,
    )


def _wrong(fields: list[str], slots: int, rooms: int) -> str:
    """What is wrong with a line; empty if nothing."""
    if len(fields) != 2:
        return f"a line needs 2 numbers (slot, room), not {len(fields)}."
    for what, text, count in (("slot", fields[0], slots), ("room", fields[1], rooms)):
        if not (text.isascii() and text.isdecimal() and len(text) <= 9 and int(text) < count):
            return f"the {what} must be from 0 to {count - 1}, not {text[:40]!r} (or both -1 to leave the event out)."
    return ""


# -- the shape --------------------------------------------------------------------------------------------------------


def _events(problem: Problem) -> list[Class]:
    """The one class of each course."""
    classes = [
        cls for course in problem.courses for config in course.configs for s in config.subparts for cls in s.classes
    ]
    if len(classes) != len(problem.courses):
        raise _foreign("a course with several classes")
    return classes


def _times_by_slot(problem: Problem) -> list[Time]:
    """The time of each slot of the week, day by day."""
    calendar = problem.calendar
    by_slot: dict[int, Time] = {}
    for time in problem.times:
        if calendar.weeks != 1 or time.length != 1 or time.days.count("1") != 1:
            raise _foreign(f"time {time.id!r}, which is not one slot of one day")
        by_slot[time.days.index("1") * calendar.slots_per_day + time.start] = time
    slots = calendar.days * calendar.slots_per_day
    if len(by_slot) != slots:
        raise _foreign(f"{len(by_slot)} times for {slots} slots")
    return [by_slot[slot] for slot in range(slots)]


def _foreign(what: str) -> InvalidTimetableError:
    message = f"The problem has {what}, which a .tim solution cannot say. Use the native format instead."
    return InvalidTimetableError([Finding("not_tim", "", message)])


# -- what has to be left out ------------------------------------------------------------------------------------------


class _Written:
    """The timetable as (slot, room) of each event that stays; `kept` violates no hard rule."""

    def __init__(self, problem: Problem, timetable: Timetable) -> None:
        self.classes = _events(problem)
        self._event_of = {cls.id: e for e, cls in enumerate(self.classes)}
        slot_of = {time.id: slot for slot, time in enumerate(_times_by_slot(problem))}
        room_of = {room.id: r for r, room in enumerate(problem.rooms)}
        self._attendees = self._attendance(problem)
        self.students = [len(attendees) for attendees in self._attendees]
        self._placed: dict[int, tuple[int, int]] = {}
        for placement in timetable.placements:
            event = self._event_of.get(placement.class_id)
            slot, room = slot_of.get(placement.time), room_of.get(placement.room or "")
            if event is None or slot is None or room is None or event in self._placed:
                continue
            listed = any(option.time == placement.time for option in self.classes[event].times or ())
            if listed and _suits(self.classes[event], problem.rooms[room]):
                self._placed[event] = (slot, room)
        self._order = [
            (self._event_of[a], self._event_of[b])
            for d in problem.distributions
            if d.required and d.type is DistributionType.PRECEDENCE
            for a, b in combinations(d.classes, 2)
        ]
        self.kept = self._without_conflicts()

    def _attendance(self, problem: Problem) -> list[set[int]]:
        course_of = {course.id: e for e, course in enumerate(problem.courses)}
        attendees: list[set[int]] = [set() for _ in self.classes]
        for s, student in enumerate(problem.students):
            for course in student.courses:
                attendees[course_of[course]].add(s)
        return attendees

    def _without_conflicts(self) -> dict[int, tuple[int, int]]:
        """Leaves out what costs the fewest students per conflict, then takes back what does not conflict any more."""
        rivals: dict[int, set[int]] = defaultdict(set)
        for a, b in self._conflicts():
            rivals[a].add(b)
            rivals[b].add(a)
        left = {event: set(others) for event, others in rivals.items()}
        dropped: list[int] = []
        while left:
            event = min(left, key=lambda e: (self.students[e] / len(left[e]), e))
            dropped.append(event)
            for other in left.pop(event):
                left[other].discard(event)
                if not left[other]:
                    del left[other]
        out = set(dropped)
        for event in sorted(dropped, key=lambda e: (-self.students[e], e)):
            if rivals[event] <= out:
                out.discard(event)
        return {event: place for event, place in self._placed.items() if event not in out}

    def _conflicts(self) -> Iterable[tuple[int, int]]:
        """Pairs of placed events that cannot both stay."""
        in_slot: dict[int, list[int]] = defaultdict(list)
        for event, (slot, _) in self._placed.items():
            in_slot[slot].append(event)
        for events in in_slot.values():
            for a, b in combinations(events, 2):
                if self._placed[a] == self._placed[b] or not self._attendees[a].isdisjoint(self._attendees[b]):
                    yield a, b
        for a, b in self._order:
            if a in self._placed and b in self._placed and self._placed[a][0] >= self._placed[b][0]:
                yield a, b


def _suits(cls: Class, room: Room) -> bool:
    if cls.rooms is not None:
        return any(option.room == room.id for option in cls.rooms)
    needs = cls.room_needs
    if needs is None:
        return True
    seats = cls.limit if needs.min_capacity is None else needs.min_capacity
    return room.capacity >= seats and set(needs.features) <= set(room.features)

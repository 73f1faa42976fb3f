"""The problem and the timetable side by side, as the rules look at them.

Owns the referee's own reading of both: who is placed where and when, who attends what, and what in the timetable does
not fit the problem at all (rule `malformed`). It deliberately does not use `schemas.problem.expand`, so that a mistake
in either shows as a difference. Expects a problem that passed `schemas.problem.check.check`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from schemas.problem.model import Class, Problem, Room, Time, TimeBlock
from schemas.problem.wording import in_words
from schemas.referee.verdict import Tally, Violation
from schemas.timetable import Timetable


def _bits(text: str | None) -> int:
    """First character = bit 0; None = every bit (a negative number has them all)."""
    return -1 if text is None else int(text[::-1], 2)


@dataclass(frozen=True, slots=True)
class Stretch:
    """When something takes place: bit masks of weeks and days, slots [start, end) on each of those days."""

    weeks: int
    days: int
    start: int
    end: int

    @staticmethod
    def of(given: Time | TimeBlock) -> Stretch:
        return Stretch(_bits(given.weeks), _bits(given.days), given.start, given.start + given.length)

    def shares_slot(self, other: Stretch) -> bool:
        return bool(
            self.days & other.days and self.weeks & other.weeks and self.start < other.end and other.start < self.end
        )


@dataclass(frozen=True, slots=True)
class Section:
    """A class and where it stands; configurations and subparts are numbered problem-wide."""

    cls: Class
    course: str
    config: int
    subpart: int


@dataclass(frozen=True, slots=True)
class Placed:
    """A class with its time and, if any, its room; the time also as numbers, because the rules ask often."""

    section: Section
    time: Time
    room: Room | None
    weeks: int
    days: int
    start: int
    end: int

    @property
    def id(self) -> str:
        return self.section.cls.id

    def meets(self, other: Placed) -> bool:
        """They share a day of the week and a week."""
        return bool(self.days & other.days and self.weeks & other.weeks)

    def overlaps(self, other: Placed) -> bool:
        """They meet and share a slot."""
        return self.start < other.end and other.start < self.end and self.meets(other)


class Reading:
    """The problem's things by id, and the timetable's placements and attendances, as far as they fit the problem."""

    def __init__(self, problem: Problem, timetable: Timetable, tally: Tally) -> None:
        self.problem = problem
        self._tally = tally
        self.times = {time.id: time for time in problem.times}
        self.rooms = {room.id: room for room in problem.rooms}
        self.sections = {section.cls.id: section for section in _sections(problem)}
        self.subparts_of_config: dict[int, set[int]] = {}
        for section in self.sections.values():
            self.subparts_of_config.setdefault(section.config, set()).add(section.subpart)
        self._room_travel = {_pair(t.a, t.b): t.slots for t in problem.room_travel}
        self._building_travel = {_pair(t.a, t.b): t.slots for t in problem.building_travel}
        self.longest_travel = max([0, *self._room_travel.values(), *self._building_travel.values()])
        self.placed = self._read_placements(timetable)
        self.attended = self._read_attendances(timetable)
        self._read_lists(timetable)

    # -- reading the timetable ----------------------------------------------------------------------------------------

    def _malformed(self, who: tuple[str, ...], message: str) -> None:
        self._tally.violate("malformed", lambda: Violation("malformed", who, message))

    def _read_placements(self, timetable: Timetable) -> dict[str, Placed]:
        placed: dict[str, Placed] = {}
        for placement in timetable.placements:
            name = placement.class_id
            section, time = self.sections.get(name), self.times.get(placement.time)
            room = None if placement.room is None else self.rooms.get(placement.room)
            if section is None:
                self._malformed((name,), f"Class {name!r} is placed, and the problem has no such class.")
            elif name in placed:
                self._malformed((name,), f"Class {name!r} is placed twice; the first place counts.")
            elif time is None:
                self._malformed(
                    (name,), f"Class {name!r} is at time {placement.time!r}, which the problem does not have."
                )
            else:
                if placement.room is not None and room is None:
                    self._malformed(
                        (name,), f"Class {name!r} is in room {placement.room!r}, which the problem does not have."
                    )
                when = Stretch.of(time)
                placed[name] = Placed(section, time, room, when.weeks, when.days, when.start, when.end)
        return placed

    def _read_attendances(self, timetable: Timetable) -> dict[str, tuple[str, ...]]:
        attended: dict[str, tuple[str, ...]] = {student.id: () for student in self.problem.students}
        listed: set[str] = set()
        for enrolment in timetable.enrolments:
            student = enrolment.student
            if student not in attended:
                self._malformed((student,), f"Student {student!r} is enrolled, and the problem has no such student.")
                continue
            if student in listed:
                self._malformed((student,), f"Student {student!r} is listed twice; the first list of classes counts.")
                continue
            listed.add(student)
            classes = dict.fromkeys(enrolment.classes)
            if len(classes) < len(enrolment.classes):
                self._malformed((student,), f"Student {student!r} is enrolled in a class twice.")
            for unknown in [c for c in classes if c not in self.sections]:
                self._malformed(
                    (unknown, student),
                    f"Student {student!r} attends class {unknown!r}, which the problem does not have.",
                )
                del classes[unknown]
            attended[student] = tuple(classes)
        return attended

    def _read_lists(self, timetable: Timetable) -> None:
        """The lists of what is missing name known things, and nothing that is there after all."""
        for unplaced in timetable.unplaced:
            name = unplaced.class_id
            if name not in self.sections:
                self._malformed((name,), f"Class {name!r} is listed as unplaced, and the problem has no such class.")
            elif name in self.placed:
                self._malformed((name,), f"Class {name!r} is listed as unplaced, and it is placed.")
        requests = {student.id: set(student.courses) for student in self.problem.students}
        for unsectioned in timetable.unsectioned:
            if unsectioned.course not in requests.get(unsectioned.student, ()):
                self._malformed(
                    (unsectioned.student,),
                    f"Student {unsectioned.student!r} is listed as unsectioned in course {unsectioned.course!r},"
                    " and the problem has no such request.",
                )

    # -- what the rules ask -------------------------------------------------------------------------------------------

    def travel(self, a: Room | None, b: Room | None) -> int:
        """Slots to walk: the rooms' own figure if given, else their buildings', else 0."""
        if a is None or b is None or a is b:
            return 0
        own = self._room_travel.get(_pair(a.id, b.id))
        if own is not None:
            return own
        if a.building is None or b.building is None or a.building == b.building:
            return 0
        return self._building_travel.get(_pair(a.building, b.building), 0)

    def unattendable(self, a: Placed, b: Placed) -> bool:
        """Nobody can attend both: they meet, and overlap or leave too little time to walk."""
        if not a.meets(b):
            return False
        walk = self.travel(a.room, b.room) if self.longest_travel else 0
        return a.start < b.end + walk and b.start < a.end + walk

    def unattendable_pairs(self, members: Sequence[Placed]) -> Iterator[tuple[Placed, Placed]]:
        """Every pair that nobody can attend both of, once."""
        by_start = sorted(members, key=lambda p: p.start)
        for n, earlier in enumerate(by_start):
            reach = earlier.end + self.longest_travel
            for later in by_start[n + 1 :]:
                if later.start >= reach:
                    break
                if self.unattendable(earlier, later):
                    yield earlier, later

    def alternatives(self, a: Placed, b: Placed) -> bool:
        """No student attends both: same course, and another configuration or the same subpart."""
        x, y = a.section, b.section
        return x.course == y.course and (x.config != y.config or x.subpart == y.subpart)

    def when(self, placed: Placed) -> str:
        return in_words(self.problem.calendar, placed.time)

    def place_and_time(self, placed: Placed) -> str:
        """'A (Mon 09:00-09:50 in R1)' for sentences."""
        room = "" if placed.room is None else f" in {placed.room.id}"
        return f"{placed.id} ({self.when(placed)}{room})"


def _pair(a: str, b: str) -> tuple[str, str]:
    return (a, b) if a <= b else (b, a)


def _sections(problem: Problem) -> Iterator[Section]:
    config_number = subpart_number = 0
    for course in problem.courses:
        for config in course.configs:
            for subpart in config.subparts:
                for cls in subpart.classes:
                    yield Section(cls, course.id, config_number, subpart_number)
                subpart_number += 1
            config_number += 1

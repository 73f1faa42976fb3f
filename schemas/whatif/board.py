"""A problem and a timetable made ready for questions: who could be in a class's way, looked up instead of searched.

Owns what is prepared once for a timetable, and what is worked out once per class. Must not know which questions are
asked. Placements never change: every question is about one move away from the timetable.

It stands on the referee's reading (`schemas.referee.reading`) and counts by the referee's own rules, so a move's
consequences are the difference of two verdicts; the tests hold it to that.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass

from schemas.problem.model import Class, Distribution, Problem
from schemas.referee.places import Domains
from schemas.referee.reading import Placed, Reading, Stretch
from schemas.referee.verdict import Tally
from schemas.timetable import Timetable

# Classes whose neighbours are kept, those asked about last.
MAX_KEPT = 64


@dataclass(frozen=True, slots=True)
class Tie:
    """Another placed class that this one should not clash with (overlap, or too little time to walk).

    `whose` says why it must not ("instructor 'noether'"), or is None. `curricula` is the weighted cost in soft
    curricula, `students` how many attend both.
    """

    other: Placed
    whose: str | None
    curricula: int
    students: int


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What a class's place has to do with others."""

    ties: tuple[Tie, ...]
    distributions: tuple[Distribution, ...]
    students: int


class Board:
    """Ready for questions. Building it takes as long as a verdict; it holds the problem and the timetable."""

    def __init__(self, problem: Problem, timetable: Timetable) -> None:
        self.problem = problem
        self.reading = Reading(problem, timetable, Tally())
        self.placed = self.reading.placed
        self.domains = Domains(self.reading)
        self.in_room: dict[str, list[Placed]] = {}
        for placed in self.placed.values():
            if placed.room is not None:
                self.in_room.setdefault(placed.room.id, []).append(placed)
        self.closed = {room.id: [Stretch.of(b) for b in room.unavailable] for room in problem.rooms if room.unavailable}
        self._distributions: dict[str, list[Distribution]] = {}
        for distribution in problem.distributions:
            for name in dict.fromkeys(distribution.classes):
                self._distributions.setdefault(name, []).append(distribution)
        self._students: dict[str, list[str]] = {}
        for student, classes in self.reading.attended.items():
            for name in classes:
                self._students.setdefault(name, []).append(student)
        self._taught: dict[str, list[Placed]] = {}
        self._in_course: dict[str, list[Placed]] = {}
        for placed in self.placed.values():
            self._in_course.setdefault(placed.section.course, []).append(placed)
            for instructor in placed.section.cls.instructors:
                self._taught.setdefault(instructor, []).append(placed)
        self._neighbours: OrderedDict[str, Neighbours] = OrderedDict()

    def cls(self, name: str) -> Class | None:
        section = self.reading.sections.get(name)
        return None if section is None else section.cls

    def neighbours(self, name: str) -> Neighbours:
        """Of a class of the problem; worked out at the first question about it."""
        known = self._neighbours.get(name)
        if known is None:
            known = Neighbours(
                tuple(self._ties(name)), tuple(self._distributions.get(name, ())), len(self._students.get(name, ()))
            )
            self._neighbours[name] = known
            if len(self._neighbours) > MAX_KEPT:
                self._neighbours.popitem(last=False)
        self._neighbours.move_to_end(name)
        return known

    def _ties(self, name: str) -> list[Tie]:
        section = self.reading.sections[name]
        whose: dict[str, str] = {}
        curricula: Counter[str] = Counter()
        for instructor in section.cls.instructors:
            for other in self._taught.get(instructor, ()):
                whose.setdefault(other.id, f"instructor {instructor!r}")
        weight = self.problem.weights.distribution
        for curriculum in self.problem.curricula:
            if section.course not in curriculum.courses:
                continue
            for course in curriculum.courses:
                for other in self._in_course.get(course, ()):
                    if self._alternatives(name, other):
                        continue
                    if curriculum.penalty is None:
                        whose.setdefault(other.id, f"curriculum {curriculum.id!r}")
                    else:
                        curricula[other.id] += weight * curriculum.penalty
        together: Counter[str] = Counter()
        for student in self._students.get(name, ()):
            together.update(self.reading.attended[student])
        names = {*whose, *(n for n, cost in curricula.items() if cost), *together} - {name}
        return [
            Tie(self.placed[other], whose.get(other), curricula[other], together[other])
            for other in sorted(names)
            if other in self.placed
        ]

    def _alternatives(self, name: str, other: Placed) -> bool:
        """As `Reading.alternatives`, for a class that need not be placed."""
        x, y = self.reading.sections[name], other.section
        return x.course == y.course and (x.config != y.config or x.subpart == y.subpart)

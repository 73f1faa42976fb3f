"""What the exact method needs to know of a problem.

Owns the shape of the model. Must not know CP-SAT, nor where the model comes from.

A *unit* is one class, or several interchangeable ones: classes that have the same options, stand under the same rules
and must not overlap one another (the lectures of one course in curriculum-based timetabling). A unit of n classes takes
n times; which class gets which does not matter, and treating them as one removes n! equal solutions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from services.solver.engine.search import Assignment

Options = tuple[tuple[int, int], ...]  # (index of the time or room, weighted cost)


@dataclass(frozen=True, slots=True)
class Span:
    """A time: bit w of `weeks`, bit d of `days`, slots [start, end)."""

    weeks: int
    days: int
    start: int
    end: int

    def meets(self, other: Span) -> bool:
        """They share a day of a week."""
        return self.weeks & other.weeks != 0 and self.days & other.days != 0

    def overlaps(self, other: Span) -> bool:
        """They share a slot."""
        return self.start < other.end and other.start < self.end and self.meets(other)

    def gap(self, other: Span) -> int:
        """Slots between the end of the earlier and the start of the later; negative if they overlap in the day."""
        return max(self.start, other.start) - min(self.end, other.end)


@dataclass(frozen=True, slots=True)
class Unit:
    """Interchangeable classes (by index into the expanded problem) and their options; `rooms` None: needs no room."""

    classes: tuple[int, ...]
    times: Options
    rooms: Options | None


@dataclass(frozen=True, slots=True)
class ClashSet:
    """Units of which no two may overlap; with `walking` they also leave time to walk between their rooms.

    `alternatives[k]` is (course, configuration, subpart) of the k-th unit if alternatives of one course are exempt (a
    curriculum), else empty (an instructor). `label` names the rule to a person.
    """

    label: str
    units: tuple[int, ...]
    alternatives: tuple[tuple[int, int, int], ...] = ()
    walking: bool = True

    def exempt(self, a: int, b: int) -> bool:
        """True if the units at positions a and b of the set may overlap."""
        if not self.alternatives:
            return False
        one, other = self.alternatives[a], self.alternatives[b]
        return one[0] == other[0] and (one[1] != other[1] or one[2] == other[2])


@dataclass(frozen=True, slots=True)
class Rule:
    """A distribution: its type's name, its parameters and units in order; `cost` (weighted) is None if required."""

    label: str
    kind: str
    parameters: tuple[int, ...]
    units: tuple[int, ...]
    cost: int | None


@dataclass(frozen=True, slots=True)
class SoftPair:
    """Two units that cost `cost` if they overlap or leave too little time to walk."""

    a: int
    b: int
    cost: int


@dataclass(frozen=True, slots=True)
class Course:
    """For sectioning: configurations -> subparts -> units, of which a student takes one each."""

    label: str
    configs: tuple[tuple[tuple[int, ...], ...], ...]


@dataclass(frozen=True, slots=True)
class KeptUnits:
    """An earlier timetable to stay close to, as far as option costs do not say it.

    `sections[s]` are the units that student s should go on attending, at `section_cost` for each that is left. With
    `max_changes` at most so many of `places`, (unit, time, room or None), may be left. The units there are single
    classes.
    """

    sections: tuple[tuple[int, ...], ...]
    section_cost: int
    places: tuple[tuple[int, int, int | None], ...]
    max_changes: int | None


@dataclass(frozen=True, slots=True)
class ExactModel:
    """A problem for CP-SAT.

    `blocked` are (room, time) that exclude one another; `walks` maps (room, room), smaller index first, to slots.
    `requests[s]` are indices into `courses`. `left_out` names what the model does not contain: if it is not empty, a
    solution of the model need not be one of the problem, but infeasibility and lower bounds hold all the same.
    """

    classes: int
    weeks: int
    days: int
    spans: tuple[Span, ...]
    room_labels: tuple[str, ...]
    units: tuple[Unit, ...]
    blocked: frozenset[tuple[int, int]]
    walks: Mapping[tuple[int, int], int]
    clash_sets: tuple[ClashSet, ...]
    rules: tuple[Rule, ...]
    soft_pairs: tuple[SoftPair, ...]
    courses: tuple[Course, ...]
    requests: tuple[tuple[int, ...], ...]
    limits: tuple[int, ...]  # seats of each unit
    parents: tuple[int | None, ...]  # of each unit
    student_cost: int
    kept: KeptUnits | None = None
    left_out: tuple[str, ...] = ()

    def walk(self, a: int, b: int) -> int:
        """Slots to walk between two rooms."""
        return self.walks.get((a, b) if a < b else (b, a), 0)


@dataclass(frozen=True, slots=True)
class Count:
    """A timetable counted by part."""

    hard: Mapping[str, int]
    parts: Mapping[str, int]

    @property
    def rank(self) -> tuple[int, int]:
        """(hard violations, cost); smaller is better."""
        return (sum(self.hard.values()), sum(self.parts.values()))


# Counts an assignment by the problem's own rules, independently of the constraint model.
Counter = Callable[[Assignment], Count]

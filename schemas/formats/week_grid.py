"""Timetables as weeks on paper: for each room, instructor or other thing, days across and hours down.

Owns which classes stand in which grid, and how those that overlap stand side by side. Must not know how a grid is
drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schemas.formats.placed_classes import PlacedClass
from schemas.problem.model import Problem


@dataclass(frozen=True, slots=True)
class Meeting:
    """A class on one day of the week, in slots from `start` to `end`; `lane` counts those beside it, from 0."""

    placed: PlacedClass
    day: int
    start: int
    end: int
    lane: int


@dataclass(frozen=True, slots=True)
class WeekGrid:
    """One grid. `boundaries` are the slots at which anything starts or ends; `lanes[day]` is at least 1."""

    title: str
    meetings: tuple[Meeting, ...]
    boundaries: tuple[int, ...]
    lanes: tuple[int, ...]


def week_grid(title: str, placed: Iterable[PlacedClass], days: int) -> WeekGrid:
    """The grid of these classes, over all weeks together."""
    meetings: list[Meeting] = []
    lanes = []
    classes = list(placed)
    for day in range(days):
        on_day = sorted(
            (item for item in classes if item.time.days[day] == "1"), key=lambda item: (item.time.start, item.cls.id)
        )
        ends: list[int] = []  # of the last class in each lane
        for item in on_day:
            start, end = item.time.start, item.time.start + item.time.length
            lane = next((n for n, last in enumerate(ends) if last <= start), len(ends))
            ends[lane : lane + 1] = [end]
            meetings.append(Meeting(item, day, start, end, lane))
        lanes.append(max(1, len(ends)))
    boundaries = sorted({slot for m in meetings for slot in (m.start, m.end)})
    return WeekGrid(title, tuple(meetings), tuple(boundaries), tuple(lanes))


def by_room(problem: Problem, placed: Sequence[PlacedClass]) -> list[WeekGrid]:
    """A grid for each room that is used, in the problem's order."""
    used: dict[str, list[PlacedClass]] = {}
    for item in placed:
        if item.room is not None:
            used.setdefault(item.room.id, []).append(item)
    return [
        week_grid(room.id if room.name is None else f"{room.id}, {room.name}", used[room.id], problem.calendar.days)
        for room in problem.rooms
        if room.id in used
    ]


def by_instructor(problem: Problem, placed: Sequence[PlacedClass]) -> list[WeekGrid]:
    """A grid for each instructor who teaches, in the problem's order."""
    taught: dict[str, list[PlacedClass]] = {}
    for item in placed:
        for instructor in item.cls.instructors:
            taught.setdefault(instructor, []).append(item)
    return [
        week_grid(i.id if i.name is None else f"{i.id}, {i.name}", taught[i.id], problem.calendar.days)
        for i in problem.instructors
        if i.id in taught
    ]

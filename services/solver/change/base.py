"""The baseline by index, and what of a timetable departs from it.

Owns the engine's count of changes (the referee and `schemas.change.difference` count by themselves). Must not know how
the search is made to avoid them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.change.baseline import Baseline
from schemas.problem.expand import ExpandedProblem
from services.solver.engine.search import Assignment, Int32s

Bools = npt.NDArray[np.bool_]
Int64s = npt.NDArray[np.int64]

# A class that the baseline does not place or gives no room; one whose time or room the problem does not have any more.
NOWHERE, GONE = -1, -2


@dataclass(frozen=True, slots=True)
class Changes:
    """What departs: `classes` at another place (or at none), `times` and `rooms` of them, `sections` that were left."""

    classes: Bools
    times: int
    rooms: int
    sections: int


class Base:
    """A baseline against its problem.

    `times[classes]` and `rooms[classes]` are where it has each class, NOWHERE or GONE; `sections[s]` the classes that
    student s attends there, of courses that he or she still asks for.
    """

    def __init__(self, expanded: ExpandedProblem, baseline: Baseline) -> None:
        problem = expanded.problem
        self.baseline = baseline
        class_index = {c.id: i for i, c in enumerate(expanded.classes)}
        time_index = {t.id: i for i, t in enumerate(problem.times)}
        room_index = {r.id: i for i, r in enumerate(problem.rooms)}
        self.times: Int32s = np.full(len(expanded.classes), NOWHERE, np.int32)
        self.rooms: Int32s = np.full(len(expanded.classes), NOWHERE, np.int32)
        seen: set[int] = set()
        for placement in baseline.timetable.placements:
            i = class_index.get(placement.class_id)
            if i is None or i in seen:
                continue
            seen.add(i)
            self.times[i] = time_index.get(placement.time, GONE)
            if placement.room is not None and expanded.classes[i].rooms is not None:
                self.rooms[i] = room_index.get(placement.room, GONE)
        self.sections = _sections(expanded, baseline, class_index)
        self._needs_room: Bools = np.array([c.rooms is not None for c in expanded.classes], np.bool_)
        students = np.repeat(np.arange(len(self.sections)), [len(x) for x in self.sections])
        classes = np.array([i for x in self.sections for i in x], np.int64)
        self._wide = np.int64(max(1, len(expanded.classes)))
        self._attended = np.sort(students.astype(np.int64) * self._wide + classes)

    @property
    def known(self) -> Bools:
        """Classes that the baseline places."""
        return np.asarray(self.times != NOWHERE)

    def changes(self, assignment: Assignment) -> Changes:
        """Classes without a place have changed, too, but cost nothing: they are violations."""
        placed = (assignment.times >= 0) & ((assignment.rooms >= 0) | ~self._needs_room)
        other_time = self.known & (assignment.times != self.times)
        other_room = self.known & (self.rooms != NOWHERE) & (assignment.rooms != self.rooms)
        start = assignment.attended_start
        students = np.repeat(np.arange(len(start) - 1, dtype=np.int64), np.diff(start))
        attended = students * self._wide + assignment.attended
        return Changes(
            classes=other_time | other_room,
            times=int((placed & other_time).sum()),
            rooms=int((placed & other_room).sum()),
            sections=self._left(attended),
        )

    def _left(self, attended: Int64s) -> int:
        """How many of the baseline's pairs of student and class are not among these; asked ten times a second."""
        known = self._attended
        if not len(known):
            return 0
        at = np.minimum(np.searchsorted(known, attended), len(known) - 1)
        kept = np.zeros(len(known), np.bool_)
        kept[at[known[at] == attended]] = True
        return len(known) - int(kept.sum())

    def cost(self, changes: Changes) -> int:
        """What they cost by the baseline's weights."""
        weights = self.baseline.weights
        return weights.time * changes.times + weights.room * changes.rooms + weights.section * changes.sections

    def forced(self, expanded: ExpandedProblem) -> Bools:
        """Classes that cannot stay where they are, whatever else is done: their place is no option any more."""
        forced = np.zeros(len(expanded.classes), np.bool_)
        closed: dict[tuple[int, int], bool] = {}
        for i in np.flatnonzero(self.known).tolist():
            c, u, r = expanded.classes[i], int(self.times[i]), int(self.rooms[i])
            forced[i] = all(option != u for option, _ in c.times)
            if r != NOWHERE and c.rooms is not None and not forced[i]:
                if (u, r) not in closed and r >= 0:
                    blocks = expanded.room_unavailable[r]
                    closed[u, r] = any(expanded.times[u].overlaps(block) for block in blocks)
                forced[i] = all(option != r for option, _ in c.rooms) or closed.get((u, r), True)
        return forced


def _sections(
    expanded: ExpandedProblem, baseline: Baseline, class_index: dict[str, int]
) -> tuple[tuple[int, ...], ...]:
    student_index = {s.id: n for n, s in enumerate(expanded.problem.students)}
    sections: list[tuple[int, ...]] = [() for _ in expanded.requests]
    seen: set[int] = set()
    for enrolment in baseline.timetable.enrolments:
        s = student_index.get(enrolment.student)
        if s is None or s in seen:
            continue
        seen.add(s)
        wanted = set(expanded.requests[s])
        known = (class_index.get(name) for name in dict.fromkeys(enrolment.classes))
        sections[s] = tuple(i for i in known if i is not None and expanded.classes[i].course in wanted)
    return tuple(sections)

"""Departures from a baseline: what the classes and students that have changed cost.

Owns the part `change` of the cost. Must not know what else a timetable costs.
"""

from __future__ import annotations

from schemas.change.baseline import Baseline
from schemas.referee.reading import Reading
from schemas.referee.verdict import Tally


def change_cost(reading: Reading, tally: Tally, baseline: Baseline) -> None:
    """A class at another time than the baseline's costs, so does one in another room, so does each class that a student
    has left although he or she still asks for its course. Classes that are not placed are violations, not changes.
    """
    other_times = other_rooms = left = 0
    seen: set[str] = set()
    for earlier in baseline.timetable.placements:
        placed = reading.placed.get(earlier.class_id)
        if placed is None or earlier.class_id in seen:
            continue
        seen.add(earlier.class_id)
        other_times += placed.time.id != earlier.time
        if earlier.room is not None and placed.room is not None:
            other_rooms += placed.room.id != earlier.room
    requests = {student.id: student.courses for student in reading.problem.students}
    for enrolment in baseline.timetable.enrolments:
        wanted = requests.pop(enrolment.student, ())
        for name in set(enrolment.classes):
            section = reading.sections.get(name)
            if section is not None and section.course in wanted:
                left += name not in reading.attended[enrolment.student]
    weights = baseline.weights
    tally.charge("change", weights.time * other_times + weights.room * other_rooms + weights.section * left)

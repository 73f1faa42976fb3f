"""The verdict on a timetable: every rule of the problem counted once, in plain Python.

Owns the list of rules. It shares no code with the solver's own count, nor with the expansion that the solver starts
from: where the two differ, one of them is wrong, and the tests say so.
"""

from __future__ import annotations

from schemas.change.baseline import Baseline
from schemas.problem.model import Problem
from schemas.referee.changes import change_cost
from schemas.referee.distributions import distributions
from schemas.referee.places import (
    Domains,
    class_conflict,
    curriculum_cost,
    room_conflict,
    room_unavailable,
    unplaced_classes,
)
from schemas.referee.reading import Reading
from schemas.referee.sectioning import class_limit, unsectioned_requests
from schemas.referee.student_rules import student_conflicts, student_day_rules
from schemas.referee.verdict import Tally, Verdict
from schemas.timetable import Timetable


def judge(problem: Problem, timetable: Timetable, baseline: Baseline | None = None) -> Verdict:
    """Count every hard violation and every soft cost of a timetable; with a baseline also the departures from it.

    The problem must have passed `schemas.problem.check.check`. Nothing is assumed of the timetable: ids that the
    problem does not have, and things listed twice, violate the rule `malformed` and are otherwise passed over.
    """
    tally = Tally()
    reading = Reading(problem, timetable, tally)
    unplaced_classes(reading, tally)
    Domains(reading).count(tally)
    room_conflict(reading, tally)
    room_unavailable(reading, tally)
    class_conflict(reading, tally)
    class_limit(reading, tally)
    unsectioned_requests(reading, tally)
    distributions(reading, tally)
    student_conflicts(reading, tally)
    student_day_rules(reading, tally)
    curriculum_cost(reading, tally)
    if baseline is not None:
        change_cost(reading, tally, baseline)
    return tally.verdict()

"""Timetables by name and by index say the same, and what is missing has a reason that a planner can act on."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings

from schemas.problem.expand import ExpandedProblem
from schemas.problem.model import Student
from schemas.referee import judge
from services.solver.compile.assignment import to_assignment, to_timetable
from services.solver.engine.search import Assignment
from tests.unit.engine.tiny_problems import every_timetable, tiny_problems
from tests.unit.solver_portfolio.problems import a_class, a_course, a_problem, hours


def an_assignment(times: list[int], rooms: list[int], attended: list[list[int]] | None = None) -> Assignment:
    lists = attended or []
    start = np.cumsum([0, *(len(x) for x in lists)], dtype=np.int32)
    return Assignment(
        np.array(times, np.int32), np.array(rooms, np.int32), start, np.array([i for x in lists for i in x], np.int32)
    )


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(tiny_problems())
def test_a_timetable_survives_the_way_there_and_back(expanded: ExpandedProblem) -> None:
    timetable = next(every_timetable(expanded))
    again = to_timetable(expanded, to_assignment(expanded, timetable))
    assert again.placements == timetable.placements
    assert judge(expanded.problem, again).score == judge(expanded.problem, timetable).score
    assert (again.unplaced, again.unsectioned) == ([], [])


def test_an_unplaced_class_says_who_is_in_its_way() -> None:
    expanded = a_problem(
        [
            a_course("left", a_class("left", ["0-0", "0-1", "1-0"], ["hall"], taught_by=["noether"])),
            a_course("taught", a_class("taught", ["0-0"], taught_by=["noether"])),
            a_course("in the hall", a_class("in the hall", ["0-1"], ["hall"])),
            a_course("there too", a_class("there too", ["1-0"], ["hall"])),
        ]
    )
    (unplaced,) = to_timetable(expanded, an_assignment([-1, 0, 1, 2], [-1, -1, 0, 0])).unplaced
    assert unplaced.class_id == "left"
    assert unplaced.reason == (
        "none of its 3 times is free: 1 clash with classes of the same instructor or curriculum (taught);"
        " during 2 its room is taken (by in the hall, there too)"
    )


def test_a_class_with_a_free_place_is_not_said_to_be_blocked() -> None:
    expanded = a_problem([a_course("left", a_class("left", hours(2, 2), ["hall"]))])
    (unplaced,) = to_timetable(expanded, an_assignment([-1], [-1])).unplaced
    assert unplaced.reason == "no place was found for it in the time given"


def test_a_request_without_a_seat_says_so() -> None:
    course = a_course("dance", a_class("morning", ["0-0"], limit=1), a_class("evening", ["0-1"], limit=0))
    expanded = a_problem([course], students=[Student(id=s, courses=["dance"]) for s in ("ada", "bea")])
    timetable = to_timetable(expanded, an_assignment([0, 1], [-1, -1], [[0], []]))
    assert [(e.student, e.classes) for e in timetable.enrolments] == [("ada", ["morning"])]
    assert [(u.student, u.course, u.reason) for u in timetable.unsectioned] == [
        ("bea", "dance", "its only seat is taken")
    ]


def test_an_unknown_or_forbidden_place_becomes_unplaced() -> None:
    expanded = a_problem([a_course("c", a_class("c", ["0-0"], ["hall"]))], rooms=["hall", "cell"])
    good = to_timetable(expanded, an_assignment([0], [0]))
    for change in ({"time": "1-1"}, {"time": "gone"}, {"room": "cell"}, {"room": None}):
        moved = good.model_copy(update={"placements": [good.placements[0].model_copy(update=change)]})
        assignment = to_assignment(expanded, moved)
        assert -1 in (assignment.times[0], assignment.rooms[0])

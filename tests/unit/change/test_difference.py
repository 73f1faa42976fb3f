"""What counts as changed between two timetables, and that the referee's cost of changes says the same."""

from __future__ import annotations

from schemas.change.baseline import Baseline, KeepWeights
from schemas.change.difference import Difference, difference
from schemas.change.report import report_changes
from schemas.problem.model import Problem
from schemas.referee import judge
from schemas.timetable import Timetable
from tests.unit.schemas.building import (
    a_class,
    a_course,
    a_problem,
    a_room,
    a_student,
    a_timetable,
    anywhere,
    one_class_courses,
)

WEIGHTS = KeepWeights(time=100, room=10, section=1)


def change_cost(problem: Problem, before: Timetable, after: Timetable) -> int:
    return judge(problem, after, Baseline(before, WEIGHTS)).score.cost.get("change", 0)


def priced(found: Difference) -> int:
    return 100 * found.times + 10 * found.rooms + found.sections


def a_small_problem() -> Problem:
    return a_problem(
        [
            *one_class_courses("algebra", "botany", rooms=anywhere("R1", "R2")),
            *one_class_courses("walk"),
            a_course("dance", [a_class("dance-1"), a_class("dance-2")]),
        ],
        ["M 0-2", "T 0-2", "W 0-2"],
        rooms=[a_room("R1"), a_room("R2")],
        students=[a_student("ada", "dance", "algebra"), a_student("bea", "dance")],
    )


BEFORE = a_timetable(
    {"algebra": "M 0-2", "botany": "T 0-2", "walk": "M 0-2", "dance-1": "M 0-2", "dance-2": "T 0-2"},
    {"algebra": "R1", "botany": "R1"},
    {"ada": ["dance-1", "algebra"], "bea": ["dance-2"]},
)


def test_nothing_changed_costs_nothing() -> None:
    problem = a_small_problem()
    found = difference(problem, BEFORE, BEFORE)
    assert (found.classes, found.students, found.compared) == ((), (), 5)
    assert change_cost(problem, BEFORE, BEFORE) == 0


def test_other_times_other_rooms_and_other_sections_are_told_apart() -> None:
    problem = a_small_problem()
    after = a_timetable(
        {"algebra": "M 0-2", "botany": "W 0-2", "walk": "T 0-2", "dance-1": "M 0-2", "dance-2": "T 0-2"},
        {"algebra": "R2", "botany": "R2"},
        {"ada": ["dance-2", "algebra"], "bea": ["dance-2"]},
    )
    found = difference(problem, BEFORE, after)
    moved = {c.class_id: (c.before, c.after) for c in found.classes}
    assert list(moved) == ["algebra", "botany", "walk"]
    before, now = moved["botany"]
    assert before is not None
    assert now is not None
    assert (before.time, before.room, now.time, now.room) == ("T 0-2", "R1", "W 0-2", "R2")
    assert (found.times, found.rooms, found.sections) == (2, 2, 1)
    (student,) = found.students
    assert (student.student, student.left, student.joined) == ("ada", ["dance-1"], ["dance-2"])
    assert change_cost(problem, BEFORE, after) == priced(found) == 221


def test_a_class_that_is_nowhere_any_more_has_changed_but_costs_as_a_violation_only() -> None:
    problem = a_small_problem()
    places = {p.class_id: p.time for p in BEFORE.placements if p.class_id != "walk"}
    after = a_timetable(places, {"algebra": "R1", "botany": "R1"}, {"ada": ["dance-1", "algebra"], "bea": ["dance-2"]})
    found = difference(problem, BEFORE, after)
    assert [(c.class_id, c.after) for c in found.classes] == [("walk", None)]
    assert change_cost(problem, BEFORE, after) == 0


def test_what_the_base_does_not_know_is_new_and_what_the_problem_does_not_have_is_gone() -> None:
    problem = a_small_problem()
    earlier = a_timetable({"algebra": "Sunday", "history": "M 0-2"}, {"algebra": "attic"}, {"cleo": ["dance-1"]})
    found = difference(problem, earlier, BEFORE)
    assert (found.compared, found.new, found.gone) == (1, 4, 1)
    assert [c.class_id for c in found.classes] == ["algebra"]
    assert change_cost(problem, earlier, BEFORE) == priced(found) == 110


def test_a_room_counts_only_where_there_was_one_and_is_one() -> None:
    problem = a_small_problem()
    earlier = a_timetable({"algebra": "M 0-2", "walk": "M 0-2"}, {"walk": "R1"})
    found = difference(problem, earlier, BEFORE)
    assert found.classes == ()
    assert change_cost(problem, earlier, BEFORE) == 0


def test_a_course_that_a_student_dropped_is_no_change() -> None:
    problem = a_small_problem()
    earlier = BEFORE.model_copy(update={"enrolments": a_timetable({}, {}, {"bea": ["dance-2", "algebra"]}).enrolments})
    found = difference(problem, earlier, BEFORE)
    assert found.students == ()
    assert change_cost(problem, earlier, BEFORE) == 0


def test_a_report_says_how_far_a_budget_was_passed() -> None:
    problem = a_small_problem()
    after = a_timetable({p.class_id: "W 0-2" for p in BEFORE.placements}, {"algebra": "R1", "botany": "R1"})
    report = report_changes(difference(problem, BEFORE, after), max_changes=3, forced=1)
    assert (report.classes, report.over_budget, report.forced, report.students) == (5, 2, 1, 2)
    assert report_changes(difference(problem, BEFORE, after), max_changes=5).over_budget == 0

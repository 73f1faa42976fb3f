"""What would help: every sentence is counted again by the referee, names what to change, and comes in order of use."""

from __future__ import annotations

from schemas.problem.check import check
from schemas.problem.expand import ExpandedProblem
from schemas.problem.model import (
    Config,
    Course,
    Curriculum,
    Distribution,
    DistributionType,
    Pin,
    Problem,
    Student,
    Subpart,
    TimeBlock,
)
from schemas.referee import judge
from schemas.timetable import Enrolment, Placement, Timetable, Unplaced, Unsectioned
from services.solver.relaxations import relaxations
from tests.unit.solver_portfolio.problems import a_class, a_course, a_problem, hours


def at(name: str, time: str, room: str | None = None) -> Placement:
    return Placement.model_validate({"class": name, "time": time, "room": room})


def would_help(problem: ExpandedProblem | Problem, timetable: Timetable) -> list[str]:
    given = problem.problem if isinstance(problem, ExpandedProblem) else problem
    assert judge(given, timetable).score.hard_violations > 0
    return relaxations(given, timetable, seconds=60.0, should_stop=lambda: False)


def test_another_time_for_one_of_two_classes_of_an_instructor() -> None:
    classes = [a_course(name, a_class(name, ["0-0"], taught_by=["noether"])) for name in ("a", "b")]
    found = would_help(a_problem(classes), Timetable(placements=[at("a", "0-0"), at("b", "0-0")]))
    assert found == ["If class 'a' may be at Mon 00:05-00:10, no hard violation is left."]


def test_somebody_else_where_no_time_is_left() -> None:
    classes = [a_course(name, a_class(name, ["0-0"], taught_by=["noether"])) for name in ("a", "b")]
    problem = a_problem(classes, days=1, slots=1)
    found = would_help(problem, Timetable(placements=[at("a", "0-0"), at("b", "0-0")]))
    assert found == ["If class 'a' is taught by somebody else than 'noether', no hard violation is left."]


def test_another_room_that_is_large_enough_and_free() -> None:
    classes = [a_course(name, a_class(name, ["0-0"], ["hall"], limit=50)) for name in ("a", "b")]
    problem = a_problem(classes, days=1, slots=1, rooms=["hall", "lab", "cellar"]).problem
    small = [r.model_copy(update={"capacity": 20}) if r.id == "lab" else r for r in problem.rooms]
    timetable = Timetable(placements=[at("a", "0-0", "hall"), at("b", "0-0", "hall")])
    found = would_help(problem.model_copy(update={"rooms": small}), timetable)
    assert found == ["If class 'a' may be at Mon 00:00-00:05 in room 'cellar', no hard violation is left."]


def test_a_constraint_that_cannot_be_kept_is_named_with_its_number() -> None:
    classes = [a_course(name, a_class(name, [time])) for name, time in (("a", "0-0"), ("b", "1-1"))]
    rules = [
        Distribution(type=DistributionType.NOT_OVERLAP, classes=["a", "b"], required=True),
        Distribution(type=DistributionType.SAME_DAYS, classes=["a", "b"], required=True),
        Distribution(type=DistributionType.DIFFERENT_DAYS, classes=["a", "b"], required=True),
        Distribution(type=DistributionType.SAME_START, classes=["a", "b"], required=True),
    ]
    found = would_help(a_problem(classes, distributions=rules), Timetable(placements=[at("a", "0-0"), at("b", "1-1")]))
    # One more time for a class mends either of the two, but not both: the three days rules contradict one another.
    assert len(found) == 2
    assert "1 of 2 hard violations is left" in found[0]
    assert found[1].startswith("In addition, if ")
    assert found[1].endswith("no hard violation is left.")
    assert any("constraint 2, SameDays of a, b" in sentence for sentence in found)


def test_seats_for_those_who_found_none_and_for_those_who_are_too_many() -> None:
    lecture = a_class("lecture", ["0-0"], limit=2)
    seminars = [a_class(f"s{k}", ["0-1"], limit=1).model_copy(update={"parent": "lecture"}) for k in range(2)]
    parts = [Subpart(id="lecture", classes=[lecture]), Subpart(id="seminar", classes=seminars)]
    course = Course(id="dance", configs=[Config(id="dance", subparts=parts)])
    other = a_course("music", a_class("music", ["1-0"], limit=1))
    students = [Student(id=f"p{k}", courses=["dance", "music"] if k < 2 else ["dance"]) for k in range(4)]
    problem = a_problem([course, other], students=students)
    assert not check(problem.problem)
    timetable = Timetable(
        placements=[at("lecture", "0-0"), at("s0", "0-1"), at("s1", "0-1"), at("music", "1-0")],
        enrolments=[Enrolment(student=f"p{k}", classes=["lecture", f"s{k}", "music"]) for k in range(2)],
        unsectioned=[Unsectioned(student=f"p{k}", course="dance", reason="no seat") for k in (2, 3)],
    )
    assert would_help(problem, timetable) == [
        "If lecture, s0 of course 'dance' had 2 seats more, 1 of 3 hard violations is left.",
        "In addition, if class 'music' had 1 seat more, no hard violation is left.",
    ]


def test_a_room_that_is_closed_and_a_class_that_is_pinned() -> None:
    course = a_course("a", a_class("a", ["0-0", "0-1"], ["hall"]))
    problem = a_problem([course], days=1).problem
    closed = problem.rooms[0].model_copy(update={"unavailable": [TimeBlock(start=0, length=1)]})
    shut = problem.model_copy(update={"rooms": [closed]})
    found = would_help(shut, Timetable(placements=[at("a", "0-0", "hall")]))
    assert found == ["If room 'hall' is open at Mon 00:00-00:05, no hard violation is left."]
    pinned = problem.model_copy(update={"pins": [Pin.model_validate({"class": "a", "time": "0-1"})]})
    found = would_help(pinned, Timetable(placements=[at("a", "0-0", "hall")]))
    assert found == ["If class 'a' is not pinned, no hard violation is left."]


def test_a_curriculum_whose_classes_have_one_time() -> None:
    classes = [a_course(name, a_class(name, ["0-0"])) for name in ("a", "b", "c")]
    curriculum = Curriculum(id="first year", courses=["a", "b", "c"])
    problem = a_problem(classes, days=1, slots=1, curricula=[curriculum])
    found = would_help(problem, Timetable(placements=[at(name, "0-0") for name in ("a", "b", "c")]))
    assert found == ["If classes of curriculum 'first year' may clash, no hard violation is left."]


def test_a_class_without_a_place_gets_a_free_one() -> None:
    classes = [a_course(name, a_class(name, ["0-0"], ["hall"])) for name in ("a", "b")]
    timetable = Timetable(
        placements=[at("a", "0-0", "hall")], unplaced=[Unplaced.model_validate({"class": "b", "reason": "no room"})]
    )
    assert would_help(a_problem(classes), timetable) == [
        "If class 'b' may be at Mon 00:05-00:10 in room 'hall', no hard violation is left."
    ]


def test_a_class_without_a_place_gets_another_room_where_its_own_are_taken_all_week() -> None:
    classes = [a_course(name, a_class(name, hours(1, 2), ["hall"])) for name in ("a", "b", "c")]
    problem = a_problem(classes, days=1, rooms=["hall", "lab"])
    timetable = Timetable(
        placements=[at("a", "0-0", "hall"), at("b", "0-1", "hall")],
        unplaced=[Unplaced.model_validate({"class": "c", "reason": "no room"})],
    )
    assert would_help(problem, timetable) == [
        "If class 'c' may be at Mon 00:00-00:05 in room 'lab', no hard violation is left."
    ]


def test_no_time_no_answer_and_no_violation_no_question() -> None:
    classes = [a_course(name, a_class(name, ["0-0"], taught_by=["noether"])) for name in ("a", "b")]
    problem = a_problem(classes).problem
    clash = Timetable(placements=[at("a", "0-0"), at("b", "0-0")])
    assert relaxations(problem, clash, seconds=60.0, should_stop=lambda: True) == []
    assert relaxations(problem, clash, seconds=0.0, should_stop=lambda: False) == []
    fine = a_problem([classes[0]]).problem
    assert relaxations(fine, Timetable(placements=[at("a", "0-0")]), seconds=60.0, should_stop=lambda: False) == []

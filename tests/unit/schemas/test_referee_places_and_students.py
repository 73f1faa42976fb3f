"""The rules about places, people and students: a case that violates each, and one that nearly does."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.problem.model import Config, Course, Pin, Problem, RoomNeeds, Subpart
from schemas.referee import judge
from schemas.referee.verdict import MAX_VIOLATIONS_PER_RULE
from schemas.timetable import Enrolment, Placement, Timetable, Unplaced, Unsectioned
from tests.unit.schemas.building import (
    a_class,
    a_course,
    a_curriculum,
    a_problem,
    a_room,
    a_student,
    a_timetable,
    an_instructor,
    anywhere,
    one_class_courses,
    verdict_of,
)

MONDAY = {"start": 0, "length": 10, "days": "10000"}


def hard(problem: Problem, *args: Any, **fields: Any) -> dict[str, int]:
    return judge(problem, a_timetable(*args, **fields)).score.hard


def test_a_class_without_a_time_or_without_the_room_it_needs_is_unplaced() -> None:
    courses = [*one_class_courses("a", rooms=anywhere("r")), *one_class_courses("b")]
    problem = a_problem(courses, rooms=[a_room("r")])
    assert hard(problem, {"a": "M 0-2"}) == {"unplaced": 2}
    assert hard(problem, {"a": "M 0-2", "b": "M 0-2"}, {"a": "r"}) == {}


def test_a_room_holds_one_class_at_a_time() -> None:
    rooms = dict.fromkeys("abc", "r")
    assert verdict_of({"a": "M 0-2", "b": "M 1-3", "c": "T 0-2"}, rooms_of=rooms).score.hard == {"room_conflict": 1}
    assert verdict_of({"a": "M 0-2", "b": "M 2-3", "c": "T 0-2"}, rooms_of=rooms).feasible
    assert verdict_of({"a": "M 0-2 w1", "b": "M 0-2 w2"}, rooms_of=rooms).feasible
    every_pair = verdict_of(dict.fromkeys("abc", "M 0-2"), rooms_of=rooms)
    assert every_pair.score.hard == {"room_conflict": 3}
    assert every_pair.violations[0].where == "r"


def test_a_room_is_not_used_while_it_is_unavailable() -> None:
    closed = [a_room("r", unavailable=[{"start": 4, "length": 2, "days": "10000", "weeks": "10"}])]
    fields = {"rooms_of": {"a": "r"}, "rooms": closed}
    assert verdict_of({"a": "M 3-5"}, **fields).score.hard == {"room_unavailable": 1}
    for free in ("M 2-4", "M 6-7", "T 3-5", "M 3-5 w2"):
        assert verdict_of({"a": free}, **fields).feasible, free


def test_an_instructor_teaches_one_class_at_a_time_even_sections_of_one_course() -> None:
    sections = a_course("x", [a_class("x1", instructors=["i"]), a_class("x2", instructors=["i"])])
    problem = a_problem([sections], ["M 0-2", "M 1-3", "M 2-4"], instructors=[an_instructor("i")])
    assert hard(problem, {"x1": "M 0-2", "x2": "M 1-3"}) == {"class_conflict": 1}
    assert hard(problem, {"x1": "M 0-2", "x2": "M 2-4"}) == {}


def test_an_instructor_needs_time_to_walk() -> None:
    courses = [a_course(c, [a_class(c, instructors=["i"], rooms=anywhere("r", "s"))]) for c in "ab"]
    problem = a_problem(
        courses,
        ["M 0-2", "M 2-4", "M 3-5"],
        rooms=[a_room("r"), a_room("s")],
        room_travel=[{"a": "r", "b": "s", "slots": 1}],
        instructors=[an_instructor("i")],
    )
    apart = {"a": "r", "b": "s"}
    assert hard(problem, {"a": "M 0-2", "b": "M 2-4"}, apart) == {"class_conflict": 1}
    assert hard(problem, {"a": "M 0-2", "b": "M 3-5"}, apart) == {}
    assert hard(problem, {"a": "M 0-2", "b": "M 2-4"}, dict.fromkeys("ab", "r")) == {}


def test_courses_of_a_required_curriculum_do_not_clash_and_a_pair_counts_once() -> None:
    curricula = [a_curriculum("q", "a", "b"), a_curriculum("p", "b", "a")]
    assert verdict_of({"a": "M 0-2", "b": "M 1-3"}, curricula=curricula).score.hard == {"class_conflict": 1}
    assert verdict_of({"a": "M 0-2", "b": "M 2-3"}, curricula=curricula).feasible


def test_alternatives_of_a_course_do_not_clash_in_a_curriculum_but_its_subparts_do() -> None:
    course = a_course("x", [a_class("x1"), a_class("x2")], [a_class("lab")])
    other = Course(
        id="y",
        configs=[
            Config(id=name, subparts=[Subpart(id=name, classes=[a_class(name)])]) for name in ("y-campus", "y-online")
        ],
    )
    problem = a_problem([course, other], ["M 0-2", "T 0-2", "W 0-2"], curricula=[a_curriculum("q", "x", "y")])
    places = {"x1": "M 0-2", "x2": "M 0-2", "y-campus": "W 0-2", "y-online": "W 0-2"}
    assert hard(problem, {**places, "lab": "T 0-2"}) == {}
    assert hard(problem, {**places, "lab": "M 0-2"}) == {"class_conflict": 2}


def test_a_soft_curriculum_costs_per_pair_and_per_curriculum() -> None:
    curricula = [a_curriculum(name, "a", "b", penalty=3) for name in "pq"]
    fields = {"curricula": curricula, "weights": {"distribution": 2}}
    assert verdict_of({"a": "M 0-2", "b": "M 1-3"}, **fields).score.cost == {"curriculum": 12}
    assert verdict_of({"a": "M 0-2", "b": "M 2-3"}, **fields).score.cost == {}


# -- domains ----------------------------------------------------------------------------------------------------------


def test_a_class_takes_one_of_its_own_times_and_rooms() -> None:
    course = a_course("a", [a_class("a", times=[{"time": "M 0-2"}], time_domain=None, rooms=anywhere("r"))])
    problem = a_problem([course], ["M 0-2", "T 0-2"], rooms=[a_room("r"), a_room("s")])
    assert hard(problem, {"a": "M 0-2"}, {"a": "r"}) == {}
    assert hard(problem, {"a": "T 0-2"}, {"a": "s"}) == {"domain": 2}


@pytest.mark.parametrize(
    ("needs", "message"),
    [
        ({"min_capacity": 51}, "which has 50 seats, and it needs 51"),
        ({"min_capacity": 50, "features": ["piano"]}, "which lacks piano"),
        ({"buildings": ["S"]}, "which is not in S"),
        ({"min_capacity": 50, "features": ["board"], "buildings": ["R"]}, None),
        ({}, None),
    ],
)
def test_a_room_meets_the_needs(needs: dict[str, Any], message: str | None) -> None:
    course = a_course("a", [a_class("a", limit=50, room_needs=RoomNeeds(**needs))])
    rooms = [a_room("r", building="R", features=["board"]), a_room("s", building="S")]
    verdict = judge(a_problem([course], rooms=rooms), a_timetable({"a": "M 0-2"}, {"a": "r"}))
    assert [v.message for v in verdict.violations] == ([f"Class 'a' is in room 'r', {message}."] if message else [])


def test_without_a_capacity_in_the_needs_the_room_seats_the_class_limit() -> None:
    course = a_course("a", [a_class("a", limit=51, room_needs=RoomNeeds())])
    assert hard(a_problem([course], rooms=[a_room("r")]), {"a": "M 0-2"}, {"a": "r"}) == {"domain": 1}


def test_nobody_teaches_while_unavailable() -> None:
    course = a_course("a", [a_class("a", instructors=["i"])])
    times = ["M 3-5", "M 2-4"]
    away = [an_instructor("i", unavailable=[{"start": 4, "length": 1}])]
    problem = a_problem([course], times, instructors=away)
    assert hard(problem, {"a": "M 3-5"}) == {"domain": 1}
    assert hard(problem, {"a": "M 2-4"}) == {}


def test_a_pinned_class_is_where_it_is_pinned() -> None:
    course = a_course("a", [a_class("a", rooms=anywhere("r", "s"))])
    pin = Pin(class_id="a", time="M 0-2", room="r")
    problem = a_problem([course], ["M 0-2", "T 0-2"], rooms=[a_room("r"), a_room("s")], pins=[pin])
    assert hard(problem, {"a": "M 0-2"}, {"a": "r"}) == {}
    assert hard(problem, {"a": "T 0-2"}, {"a": "s"}) == {"domain": 2}


def test_a_class_that_needs_no_room_takes_none() -> None:
    problem = a_problem(one_class_courses("a"), rooms=[a_room("r")])
    assert hard(problem, {"a": "M 0-2"}, {"a": "r"}) == {"domain": 1}


def test_options_cost_their_penalties_times_the_weights() -> None:
    listed = a_class(
        "a", time_domain=None, times=[{"time": "M 0-2", "penalty": 3}], rooms=[{"room": "r", "penalty": 4}]
    )
    needs = RoomNeeds(preferred_buildings=["S"], elsewhere_penalty=5)
    problem = a_problem(
        [a_course("a", [listed]), a_course("b", [a_class("b", room_needs=needs)])],
        ["M 0-2", "T 0-2"],
        rooms=[a_room("r", building="R"), a_room("s", building="S")],
        weights={"time": 10, "room": 100},
    )
    places = {"a": "M 0-2", "b": "T 0-2"}
    elsewhere = judge(problem, a_timetable(places, {"a": "r", "b": "r"}))
    assert elsewhere.score.cost == {"time": 30, "room": 900}
    preferred = judge(problem, a_timetable(places, {"a": "r", "b": "s"}))
    assert preferred.score.cost == {"time": 30, "room": 400}


# -- students ---------------------------------------------------------------------------------------------------------


def a_sectioning_problem(**fields: Any) -> Problem:
    """Course x: lectures l1, l2 (its lab p1 belongs to l1, p2 to l2), or instead the seminar s1."""
    lectures = Subpart(id="l", classes=[a_class("l1", limit=1), a_class("l2", limit=1)])
    labs = Subpart(id="p", classes=[a_class("p1", parent="l1"), a_class("p2", parent="l2")])
    seminar = Subpart(id="s", classes=[a_class("s1")])
    course = Course(
        id="x", configs=[Config(id="lecture", subparts=[lectures, labs]), Config(id="seminar", subparts=[seminar])]
    )
    times = [f"{day} 0-2" for day in "MTWRF"]
    return a_problem(
        [course, *one_class_courses("y")], times, students=[a_student("ann", "x"), a_student("bob", "x")], **fields
    )


EVERYWHERE = {"l1": "M 0-2", "l2": "T 0-2", "p1": "W 0-2", "p2": "R 0-2", "s1": "F 0-2", "y": "M 0-2"}


@pytest.mark.parametrize(
    ("classes", "wrong"),
    [
        (["l1", "p1"], None),
        (["s1"], None),
        ([], "no class is attended"),
        (["l1"], "1 of its subparts has no class"),
        (["l1", "p2"], "p2 requires its parent l2"),
        (["l1", "l2", "p1"], "two of l1, l2, p1 are of the same subpart"),
        (["l1", "p1", "s1"], "l1, p1, s1 are of different configurations"),
    ],
)
def test_a_request_is_met_by_one_class_of_each_subpart_of_one_configuration(
    classes: list[str], wrong: str | None
) -> None:
    verdict = judge(a_sectioning_problem(), a_timetable(EVERYWHERE, attends={"ann": classes, "bob": ["s1"]}))
    if wrong is None:
        assert verdict.feasible
    else:
        assert verdict.score.hard == {"unsectioned": 1}
        assert verdict.violations[0].message == f"Student 'ann' is not sectioned into course 'x': {wrong}."
        assert verdict.violations[0].who == ("x", "ann")


def test_students_over_the_limit_of_a_class_count_one_by_one() -> None:
    both = a_timetable(EVERYWHERE, attends={"ann": ["l1", "p1"], "bob": ["l1", "p1"]})
    assert judge(a_sectioning_problem(), both).score.hard == {"class_limit": 1}


def test_a_student_conflict_costs_once_per_pair_of_classes() -> None:
    places = {**EVERYWHERE, "p1": "M 0-2"}
    both = a_timetable(places, attends={"ann": ["l1", "p1"], "bob": ["s1"]})
    assert judge(a_sectioning_problem(weights={"student": 5}), both).score.cost == {"student": 5}
    assert judge(a_sectioning_problem(weights={"student": 0}), both).score.cost == {}


def test_a_student_conflict_is_also_too_little_time_to_walk_and_counts_once_however_often_they_meet() -> None:
    courses = [a_course(c, [a_class(c, rooms=anywhere("r", "s"))]) for c in "ab"]
    problem = a_problem(
        courses,
        ["MTW 0-2", "MTW 2-4", "MTW 3-5", "MTW 2-4 w1", "R 2-4"],
        rooms=[a_room("r"), a_room("s")],
        room_travel=[{"a": "s", "b": "r", "slots": 1}],
        students=[a_student(name, "a", "b") for name in ("ann", "bob")],
    )
    attends = {key: ["b", "a"] for key in ("ann", "bob")}

    def conflicts(time_of_b: str, room_of_b: str) -> int:
        timetable = a_timetable({"a": "MTW 0-2", "b": time_of_b}, {"a": "r", "b": room_of_b}, attends)
        score = judge(problem, timetable).score
        assert score.hard == {}
        return score.cost.get("student", 0)

    assert conflicts("MTW 2-4", "s") == 2
    assert conflicts("MTW 2-4 w1", "s") == 2
    assert conflicts("MTW 2-4", "r") == conflicts("MTW 3-5", "s") == conflicts("R 2-4", "s") == 0


# -- timetables that do not fit the problem ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "broken",
    [
        {"placements": [Placement(class_id="nobody", time="M 0-2")]},
        {"placements": [Placement(class_id="a", time="M 0-2")]},
        {"enrolments": [Enrolment(student="nobody", classes=[]), Enrolment(student="ann", classes=["a"])]},
        {"enrolments": [Enrolment(student="ann", classes=["a", "nothing"])]},
        {"enrolments": [Enrolment(student="ann", classes=["a", "a"])]},
        {"enrolments": [Enrolment(student="ann", classes=["a", "b"])]},
        {"enrolments": [Enrolment(student="ann", classes=["a"]), Enrolment(student="ann", classes=["a"])]},
        {"unplaced": [Unplaced(class_id="nobody", reason="")]},
        {"unplaced": [Unplaced(class_id="a", reason="")]},
        {"unsectioned": [Unsectioned(student="ann", course="b", reason="")]},
        {"unsectioned": [Unsectioned(student="nobody", course="a", reason="")]},
    ],
)
def test_what_does_not_fit_the_problem_is_malformed(broken: dict[str, Any]) -> None:
    problem = a_problem(one_class_courses("a", "b"), students=[a_student("ann", "a")])
    good = Timetable(
        placements=[Placement(class_id=c, time="M 0-2") for c in "ab"],
        enrolments=[Enrolment(student="ann", classes=["a"])],
    )
    assert judge(problem, good).score.hard == {}
    placements = [*good.placements, *broken.pop("placements", [])]
    worse = good.model_copy(update={"placements": placements, **broken})
    assert judge(problem, worse).score.hard == {"malformed": 1}


def test_an_unknown_time_or_room_leaves_the_class_unplaced() -> None:
    problem = a_problem(one_class_courses("a", rooms=anywhere("r")), rooms=[a_room("r")])
    assert hard(problem, {"a": "never"}, {"a": "r"}) == {"malformed": 1, "unplaced": 1}
    assert hard(problem, {"a": "M 0-2"}, {"a": "nowhere"}) == {"malformed": 1, "unplaced": 1}


def test_the_list_of_violations_is_bounded_and_the_count_is_not() -> None:
    names = [f"c{n}" for n in range(30)]
    verdict = verdict_of(dict.fromkeys(names, "M 0-2"), rooms_of=dict.fromkeys(names, "r"))
    assert verdict.total_violations == 30 * 29 // 2
    assert len(verdict.violations) == MAX_VIOLATIONS_PER_RULE

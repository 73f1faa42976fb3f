"""Variants side by side: how different they are said to be, and which classes and students differ."""

from __future__ import annotations

from schemas.problem.expand import expand
from schemas.problem.model import Problem
from schemas.timetable import Placement, Timetable
from schemas.variants.alike import alike, renamed
from schemas.variants.comparison import compare
from tests.unit.engine.grid_problems import a_curriculum_problem
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


def a_small_problem() -> Problem:
    return a_problem(
        [*one_class_courses("a", "b", "c", rooms=anywhere("R1", "R2")), a_course("d", [a_class("d1"), a_class("d2")])],
        ["M 0-2", "T 0-2", "W 0-2"],
        rooms=[a_room("R1"), a_room("R2")],
        students=[a_student("ada", "a", "d"), a_student("bea", "d")],
    )


FIRST = a_timetable(
    {"a": "M 0-2", "b": "T 0-2", "c": "W 0-2", "d1": "M 0-2", "d2": "T 0-2"},
    {"a": "R1", "b": "R1", "c": "R1"},
    {"ada": ["a", "d1"], "bea": ["d2"]},
)
SECOND = a_timetable(
    {"a": "M 0-2", "b": "W 0-2", "c": "W 0-2", "d1": "M 0-2", "d2": "T 0-2"},
    {"a": "R2", "b": "R1", "c": "R1"},
    {"ada": ["a", "d2"], "bea": ["d2"]},
)


def test_equal_variants_are_not_diverse_and_wholly_different_ones_are() -> None:
    problem = a_small_problem()
    same = compare(problem, {1: FIRST, 2: FIRST})
    assert (same.diversity.classes, same.changed, same.resectioned) == (0.0, [], [])
    other = a_timetable({n: "W 0-2" if n != "c" else "M 0-2" for n in ("a", "b", "c", "d1", "d2")}, {"a": "R2"})
    assert compare(problem, {1: FIRST, 2: other}).diversity.classes == 1.0


def test_two_variants_show_which_classes_and_students_differ() -> None:
    found = compare(a_small_problem(), {3: SECOND, 1: FIRST})
    (pair,) = found.pairs
    assert (pair.a, pair.b) == (1, 3)
    assert (pair.classes, pair.times, pair.rooms, pair.students, pair.sections) == (2, 1, 1, 1, 1)
    assert [c.class_id for c in found.changed] == ["a", "b"]
    assert found.changed[0].before is not None
    assert found.changed[0].before.room == "R1"
    assert [(s.student, s.left, s.joined) for s in found.resectioned] == [("ada", ["d1"], ["d2"])]
    assert (found.diversity.classes, found.diversity.times, found.diversity.rooms) == (0.4, 0.2, 0.2)


def test_of_more_than_two_only_the_figures_are_told() -> None:
    found = compare(a_small_problem(), {1: FIRST, 2: SECOND, 3: FIRST})
    assert [(p.a, p.b, p.classes) for p in found.pairs] == [(1, 2, 2), (1, 3, 0), (2, 3, 2)]
    assert found.changed == []
    assert found.diversity.classes == round(4 / 15, 4)


def test_a_class_that_only_one_of_them_places_differs_whichever_it_is() -> None:
    problem = a_small_problem()
    without = FIRST.model_copy(update={"placements": [p for p in FIRST.placements if p.class_id != "b"]})
    for timetables in ({1: FIRST, 2: without}, {1: without, 2: FIRST}):
        (pair,) = compare(problem, timetables).pairs
        assert (pair.classes, pair.times) == (1, 1)


def test_lectures_that_nobody_can_tell_apart_are_matched() -> None:
    problem = a_curriculum_problem(courses=2, lectures=3, rooms=2, days=3, slots=3)
    expand(problem)
    assert list(alike(problem)) == [("c0#0", "c0#1", "c0#2"), ("c1#0", "c1#1", "c1#2")]

    def of(*places: str) -> Timetable:
        return Timetable(
            placements=[Placement(class_id=f"c0#{n}", time=time, room="r0") for n, time in enumerate(places)]
        )

    assert compare(problem, {1: of("0-0", "1-0", "2-0"), 2: of("2-0", "0-0", "1-0")}).pairs[0].classes == 0
    shifted = compare(problem, {1: of("0-0", "1-0", "2-0"), 2: of("1-0", "2-0", "2-2")})
    assert shifted.pairs[0].classes == 1, "one lecture moved, whatever the others are called"
    matched = renamed(problem, of("0-0", "1-0", "2-0"), of("1-0", "2-0", "2-2"))
    assert sorted((p.time, p.room) for p in matched.placements) == [("1-0", "r0"), ("2-0", "r0"), ("2-2", "r0")]


def test_sections_that_students_choose_between_are_not_alike() -> None:
    assert not list(alike(a_small_problem()))

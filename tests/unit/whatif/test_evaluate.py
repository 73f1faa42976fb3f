"""A move's consequences are the difference of two verdicts, and alternatives are ranked as the referee would."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.change.difference import Place
from schemas.problem.model import DistributionType, Problem, StudentRule, StudentRuleType
from schemas.problem.sizes import classes_of
from schemas.referee import judge
from schemas.referee.verdict import Verdict
from schemas.timetable import Enrolment, Placement, Timetable
from schemas.whatif.alternatives import alternatives
from schemas.whatif.answers import Evaluation, Move
from schemas.whatif.board import Board
from schemas.whatif.evaluate import InvalidMoveError, evaluate
from tests.unit.engine.general_problems import a_general_problem
from tests.unit.schemas.building import (
    a_class,
    a_course,
    a_problem,
    a_room,
    a_rule,
    a_student,
    a_timetable,
    an_instructor,
    anywhere,
    one_class_courses,
)

SOME = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


def any_timetable(problem: Problem, dice: random.Random) -> Timetable:
    """Most classes somewhere among all times and rooms, students in some of their classes."""
    classes = [c for c in classes_of(problem) if dice.random() < 0.9]
    in_course = {
        course.id: [c.id for k in course.configs for s in k.subparts for c in s.classes] for course in problem.courses
    }
    return Timetable(
        placements=[
            Placement(
                class_id=c.id,
                time=dice.choice(c.times or problem.times).model_dump().get("time") or dice.choice(problem.times).id,
                room=dice.choice(problem.rooms).id if c.rooms and dice.random() < 0.9 else None,
            )
            for c in classes
        ],
        enrolments=[
            Enrolment(student=s.id, classes=[dice.choice(in_course[course]) for course in s.courses])
            for s in problem.students
        ],
    )


def moved(timetable: Timetable, name: str, time: str, room: str | None) -> Timetable:
    others = [p for p in timetable.placements if p.class_id != name]
    return timetable.model_copy(update={"placements": [*others, Placement(class_id=name, time=time, room=room)]})


def change(before: Verdict, after: Verdict) -> tuple[dict[str, int], dict[str, int]]:
    def of(a: dict[str, int], b: dict[str, int]) -> dict[str, int]:
        return {k: b.get(k, 0) - a.get(k, 0) for k in {*a, *b} if b.get(k, 0) != a.get(k, 0)}

    return of(before.score.hard, after.score.hard), of(before.score.cost, after.score.cost)


@SOME
@given(seed=st.integers(0, 10**6))
def test_a_move_changes_what_the_referee_counts_before_and_after_it(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311  # reproducible test data
    problem = a_general_problem(seed)
    timetable = any_timetable(problem, dice)
    board = Board(problem, timetable)
    before = judge(problem, timetable)
    for _ in range(8):
        cls = dice.choice(list(classes_of(problem)))
        time = dice.choice(problem.times).id
        room = dice.choice(problem.rooms).id if dice.random() < 0.9 else None
        present = {p.class_id: p for p in timetable.placements}.get(cls.id)
        found = evaluate(board, Move(class_id=cls.id, time=time, room=room))
        stays = present.room if room is None and present else room
        assert found.after == Place(time=time, room=stays)
        hard, cost = change(before, judge(problem, moved(timetable, cls.id, time, stays)))
        assert (found.hard, found.cost) == (hard, cost)
        assert (found.hard_violations, found.total) == (sum(hard.values()), sum(cost.values()))


@SOME
@given(seed=st.integers(0, 10**6))
def test_the_best_alternatives_are_those_that_the_referee_would_choose(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311  # reproducible test data
    problem = a_general_problem(seed)
    timetable = any_timetable(problem, dice)
    cls = dice.choice(list(classes_of(problem)))
    found = alternatives(Board(problem, timetable), cls.id, 5)
    before = judge(problem, timetable)
    present = {p.class_id: (p.time, p.room) for p in timetable.placements}.get(cls.id)
    places = [
        (o.time, room) for o in cls.times or () for room in ([r.room for r in cls.rooms] if cls.rooms else [None])
    ]
    ranks = []
    for time, room in places:
        if (time, room) != present:
            hard, cost = change(before, judge(problem, moved(timetable, cls.id, time, room)))
            ranks.append((sum(hard.values()), sum(cost.values())))
    assert found.considered == len(ranks)
    assert [a.rank for a in found.alternatives] == sorted(ranks)[:5]


# -- what a planner reads ---------------------------------------------------------------------------------------------


def a_small_problem() -> Problem:
    return a_problem(
        [
            *one_class_courses("algebra", rooms=anywhere("R1", "R2"), instructors=["noether"]),
            *one_class_courses("botany", rooms=anywhere("R1", "R2")),
            *one_class_courses("logic", instructors=["noether"]),
            a_course("dance", [a_class("dance")]),
        ],
        ["M 0-2", "T 0-2", "W 0-2", "R 0-2"],
        rooms=[a_room("R1"), a_room("R2")],
        instructors=[an_instructor("noether")],
        students=[a_student("ada", "algebra", "dance"), a_student("bea", "algebra", "dance")],
        distributions=[a_rule(DistributionType.DIFFERENT_DAYS, ["algebra", "logic"], penalty=3)],
    )


TODAY = a_timetable(
    {"algebra": "M 0-2", "botany": "T 0-2", "logic": "W 0-2", "dance": "W 0-2"},
    {"algebra": "R1", "botany": "R1"},
    {"ada": ["algebra", "dance"], "bea": ["algebra", "dance"]},
)


def at(time: str | None = None, room: str | None = None) -> Evaluation:
    return evaluate(Board(a_small_problem(), TODAY), Move(class_id="algebra", time=time, room=room))


def test_a_free_place_changes_nothing() -> None:
    found = at("R 0-2")
    assert (found.hard, found.cost, found.new, found.mended) == ({}, {}, [], [])
    assert (found.before, found.after) == (Place(time="M 0-2", room="R1"), Place(time="R 0-2", room="R1"))
    assert found.students == 2


def test_a_taken_room_names_who_is_in_it() -> None:
    found = at("T 0-2")
    (conflict,) = found.new
    assert (found.hard, conflict.rule, conflict.where) == ({"room_conflict": 1}, "room_conflict", "R1")
    assert set(conflict.who) == {"algebra", "botany"}
    assert "R1" in conflict.message
    assert at("T 0-2", "R2").hard == {}


def test_an_instructors_other_class_and_students_conflicts_are_told() -> None:
    found = at("W 0-2")
    assert found.hard == {"class_conflict": 1}
    assert "noether" in found.new[0].message
    assert found.cost == {"DifferentDays": 3, "student": 2}
    assert found.student_conflicts == 2


def test_what_a_move_mends_is_told_as_well() -> None:
    problem = a_small_problem()
    board = Board(problem, moved(TODAY, "algebra", "T 0-2", "R1"))
    found = evaluate(board, Move(class_id="algebra", room="R2"))
    assert (found.hard, found.new) == ({"room_conflict": -1}, [])
    assert [c.rule for c in found.mended] == ["room_conflict"]


def test_a_class_that_is_nowhere_is_placed() -> None:
    without = TODAY.model_copy(update={"placements": [p for p in TODAY.placements if p.class_id != "algebra"]})
    board = Board(a_small_problem(), without)
    assert evaluate(board, Move(class_id="algebra", time="M 0-2", room="R1")).hard == {"unplaced": -1}
    best = alternatives(board, "algebra", 3)
    assert best.before is None
    assert [a.hard_violations for a in best.alternatives] == [-1, -1, -1]


def test_rules_for_students_weeks_are_not_left_out_silently() -> None:
    ruled = a_small_problem().model_copy(
        update={"student_rules": [StudentRule(type=StudentRuleType.SINGLE_CLASS_DAY, penalty=1)]}
    )
    board = Board(ruled, TODAY)
    move = Move(class_id="algebra", time="M 0-2")
    for ask in (lambda: evaluate(board, move), lambda: alternatives(board, "algebra")):
        with pytest.raises(InvalidMoveError, match="every student's own week"):
            ask()


def test_alternatives_of_equal_worth_keep_the_time_or_the_room_first() -> None:
    found = alternatives(Board(a_small_problem(), TODAY), "algebra", 3)
    assert found.considered == 7
    assert [(a.after.time, a.after.room) for a in found.alternatives] == [
        ("M 0-2", "R2"),
        ("R 0-2", "R1"),
        ("T 0-2", "R2"),
    ]


@pytest.mark.parametrize(
    ("move", "pointer"),
    [
        (Move(class_id="alchemy", time="M 0-2"), "/class"),
        (Move(class_id="algebra", time="never"), "/time"),
        (Move(class_id="algebra", room="attic"), "/room"),
    ],
)
def test_a_move_that_cannot_be_meant_is_named(move: Move, pointer: str) -> None:
    with pytest.raises(InvalidMoveError) as refused:
        evaluate(Board(a_small_problem(), TODAY), move)
    assert refused.value.findings[0].pointer == pointer
    if pointer == "/class":
        with pytest.raises(InvalidMoveError):
            alternatives(Board(a_small_problem(), TODAY), "alchemy")

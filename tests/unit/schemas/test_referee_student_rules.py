"""Rules for every student's own week, counted by hand: a day that breaks each, and one that nearly does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from schemas.problem.model import StudentRule, StudentRuleType
from schemas.referee import Verdict, judge
from tests.unit.schemas.building import WEEKS, a_problem, a_room, a_student, a_timetable, anywhere, one_class_courses


def verdict(
    places: Mapping[str, str],
    *rules: StudentRule,
    attends: Mapping[str, Sequence[str]] | None = None,
    rooms_of: Mapping[str, str] | None = None,
    **fields: Any,
) -> Verdict:
    """On one-class courses that student ann attends all of, unless `attends` says otherwise."""
    attends = attends or {"ann": list(places)}
    rooms = list(dict.fromkeys((rooms_of or {}).values()))
    problem = a_problem(
        one_class_courses(*places, rooms=anywhere(*rooms) if rooms else None),
        list(places.values()),
        rooms=[a_room(room) for room in rooms],
        students=[a_student(student, *courses) for student, courses in attends.items()],
        student_rules=list(rules),
        **fields,
    )
    return judge(problem, a_timetable(places, rooms_of, attends))


def a_student_rule(type_: StudentRuleType, *parameters: int, penalty: int | None = None) -> StudentRule:
    """Required unless it has a penalty."""
    return StudentRule(type=type_, parameters=list(parameters), required=penalty is None, penalty=penalty)


def at(*hours: str) -> dict[str, str]:
    """Classes a, b, ... at these times."""
    return dict(zip("abcdefgh", hours, strict=False))


NO_CONFLICT = a_student_rule(StudentRuleType.NO_CONFLICT)


def test_a_required_conflict_is_a_violation_per_student_and_pair_and_costs_nothing() -> None:
    places = at("M 0-2", "M 1-3", "T 0-2")
    both = {"ann": ["a", "b", "c"], "bob": ["a", "b"], "eve": ["a", "c"]}
    assert verdict(places, attends=both).score.cost == {"student": 2}
    found = verdict(places, NO_CONFLICT, attends=both)
    assert (found.score.hard, found.score.cost) == ({"student_conflict": 2}, {})
    assert [v.who for v in found.violations] == [("a", "b", "ann"), ("a", "b", "bob")]
    assert "of student 'ann' overlap" in found.violations[0].message


def test_a_student_needs_time_to_walk() -> None:
    walk: dict[str, Any] = {"rooms_of": {"a": "r", "b": "s"}, "room_travel": [{"a": "r", "b": "s", "slots": 1}]}
    assert verdict(at("M 0-2", "M 2-4"), NO_CONFLICT, **walk).score.hard == {"student_conflict": 1}
    assert verdict(at("M 0-2", "M 3-4"), NO_CONFLICT, **walk).feasible


@pytest.mark.parametrize(
    ("hours", "beyond"),
    [
        (["M 0-1", "M 1-2"], 0),
        (["M 0-1", "M 1-2", "M 2-3"], 1),
        (["M 0-1", "M 1-2", "M 2-3", "M 3-4", "M 4-5"], 3),
        (["M 0-1", "M 1-2", "M 3-4", "M 4-5"], 0),  # a slot between them ends the run
        (["M 0-1", "M 1-2", "T 2-3"], 0),
        (["M 0-2", "M 2-6", "M 6-7"], 1),  # classes count, however long they are
        (["M 0-5", "M 1-2", "M 5-6"], 1),  # the longest one of those so far ends the run
        (["M 0-2", "M 0-2", "M 0-2"], 1),
    ],
)
def test_classes_in_a_row(hours: list[str], beyond: int) -> None:
    rule = a_student_rule(StudentRuleType.MAX_CONSECUTIVE, 2, 0, penalty=7)
    cost = {} if not beyond else {"StudentMaxConsecutive": 7 * beyond}
    found = verdict(at(*hours), rule, weights={"student": 1}, attends={"ann": "abcdefgh"[: len(hours)], "bob": ["a"]})
    assert {k: v for k, v in found.score.cost.items() if k != "student"} == cost


def test_a_short_break_does_not_end_a_run_if_the_rule_says_so() -> None:
    hours = at("M 0-1", "M 2-3", "M 4-5")
    assert verdict(hours, a_student_rule(StudentRuleType.MAX_CONSECUTIVE, 2, 1)).score.hard == {
        "StudentMaxConsecutive": WEEKS
    }
    assert verdict(hours, a_student_rule(StudentRuleType.MAX_CONSECUTIVE, 2, 0)).feasible


def test_a_day_with_one_class_costs() -> None:
    rule = a_student_rule(StudentRuleType.SINGLE_CLASS_DAY, penalty=1)
    assert verdict(at("M 0-1", "T 0-1", "T 5-6"), rule).score.cost == {"StudentSingleClassDay": 1}
    assert verdict(at("M 0-1", "T 0-1", "W 5-6"), rule).score.cost == {"StudentSingleClassDay": 3}
    assert verdict(at("MT 0-1", "MT 5-6"), rule).score.cost == {}
    # Each student's own week.
    attends = {"ann": ["a", "b"], "bob": ["a"], "eve": []}
    assert verdict(at("M 0-1", "M 2-3"), rule, attends=attends).score.cost == {"StudentSingleClassDay": 1}


def test_hours_a_day() -> None:
    soft = a_student_rule(StudentRuleType.MAX_DAY_LOAD, 4, penalty=3)
    hard = a_student_rule(StudentRuleType.MAX_DAY_LOAD, 4)
    assert verdict(at("M 0-2", "M 5-7", "T 0-4"), soft).score.cost == {}
    assert verdict(at("M 0-2", "M 5-7", "M 9-10"), soft).score.cost == {"StudentMaxDayLoad": 3}
    found = verdict(at("M 0-3", "M 5-8"), hard, weights={"student": 0})
    assert found.score.hard == {"StudentMaxDayLoad": 2 * WEEKS}
    assert found.violations[0].who == ("a", "b", "ann")
    assert "MaxDayLoad(4) does not hold for student 'ann': 4 slots of class too many" in found.violations[0].message


def test_costs_are_the_average_over_the_weeks_and_rounded_down_per_student() -> None:
    first_week = at("M 0-1 w1")
    assert WEEKS == 2
    for penalty, cost in ((1, {}), (2, {"StudentSingleClassDay": 5}), (3, {"StudentSingleClassDay": 5})):
        rule = a_student_rule(StudentRuleType.SINGLE_CLASS_DAY, penalty=penalty)
        assert verdict(first_week, rule, weights={"student": 5}).score.cost == cost
        two = verdict(first_week, rule, weights={"student": 5}, attends={"ann": ["a"], "bob": ["a"]})
        assert two.score.cost == {k: 2 * v for k, v in cost.items()}


def test_weeks_are_looked_at_one_by_one() -> None:
    rule = a_student_rule(StudentRuleType.SINGLE_CLASS_DAY)
    assert verdict(at("M 0-1 w1", "M 0-1 w2"), rule).score.hard == {"StudentSingleClassDay": 2}
    assert verdict(at("M 0-1", "M 2-3 w2"), rule).score.hard == {"StudentSingleClassDay": 1}
    load = a_student_rule(StudentRuleType.MAX_DAY_LOAD, 1)
    assert verdict(at("M 0-1 w1", "M 0-1 w2", "M 2-3 w2"), load).score.hard == {"StudentMaxDayLoad": 1}


def test_a_class_without_a_time_is_passed_over() -> None:
    rule = a_student_rule(StudentRuleType.SINGLE_CLASS_DAY, penalty=1)
    courses = one_class_courses("a", "b")
    problem = a_problem(courses, ["M 0-1"], students=[a_student("ann", "a", "b")], student_rules=[rule])
    found = judge(problem, a_timetable({"a": "M 0-1"}, attends={"ann": ["a", "b"]}))
    assert found.score.cost == {"StudentSingleClassDay": 1}

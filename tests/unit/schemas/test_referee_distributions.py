"""Every distribution type: a case that violates it, and one that nearly does."""

from __future__ import annotations

import pytest

from schemas.problem.model import Distribution, DistributionType
from schemas.problem.model import DistributionType as Type
from schemas.referee import judge
from schemas.referee.distributions import PAIR_RULES, SET_RULES
from tests.unit.schemas.building import a_problem, a_room, a_rule, a_timetable, one_class_courses, verdict_of

# type, parameters, two times that violate it, two that nearly do
PAIRS: list[tuple[Type, tuple[int, ...], tuple[str, str], tuple[str, str]]] = [
    (Type.SAME_START, (), ("M 1-3", "T 2-3"), ("M 1-3", "T 1-2")),
    (Type.SAME_TIME, (), ("M 1-4", "T 2-5"), ("M 1-4", "T 2-4")),
    (Type.DIFFERENT_TIME, (), ("M 1-4", "T 3-5"), ("M 1-3", "T 3-5")),
    (Type.SAME_DAYS, (), ("MT 1-2", "TW 1-2"), ("MTW 1-2", "TW 4-5")),
    (Type.DIFFERENT_DAYS, (), ("MT 1-2", "TW 4-5"), ("MT 1-2", "WR 1-2")),
    (Type.SAME_WEEKS, (), ("M 1-2 w1", "M 1-2 w2"), ("M 1-2 w1", "M 1-2 w12")),
    (Type.DIFFERENT_WEEKS, (), ("M 1-2 w1", "T 4-5 w12"), ("M 1-2 w1", "M 1-2 w2")),
    (Type.OVERLAP, (), ("M 1-3", "M 3-5"), ("M 1-3", "M 2-5")),
    (Type.NOT_OVERLAP, (), ("MT 1-3", "TW 2-4"), ("MT 1-3", "TW 3-4")),
    (Type.SAME_ATTENDEES, (), ("M 1-3", "M 2-4"), ("M 1-3 w1", "M 2-4 w2")),
    (Type.PRECEDENCE, (), ("T 1-2", "M 1-2"), ("MT 1-2", "MW 2-3")),
    (Type.WORK_DAY, (6,), ("M 1-3", "M 6-8"), ("M 1-3", "M 5-7")),
    (Type.MIN_GAP, (2,), ("M 1-3", "M 4-5"), ("M 1-3", "M 5-6")),
]


@pytest.mark.parametrize(("type_", "parameters", "bad", "good"), PAIRS, ids=lambda v: str(v))
def test_a_pair_rule_counts_the_violating_pair_and_not_the_near_miss(
    type_: Type, parameters: tuple[int, ...], bad: tuple[str, str], good: tuple[str, str]
) -> None:
    required, soft = a_rule(type_, "ab", *parameters), a_rule(type_, "ab", *parameters, penalty=7)
    violated = verdict_of(dict(zip("ab", bad, strict=True)), distributions=[required, soft])
    assert violated.score.hard == {type_.value: 1}
    assert violated.score.cost == {type_.value: 7}
    assert violated.violations[0].who == ("a", "b")
    complied = verdict_of(dict(zip("ab", good, strict=True)), distributions=[required, soft])
    assert complied.score.hard == {}
    assert complied.score.cost == {}


def test_precedence_reads_the_order_of_the_list_and_compares_first_meetings() -> None:
    listed_backwards = a_rule(Type.PRECEDENCE, "ba")
    assert verdict_of({"a": "M 1-2", "b": "T 1-2"}, distributions=[listed_backwards]).score.hard == {"Precedence": 1}
    # First week before first day: b's Monday is a week later.
    late = verdict_of({"a": "F 1-2 w1", "b": "M 1-2 w2"}, distributions=[a_rule(Type.PRECEDENCE, "ab")])
    assert late.feasible


def test_three_classes_make_three_pairs() -> None:
    verdict = verdict_of(dict.fromkeys("abc", "M 1-3"), distributions=[a_rule(Type.NOT_OVERLAP, "abc")])
    assert verdict.score.hard == {"NotOverlap": 3}


@pytest.mark.parametrize(
    ("type_", "bad", "good"),
    [
        (Type.SAME_ROOM, {"a": "r", "b": "s"}, {"a": "r", "b": "r"}),
        (Type.DIFFERENT_ROOM, {"a": "r", "b": "r"}, {"a": "r", "b": "s"}),
        (Type.SAME_ROOM, {"a": "r"}, {}),
        (Type.DIFFERENT_ROOM, {"a": "r", "b": "r"}, {}),
    ],
)
def test_room_rules_compare_rooms_and_two_classes_without_a_room_comply(
    type_: Type, bad: dict[str, str], good: dict[str, str]
) -> None:
    places = {"a": "M 1-2", "b": "T 1-2"}
    rule = a_rule(type_, "ab")
    assert verdict_of(places, rooms_of=bad, distributions=[rule]).score.hard == {type_.value: 1}
    assert verdict_of(places, rooms_of=good, distributions=[rule]).score.hard == {}


def test_same_attendees_need_time_to_walk() -> None:
    fields = {
        "rooms_of": {"a": "r", "b": "s"},
        "rooms": [a_room("r", building="R"), a_room("s", building="S")],
        "distributions": [a_rule(Type.SAME_ATTENDEES, "ab")],
    }
    times = {"a": "M 1-3", "b": "M 4-5"}
    near = [{"a": "R", "b": "S", "slots": 1}]
    far = [{"a": "S", "b": "R", "slots": 2}]
    assert verdict_of(times, building_travel=near, **fields).feasible
    assert verdict_of(times, building_travel=far, **fields).score.hard == {"SameAttendees": 1}
    own_figure = [{"a": "s", "b": "r", "slots": 1}]
    assert verdict_of(times, building_travel=far, room_travel=own_figure, **fields).feasible


# type, parameters, times that violate it, the excess, times that nearly do
SETS: list[tuple[Type, tuple[int, ...], list[str], int, list[str]]] = [
    (Type.MAX_DAYS, (2,), ["MT 1-2", "TWR 3-4"], 2, ["MT 1-2", "T 3-4"]),
    (Type.MIN_WORKING_DAYS, (3,), ["M 1-2", "M 3-4"], 2, ["MT 1-2", "W 3-4"]),
    # Monday: 5 slots in the first week, 3 in the second.
    (Type.MAX_DAY_LOAD, (3,), ["M 0-3", "M 4-6 w1"], 2, ["M 0-3", "T 4-6"]),
    # Three blocks where two are allowed, in both weeks; a gap of two slots joins.
    (Type.MAX_BREAKS, (1, 2), ["M 0-1", "M 4-5", "M 8-9"], 2, ["M 0-1", "M 3-4", "M 7-8"]),
    # A block of 5 slots out of two classes, in both weeks; a single long class is none.
    (Type.MAX_BLOCK, (4, 1), ["M 0-2", "M 3-5"], 2, ["M 0-2", "M 4-6"]),
    (Type.ISOLATED_LECTURES, (), ["M 1-2", "M 3-4", "T 2-3"], 3, ["M 1-2", "M 2-3"]),
]


@pytest.mark.parametrize(("type_", "parameters", "bad", "excess", "good"), SETS, ids=lambda v: str(v))
def test_a_set_rule_counts_its_excess_and_not_the_near_miss(
    type_: Type, parameters: tuple[int, ...], bad: list[str], excess: int, good: list[str]
) -> None:
    names = "abc"[: len(bad)]
    rule = a_rule(type_, names, *parameters)
    assert verdict_of(dict(zip(names, bad, strict=True)), distributions=[rule]).score.hard == {type_.value: excess}
    names = "abc"[: len(good)]
    rule = a_rule(type_, names, *parameters)
    assert verdict_of(dict(zip(names, good, strict=True)), distributions=[rule]).feasible


def test_rules_on_days_of_weeks_cost_the_average_over_the_weeks_rounded_down_once() -> None:
    # Excess 2 slots in week 1 and 3 in week 2 on one day: (3 x 5) div 2 = 7, not 3 + 4.
    rule = a_rule(Type.MAX_DAY_LOAD, "ab", 1, penalty=3)
    verdict = verdict_of({"a": "M 0-3 w1", "b": "M 4-8 w2"}, distributions=[rule], weights={"distribution": 10})
    assert verdict.score.cost == {"MaxDayLoad": 70}


def test_days_and_rooms_cost_in_full() -> None:
    verdict = verdict_of(
        {"a": "M 0-1", "b": "M 2-3"},
        rooms_of={"a": "r", "b": "s"},
        distributions=[a_rule(Type.MIN_WORKING_DAYS, "ab", 4, penalty=5), a_rule(Type.ROOM_STABILITY, "ab", penalty=2)],
    )
    assert verdict.score.cost == {"MinWorkingDays": 15, "RoomStability": 2}


def test_a_single_long_class_is_no_long_block() -> None:
    assert verdict_of({"a": "M 0-9"}, distributions=[a_rule(Type.MAX_BLOCK, "a", 4, 1)]).feasible


def test_room_stability_counts_rooms_beyond_the_first() -> None:
    places = {"a": "M 0-1", "b": "M 2-3", "c": "M 4-5"}
    rule = a_rule(Type.ROOM_STABILITY, "abc")
    rooms = {"a": "r", "b": "s", "c": "r"}
    assert verdict_of(places, rooms_of=rooms, distributions=[rule]).score.hard == {"RoomStability": 1}
    assert verdict_of(places, rooms_of=dict.fromkeys("abc", "r"), distributions=[rule]).feasible


def test_a_neighbour_in_another_week_is_none() -> None:
    rule = a_rule(Type.ISOLATED_LECTURES, "ab", penalty=2)
    assert verdict_of({"a": "M 1-2 w1", "b": "M 2-3 w2"}, distributions=[rule]).score.total == 4


def test_classes_without_a_time_are_passed_over() -> None:
    rules = [
        a_rule(type_, "ab", *([1] * count))
        for type_, count in ((Type.SAME_START, 0), (Type.MAX_DAYS, 1), (Type.OVERLAP, 0), (Type.SAME_ROOM, 0))
    ]
    problem = a_problem(one_class_courses("a", "b"), ["M 0-1"], distributions=rules)
    assert judge(problem, a_timetable({"a": "M 0-1"})).score.hard == {"unplaced": 1}


def test_every_type_has_exactly_one_rule() -> None:
    assert set(PAIR_RULES) | set(SET_RULES) == set(DistributionType)
    assert not set(PAIR_RULES) & set(SET_RULES)
    tested = {row[0] for row in PAIRS} | {row[0] for row in SETS}
    assert set(DistributionType) - tested == {Type.SAME_ROOM, Type.DIFFERENT_ROOM, Type.ROOM_STABILITY}


def test_a_violation_names_the_rule_with_its_parameters_and_the_clock() -> None:
    rule: Distribution = a_rule(Type.MIN_GAP, "ab", 2)
    violation = verdict_of({"a": "M 1-3", "b": "M 4-5"}, distributions=[rule]).violations[0]
    assert violation.message == "MinGap(2) does not hold for a (Mon 09:00-11:00) and b (Mon 12:00-13:00)."

"""Expansion: needs become options, what can never be used is dropped, what is left without an option is named."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.problem.expand import ExpandedProblem, expand
from schemas.problem.findings import InvalidProblemError
from schemas.problem.model import Problem, RoomNeeds
from tests.unit.schemas.building import (
    a_class,
    a_course,
    a_curriculum,
    a_problem,
    a_room,
    a_student,
    an_instructor,
    anywhere,
)

MORNING = {"start": 0, "length": 5}


def rooms_of(expanded: ExpandedProblem, cls: str) -> list[tuple[str, int]]:
    found = next(c for c in expanded.classes if c.id == cls)
    return [(expanded.problem.rooms[r].id, penalty) for r, penalty in found.rooms or ()]


def times_of(expanded: ExpandedProblem, cls: str) -> list[str]:
    found = next(c for c in expanded.classes if c.id == cls)
    return [expanded.problem.times[t].id for t, _ in found.times]


def one_class(times: list[str], cls: dict[str, Any], **fields: Any) -> Problem:
    return a_problem([a_course("a", [a_class("a", **cls)])], times, **fields)


def test_needs_become_the_rooms_that_meet_them() -> None:
    needs = RoomNeeds(features=["lab"], min_capacity=20, preferred_buildings=["R"], elsewhere_penalty=3)
    rooms = [
        a_room("small", capacity=19, building="R", features=["lab"]),
        a_room("bare", building="R"),
        a_room("near", capacity=20, building="R", features=["lab", "board"]),
        a_room("far", building="S", features=["lab"]),
        a_room("nowhere", features=["lab"]),
    ]
    expanded = expand(one_class(["M 0-2"], {"room_needs": needs}, rooms=rooms))
    assert rooms_of(expanded, "a") == [("near", 0), ("far", 3), ("nowhere", 3)]


def test_times_during_an_instructors_absence_are_dropped() -> None:
    away = [an_instructor("i", unavailable=[{**MORNING, "days": "10000", "weeks": "01"}])]
    problem = one_class(["M 4-6", "M 5-7", "T 4-6", "M 4-6 w1"], {"instructors": ["i"]}, instructors=away)
    assert times_of(expand(problem), "a") == ["M 5-7", "T 4-6", "M 4-6 w1"]


def test_times_without_a_room_and_rooms_without_a_time_are_dropped() -> None:
    closed = [a_room("r", unavailable=[MORNING]), a_room("s", unavailable=[{"start": 0, "length": 10}])]
    expanded = expand(one_class(["M 0-2", "M 6-8"], {"rooms": anywhere("r", "s")}, rooms=closed))
    assert (times_of(expanded, "a"), rooms_of(expanded, "a")) == (["M 6-8"], [("r", 0)])


def test_a_pin_leaves_one_option() -> None:
    problem = one_class(
        ["M 0-2", "T 0-2"],
        {"rooms": anywhere("r", "s")},
        rooms=[a_room("r"), a_room("s")],
        pins=[{"class": "a", "time": "T 0-2", "room": "s"}],
    )
    expanded = expand(problem)
    assert (times_of(expanded, "a"), rooms_of(expanded, "a")) == (["T 0-2"], [("s", 0)])


@pytest.mark.parametrize(
    ("cls", "fields", "code", "words"),
    [
        (
            {"limit": 500, "room_needs": RoomNeeds()},
            {"rooms": [a_room("r", capacity=5)]},
            "class_without_room",
            "has 5",
        ),
        ({"room_needs": RoomNeeds(features=["piano"])}, {"rooms": [a_room("r")]}, "class_without_room", "piano"),
        ({"room_needs": RoomNeeds()}, {}, "class_without_room", "there is none"),
        (
            {"rooms": anywhere("r")},
            {"rooms": [a_room("r", unavailable=[MORNING])]},
            "class_without_room",
            "unavailable during every one of its times",
        ),
        (
            {"instructors": ["i"]},
            {"instructors": [an_instructor("i", unavailable=[MORNING])]},
            "class_without_time",
            "i is unavailable",
        ),
        (
            {"rooms": anywhere("r")},
            {"rooms": [a_room("r"), a_room("s")], "pins": [{"class": "a", "room": "s"}]},
            "class_without_room",
            "pinned to room 's'",
        ),
    ],
)
def test_a_class_without_an_option_is_named_with_the_reason(
    cls: dict[str, Any], fields: dict[str, Any], code: str, words: str
) -> None:
    with pytest.raises(InvalidProblemError) as caught:
        expand(one_class(["M 0-2"], cls, **fields))
    (finding,) = caught.value.findings
    assert (finding.code, finding.pointer) == (code, "/courses/0/configs/0/subparts/0/classes/0")
    assert words in finding.message


def test_a_room_pairs_own_walk_stands_above_its_buildings() -> None:
    rooms = [a_room("r", building="R"), a_room("r2", building="R"), a_room("s", building="S"), a_room("t")]
    problem = one_class(
        ["M 0-2"],
        {},
        rooms=rooms,
        building_travel=[{"a": "S", "b": "R", "slots": 2}],
        room_travel=[{"a": "s", "b": "r", "slots": 0}, {"a": "t", "b": "r", "slots": 4}],
    )
    assert expand(problem).travel == {(1, 2): 2, (0, 3): 4}


def test_an_instructors_own_sections_clash_and_a_curriculums_alternatives_do_not() -> None:
    course = a_course("x", [a_class("x1", instructors=["i"]), a_class("x2", instructors=["i"]), a_class("x3")])
    other = a_course("y", [a_class("y1")])
    problem = a_problem([course, other], instructors=[an_instructor("i")], curricula=[a_curriculum("q", "x", "y")])
    assert expand(problem).clash_pairs() == {(0, 1), (0, 3), (1, 3), (2, 3)}


def test_structure_is_numbered_in_the_problems_order() -> None:
    course = a_course("x", [a_class("l1"), a_class("l2")], [a_class("p1", parent="l2")])
    problem = a_problem([course, a_course("y", [a_class("y1")])], students=[a_student("ann", "y", "x")])
    expanded = expand(problem)
    assert expanded.courses == ((0,), (1,))
    assert expanded.configs == ((0, 1), (2,))
    assert expanded.subparts == ((0, 1), (2,), (3,))
    assert [c.parent for c in expanded.classes] == [None, None, 1, None]
    assert expanded.requests == ((1, 0),)
    assert expanded.alternatives(0, 1)
    assert not expanded.alternatives(0, 2)

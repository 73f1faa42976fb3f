"""Every check on a problem: what is wrong is found at its place, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Callable
from time import process_time
from typing import Any

import pytest

from schemas.problem.check import MAX_COLLECTED, check
from schemas.problem.model import Problem
from tests.unit.schemas.building import (
    a_class,
    a_course,
    a_problem,
    a_room,
    a_student,
    an_instructor,
    anywhere,
    one_class_courses,
)

CLASS = "/courses/0/configs/0/subparts/0/classes/0"
OTHER_CLASS = "/courses/1/configs/0/subparts/0/classes/0"


def a_document() -> dict[str, Any]:
    """A correct problem with one of everything, as JSON."""
    problem = a_problem(
        [
            a_course("x", [a_class("x1", rooms=anywhere("r"), instructors=["i"])], [a_class("p1", parent="x1")]),
            *one_class_courses("y", room_needs={"buildings": ["R"]}),
        ],
        ["M 0-2", "T 0-2"],
        rooms=[a_room("r", building="R", unavailable=[{"start": 5, "length": 1}]), a_room("s", building="S")],
        building_travel=[{"a": "R", "b": "S", "slots": 1}],
        room_travel=[{"a": "r", "b": "s", "slots": 2}],
        instructors=[an_instructor("i", unavailable=[{"start": 5, "length": 1}])],
        curricula=[{"id": "q", "courses": ["x", "y"]}],
        students=[a_student("ann", "x", "y")],
        distributions=[{"type": "MaxDays", "parameters": [3], "classes": ["x1", "p1"], "required": True}],
        student_rules=[
            {"type": "NoConflict", "required": True},
            {"type": "MaxDayLoad", "parameters": [6], "penalty": 1},
        ],
        pins=[{"class": "x1", "time": "M 0-2", "room": "r"}],
    )
    document: dict[str, Any] = json.loads(problem.model_dump_json(by_alias=True, exclude_none=True))
    return document


def test_a_correct_problem_has_no_findings() -> None:
    assert check(Problem.model_validate(a_document())) == []


def changed(document: dict[str, Any], pointer: str, value: Any) -> dict[str, Any]:
    """The document with the value at a JSON pointer replaced, appended ("-"), or removed (...)."""
    *path, last = pointer.strip("/").split("/")
    at: Any = document
    for step in path:
        at = at[int(step)] if isinstance(at, list) else at[step]
    if value is ...:
        del at[last]
    elif last == "-":
        at.append(value)
    elif isinstance(at, list):
        at[int(last)] = value
    else:
        at[last] = value
    return document


BROKEN: list[tuple[str, Any, str, str]] = [
    ("/calendar/first_day", "2026-02-30", "invalid_date", "/calendar/first_day"),
    ("/calendar/slot_minutes", 300, "day_too_long", "/calendar/slots_per_day"),
    ("/times/0/id", "T 0-2", "duplicate_id", "/times/1/id"),
    ("/rooms/1/id", "r", "duplicate_id", "/rooms/1/id"),
    ("/courses/1/id", "x", "duplicate_id", "/courses/1/id"),
    ("/courses/0/configs/0/subparts/1/id", "x/0", "duplicate_id", "/courses/0/configs/0/subparts/1/id"),
    (f"{OTHER_CLASS}/id", "x1", "duplicate_id", f"{OTHER_CLASS}/id"),
    ("/students/-", {"id": "ann", "courses": []}, "duplicate_id", "/students/1/id"),
    ("/instructors/-", {"id": "i"}, "duplicate_id", "/instructors/1/id"),
    ("/curricula/-", {"id": "q", "courses": ["x"]}, "duplicate_id", "/curricula/1/id"),
    ("/time_domains/-", {"id": "all", "options": [{"time": "M 0-2"}]}, "duplicate_id", "/time_domains/1/id"),
    ("/times/0/weeks", "111", "wrong_width", "/times/0/weeks"),
    ("/times/0/days", "00000", "never_meets", "/times/0/days"),
    ("/times/0/length", 11, "beyond_the_day", "/times/0"),
    ("/rooms/0/unavailable/0/days", "1", "wrong_width", "/rooms/0/unavailable/0/days"),
    ("/instructors/0/unavailable/0/start", 10, "beyond_the_day", "/instructors/0/unavailable/0"),
    ("/time_domains/0/options/0/time", "never", "unknown_time", "/time_domains/0/options/0/time"),
    ("/time_domains/0/options/-", {"time": "M 0-2"}, "duplicate_option", "/time_domains/0/options/2"),
    ("/building_travel/0/a", "Z", "unknown_building", "/building_travel/0/a"),
    ("/building_travel/0/b", "R", "travel_to_itself", "/building_travel/0"),
    ("/building_travel/-", {"a": "S", "b": "R", "slots": 3}, "duplicate_travel", "/building_travel/1"),
    ("/room_travel/0/b", "z", "unknown_room", "/room_travel/0/b"),
    (f"{CLASS}/time_domain", ..., "times_or_time_domain", CLASS),
    (f"{CLASS}/times", [{"time": "M 0-2"}], "times_or_time_domain", CLASS),
    (f"{CLASS}/time_domain", "some", "unknown_time_domain", f"{CLASS}/time_domain"),
    (f"{CLASS}/room_needs", {}, "rooms_or_room_needs", CLASS),
    (f"{CLASS}/rooms/0/room", "z", "unknown_room", f"{CLASS}/rooms/0/room"),
    (f"{CLASS}/rooms/-", {"room": "r", "penalty": 1}, "duplicate_option", f"{CLASS}/rooms/1"),
    (f"{CLASS}/instructors/0", "j", "unknown_instructor", f"{CLASS}/instructors/0"),
    (f"{CLASS}/instructors/-", "i", "duplicate_instructor", f"{CLASS}/instructors/1"),
    (f"{CLASS}/parent", "nobody", "unknown_class", f"{CLASS}/parent"),
    (f"{CLASS}/parent", "y", "foreign_parent", f"{CLASS}/parent"),
    (f"{CLASS}/parent", "p1", "parent_cycle", f"{CLASS}/parent"),
    (f"{OTHER_CLASS}/room_needs/buildings/0", "Z", "unknown_building", f"{OTHER_CLASS}/room_needs/buildings/0"),
    ("/curricula/0/courses/0", "z", "unknown_course", "/curricula/0/courses/0"),
    ("/curricula/0/courses/0", "y", "duplicate_course", "/curricula/0/courses/1"),
    ("/students/0/courses/0", "z", "unknown_course", "/students/0/courses/0"),
    ("/students/0/courses/0", "y", "duplicate_course", "/students/0/courses/1"),
    ("/distributions/0/penalty", 1, "required_or_penalty", "/distributions/0"),
    ("/distributions/0/required", False, "required_or_penalty", "/distributions/0"),
    ("/distributions/0/parameters", [], "parameter_count", "/distributions/0/parameters"),
    ("/distributions/0/classes/0", "nobody", "unknown_class", "/distributions/0/classes/0"),
    ("/distributions/0/classes/0", "p1", "duplicate_class", "/distributions/0/classes/1"),
    ("/student_rules/0", {"type": "NoConflict", "penalty": 3}, "no_conflict_penalty", "/student_rules/0/penalty"),
    ("/student_rules/0/required", False, "required_or_penalty", "/student_rules/0"),
    ("/student_rules/0/penalty", 2, "required_or_penalty", "/student_rules/0"),
    ("/student_rules/1/parameters", [], "parameter_count", "/student_rules/1/parameters"),
    ("/student_rules/0/parameters", [1], "parameter_count", "/student_rules/0/parameters"),
    ("/student_rules/-", {"type": "NoConflict", "required": True}, "duplicate_rule", "/student_rules/2"),
    ("/pins/0/class", "nobody", "unknown_class", "/pins/0/class"),
    ("/pins/0/time", "never", "unknown_time", "/pins/0/time"),
    ("/pins/0/room", "z", "unknown_room", "/pins/0/room"),
    ("/pins/0/class", "p1", "pin_without_need", "/pins/0/room"),
    ("/pins/-", {"class": "y"}, "empty_pin", "/pins/1"),
    ("/pins/-", {"class": "x1", "time": "M 0-2"}, "duplicate_pin", "/pins/1/class"),
    ("/instructors/0/name", "a\u0000b", "control_character", "/instructors/0/name"),
    (f"{CLASS}/id", "x\n1", "control_character", f"{CLASS}/id"),
]


@pytest.mark.parametrize(("pointer", "value", "code", "place"), BROKEN, ids=lambda v: str(v)[-60:])
def test_a_mistake_is_found_where_it_is(pointer: str, value: Any, code: str, place: str) -> None:
    findings = check(Problem.model_validate(changed(a_document(), pointer, value)))
    assert (code, place) in [(f.code, f.pointer) for f in findings]
    assert all(f.message.endswith((".", "docs/formats.md.")) and len(f.message) < 400 for f in findings)


def test_a_sibling_is_no_parent() -> None:
    problem = a_problem([a_course("x", [a_class("a"), a_class("b", parent="a")])])
    assert [f.code for f in check(problem)] == ["sibling_parent"]


def test_a_problem_without_times_says_so() -> None:
    document = changed(a_document(), "/times", [])
    assert "no_times" in [f.code for f in check(Problem.model_validate(document))]


def test_all_findings_come_at_once_and_their_number_is_bounded() -> None:
    document = changed(changed(a_document(), "/times/0/length", 11), "/pins/0/room", "z")
    assert [f.code for f in check(Problem.model_validate(document))] == ["beyond_the_day", "unknown_room"]
    students = [{"id": "ann", "courses": ["z"]} for _ in range(5000)]
    many = check(Problem.model_validate(changed(a_document(), "/students", students)))
    assert len(many) == MAX_COLLECTED


def rooms_in_two_buildings(count: int) -> dict[str, Any]:
    rooms = [{"id": f"r{n}", "capacity": 1, "building": "RS"[n % 2]} for n in range(count)]
    return {"rooms": rooms, "building_travel": [{"a": "R", "b": "S", "slots": 1}]}


def wide_needs(count: int) -> dict[str, Any]:
    classes = [a_class(f"c{n}", room_needs={"min_capacity": n}) for n in range(count)]
    return {"courses": [a_course("x", classes)], "rooms": [{"id": f"r{n}", "capacity": 1} for n in range(5000)]}


# Made when they are needed: some are large.
HOSTILE: dict[str, Callable[[], dict[str, Any]]] = {
    "walking between 20,000 rooms": lambda: rooms_in_two_buildings(20_000),
    "a curriculum of 6,000 classes": lambda: {
        "courses": [a_course("x", [a_class(f"c{n}") for n in range(6000)])],
        "curricula": [{"id": "q", "courses": ["x"]}],
    },
    "an instructor of 6,000 classes": lambda: {
        "courses": [a_course("x", [a_class(f"c{n}", instructors=["i"]) for n in range(6000)])],
        "instructors": [an_instructor("i")],
    },
    "a rule for every pair of 7,000 classes": lambda: {
        "courses": [a_course("x", [a_class(f"c{n}") for n in range(7000)])],
        "distributions": [{"type": "SameRoom", "classes": [f"c{n}" for n in range(7000)], "required": True}],
    },
    "5,000 kinds of needs": lambda: wide_needs(5000),
    "rules for very many students": lambda: {
        "students": [{"id": f"s{n}"} for n in range(50_000)],
        "student_rules": [{"type": "MaxDayLoad", "parameters": [n], "required": True} for n in range(100)],
    },
    "a room with thousands of absences": lambda: {
        "times": [f"M {start}-{end}" for end in range(1, 11) for start in range(end)],
        "rooms": [a_room(f"r{n}", unavailable=[{"start": 0, "length": 1}] * 5000) for n in range(80)],
    },
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_would_explode_is_refused_quickly(name: str) -> None:
    fields: dict[str, Any] = {"courses": one_class_courses("a"), **HOSTILE[name]()}
    problem = a_problem(**fields)
    started = process_time()
    findings = check(problem)
    assert "too_large" in [f.code for f in findings]
    assert process_time() - started < 2.0

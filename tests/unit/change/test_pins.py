"""Pins in a request: what they fix, and what is said of one that cannot be meant."""

from __future__ import annotations

import pytest

from schemas.change.pins import Keep, PinnedClass, with_pins
from schemas.problem.check import check
from schemas.problem.expand import expand
from schemas.problem.findings import InvalidProblemError
from schemas.problem.model import Pin, Problem
from tests.unit.schemas.building import a_problem, a_room, a_timetable, anywhere, one_class_courses


def a_small_problem() -> Problem:
    return a_problem(
        [*one_class_courses("algebra", rooms=anywhere("R1", "R2")), *one_class_courses("walk")],
        ["M 0-2", "T 0-2"],
        rooms=[a_room("R1"), a_room("R2")],
    )


BASE = a_timetable({"algebra": "T 0-2", "walk": "M 0-2"}, {"algebra": "R2"})


@pytest.mark.parametrize(
    ("pin", "time", "room"),
    [
        (PinnedClass(class_id="algebra"), "T 0-2", "R2"),
        (PinnedClass(class_id="algebra", keep=Keep.TIME), "T 0-2", None),
        (PinnedClass(class_id="algebra", keep=Keep.ROOM), None, "R2"),
        (PinnedClass(class_id="algebra", time="M 0-2"), "M 0-2", None),
        (PinnedClass(class_id="algebra", time="M 0-2", keep=Keep.BOTH), "M 0-2", "R2"),
        (PinnedClass(class_id="algebra", time="M 0-2", room="R1"), "M 0-2", "R1"),
        (PinnedClass(class_id="walk"), "M 0-2", None),
    ],
)
def test_a_pin_leaves_one_option(pin: PinnedClass, time: str | None, room: str | None) -> None:
    pinned = with_pins(a_small_problem(), [pin], BASE)
    assert check(pinned) == []
    (found,) = pinned.pins
    assert (found.time, found.room) == (time, room)
    (cls,) = (c for c in expand(pinned).classes if c.id == pin.class_id)
    assert time is None or [pinned.times[u].id for u, _ in cls.times] == [time]
    assert room is None or [pinned.rooms[r].id for r, _ in cls.rooms or ()] == [room]


def test_a_pin_of_the_request_replaces_the_problems_own() -> None:
    problem = a_small_problem().model_copy(update={"pins": [Pin(class_id="algebra", time="M 0-2")]})
    pinned = with_pins(problem, [PinnedClass(class_id="algebra", time="T 0-2")], None)
    assert [pin.time for pin in pinned.pins] == ["T 0-2"]


@pytest.mark.parametrize(
    ("pin", "code", "pointer"),
    [
        (PinnedClass(class_id="alchemy"), "unknown_class", "/pins/1/class"),
        (PinnedClass(class_id="algebra", time="never"), "unknown_time", "/pins/1/time"),
        (PinnedClass(class_id="algebra", room="attic"), "unknown_room", "/pins/1/room"),
        (PinnedClass(class_id="walk", room="R1"), "duplicate_pin", "/pins/1/class"),
        (PinnedClass(class_id="algebra", keep=Keep.BOTH), "pin_without_place", "/pins/1"),
    ],
)
def test_a_pin_that_cannot_be_meant_is_named(pin: PinnedClass, code: str, pointer: str) -> None:
    elsewhere = a_timetable({"algebra": "Sunday"}, {"algebra": "attic"})
    with pytest.raises(InvalidProblemError) as refused:
        with_pins(a_small_problem(), [PinnedClass(class_id="walk", time="M 0-2"), pin], elsewhere)
    assert (refused.value.findings[0].code, refused.value.findings[0].pointer) == (code, pointer)


def test_a_pin_to_the_base_needs_a_base_that_places_the_class() -> None:
    for base in (None, a_timetable({})):
        with pytest.raises(InvalidProblemError) as refused:
            with_pins(a_small_problem(), [PinnedClass(class_id="walk")], base)
        assert refused.value.findings[0].code == "pin_without_place"


def test_the_room_of_a_class_without_one_cannot_be_kept() -> None:
    with pytest.raises(InvalidProblemError) as refused:
        with_pins(a_small_problem(), [PinnedClass(class_id="walk", keep=Keep.ROOM)], BASE)
    assert "needs no room" in str(refused.value)

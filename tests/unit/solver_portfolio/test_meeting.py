"""Where annealings meet: who goes on from whose timetable, and when nobody does."""

from __future__ import annotations

import numpy as np

from services.solver.engine.search import Assignment
from services.solver.meeting import MeetingPlace


def _timetable(number: int) -> Assignment:
    return Assignment(
        np.array([number], np.int32), np.array([-1], np.int32), np.zeros(1, np.int32), np.zeros(0, np.int32)
    )


def _compare(
    place: MeetingPlace, member: int, energy: float, *, mark: int = 5, temperature: float = 10.0
) -> int | None:
    """Which member's timetable this one is to go on from."""
    found = place.seat(member).compare(mark, temperature, energy, lambda: _timetable(member))
    return None if found is None else int(found.times[0])


def test_the_worse_goes_on_from_the_better_once_a_mark() -> None:
    place = MeetingPlace()
    assert _compare(place, 0, 100.0) is None
    assert [_compare(place, 1, 120.0) for _ in range(3)] == [0, None, None]
    assert _compare(place, 0, 100.0) is None
    assert _compare(place, 1, 110.0, mark=6) is None
    assert _compare(place, 0, 120.0, mark=6) == 1


def test_who_comes_first_learns_of_the_better_one_later() -> None:
    place = MeetingPlace()
    assert _compare(place, 0, 120.0) is None
    assert _compare(place, 1, 100.0) is None
    assert _compare(place, 0, 120.0) == 1


def test_a_mark_keeps_what_was_posted_there() -> None:
    """Later energies at the same mark are those of a colder timetable."""
    place = MeetingPlace()
    assert _compare(place, 0, 120.0) is None
    assert _compare(place, 0, 50.0) is None
    assert _compare(place, 1, 100.0) is None
    assert _compare(place, 0, 40.0) == 1


def test_nobody_goes_on_from_another_temperature_or_for_next_to_nothing() -> None:
    place = MeetingPlace()
    assert _compare(place, 0, 50.0, temperature=5.0) is None
    assert _compare(place, 1, 100.0) is None
    assert _compare(place, 2, 100.05) is None
    assert _compare(place, 3, 101.0) == 1


def test_only_the_worse_half_gives_up_what_it_has() -> None:
    place = MeetingPlace()
    energies = [100.0, 110.0, 120.0, 130.0]
    for member in (3, 2, 1, 0):  # each better than those before it
        assert _compare(place, member, energies[member]) is None
    assert [_compare(place, member, energies[member]) for member in range(4)] == [None, None, 0, 0]


def test_marks_long_passed_are_forgotten() -> None:
    place = MeetingPlace()
    for mark in range(4, 20):
        _compare(place, 0, 100.0, mark=mark)
    assert _compare(place, 1, 200.0, mark=19) == 0
    assert _compare(place, 1, 200.0, mark=4) is None

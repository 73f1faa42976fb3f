"""Where the cooling of the enrolment search begins depends on how many moves are accepted while it is hot."""

from __future__ import annotations

import pytest

from services.solver.engine.enrolment.cooling import Cooling, Schedule

PLAN = Schedule(hottest=2.0, lively=0.1, steady=0.8, undecided=0.25, rush=0.1, rushed=0.2, warm=0.5, coldest=0.02)
UNIT = 10.0


def a_cooling(began: float, *, warm: bool = False, complete: bool = True) -> Cooling:
    return Cooling(PLAN, UNIT, began, warm=warm, complete=complete)


def test_where_few_moves_are_accepted_it_cools_from_the_hottest_temperature_on() -> None:
    cooling = a_cooling(0.2)
    assert cooling.temperature(0.2) == pytest.approx(20.0)
    cooling.slice_done(0.21, accepted=0.1)
    assert not cooling.loose
    assert cooling.temperature(0.21) == pytest.approx(20.0)
    assert cooling.temperature(0.605) == pytest.approx(2.0)
    assert cooling.temperature(1.0) == pytest.approx(0.2)


def test_a_loose_timetable_is_cooled_fast_at_first() -> None:
    cooling = a_cooling(0.0)
    for share, accepted in ((0.04, 0.9), (0.08, 0.4)):  # still falling
        cooling.slice_done(share, accepted)
        assert not cooling.loose
        assert cooling.temperature(share) == pytest.approx(20.0)
    cooling.slice_done(0.1, accepted=0.33)
    assert cooling.loose
    assert cooling.temperature(0.1) == pytest.approx(20.0)
    assert cooling.temperature(0.145) == pytest.approx((20.0 * 2.0) ** 0.5)
    for share in (0.12, 0.15, 0.18):
        cooling.slice_done(share, accepted=0.01)
        assert cooling.progress(share) == 0.0
    cooling.slice_done(0.2, accepted=0.01)
    assert cooling.loose
    assert cooling.temperature(0.2) == pytest.approx(2.0)
    assert cooling.temperature(0.6) == pytest.approx((2.0 * 0.2) ** 0.5)
    assert cooling.progress(0.6) == pytest.approx(0.5)
    assert cooling.temperature(1.0) == pytest.approx(0.2)


def test_much_that_is_accepted_at_first_does_not_make_a_timetable_loose() -> None:
    cooling = a_cooling(0.0)
    for share, accepted in ((0.01, 0.17), (0.02, 0.12), (0.03, 0.08)):
        cooling.slice_done(share, accepted)
    cooling.slice_done(0.2, accepted=0.3)
    assert not cooling.loose
    assert cooling.progress(0.515) == pytest.approx(0.5)
    assert cooling.temperature(0.515) == pytest.approx(2.0)


def test_what_is_undecided_for_long_is_not_loose() -> None:
    cooling = a_cooling(0.6)
    cooling.slice_done(0.65, accepted=0.9)
    cooling.slice_done(0.7, accepted=0.6)
    cooling.slice_done(0.8, accepted=0.6)
    assert not cooling.loose
    assert cooling.temperature(0.85) == pytest.approx(2.0)


def test_the_fast_part_ends_with_the_first_slice_that_is_longer() -> None:
    cooling = a_cooling(0.5)
    cooling.slice_done(0.5, accepted=0.9)
    cooling.slice_done(0.5, accepted=0.9)
    cooling.slice_done(0.8, accepted=0.9)
    assert cooling.temperature(0.8) == pytest.approx(2.0)
    assert cooling.progress(0.9) == pytest.approx(0.5)


def test_heat_is_not_spared_while_events_are_without_a_place() -> None:
    cooling = a_cooling(0.2, complete=False)
    cooling.slice_done(0.3, accepted=0.9)
    assert not cooling.loose
    assert cooling.temperature(0.6) == pytest.approx(2.0)


def test_from_a_timetable_it_cools_from_a_low_temperature_on_at_once() -> None:
    cooling = a_cooling(0.0, warm=True)
    assert cooling.temperature(0.0) == pytest.approx(5.0)
    cooling.slice_done(0.5, accepted=0.9)
    assert not cooling.loose
    assert cooling.progress(0.5) == pytest.approx(0.5)
    assert cooling.temperature(0.5) == pytest.approx((5.0 * 0.2) ** 0.5)


def test_a_budget_used_up_by_placing_leaves_the_coldest_temperature() -> None:
    cooling = a_cooling(1.0)
    cooling.slice_done(1.0, accepted=0.0)
    assert cooling.temperature(1.0) == pytest.approx(0.2)

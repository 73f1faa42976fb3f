"""Where the cooling of the enrolment search begins depends on how many moves are accepted while it is hot."""

from __future__ import annotations

import pytest

from services.solver.engine.enrolment.cooling import Cooling, Schedule

PLAN = Schedule(hottest=2.0, lively=0.1, rush=0.1, rushed=0.2, warm=0.5, coldest=0.02)
UNIT = 10.0


def test_where_few_moves_are_accepted_it_cools_from_the_hottest_temperature_on() -> None:
    cooling = Cooling(PLAN, UNIT, 0.2, warm=False)
    cooling.slice_done(0.2, 0.21, accepted=0.02)
    assert cooling.temperature(0.21) == pytest.approx(20.0)
    assert cooling.temperature(1.0) == pytest.approx(0.2)


def test_it_cools_fast_while_many_moves_are_accepted_and_slowly_from_then_on() -> None:
    cooling = Cooling(PLAN, UNIT, 0.0, warm=False)
    for k in range(5):
        cooling.slice_done(k / 100, (k + 1) / 100, accepted=0.4)
        assert cooling.progress((k + 1) / 100) == 0.0
    there = cooling.temperature(0.05)
    assert there == pytest.approx(20.0 * 0.1**0.5)
    cooling.slice_done(0.05, 0.06, accepted=0.1)
    assert cooling.temperature(0.06) == pytest.approx(there)
    # A tenth of the budget would have brought it to 2.0: from here on the rest takes it to the end.
    assert cooling.temperature(0.16) > 0.6 * there
    assert cooling.progress(0.53) == pytest.approx(0.5)
    assert cooling.temperature(1.0) == pytest.approx(0.2)


@pytest.mark.parametrize("slices", [1, 7])
def test_the_fast_part_ends_in_time_however_much_is_accepted(slices: int) -> None:
    cooling = Cooling(PLAN, UNIT, 0.5, warm=False)
    for k in range(slices):
        cooling.slice_done(0.5 + 0.06 * k / slices, 0.5 + 0.06 * (k + 1) / slices, accepted=0.9)
    assert 1.8 < cooling.temperature(0.56) <= 2.0
    assert cooling.progress(0.78) == pytest.approx(0.5, abs=0.01)


def test_from_a_timetable_it_cools_from_a_low_temperature_on_at_once() -> None:
    cooling = Cooling(PLAN, UNIT, 0.0, warm=True)
    assert cooling.temperature(0.0) == pytest.approx(5.0)
    cooling.slice_done(0.0, 0.5, accepted=0.9)
    assert cooling.progress(0.5) == pytest.approx(0.5)
    assert cooling.temperature(0.5) == pytest.approx((5.0 * 0.2) ** 0.5)


def test_a_budget_used_up_by_placing_leaves_the_coldest_temperature() -> None:
    cooling = Cooling(PLAN, UNIT, 1.0, warm=False)
    cooling.slice_done(1.0, 1.0, accepted=0.0)
    assert cooling.temperature(1.0) == pytest.approx(0.2)

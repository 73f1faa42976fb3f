"""Weight profiles: what each puts first, and that it says so."""

from __future__ import annotations

import pytest

from schemas.problem.model import DistributionType, Problem, RoomOption, TimeOption, Weights
from schemas.referee import judge
from schemas.variants.profiles import FACTOR, FIRST, Profile, factors, with_profile
from tests.unit.schemas.building import (
    a_class,
    a_course,
    a_curriculum,
    a_problem,
    a_room,
    a_rule,
    a_student,
    a_timetable,
)

MONDAY, TUESDAY = "M 0-2", "T 0-2"


def a_costly_problem(**weights: int) -> Problem:
    """Whose one timetable costs a point of every part, before the weights."""
    only = {"time_domain": None, "times": [TimeOption(time=MONDAY, penalty=1)]}
    return a_problem(
        [
            a_course("algebra", [a_class("algebra", rooms=[RoomOption(room="R1", penalty=1)], **only)]),
            a_course("botany", [a_class("botany")]),
        ],
        [MONDAY, TUESDAY],
        rooms=[a_room("R1")],
        curricula=[a_curriculum("q", "algebra", "botany", penalty=1)],
        students=[a_student("ada", "algebra", "botany")],
        distributions=[
            a_rule(DistributionType.MAX_DAYS, ["algebra", "botany"], 0, penalty=1),
            a_rule(DistributionType.SAME_ROOM, ["algebra", "botany"], penalty=1),
            a_rule(DistributionType.DIFFERENT_DAYS, ["algebra", "botany"], penalty=1),
        ],
        weights=Weights(**{"time": 1, "room": 1, "distribution": 2, "student": 3, **weights}),
    )


THE_TIMETABLE = a_timetable({"algebra": MONDAY, "botany": MONDAY}, {"algebra": "R1"}, {"ada": ["algebra", "botany"]})
OWN = {"time": 1, "room": 1, "student": 3, "curriculum": 2, "MaxDays": 2, "SameRoom": 2, "DifferentDays": 2}


@pytest.mark.parametrize(
    ("profile", "first"),
    [
        (Profile.BALANCED, set()),
        (Profile.STUDENTS_FIRST, {"student", "curriculum"}),
        (Profile.INSTRUCTORS_FIRST, {"time", "MaxDays"}),
        (Profile.ROOMS_FIRST, {"room", "SameRoom"}),
    ],
)
def test_what_comes_first_costs_more_and_the_rest_as_before(profile: Profile, first: set[str]) -> None:
    problem = a_costly_problem()
    assert judge(problem, THE_TIMETABLE).score.cost == OWN
    cost = judge(with_profile(problem, profile), THE_TIMETABLE).score.cost
    assert cost == {part: FACTOR * value if part in first else value for part, value in OWN.items()}
    assert set(factors(problem, profile)) == first - {"time", "room", "student"}


def test_a_sum_that_counts_nothing_counts_once_it_comes_first() -> None:
    problem = a_costly_problem(student=0)
    assert "student" not in judge(problem, THE_TIMETABLE).score.cost
    assert judge(with_profile(problem, Profile.STUDENTS_FIRST), THE_TIMETABLE).score.cost["student"] == FACTOR


def test_the_balanced_profile_is_the_problem_itself() -> None:
    problem = a_costly_problem()
    assert with_profile(problem, Profile.BALANCED) is problem


def test_every_profile_has_its_parts_and_shares_none_with_another() -> None:
    assert set(FIRST) == set(Profile)
    named = [part for parts in FIRST.values() for part in parts]
    assert len(named) == len(set(named))
    assert set(named) <= {"time", "room", "student", "curriculum", *DistributionType}

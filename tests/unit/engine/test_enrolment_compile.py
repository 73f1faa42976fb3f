"""Which problems the enrolment search takes, and what is said to those that it does not."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.problem.expand import expand
from schemas.problem.findings import InvalidProblemError
from schemas.problem.model import (
    Calendar,
    Class,
    Distribution,
    DistributionType,
    Problem,
    StudentRule,
    StudentRuleType,
    TimeOption,
    Travel,
)
from services.solver.choice import ExactRole, choose
from services.solver.compile.enrolment import compile_enrolment, is_enrolment, obstacle
from services.solver.portfolio import load_kernel
from tests.unit.engine.enrolment_problems import NO_CONFLICT, SINGLE, an_enrolment_problem


def _with(**changes: Any) -> Problem:
    return an_enrolment_problem(events=6, students=4, each=2).model_copy(update=changes)


def _with_two_sections() -> Problem:
    problem = _with()
    subpart = problem.courses[0].configs[0].subparts[0]
    subpart.classes.append(Class(id="E0b", limit=9, times=[TimeOption(time="0-0")]))
    return problem


def _with_few_seats() -> Problem:
    problem = _with()
    for course in problem.courses:
        course.configs[0].subparts[0].classes[0] = (
            course.configs[0].subparts[0].classes[0].model_copy(update={"limit": 0})
        )
    return problem


def test_a_post_enrolment_problem_is_searched_as_one_and_without_cp_sat() -> None:
    expanded = expand(_with())
    assert is_enrolment(expanded)
    kernel = load_kernel(expanded)
    assert kernel.method == "enrolment-annealing"
    assert "everybody's classes are fixed" in kernel.reason
    choice = choose(expanded, workers=2, moves=None)
    assert choice.exact is ExactRole.NONE
    assert "rules for students" in choice.reason


@pytest.mark.parametrize(
    ("problem", "phrase"),
    [
        (_with(students=[]), "no students"),
        (_with(student_rules=[SINGLE]), "student conflicts that are a cost"),
        (
            _with(student_rules=[NO_CONFLICT, StudentRule(type=StudentRuleType.SINGLE_CLASS_DAY, required=True)]),
            "a required rule on students' days",
        ),
        (_with(room_travel=[Travel(a="R0", b="R1", slots=1)]), "walking times"),
        (_with_two_sections(), "alternatives within a course"),
        (_with_few_seats(), "a class with fewer seats than students"),
        (
            _with(distributions=[Distribution(type=DistributionType.SAME_ROOM, classes=["E0", "E1"], required=True)]),
            "a distribution other than",
        ),
        (_with(calendar=Calendar(weeks=1, days=3, slots_per_day=16)), "more than 15 slots a day"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_enrolment_problem_says_why(problem: Problem, phrase: str) -> None:
    expanded = expand(problem)
    assert phrase in (obstacle(expanded) or "")
    with pytest.raises(ValueError, match="not an enrolment problem"):
        compile_enrolment(expanded)


def test_rules_for_students_elsewhere_are_refused_with_the_obstacle_instead_of_being_left_out() -> None:
    with pytest.raises(InvalidProblemError) as refused:
        load_kernel(expand(_with_two_sections()))
    finding = refused.value.findings[0]
    assert (finding.code, finding.pointer) == ("student_rules_not_searched", "/student_rules")
    assert "alternatives within a course" in finding.message


def test_rules_for_students_of_whom_there_are_none_do_not_matter() -> None:
    assert load_kernel(expand(_with(students=[]))).method == "grid-annealing"

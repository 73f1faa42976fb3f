"""Infeasible problems are proven so, and the sentences name what contradicts what."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from ortools.sat.python import cp_model

from schemas.problem.expand import ExpandedProblem
from schemas.problem.model import Distribution, DistributionType, Student
from services.solver.engine.search import Assignment
from services.solver.explain import Explanation, explain_infeasibility
from services.solver.necessary import necessary_reasons
from tests.unit.engine.tiny_problems import cheapest, tiny_problems
from tests.unit.solver_portfolio.problems import a_class, a_course, a_problem, hours


def nothing_placed(expanded: ExpandedProblem) -> Assignment:
    unplaced = np.full(len(expanded.classes), -1, np.int32)
    start = np.zeros(len(expanded.requests) + 1, np.int32)
    return Assignment(unplaced, unplaced, start, np.zeros(0, np.int32))


def explain(expanded: ExpandedProblem) -> Explanation:
    return explain_infeasibility(expanded, nothing_placed(expanded), seconds=20.0, should_stop=lambda: False)


def test_an_instructor_with_more_classes_than_free_hours_is_named_with_the_figures() -> None:
    morning = [f"0-{s}" for s in range(2)]
    classes = [a_course(f"c{n}", a_class(f"c{n}", morning, taught_by=["noether"])) for n in range(3)]
    others = [a_course("other", a_class("other", hours(2, 2), taught_by=["gauss"]))]
    reasons = necessary_reasons(a_problem([*classes, *others]))
    assert len(reasons) == 1
    assert all(word in reasons[0] for word in ("noether", "c0", "c1", "c2", "3 classes", "only 2"))
    assert "gauss" not in reasons[0]


def test_only_the_classes_that_are_too_many_are_named() -> None:
    tight = [a_course(f"tight{n}", a_class(f"tight{n}", ["0-0"], taught_by=["noether"])) for n in range(2)]
    easy = [a_course(f"easy{n}", a_class(f"easy{n}", ["1-0", "1-1"], taught_by=["noether"])) for n in range(2)]
    reasons = necessary_reasons(a_problem([*easy, *tight]))
    assert len(reasons) == 1
    assert "tight0" in reasons[0]
    assert "tight1" in reasons[0]
    assert "easy" not in reasons[0]


def test_more_hours_than_a_room_has_are_counted() -> None:
    classes = [a_course(f"lab{n}", a_class(f"lab{n}", hours(2, 2), ["lab"])) for n in range(5)]
    free = [a_course("talk", a_class("talk", hours(2, 2), ["hall", "lab"]))]
    reasons = necessary_reasons(a_problem([*classes, *free], rooms=["hall", "lab"]))
    assert len(reasons) == 1
    assert all(word in reasons[0] for word in ("room lab", "5 classes", "need 5 slots", "there are 4"))


def test_more_students_than_seats_are_counted() -> None:
    course = a_course("dance", a_class("dance", hours(1, 1), limit=2))
    reasons = necessary_reasons(
        a_problem([course], students=[Student(id=f"s{n}", courses=["dance"]) for n in range(3)])
    )
    assert reasons == ["3 students ask for course 'dance', which has 2 seats. Add classes or raise limits."]


def test_an_error_of_the_solver_is_not_taken_for_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(self: cp_model.CpSolver, *_: object) -> cp_model.CpSolverStatus:
        raise RuntimeError("the solver broke")

    monkeypatch.setattr(cp_model.CpSolver, "solve", breaks)
    classes = [a_course(n, a_class(n, hours(1, 1))) for n in ("algebra", "botany")]
    rule = Distribution(type=DistributionType.DIFFERENT_DAYS, classes=["algebra", "botany"], required=True)
    with pytest.raises(RuntimeError, match="the solver broke"):
        explain(a_problem(classes, distributions=[rule]))


def test_rules_that_contradict_one_another_are_named() -> None:
    classes = [a_course(n, a_class(n, hours(2, 2))) for n in ("algebra", "botany", "chemistry")]
    rules = [
        Distribution(type=DistributionType.SAME_DAYS, classes=["algebra", "botany"], required=True),
        Distribution(type=DistributionType.DIFFERENT_DAYS, classes=["botany", "algebra"], required=True),
        Distribution(type=DistributionType.SAME_START, classes=["botany", "chemistry"], required=True),
    ]
    expanded = a_problem(classes, distributions=rules)
    assert necessary_reasons(expanded) == []
    explanation = explain(expanded)
    assert explanation.proven
    text = " ".join(explanation.reasons)
    assert "at least one rule must give way" in text
    assert "SameDays of algebra, botany" in text or "DifferentDays of botany, algebra" in text
    assert "SameStart" not in text


def test_two_classes_that_need_one_room_at_one_time_name_the_room() -> None:
    one = a_course("one", a_class("one", ["0-0", "0-1"], ["hall"]))
    two = a_course("two", a_class("two", ["0-0", "0-1"], ["hall"]))
    rule = Distribution(type=DistributionType.SAME_START, classes=["one", "two"], required=True)
    explanation = explain(a_problem([one, two], distributions=[rule]))
    assert explanation.proven
    assert "room 'hall'" in " ".join(explanation.reasons).lower() or "SameStart of one, two" in explanation.reasons[1]


def test_a_problem_that_can_be_solved_is_not_explained_away() -> None:
    expanded = a_problem([a_course("only", a_class("only", hours(2, 2), ["hall"]))])
    assert explain(expanded) == Explanation(proven=False, reasons=[])


@pytest.mark.parametrize("reason", [necessary_reasons, lambda expanded: explain(expanded).reasons])
def test_a_proof_is_never_given_for_a_problem_with_a_timetable(reason: Callable[[ExpandedProblem], list[str]]) -> None:
    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(tiny_problems())
    def holds(expanded: ExpandedProblem) -> None:
        if reason(expanded):
            assert cheapest(expanded) is None

    holds()

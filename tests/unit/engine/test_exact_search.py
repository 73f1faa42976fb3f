"""The exact engine against enumeration: the same optimum, the same infeasibility, and no claim that does not hold."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from schemas.problem.expand import ExpandedProblem, expand
from schemas.problem.model import Distribution, DistributionType
from schemas.referee import judge
from services.solver.compile.assignment import to_assignment, to_timetable
from services.solver.compile.exact import compile_exact, counter, exact_size
from services.solver.engine.exact.bound import lower_bound
from services.solver.engine.exact.search import search_exact
from services.solver.engine.search import Assignment, Limits, Outcome, Progress
from tests.unit.engine.grid_problems import a_curriculum_problem
from tests.unit.engine.tiny_problems import NOT_MODELLED, TYPES, cheapest, every_timetable, tiny_problems
from tests.unit.solver_portfolio.problems import a_class, a_course, a_problem, hours

TINY = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def grind() -> ExpandedProblem:
    """A problem with a timetable that takes far longer than a test to be proven optimal."""
    return expand(a_curriculum_problem(courses=12, lectures=3, rooms=4))


def solve(
    expanded: ExpandedProblem, *, start: Assignment | None = None, seconds: float = 20.0, stop: bool = False
) -> Outcome:
    return search_exact(
        compile_exact(expanded),
        Limits(seconds=seconds, target=-1),
        lambda progress, read: None,
        lambda: stop,
        start,
        count=counter(expanded),
    )


@TINY
@given(tiny_problems())
def test_the_proven_optimum_is_the_enumerated_one(expanded: ExpandedProblem) -> None:
    outcome = solve(expanded)
    best = cheapest(expanded)
    if best is None:
        assert outcome.proven_infeasible
        assert not outcome.optimal
    else:
        assert (outcome.hard_violations, outcome.cost, outcome.bound) == (0, best, best)
        assert outcome.optimal
        assert not outcome.proven_infeasible


@pytest.mark.parametrize("kind", TYPES)
def test_each_distribution_type_is_modelled_exactly(kind: DistributionType) -> None:
    @settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
    @given(tiny_problems(types=(kind,)))
    def holds(expanded: ExpandedProblem) -> None:
        outcome, best = solve(expanded), cheapest(expanded)
        assert outcome.proven_infeasible == (best is None)
        if best is not None:
            assert (outcome.cost, outcome.bound) == (best, best)

    holds()


@TINY
@given(tiny_problems(types=tuple(NOT_MODELLED)))
def test_a_type_that_is_not_modelled_never_leads_to_a_wrong_claim(expanded: ExpandedProblem) -> None:
    outcome = solve(expanded)
    best = cheapest(expanded)
    if outcome.proven_infeasible:
        assert best is None
    if outcome.bound is not None and best is not None:
        assert outcome.bound <= best
    if outcome.optimal:
        assert outcome.cost == best


@TINY
@given(tiny_problems())
def test_what_is_returned_counts_as_the_referee_says(expanded: ExpandedProblem) -> None:
    outcome = solve(expanded)
    score = judge(expanded.problem, to_timetable(expanded, outcome.assignment)).score
    assert (outcome.hard_violations, outcome.cost) == score.rank
    assert dict(outcome.parts) == score.cost


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(tiny_problems())
def test_a_start_is_never_worsened_even_when_stopped_at_once(expanded: ExpandedProblem) -> None:
    start = min(every_timetable(expanded), key=lambda t: judge(expanded.problem, t).score.rank)
    outcome = solve(expanded, start=to_assignment(expanded, start), stop=True)
    assert (outcome.hard_violations, outcome.cost) <= judge(expanded.problem, start).score.rank


def test_a_stopped_search_claims_nothing_that_it_has_not_proven(grind: ExpandedProblem) -> None:
    reports: list[Progress] = []

    def should_stop() -> bool:
        return any(report.hard_violations == 0 for report in reports)

    outcome = search_exact(
        compile_exact(grind),
        Limits(seconds=30.0, target=-1),
        lambda progress, read: reports.append(progress),
        should_stop,
        count=counter(grind),
    )
    assert outcome.hard_violations == 0
    assert outcome.optimal == (outcome.bound == outcome.cost)
    assert not outcome.proven_infeasible


@pytest.mark.parametrize("kind", [*TYPES, *sorted(NOT_MODELLED)])
def test_no_timetable_is_cheaper_than_the_bound_by_times_alone(kind: DistributionType) -> None:
    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
    @given(tiny_problems(types=(kind,)))
    def holds(expanded: ExpandedProblem) -> None:
        told: list[int] = []
        found = lower_bound(compile_exact(expanded), Limits(seconds=20.0), told.append, lambda: False)
        best = cheapest(expanded)
        assert not found.infeasible or best is None
        if best is not None:
            assert max([found.cost or 0, *told]) <= best

    holds()


@pytest.mark.parametrize(("taught_by", "cost"), [(["t"], 6), ([], 0)])
def test_the_bound_by_times_alone_knows_instructors_and_no_rooms(taught_by: list[str], cost: int) -> None:
    """Three classes that want one day of two hours: an instructor keeps them apart, and so would their only room."""
    wish = Distribution(type=DistributionType.SAME_DAYS, classes=["a", "b", "c"], penalty=3)
    classes = [a_class(name, hours(2, 2), ["hall"], taught_by=taught_by) for name in ("a", "b", "c")]
    expanded = a_problem([a_course(c.id, c) for c in classes], distributions=[wish])
    told = [0]
    found = lower_bound(compile_exact(expanded), Limits(seconds=20.0), told.append, lambda: False)
    assert (found.cost, found.infeasible, told[-1]) == (cost, False, cost)
    assert cheapest(expanded) == 6


def test_a_bound_is_not_waited_for_when_nobody_wants_it_any_more(grind: ExpandedProblem) -> None:
    found = lower_bound(compile_exact(grind), Limits(seconds=3600.0), lambda bound: None, lambda: True)
    assert not found.infeasible


def test_interchangeable_classes_are_one_unit(grind: ExpandedProblem) -> None:
    model = compile_exact(grind)
    assert [len(unit.classes) for unit in model.units] == [3] * 12
    assert exact_size(grind) == 12 * 16 * (1 + 4)

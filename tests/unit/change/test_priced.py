"""Departures priced into options: every method's count, told as it was asked for, is the referee's."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from schemas.change.baseline import Baseline, KeepWeights
from schemas.change.difference import difference
from schemas.problem.expand import ExpandedProblem, expand
from schemas.problem.findings import InvalidProblemError
from schemas.problem.model import Problem
from schemas.referee import judge
from schemas.timetable import Timetable
from services.solver.change.base import Base
from services.solver.change.pricing import priced
from services.solver.change.told import Teller
from services.solver.compile.assignment import to_timetable
from services.solver.compile.exact import compile_exact, counter
from services.solver.compile.general import compile_general
from services.solver.compile.grid import compile_grid, is_grid
from services.solver.engine.exact.search import search_exact
from services.solver.engine.general.layout import PAR_HARD, PAR_SOFT
from services.solver.engine.general.state import State
from services.solver.engine.grid.state import GridState
from services.solver.engine.search import Assignment, Limits
from services.solver.jit_cache import use_jit_cache
from services.solver.portfolio import Best
from tests.unit.engine.general_problems import a_general_problem
from tests.unit.engine.grid_problems import grid_problems
from tests.unit.engine.tiny_problems import every_timetable, tiny_problems

SOME = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module", autouse=True)
def _jit_cache() -> None:
    use_jit_cache()


def some_weights(dice: random.Random) -> KeepWeights:
    return KeepWeights(time=dice.choice((0, 3, 20)), room=dice.choice((0, 2, 10)), section=dice.choice((0, 1, 5)))


def assert_told_as_the_referee_counts(
    expanded: ExpandedProblem, assignment: Assignment, hard: dict[str, int], parts: dict[str, int]
) -> None:
    """`hard` and `parts` are the method's own count of the priced problem."""
    baseline = expanded.baseline
    assert baseline is not None
    base = Base(expanded, baseline)
    told = Teller(expanded, base).tell(Best(assignment, sum(hard.values()), sum(parts.values()), parts, hard, 0))
    timetable = to_timetable(expanded, told.assignment)
    score = judge(expanded.problem, timetable, baseline).score
    assert dict(told.parts) == score.cost
    assert (told.hard_violations, told.cost) == score.rank
    # Renaming interchangeable classes only ever makes it cheaper.
    assert told.cost <= sum(parts.values())
    assert {c.class_id for c in difference(expanded.problem, baseline.timetable, timetable).classes} == {
        expanded.classes[i].id for i in np.flatnonzero(told.changed)
    }


@SOME
@given(seed=st.integers(0, 10**6))
def test_the_general_search_counts_departures_exactly_under_moves(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311  # reproducible test data
    expanded = expand(a_general_problem(seed))
    earlier = State(compile_general(expanded), seed)
    earlier.load(None, 300)
    baseline = Baseline(to_timetable(expanded, earlier.now()), some_weights(dice))
    expanded = replace(expanded, baseline=baseline)
    model = compile_general(priced(expanded, Base(expanded, baseline), baseline.weights))
    state = State(model, seed + 1)
    state.load(earlier.now(), 300)
    hard, parts = state.score_now()
    assert_told_as_the_referee_counts(expanded, state.now(), hard, parts)
    for _ in range(3):
        state.anneal(1_500, 30.0, 1.0, 0.3, 0.4)
        hard, parts = state.score_now()
        assert (sum(hard.values()), sum(parts.values())) == (state.par[PAR_HARD], state.par[PAR_SOFT])
    assert_told_as_the_referee_counts(expanded, state.now(), hard, parts)


@SOME
@given(problem=grid_problems(), seed=st.integers(0, 10**6))
def test_the_grid_search_counts_departures_exactly(problem: Problem, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311  # reproducible test data
    try:
        expanded = expand(problem)
    except InvalidProblemError:
        assume(False)
        raise
    assume(is_grid(expanded))
    earlier = GridState(compile_grid(expanded), seed).best_assignment()
    baseline = Baseline(to_timetable(expanded, earlier), some_weights(dice))
    expanded = replace(expanded, baseline=baseline)
    searched = priced(expanded, Base(expanded, baseline), baseline.weights)
    assume(is_grid(searched))
    state = GridState(compile_grid(searched), seed + 1, earlier)
    state.advance(2_000, 30.0, 5.0, 5.0, 0.3, 0.3, 0.5, 0.1, -1)
    counted = state.best_count()
    assert_told_as_the_referee_counts(expanded, state.best_assignment(), dict(counted.hard), dict(counted.parts))


def _solutions(expanded: ExpandedProblem, baseline: Baseline) -> Iterator[tuple[int, int]]:
    """(changed classes, cost) of every timetable without hard violations."""
    for timetable in every_timetable(expanded):
        score = judge(expanded.problem, timetable, baseline).score
        if score.hard_violations == 0:
            yield len(difference(expanded.problem, baseline.timetable, timetable).classes), score.total


@SOME
@given(expanded=tiny_problems(), seed=st.integers(0, 10**6))
def test_cp_sat_finds_the_cheapest_timetable_within_a_budget_or_proves_that_there_is_none(
    expanded: ExpandedProblem, seed: int
) -> None:
    dice = random.Random(seed)  # noqa: S311  # reproducible test data
    earlier: Timetable = dice.choice(list(every_timetable(expanded)))
    allowed = dice.randint(0, 3)
    baseline = Baseline(earlier, some_weights(dice), allowed)
    expanded = replace(expanded, baseline=baseline)
    outcome = search_exact(
        compile_exact(priced(expanded, Base(expanded, baseline), baseline.weights, max_changes=allowed)),
        Limits(seconds=20.0, target=-1),
        lambda progress, read: None,
        lambda: False,
        None,
        count=counter(expanded),
    )
    costs = [cost for changed, cost in _solutions(expanded, baseline) if changed <= allowed]
    if not costs:
        assert outcome.proven_infeasible
    else:
        assert (outcome.hard_violations, outcome.cost, outcome.bound) == (0, min(costs), min(costs))

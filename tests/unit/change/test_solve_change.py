"""A solve from a published timetable as its callers see it: little changes, budgets, proofs, reports."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from schemas.change.baseline import Baseline, KeepWeights
from schemas.change.difference import difference
from schemas.change.pins import PinnedClass, with_pins
from schemas.problem.expand import ExpandedProblem, expand
from schemas.referee import judge
from schemas.timetable import Timetable
from services.solver.change.base import Base
from services.solver.change.told import Teller
from services.solver.compile.assignment import to_assignment
from services.solver.engine.search import Assignment
from services.solver.portfolio import Best
from services.solver.solve import SolveReport, SolveResult, solve_problem
from tests.unit.engine.grid_problems import a_curriculum_problem
from tests.unit.solver_portfolio.problems import a_class, a_course, a_problem, hours


def solve(
    expanded: ExpandedProblem,
    *,
    seconds: float = 20.0,
    moves: int | None = None,
    target: int = 0,
    reports: list[SolveReport] | None = None,
) -> SolveResult:
    heard: list[SolveReport] = [] if reports is None else reports
    result = solve_problem(
        expanded,
        seconds=seconds,
        seed=1,
        workers=1,
        moves=moves,
        target=target,
        on_progress=heard.append,
        should_stop=lambda: False,
    )
    score = judge(expanded.problem, result.timetable, expanded.baseline).score
    assert (result.hard_violations, result.cost) == score.rank
    assert {part: cost for part, cost in result.parts.items() if cost} == score.cost
    return result


def again(
    expanded: ExpandedProblem,
    published: Timetable,
    pins: Sequence[PinnedClass] = (),
    *,
    keep: KeepWeights | None = None,
    max_changes: int | None = None,
) -> ExpandedProblem:
    """The problem with pins, to be solved close to the published timetable."""
    pinned = expand(with_pins(expanded.problem, pins, published))
    return replace(pinned, baseline=Baseline(published, keep or KeepWeights(), max_changes))


def changed(expanded: ExpandedProblem, result: SolveResult) -> set[str]:
    assert expanded.baseline is not None
    found = difference(expanded.problem, expanded.baseline.timetable, result.timetable)
    return {c.class_id for c in found.classes}


def place(timetable: Timetable, name: str) -> tuple[str, str | None]:
    return next((p.time, p.room) for p in timetable.placements if p.class_id == name)


@pytest.fixture(scope="module")
def department() -> ExpandedProblem:
    return expand(a_curriculum_problem(courses=20, lectures=3, rooms=4, days=5, slots=4))


@pytest.fixture(scope="module")
def published(department: ExpandedProblem) -> Timetable:
    """Not the best there is, and the same on every machine: something is left to be gained by changing it."""
    return solve(department, seconds=60.0, moves=20_000).timetable


@pytest.fixture
def duties() -> ExpandedProblem:
    """Six classes in one room with six hours, taught by one: whoever moves takes somebody's hour."""
    return a_problem(
        [a_course(f"c{n}", a_class(f"c{n}", hours(3, 2), ["hall"], taught_by=["noether"])) for n in range(6)],
        days=3,
    )


@pytest.fixture
def in_order(duties: ExpandedProblem) -> Timetable:
    return solve(duties).timetable


def test_a_timetable_that_still_fits_is_left_as_it_is(duties: ExpandedProblem, in_order: Timetable) -> None:
    result = solve(again(duties, in_order))
    assert result.timetable.placements == in_order.placements
    assert result.cost == 0


def test_whoever_is_pinned_to_anothers_hour_changes_with_that_one_and_nobody_else(
    duties: ExpandedProblem, in_order: Timetable
) -> None:
    wanted, _ = place(in_order, "c3")
    problem = again(duties, in_order, [PinnedClass(class_id="c0", time=wanted)])
    result = solve(problem)
    assert place(result.timetable, "c0") == (wanted, "hall")
    assert changed(problem, result) == {"c0", "c3"}
    assert (result.parts["change"], result.forced) == (40, 1)
    assert result.optimal


def test_a_class_pinned_to_its_place_stays(duties: ExpandedProblem, in_order: Timetable) -> None:
    wanted, _ = place(in_order, "c3")
    problem = again(duties, in_order, [PinnedClass(class_id="c0", time=wanted), PinnedClass(class_id="c3")])
    result = solve(problem, seconds=3.0)
    assert result.hard_violations > 0
    assert place(result.timetable, "c3") == place(in_order, "c3")


def test_a_budget_that_suffices_is_kept(duties: ExpandedProblem, in_order: Timetable) -> None:
    wanted, _ = place(in_order, "c3")
    free = KeepWeights(time=0, room=0, section=0)
    problem = again(duties, in_order, [PinnedClass(class_id="c0", time=wanted)], keep=free, max_changes=2)
    result = solve(problem)
    assert (result.hard_violations, result.over_budget, len(changed(problem, result))) == (0, 0, 2)
    assert "change" not in result.parts


def test_a_budget_that_cannot_be_kept_is_proven_so_and_the_rest_is_done_all_the_same(
    duties: ExpandedProblem, in_order: Timetable
) -> None:
    wanted, _ = place(in_order, "c3")
    problem = again(duties, in_order, [PinnedClass(class_id="c0", time=wanted)], max_changes=1)
    result = solve(problem, seconds=6.0)
    assert (result.hard_violations, result.over_budget) == (0, 1)
    assert result.budget_impossible
    assert not result.proven_infeasible
    assert changed(problem, result) == {"c0", "c3"}


def test_more_forced_changes_than_the_budget_are_a_proof_without_any_search(
    duties: ExpandedProblem, in_order: Timetable
) -> None:
    names = ("c0", "c1", "c2")
    moved = [
        PinnedClass(class_id=a, time=place(in_order, b)[0]) for a, b in zip(names, (*names[1:], names[0]), strict=True)
    ]
    result = solve(again(duties, in_order, moved, max_changes=2), seconds=6.0)
    assert (result.forced, result.over_budget, result.budget_impossible) == (3, 1, True)


def test_the_grid_search_keeps_a_budget(department: ExpandedProblem, published: Timetable) -> None:
    moved = next(p for p in published.placements)
    other = next(t.id for t in department.problem.times if t.id != moved.time)
    pins = [PinnedClass(class_id=moved.class_id, time=other)]
    problem = again(department, published, pins, keep=KeepWeights(time=0, room=0, section=0), max_changes=8)
    reports: list[SolveReport] = []
    result = solve(problem, seconds=8.0, reports=reports)
    assert (result.hard_violations, result.over_budget) == (0, 0)
    assert len(changed(problem, result)) <= 8
    assert place(result.timetable, moved.class_id)[0] == other
    ranks = [(r.hard_violations, r.over_budget, r.cost) for r in reports if r.hard_violations is not None]
    assert ranks == sorted(ranks, key=lambda rank: [x or 0 for x in rank], reverse=True)


def test_a_target_is_met_only_within_the_budget_and_then_ends_the_search(
    department: ExpandedProblem, published: Timetable
) -> None:
    moved = published.placements[0]
    other = next(t.id for t in department.problem.times if t.id != moved.time)
    problem = again(department, published, [PinnedClass(class_id=moved.class_id, time=other)], max_changes=8)
    began = time.monotonic()
    result = solve(problem, seconds=120.0, target=1_000_000)
    assert (result.hard_violations, result.over_budget) == (0, 0)
    assert time.monotonic() - began < 60.0


def test_a_published_timetable_that_is_good_enough_as_it_is_ends_the_search_at_once(
    department: ExpandedProblem, published: Timetable
) -> None:
    """It meets the target before anything is searched; the kernel has its say all the same, and ends."""
    reports: list[SolveReport] = []
    problem = again(department, published, max_changes=8)
    result = solve(problem, seconds=600.0, target=1_000_000, reports=reports)
    assert (result.hard_violations, result.over_budget) == (0, 0)
    assert len(changed(problem, result)) <= 8
    assert reports[-1].share < 0.5


def test_dearer_changes_are_fewer(department: ExpandedProblem, published: Timetable) -> None:
    free, dear = (KeepWeights(time=w, room=w, section=0) for w in (0, 1_000))
    moved = published.placements[0]
    other = next(t.id for t in department.problem.times if t.id != moved.time)
    numbers = []
    for keep in (free, dear):
        problem = again(department, published, [PinnedClass(class_id=moved.class_id, time=other)], keep=keep)
        numbers.append(len(changed(problem, solve(problem, seconds=60.0, moves=400_000))))
    assert numbers[1] < numbers[0]


def test_moves_make_a_solve_within_a_budget_repeatable(department: ExpandedProblem, published: Timetable) -> None:
    moved = published.placements[0]
    other = next(t.id for t in department.problem.times if t.id != moved.time)
    problem = again(department, published, [PinnedClass(class_id=moved.class_id, time=other)], max_changes=10)
    first, second = (solve(problem, seconds=60.0, moves=100_000) for _ in range(2))
    assert first.timetable == second.timetable
    assert first.moves == second.moves


def test_lectures_that_changed_places_with_each_other_have_not_changed(
    department: ExpandedProblem, published: Timetable
) -> None:
    problem = again(department, published)
    assignment = to_assignment(problem, published)
    lectures = [i for i, c in enumerate(problem.classes) if c.id.startswith("c3#")]
    times, rooms = assignment.times.copy(), assignment.rooms.copy()
    times[lectures], rooms[lectures] = times[lectures[::-1]], rooms[lectures[::-1]]
    swapped = Assignment(times, rooms, assignment.attended_start, assignment.attended)
    assert problem.baseline is not None
    told = Teller(problem, Base(problem, problem.baseline)).tell(Best(swapped, 0, 0, {}, {}, 0))
    assert not told.changed.any()
    assert np.array_equal(told.assignment.times, assignment.times)

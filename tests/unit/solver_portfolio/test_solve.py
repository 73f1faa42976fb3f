"""One solve as its callers see it: choice of methods, reports, budget, start, stop, repeatability."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import numpy as np
import pytest

from schemas.events import SearchEnd
from schemas.problem.expand import ExpandedProblem, expand
from schemas.problem.model import Distribution, DistributionType, TimeOption
from schemas.referee import judge
from schemas.timetable import Timetable
from services.solver import choice, legs
from services.solver.compile.assignment import to_assignment
from services.solver.engine.search import Assignment, Limits, Meeting, OnProgress, Outcome, Progress, ShouldStop, Stage
from services.solver.portfolio import Board, Kernel
from services.solver.solve import SolveReport, SolveResult, solve_problem
from tests.unit.engine.grid_problems import a_curriculum_problem
from tests.unit.solver_portfolio.problems import a_class, a_course, a_problem, hours

log = logging.getLogger(__name__)


def solve(
    expanded: ExpandedProblem,
    *,
    seconds: float = 20.0,
    seed: int = 1,
    workers: int = 1,
    target: int = 0,
    target_gap: float | None = None,
    no_improvement_s: float | None = None,
    moves: int | None = None,
    start: Timetable | None = None,
    reports: list[SolveReport] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> SolveResult:
    heard: list[SolveReport] = [] if reports is None else reports
    return solve_problem(
        expanded,
        seconds=seconds,
        seed=seed,
        workers=workers,
        target=target,
        target_gap=target_gap,
        no_improvement_s=no_improvement_s,
        moves=moves,
        start=start,
        on_progress=heard.append,
        should_stop=should_stop,
    )


@pytest.fixture(scope="module")
def department() -> ExpandedProblem:
    """A problem for the grid kernel with CP-SAT's proof after it."""
    return expand(a_curriculum_problem(courses=20, lectures=3, rooms=4, days=5, slots=4))


def a_tiny_problem() -> ExpandedProblem:
    """Two of three classes can have the free hour on the first day; the third costs."""
    apart = Distribution(type=DistributionType.SAME_DAYS, classes=["a", "b", "c"], penalty=3)
    courses = [a_course(name, a_class(name, hours(2, 2), ["hall"])) for name in ("a", "b", "c")]
    return a_problem(courses, distributions=[apart])


def test_a_tiny_problem_is_solved_to_proven_optimality_by_cp_sat_alone() -> None:
    result = solve(a_tiny_problem())
    assert (result.method, result.hard_violations, result.cost, result.bound) == ("cp-sat", 0, 6, 6)
    assert result.optimal
    assert result.search_end is SearchEnd.OPTIMAL
    assert "few enough for CP-SAT" in result.method_reason


def test_a_second_core_proves_a_large_problem_s_timetable_optimal_by_times_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three classes of one instructor cannot all be on one day; the search ends as soon as its timetable costs that."""
    for size in ("FIRST_SIZE", "PROVE_SIZE", "BESIDE_SIZE", "RESCUE_SIZE"):
        monkeypatch.setattr(choice, size, 0)
    wish = Distribution(type=DistributionType.SAME_DAYS, classes=["a", "b", "c"], penalty=3)
    taught = [a_class(name, hours(2, 2), ["hall", "attic"], taught_by=["t"]) for name in ("a", "b", "c")]
    expanded = a_problem([a_course(c.id, c) for c in taught], rooms=["hall", "attic"], distributions=[wish])
    reports: list[SolveReport] = []
    result = solve(expanded, seconds=600.0, workers=2, reports=reports)
    assert (result.hard_violations, result.cost, result.bound, result.optimal) == (0, 6, 6, True)
    assert "cp-sat" in result.method
    assert "lower bound by times alone" in result.method_reason
    assert reports[-1].share < 1.0


@pytest.mark.parametrize(
    ("workers", "moves", "size", "asked"),
    [(2, None, 400, True), (2, None, 399, False), (1, None, 400, False), (2, 9, 400, False)],
)
def test_a_lower_bound_is_asked_for_where_a_core_is_to_spare_and_the_model_is_small_enough(
    department: ExpandedProblem,
    monkeypatch: pytest.MonkeyPatch,
    workers: int,
    moves: int | None,
    size: int,
    asked: bool,
) -> None:
    """Twenty courses, whose lectures are alike, at twenty times."""
    for name in ("FIRST_SIZE", "PROVE_SIZE", "BESIDE_SIZE"):
        monkeypatch.setattr(choice, name, 0)
    monkeypatch.setattr(choice, "BOUND_SIZE", size)
    assert choice.choose(department, workers=workers, moves=moves).bound == asked


def test_a_bound_that_a_timetable_refutes_is_not_claimed() -> None:
    board = Board()
    nothing = np.zeros(0, np.int32)
    assignment = Assignment(nothing, nothing, nothing, nothing)
    board.raise_bound(8)
    before = board.bound
    board.post(Outcome(assignment, 0, 7, {}, {}, "grid-annealing"), member=0)
    assert (before, board.bound, board.finished) == (8, None, False)


def test_the_result_counts_as_the_referee_says(department: ExpandedProblem) -> None:
    result = solve(department, seconds=3.0)
    score = judge(department.problem, result.timetable).score
    assert (result.hard_violations, result.cost) == score.rank
    assert {part: cost for part, cost in result.parts.items() if cost} == score.cost


def test_reports_never_go_back_and_keep_the_timetable_they_speak_of(department: ExpandedProblem) -> None:
    reports: list[SolveReport] = []
    solve(department, seconds=2.0, reports=reports)
    assert reports[0].stage is Stage.COMPILING
    assert [r.share for r in reports] == sorted(r.share for r in reports)
    ranks = [(r.hard_violations, r.cost) for r in reports if r.cost is not None]
    assert ranks == sorted(ranks, reverse=True)
    told = next(r for r in reports if r.cost is not None)
    timetable = told.timetable()
    assert timetable is not None
    if told.hard_violations == 0:
        assert judge(department.problem, timetable).score.total == told.cost


def test_two_workers_share_one_best(department: ExpandedProblem) -> None:
    result = solve(department, seconds=3.0, workers=2)
    assert result.hard_violations == 0
    assert result.method.startswith("grid-annealing")


def test_a_move_budget_makes_a_solve_repeatable(department: ExpandedProblem) -> None:
    first, second = (solve(department, seconds=60.0, seed=7, moves=200_000) for _ in range(2))
    assert first.timetable == second.timetable
    assert (first.method, first.moves) == ("grid-annealing", second.moves)
    assert "repeatable" in first.method_reason


def test_the_budget_is_kept(department: ExpandedProblem) -> None:
    """A solve that goes on is ended after a minute, which is no bar but a sign that it would never have ended."""
    began = time.monotonic()

    def patience_is_over() -> bool:
        return time.monotonic() - began > 60.0

    solve(department, seconds=2.0, should_stop=patience_is_over)
    log.info("2 s became %.2f s", time.monotonic() - began)
    assert not patience_is_over()


def test_a_stop_ends_the_solve_and_keeps_the_best(department: ExpandedProblem) -> None:
    reports: list[SolveReport] = []
    result = solve(
        department, seconds=600.0, reports=reports, should_stop=lambda: any(r.cost is not None for r in reports)
    )
    assert reports[-1].share < 0.5, "most of the time was not needed"
    assert result.search_end is SearchEnd.STOPPED
    assert len(result.timetable.placements) == len(department.classes)


@pytest.fixture
def no_exact_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves all to the kernels, which prove nothing beyond their own bound."""
    for size in ("FIRST_SIZE", "PROVE_SIZE", "BESIDE_SIZE", "RESCUE_SIZE", "BOUND_SIZE"):
        monkeypatch.setattr(choice, size, 0)


@pytest.fixture(scope="module")
def seminar() -> ExpandedProblem:
    """Every timetable costs 9: every time costs a point, and three classes of one instructor that should be on one day
    have one hour a day.
    """
    times = hours(3, 1)
    classes = [
        a_class(name, times, taught_by=["t"]).model_copy(
            update={"times": [TimeOption(time=t.id, penalty=1) for t in times]}
        )
        for name in ("a", "b", "c")
    ]
    wish = Distribution(type=DistributionType.SAME_DAYS, classes=["a", "b", "c"], penalty=2)
    return a_problem([a_course(c.id, c) for c in classes], days=3, slots=1, distributions=[wish])


@pytest.mark.usefixtures("no_exact_solver")
@pytest.mark.parametrize(("gap", "ends_early"), [(0.1, True), (0.08, True), (0.05, False), (None, False)])
def test_a_gap_that_is_small_enough_ends_the_search(
    seminar: ExpandedProblem, monkeypatch: pytest.MonkeyPatch, gap: float | None, ends_early: bool
) -> None:
    """A search that has found 100 and proven 92, and finds nothing more."""
    ended_early: list[bool] = []

    def search(
        limits: Limits, on_progress: OnProgress, stop: ShouldStop, start: Assignment | None, meeting: Meeting | None
    ) -> Outcome:
        found = to_assignment(seminar, Timetable(placements=[]))
        on_progress(Progress(Stage.IMPROVING, 0.5, 0, 100, {}, bound=92, moves=1), lambda: found)
        until = time.monotonic() + limits.seconds
        while not stop() and time.monotonic() < until:
            time.sleep(0.01)
        ended_early.append(stop())
        return Outcome(found, 0, 100, {}, {}, "fake", bound=92)

    monkeypatch.setattr(legs, "load_kernel", lambda expanded: Kernel("fake", "it is a test", search))
    result = solve(seminar, seconds=3.0, target_gap=gap)
    assert (result.cost, result.bound, result.optimal) == (100, 92, False)
    assert ended_early == [ends_early]
    assert result.search_end is (SearchEnd.GAP if ends_early else SearchEnd.TIME)


@pytest.mark.usefixtures("no_exact_solver")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_search_that_finds_nothing_better_for_long_enough_ends(seminar: ExpandedProblem, workers: int) -> None:
    reports: list[SolveReport] = []
    result = solve(seminar, seconds=600.0, workers=workers, no_improvement_s=1.0, reports=reports)
    assert (result.hard_violations, result.cost) == (0, 9)
    assert reports[-1].share < 0.5
    assert result.search_end is SearchEnd.PATIENCE


@pytest.mark.usefixtures("no_exact_solver")
def test_patience_is_not_lost_while_hard_violations_are_left() -> None:
    same = Distribution(type=DistributionType.SAME_START, classes=["a", "b"], required=True)
    other = Distribution(type=DistributionType.DIFFERENT_TIME, classes=["b", "a"], required=True)
    expanded = a_problem(
        [a_course(name, a_class(name, hours(2, 2), ["hall"])) for name in ("a", "b")], distributions=[same, other]
    )
    reports: list[SolveReport] = []
    result = solve(expanded, seconds=5.0, no_improvement_s=1.0, reports=reports)
    assert result.hard_violations == 1
    searched = [r.share for r in reports if not r.message]
    assert max(searched) > 0.8, "only the time for the explanation was left"


@pytest.mark.usefixtures("no_exact_solver")
def test_with_a_number_of_moves_neither_gap_nor_patience_is_looked_at(seminar: ExpandedProblem) -> None:
    plain = solve(seminar, seconds=60.0, moves=300_000)
    asked = solve(seminar, seconds=60.0, moves=300_000, target_gap=0.9, no_improvement_s=1.0)
    assert (plain.timetable, plain.moves) == (asked.timetable, asked.moves)
    assert (plain.search_end, asked.search_end) == (SearchEnd.MOVES, SearchEnd.MOVES)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_start_is_never_worsened(department: ExpandedProblem, workers: int) -> None:
    good = solve(department, seconds=4.0)
    result = solve(department, seconds=1.0, start=good.timetable, workers=workers, seed=99)
    assert (result.hard_violations, result.cost) <= (good.hard_violations, good.cost)


def test_a_start_with_names_that_are_gone_is_used_as_far_as_it_goes() -> None:
    expanded = a_tiny_problem()
    good = solve(expanded).timetable
    stranger = good.placements[0].model_copy(update={"class_id": "gone"})
    start = good.model_copy(update={"placements": [stranger, *good.placements[1:]]})
    assert solve(expanded, start=start).cost == 6


def test_an_infeasible_problem_is_proven_explained_and_still_timetabled_as_far_as_possible() -> None:
    same = Distribution(type=DistributionType.SAME_START, classes=["a", "b"], required=True)
    other = Distribution(type=DistributionType.DIFFERENT_TIME, classes=["b", "a"], required=True)
    expanded = a_problem(
        [a_course(name, a_class(name, hours(2, 2), ["hall"])) for name in ("a", "b")], distributions=[same, other]
    )
    result = solve(expanded, seconds=5.0)
    assert result.proven_infeasible
    assert not result.optimal
    assert result.hard_violations == 1
    assert any("SameStart" in reason or "DifferentTime" in reason for reason in result.reasons)
    assert len(result.relaxations) == 1
    assert "need not be kept, no hard violation is left" in result.relaxations[0]
    assert len(result.timetable.placements) == 2


def test_what_cannot_fit_is_said_before_the_search() -> None:
    crowd = [a_course(f"c{n}", a_class(f"c{n}", ["0-0"], taught_by=["noether"])) for n in range(2)]
    reports: list[SolveReport] = []
    result = solve(a_problem(crowd), seconds=1.0, reports=reports)
    assert result.proven_infeasible
    assert "noether" in result.reasons[0]
    assert result.relaxations == ["If class 'c0' may be at Mon 00:05-00:10, no hard violation is left."]
    assert any("noether" in report.message for report in reports)


@pytest.mark.usefixtures("no_exact_solver")
def test_a_target_ends_the_search_and_the_result_says_so(seminar: ExpandedProblem) -> None:
    result = solve(seminar, seconds=600.0, target=50)
    assert (result.hard_violations, result.search_end) == (0, SearchEnd.TARGET)


def test_a_search_cut_short_by_a_proof_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(legs, "AFTER_PROOF_SECONDS", 0.5)
    monkeypatch.setattr(legs, "AFTER_PROOF_SHARE", 0.0)
    crowd = [a_course(f"c{n}", a_class(f"c{n}", ["0-0"], taught_by=["noether"])) for n in range(2)]
    result = solve(a_problem(crowd), seconds=600.0)
    assert (result.hard_violations, result.search_end) == (1, SearchEnd.INFEASIBLE)

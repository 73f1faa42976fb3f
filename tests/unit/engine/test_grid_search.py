"""The period-grid search: tables stay exact, results are reproducible, starts are kept, stops are honoured."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from schemas.problem.expand import ExpandedProblem, expand
from schemas.problem.findings import InvalidProblemError
from schemas.problem.model import Pin, Problem
from services.solver.compile.grid import compile_grid, is_grid
from services.solver.engine.grid import kernel
from services.solver.engine.grid.model import GridModel
from services.solver.engine.grid.search import search_grid, warm_up
from services.solver.engine.grid.state import GridState
from services.solver.engine.search import Assignment, Limits, Outcome, Progress, Stage
from tests.unit.engine.grid_problems import Places, a_curriculum_problem, count_plainly, grid_problems

GENEROUS_SECONDS = 120.0


@pytest.fixture(scope="module", autouse=True)
def _kernels() -> None:
    warm_up()


def _expanded(problem: Problem) -> ExpandedProblem:
    """Skips random problems in which a class has no option at all."""
    try:
        return expand(problem)
    except InvalidProblemError:
        assume(False)
        raise


def _places(expanded: ExpandedProblem, assignment: Assignment) -> Places:
    return [
        ((expanded.times[t].days.bit_length() - 1, expanded.times[t].start), int(r)) if t >= 0 else None
        for t, r in zip(assignment.times.tolist(), assignment.rooms.tolist(), strict=True)
    ]


def _current(model: GridModel, expanded: ExpandedProblem, state: GridState) -> Places:
    """Where the lectures stand, places that are no option included."""
    times = [expanded.times[t] for t in model.cell_time[state.cell_of].tolist()]
    return [((t.days.bit_length() - 1, t.start), r) for t, r in zip(times, state.room_of.tolist(), strict=True)]


def _search(
    problem: Problem,
    limits: Limits,
    *,
    start: Assignment | None = None,
    on_progress: Callable[[Progress, Callable[[], Assignment]], None] = lambda progress, read: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    return search_grid(compile_grid(expand(problem)), limits, on_progress, should_stop, start)


def _assert_tables_exact(problem: Problem, expanded: ExpandedProblem, model: GridModel, state: GridState) -> None:
    """Recounts every table and total in plain Python."""
    n = model.lectures
    cells, rooms, course = state.cell_of.tolist(), state.room_of.tolist(), model.course.tolist()
    sets_of = [model.sets[model.set_first[c] : model.set_first[c + 1]].tolist() for c in range(model.courses)]
    assert len(set(zip(cells, rooms, strict=True))) == n
    for (cell, room), lecture in np.ndenumerate(state.occupant):
        assert lecture == next((i for i in range(n) if (cells[i], rooms[i]) == (cell, room)), -1)
    for (c, cell), clashes in np.ndenumerate(state.clash):
        there = [i for i in range(n) if cells[i] == cell and model.conflict[c, course[i]]]
        assert (int(clashes), int(state.clash_sum[c, cell])) == (len(there), sum(there))
    for (q, cell), members in np.ndenumerate(state.set_count):
        assert members == sum(cells[i] == cell and q in sets_of[course[i]] for i in range(n))
    alone = [
        sum(
            q in sets_of[course[i]]
            and not any(q in sets_of[course[j]] and abs(cells[i] - cells[j]) == 1 for j in range(n))
            for i in range(n)
        )
        for q in range(len(model.set_cost))
    ]
    for c in range(model.courses):
        days = [model.cell_day[cells[i]] for i in range(n) if course[i] == c]
        used = [rooms[i] for i in range(n) if course[i] == c]
        assert state.day_count[c].tolist() == [days.count(d) for d in range(model.days)]
        assert state.room_count[c].tolist() == [used.count(r) for r in range(model.all_rooms)]
        assert state.days_used[c] == len(set(days))
        assert state.isolation[c] == sum(alone[q] * model.set_cost[q] for q in sets_of[c])
    hard, soft = count_plainly(problem, _current(model, expanded, state))
    assert state.totals[kernel.CLASHES] == hard.get("class_conflict", 0)
    unplaced = 0
    paid = []
    for i, c in enumerate(expanded.classes):
        time, room = int(model.cell_time[cells[i]]), rooms[i]
        listed = time in dict(c.times) and room in dict(c.rooms or ())
        if not listed or any(expanded.times[time].overlaps(b) for b in expanded.room_unavailable[room]):
            unplaced += 1
            paid.append(0)
        else:
            weights = problem.weights
            paid.append(weights.time * dict(c.times)[time] + weights.room * dict(c.rooms or ())[room])
    assert state.paid.tolist() == paid
    assert state.totals[kernel.UNPLACED] == unplaced
    assert state.cost == sum(paid) + sum(cost for part, cost in soft.items() if part not in ("time", "room"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(
    problem=grid_problems(),
    seed=st.integers(0, 2**32),
    temperature=st.sampled_from([0.5, 5.0, 500.0]),
    chain_share=st.sampled_from([0.1, 1.0]),
)
def test_every_accepted_move_keeps_all_tables_exact(
    problem: Problem, seed: int, temperature: float, chain_share: float
) -> None:
    expanded = _expanded(problem)
    assume(is_grid(expanded))
    model = compile_grid(expanded)
    state = GridState(model, seed)
    _assert_tables_exact(problem, expanded, model, state)
    best = (state.hard, state.cost)
    accepted = 0
    for _ in range(120):
        state.advance(1, temperature, temperature, 3.0, 0.3, 0.4, 0.6, chain_share, -1)
        if state.totals[kernel.ACCEPTED] > accepted:
            accepted = int(state.totals[kernel.ACCEPTED])
            _assert_tables_exact(problem, expanded, model, state)
            best = min(best, (state.hard, state.cost))
    assert (state.best_hard, state.best_cost) == best
    state.return_to_best()
    assert (state.hard, state.cost) == best


@pytest.mark.parametrize("temperature", [1.0, 100.0])
def test_chains_of_lectures_change_places_without_a_clash(temperature: float) -> None:
    problem = a_curriculum_problem(courses=14, lectures=3, rooms=5)
    expanded = expand(problem)
    model = compile_grid(expanded)
    state = GridState(model, seed=7)
    state.advance(100_000, 5.0, 1.0, 100.0, 0.3, 0.4, 0.6, 0.0, -1)
    assert state.hard == 0
    chains = 0
    for _ in range(20_000):
        before = state.cell_of.copy()
        state.advance(1, temperature, temperature, 1_000.0, 0.0, 0.4, 0.6, 1.0, -1)
        moved = np.flatnonzero(before != state.cell_of)
        if len(moved) > 2:
            chains += 1
            cells = set(before[moved].tolist())
            assert len(cells) == 2
            assert cells == set(state.cell_of[moved].tolist())
            assert state.hard == 0
            _assert_tables_exact(problem, expanded, model, state)
        if chains == 30:
            return
    pytest.fail(f"only {chains} chains were accepted")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(problem=grid_problems(), seed=st.integers(0, 100), moves=st.integers(0, 3000))
def test_the_outcome_is_what_a_plain_count_of_its_assignment_gives(problem: Problem, seed: int, moves: int) -> None:
    expanded = _expanded(problem)
    assume(is_grid(expanded))
    outcome = _search(problem, Limits(GENEROUS_SECONDS, seed=seed, moves=moves))
    hard, soft = count_plainly(problem, _places(expanded, outcome.assignment))
    assert (dict(outcome.hard), dict(outcome.parts)) == (hard, soft)
    assert (outcome.hard_violations, outcome.cost) == (sum(hard.values()), sum(soft.values()))
    assert outcome.bound is None or outcome.hard_violations > 0 or outcome.bound <= outcome.cost
    for c, time, room in zip(expanded.classes, outcome.assignment.times, outcome.assignment.rooms, strict=True):
        assert (time == -1 and room == -1) or (time in dict(c.times) and room in dict(c.rooms or ()))


def test_the_same_seed_and_move_budget_give_the_same_timetable() -> None:
    first, again, other = (
        _search(a_curriculum_problem(courses=20), Limits(GENEROUS_SECONDS, seed=seed, moves=50_000))
        for seed in (3, 3, 4)
    )
    assert first.assignment.times.tolist() == again.assignment.times.tolist()
    assert first.assignment.rooms.tolist() == again.assignment.rooms.tolist()
    assert first.moves == again.moves == 50_000
    assert first.assignment.times.tolist() != other.assignment.times.tolist()


def test_searches_in_threads_do_not_disturb_one_another() -> None:
    problem = a_curriculum_problem(courses=20)
    seeds = (3, 4, 3)
    with ThreadPoolExecutor(max_workers=3) as threads:
        found = list(threads.map(lambda s: _search(problem, Limits(GENEROUS_SECONDS, seed=s, moves=50_000)), seeds))
    alone = _search(problem, Limits(GENEROUS_SECONDS, seed=3, moves=50_000))
    assert found[0].assignment.times.tolist() == found[2].assignment.times.tolist() == alone.assignment.times.tolist()


def test_a_solvable_problem_is_solved_without_violations() -> None:
    outcome = _search(a_curriculum_problem(), Limits(GENEROUS_SECONDS, seed=1, moves=300_000))
    assert outcome.hard_violations == 0
    assert outcome.method == "grid-annealing"


@pytest.mark.parametrize("moves", [0, 1, 500, 20_000])
def test_a_start_is_never_made_worse(moves: int) -> None:
    problem = a_curriculum_problem()
    good = _search(problem, Limits(GENEROUS_SECONDS, seed=1, moves=200_000))
    outcome = _search(problem, Limits(GENEROUS_SECONDS, seed=2, moves=moves), start=good.assignment)
    assert outcome.rank <= good.rank


def test_a_start_with_holes_is_completed() -> None:
    problem = a_curriculum_problem()
    good = _search(problem, Limits(GENEROUS_SECONDS, seed=1, moves=200_000)).assignment
    times, rooms = good.times.copy(), good.rooms.copy()
    times[:5] = rooms[:5] = -1
    times[6], rooms[6] = times[7], rooms[7]  # two in one place
    start = Assignment(times, rooms, good.attended_start, good.attended)
    outcome = _search(problem, Limits(GENEROUS_SECONDS, seed=2, moves=100_000), start=start)
    assert outcome.hard_violations == 0


def test_more_lectures_than_places_leaves_the_excess_unplaced() -> None:
    problem = a_curriculum_problem(courses=3, lectures=3, rooms=2, days=2, slots=2)
    outcome = _search(problem, Limits(GENEROUS_SECONDS, seed=1, moves=20_000))
    unplaced = int((outcome.assignment.times < 0).sum())
    assert unplaced >= 1
    assert outcome.hard["unplaced"] == unplaced


def test_a_pinned_class_stays_where_it_is_pinned() -> None:
    problem = a_curriculum_problem(pins=[Pin(class_id="c0#1", time="2-3", room="r2")])
    outcome = _search(problem, Limits(GENEROUS_SECONDS, seed=1, moves=200_000))
    expanded = expand(problem)
    index = [c.id for c in expanded.classes].index("c0#1")
    assert outcome.hard_violations == 0
    assert problem.times[outcome.assignment.times[index]].id == "2-3"
    assert problem.rooms[outcome.assignment.rooms[index]].id == "r2"


def test_a_stop_ends_the_search_at_the_next_slice_with_the_best_so_far() -> None:
    asked: list[float] = []
    reports: list[Progress] = []

    def should_stop() -> bool:
        asked.append(0.0)
        return len(asked) >= 3

    outcome = _search(
        a_curriculum_problem(courses=20),
        Limits(GENEROUS_SECONDS, seed=1),
        on_progress=lambda progress, read: reports.append(progress),
        should_stop=should_stop,
    )
    assert len(asked) == 3
    assert outcome.moves > 0
    last = reports[-1]
    assert (last.hard_violations, last.cost, dict(last.parts)) == (*outcome.rank, dict(outcome.parts))


def test_reports_only_get_better_and_their_parts_add_up() -> None:
    reports: list[tuple[Progress, Assignment]] = []
    problem = a_curriculum_problem(courses=20)
    outcome = _search(
        problem,
        Limits(GENEROUS_SECONDS, seed=1, moves=3_000_000),
        on_progress=lambda progress, read: reports.append((progress, read())),
    )
    expanded = expand(problem)
    assert len(reports) >= 2
    ranks = [(p.hard_violations, p.cost) for p, _ in reports]
    assert ranks == sorted(ranks, reverse=True)
    assert [p.share for p, _ in reports] == sorted(p.share for p, _ in reports)
    for progress, assignment in reports:
        assert sum(progress.parts.values()) == progress.cost
        hard, soft = count_plainly(problem, _places(expanded, assignment))
        assert (sum(hard.values()), soft) == (progress.hard_violations, dict(progress.parts))
        assert progress.stage is (Stage.CONSTRUCTING if progress.hard_violations else Stage.IMPROVING)
    assert sum(outcome.parts.values()) == outcome.cost


def test_the_search_stops_at_once_when_the_target_is_met() -> None:
    problem = a_curriculum_problem()
    outcome = _search(problem, Limits(GENEROUS_SECONDS, seed=1, target=1000))
    assert outcome.hard_violations == 0
    assert outcome.moves < 1_000_000


def test_a_cost_that_meets_the_bound_is_optimal_and_ends_the_search() -> None:
    # Two courses are a seat short in the largest room, three lectures each: nothing can cost less than 6.
    outcome = _search(a_curriculum_problem(), Limits(GENEROUS_SECONDS, seed=3, moves=5_000_000))
    assert (outcome.rank, outcome.bound, outcome.optimal) == ((0, 6), 6, True)
    assert outcome.moves < 5_000_000


def test_two_lectures_of_one_course_may_meet_at_once_only_if_nothing_forbids_it() -> None:
    plain = a_curriculum_problem(courses=1, lectures=4, rooms=2, days=1, slots=2)
    free = a_curriculum_problem(courses=1, lectures=4, rooms=2, days=1, slots=2, clashes=False)
    limits = Limits(GENEROUS_SECONDS, seed=1, moves=20_000)
    assert _search(free, limits).hard_violations == 0
    assert _search(plain, limits).hard == {"class_conflict": 2}


def test_pairs_in_conflict_are_those_that_share_an_instructor_or_a_curriculum() -> None:
    expanded = expand(a_curriculum_problem())
    model = compile_grid(expanded)
    expected = expanded.clash_pairs()
    for i, j in combinations(range(model.lectures), 2):
        assert bool(model.conflict[model.course[i], model.course[j]]) == ((i, j) in expected)

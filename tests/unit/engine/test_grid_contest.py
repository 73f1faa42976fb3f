"""Several timetables of the period grid are cooled side by side, and the one that stands best goes on."""

from __future__ import annotations

import itertools

import pytest

from schemas.problem.expand import expand
from services.solver.compile.grid import compile_grid
from services.solver.engine.grid.cooling import Cooling, Schedule
from services.solver.engine.grid.model import GridModel
from services.solver.engine.grid.population import Population
from services.solver.engine.grid.search import search_grid, warm_up
from services.solver.engine.search import Assignment, Limits, Outcome
from tests.unit.engine.grid_problems import a_curriculum_problem

MANY = Schedule(moves_each=100.0, side_by_side=5)


@pytest.fixture(scope="module")
def model() -> GridModel:
    warm_up()
    # So tight that no timetable is free of cost: the search goes on to the end of its budget.
    return compile_grid(expand(a_curriculum_problem(courses=20, rooms=3)))


def _search(model: GridModel, seed: int, costs: list[tuple[int, int]] | None = None) -> Outcome:
    limits = Limits(seconds=120.0, seed=seed, moves=400_000)
    seen = costs if costs is not None else []
    return search_grid(
        model,
        limits,
        lambda progress, read: seen.append((progress.hard_violations, progress.cost)),
        lambda: False,
        schedule=MANY,
    )


def test_with_a_move_budget_all_moves_are_made_and_the_result_is_repeatable(model: GridModel) -> None:
    first, again, other = _search(model, 1), _search(model, 1), _search(model, 2)
    assert first.moves == again.moves == 400_000
    assert first.assignment.times.tolist() == again.assignment.times.tolist()
    assert first.assignment.times.tolist() != other.assignment.times.tolist()


def test_what_is_told_never_gets_worse_when_a_timetable_is_given_up(model: GridModel) -> None:
    told: list[tuple[int, int]] = []
    outcome = _search(model, 1, told)
    assert told == sorted(told, reverse=True)
    assert outcome.rank == told[-1]


def test_the_annealing_with_the_lowest_mean_goes_on_and_the_best_timetable_is_kept(model: GridModel) -> None:
    population = Population(model, 1, 40.0, None)
    population.begin_contest(3, 40.0)
    temperatures = (50.0, 0.2, 50.0)
    for annealing, temperature in zip(population.active, temperatures, strict=True):
        for _ in range(20):
            annealing.state.advance(2_000, temperature, temperature, 40.0, 0.1, 0.3, 0.8, 0.1, -1)
            annealing.note(40.0)
    coldest = population.active[1]
    best = min((a.state.best_hard, a.state.best_cost) for a in population.active)
    population.decide()
    assert population.active == [coldest]
    assert (population.best.best_hard, population.best.best_cost) == best
    assert population.moves == 3 * 20 * 2_000


def test_contestants_begin_at_the_best_timetable_and_part_from_there(model: GridModel) -> None:
    population = Population(model, 1, 40.0, None)
    population.active[0].state.advance(100_000, 5.0, 0.2, 40.0, 0.1, 0.3, 0.8, 0.1, -1)
    best = population.best.best_assignment()
    population.begin_contest(4, 40.0)
    added = [a.state for a in population.active[1:]]
    assert all(s.best_assignment().times.tolist() == best.times.tolist() for s in added)
    for state in added:
        state.advance(10_000, 5.0, 5.0, 40.0, 0.1, 0.3, 0.8, 0.1, -1)
    places = {tuple(s.cell_of.tolist()) for s in added}
    assert len(places) == len(added)


@pytest.mark.parametrize(("moves", "lectures", "size"), [(3e9, 340, 8), (5.5e8, 340, 4), (3e7, 340, 1), (0, 1, 1)])
def test_longer_searches_cool_more_timetables(model: GridModel, moves: float, lectures: int, size: int) -> None:
    assert Cooling(Schedule(), model, warm=False).contestants(moves, lectures) == size


def test_the_slow_cooling_goes_through_its_temperatures_and_is_decided_once_it_is_frozen(model: GridModel) -> None:
    plan = Schedule()
    cooling = Cooling(plan, model, warm=False)
    assert not cooling.begin_contest(plan.sprint / 2, best_hard=0)
    assert cooling.begin_contest(plan.sprint, best_hard=0)
    shares = [plan.sprint + (1.0 - plan.sprint) * k / 100 for k in range(101)]
    temperatures = [cooling.temperature(share) for share in shares]
    assert all(a > b for a, b in itertools.pairwise(temperatures))
    unit = temperatures[0] / plan.hottest
    assert temperatures[15] == pytest.approx(plan.freezing * unit)
    assert temperatures[70] == pytest.approx(plan.frozen * unit)
    assert [cooling.decides(share) for share in (shares[69], shares[71])] == [False, True]
    assert not cooling.compares(shares[20])
    assert cooling.compares(shares[65])


def test_without_a_timetable_free_of_violations_one_alone_is_cooled(model: GridModel) -> None:
    cooling = Cooling(Schedule(), model, warm=False)
    assert not cooling.begin_contest(0.5, best_hard=1)
    assert not cooling.decides(1.0)
    assert not cooling.compares(1.0)


def test_a_start_is_cooled_alone(model: GridModel) -> None:
    start: Assignment = _search(model, 1).assignment
    given = search_grid(
        model,
        Limits(seconds=120.0, seed=2, moves=50_000),
        lambda progress, read: None,
        lambda: False,
        start,
        MANY,
    )
    assert given.rank <= _search(model, 1).rank
    assert not Cooling(MANY, model, warm=True).begin_contest(0.9, best_hard=0)

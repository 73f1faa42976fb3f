"""The enrolment search: it counts as the referee does, its tables stay exact, results are reproducible and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import permutations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from schemas.problem.expand import ExpandedProblem, expand
from schemas.problem.findings import InvalidProblemError
from schemas.problem.model import Pin, Problem
from schemas.referee import judge
from services.solver.compile.assignment import to_timetable
from services.solver.compile.enrolment import compile_enrolment, obstacle
from services.solver.engine.enrolment import kernel
from services.solver.engine.enrolment.counting import count, periods_and_rooms
from services.solver.engine.enrolment.housing import cheapest_rooms
from services.solver.engine.enrolment.model import EnrolmentModel
from services.solver.engine.enrolment.search import search_enrolment, warm_up
from services.solver.engine.enrolment.state import EnrolmentState
from services.solver.engine.search import Assignment, Limits, Outcome, Progress, Stage
from services.solver.jit_cache import use_jit_cache
from tests.unit.engine.enrolment_problems import a_random_problem, an_enrolment_problem, at_random, attended_by_all
from tests.unit.engine.general_problems import timetable_of

GENEROUS_SECONDS = 120.0
CHECKS = [HealthCheck.too_slow, HealthCheck.filter_too_much]


@pytest.fixture(scope="module", autouse=True)
def _kernels() -> None:
    use_jit_cache()
    warm_up()


def _expanded(problem: Problem) -> ExpandedProblem:
    """Skips random problems in which a class has no option at all."""
    try:
        expanded = expand(problem)
    except InvalidProblemError:
        assume(False)
        raise
    assume(obstacle(expanded) != "no students")
    return expanded


def _search(
    problem: Problem,
    limits: Limits,
    *,
    start: Assignment | None = None,
    on_progress: Callable[[Progress, Callable[[], Assignment]], None] = lambda progress, read: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    return search_enrolment(compile_enrolment(expand(problem)), limits, on_progress, should_stop, start)


def _judged(expanded: ExpandedProblem, assignment: Assignment) -> tuple[dict[str, int], dict[str, int]]:
    score = judge(expanded.problem, timetable_of(expanded, assignment)).score
    return dict(score.hard), _without_zeros(score.cost)


def _without_zeros(parts: Mapping[str, int]) -> dict[str, int]:
    return {part: amount for part, amount in parts.items() if amount}


def _assert_tables_exact(model: EnrolmentModel, state: EnrolmentState) -> None:
    """The tables that moves keep up to date are those that a recount gives, and no hard rule is broken."""
    kept = [table.copy() for table in (state.clash, state.day, state.sway, state.occupant, state.count)]
    totals = (state.unplaced, state.cost)
    counted = count(model, state.period, state.room)
    state.recount()
    for before, after in zip(kept, (state.clash, state.day, state.sway, state.occupant, state.count), strict=True):
        assert before.tolist() == after.tolist()
    assert totals == (state.unplaced, state.cost)
    assert set(counted.hard) <= {"unplaced"}
    assert counted.hard.get("unplaced", 0) == state.unplaced
    assert sum(counted.parts.values()) - counted.parts.get("room", 0) == state.cost


@settings(max_examples=60, deadline=None, suppress_health_check=CHECKS)
@given(seed=st.integers(0, 2**32), faults=st.integers(0, 2**32))
def test_any_timetable_is_counted_as_the_referee_counts_it(seed: int, faults: int) -> None:
    expanded = _expanded(a_random_problem(seed))
    model = compile_enrolment(expanded)
    times, rooms = at_random(expanded, faults)
    assignment = Assignment(times, rooms, np.zeros(1, np.int32), np.zeros(0, np.int32))
    counted = count(model, *periods_and_rooms(model, assignment))
    assert (dict(counted.hard), dict(counted.parts)) == _judged(expanded, attended_by_all(expanded, times, rooms))


@settings(max_examples=30, deadline=None, suppress_health_check=CHECKS)
@given(
    seed=st.integers(0, 2**32),
    temperature=st.sampled_from([0.5, 5.0, 500.0]),
    price=st.sampled_from([1.0, 50.0]),
    long_share=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_every_move_keeps_all_tables_exact(seed: int, temperature: float, price: float, long_share: float) -> None:
    model = compile_enrolment(_expanded(a_random_problem(seed)))
    state = EnrolmentState(model, seed)
    _assert_tables_exact(model, state)
    for _ in range(5):
        state.construct(3)
        state.recount()
        _assert_tables_exact(model, state)
    state.return_to_best()
    best = (state.unplaced, state.cost)
    accepted = 0
    for _ in range(100):
        state.anneal(
            1,
            temperature,
            temperature,
            price=price,
            limit=6,
            short=2,
            long_share=long_share,
            displace_share=0.5,
            onward_share=0.5,
            target=-1,
        )
        if state.totals[kernel.ACCEPTED] > accepted:
            accepted = int(state.totals[kernel.ACCEPTED])
            _assert_tables_exact(model, state)
            best = min(best, (state.unplaced, state.cost))
    assert (state.best_unplaced, state.best_cost) == best
    state.return_to_best()
    assert (state.unplaced, state.cost) == best


@settings(max_examples=25, deadline=None, suppress_health_check=CHECKS)
@given(seed=st.integers(0, 2**32), moves=st.integers(0, 2_000))
def test_the_outcome_is_what_the_referee_says_of_its_assignment(seed: int, moves: int) -> None:
    expanded = _expanded(a_random_problem(seed))
    outcome = _search(expanded.problem, Limits(GENEROUS_SECONDS, seed=seed, moves=moves))
    assert (dict(outcome.hard), _without_zeros(outcome.parts)) == _judged(expanded, outcome.assignment)
    assert (outcome.hard_violations, outcome.cost) == (sum(outcome.hard.values()), sum(outcome.parts.values()))
    assert set(outcome.hard) <= {"unplaced"}
    assert outcome.bound is None or outcome.hard_violations > 0 or outcome.bound <= outcome.cost
    assert to_timetable(expanded, outcome.assignment).unsectioned == []


def test_the_same_seed_and_move_budget_give_the_same_timetable() -> None:
    first, again, other = (
        _search(an_enrolment_problem(), Limits(GENEROUS_SECONDS, seed=seed, moves=5_000)) for seed in (3, 3, 4)
    )
    assert first.assignment.times.tolist() == again.assignment.times.tolist()
    assert first.assignment.rooms.tolist() == again.assignment.rooms.tolist()
    assert first.moves == again.moves
    assert first.assignment.times.tolist() != other.assignment.times.tolist()


def test_a_solvable_problem_is_solved_without_violations_and_better_the_longer_it_takes() -> None:
    short, long = (
        _search(an_enrolment_problem(), Limits(GENEROUS_SECONDS, seed=1, moves=moves)) for moves in (2_000, 60_000)
    )
    assert (short.hard_violations, long.hard_violations) == (0, 0)
    assert long.cost < short.cost
    assert long.method == "enrolment-annealing"


@pytest.mark.parametrize("moves", [0, 1, 500, 5_000])
def test_a_start_is_never_made_worse(moves: int) -> None:
    good = _search(an_enrolment_problem(), Limits(GENEROUS_SECONDS, seed=1, moves=20_000))
    outcome = _search(an_enrolment_problem(), Limits(GENEROUS_SECONDS, seed=2, moves=moves), start=good.assignment)
    assert outcome.rank <= good.rank


def test_a_start_with_holes_and_clashes_is_mended() -> None:
    problem = an_enrolment_problem()
    good = _search(problem, Limits(GENEROUS_SECONDS, seed=1, moves=20_000)).assignment
    times, rooms = good.times.copy(), good.rooms.copy()
    times[:5] = rooms[:5] = -1
    times[6], rooms[6] = times[7], rooms[7]  # two in one place
    start = Assignment(times, rooms, good.attended_start, good.attended)
    outcome = _search(problem, Limits(GENEROUS_SECONDS, seed=2, moves=20_000), start=start)
    assert outcome.hard_violations == 0


def test_more_events_than_places_leaves_the_excess_unplaced() -> None:
    problem = an_enrolment_problem(events=9, students=3, each=2, rooms=2, days=2, slots=2)
    outcome = _search(problem, Limits(GENEROUS_SECONDS, seed=1, moves=5_000))
    assert outcome.hard == {"unplaced": 1}
    assert int((outcome.assignment.times < 0).sum()) == 1


def test_a_pinned_event_stays_where_it_is_pinned_and_order_is_kept() -> None:
    problem = an_enrolment_problem(
        pins=[Pin(class_id="E0", time="2-3", room="R2")], before=[("E1", "E2"), ("E2", "E3"), ("E4", "E0")]
    )
    outcome = _search(problem, Limits(GENEROUS_SECONDS, seed=1, moves=20_000))
    assert outcome.hard_violations == 0
    times = outcome.assignment.times.tolist()
    assert problem.times[times[0]].id == "2-3"
    assert problem.rooms[outcome.assignment.rooms[0]].id == "R2"
    assert times[1] < times[2] < times[3]
    assert times[4] < times[0]


def test_a_stop_ends_the_search_at_the_next_slice_with_the_best_so_far() -> None:
    asked: list[float] = []
    reports: list[Progress] = []

    def should_stop() -> bool:
        asked.append(0.0)
        return len(asked) >= 4

    outcome = _search(
        an_enrolment_problem(),
        Limits(GENEROUS_SECONDS, seed=1),
        on_progress=lambda progress, read: reports.append(progress),
        should_stop=should_stop,
    )
    assert len(asked) <= 5
    last = reports[-1]
    assert (last.hard_violations, last.cost, dict(last.parts)) == (*outcome.rank, dict(outcome.parts))


def test_reports_only_get_better_and_each_is_of_the_assignment_that_it_brings() -> None:
    reports: list[tuple[Progress, Assignment]] = []
    problem = an_enrolment_problem()
    _search(
        problem,
        Limits(GENEROUS_SECONDS, seed=1, moves=40_000),
        on_progress=lambda progress, read: reports.append((progress, read())),
    )
    expanded = expand(problem)
    assert len(reports) >= 2
    ranks = [(p.hard_violations, p.cost) for p, _ in reports]
    assert ranks == sorted(ranks, reverse=True)
    assert [p.share for p, _ in reports] == sorted(p.share for p, _ in reports)
    for progress, assignment in reports:
        hard, soft = _judged(expanded, assignment)
        assert (sum(hard.values()), soft) == (progress.hard_violations, dict(progress.parts))
        assert progress.stage is (Stage.CONSTRUCTING if progress.hard_violations else Stage.IMPROVING)


def test_the_search_stops_at_once_when_the_target_is_met() -> None:
    outcome = _search(an_enrolment_problem(), Limits(GENEROUS_SECONDS, seed=1, moves=1_000_000, target=10_000))
    assert outcome.hard_violations == 0
    assert outcome.moves < 10_000


def test_a_cost_that_meets_the_bound_is_optimal() -> None:
    problem = an_enrolment_problem(events=4, students=4, each=2, days=2, slots=3)
    outcome = _search(problem, Limits(GENEROUS_SECONDS, seed=3, moves=50_000))
    assert (outcome.rank, outcome.bound, outcome.optimal) == ((0, 0), 0, True)
    assert outcome.moves < 50_000


@settings(max_examples=30, deadline=None, suppress_health_check=CHECKS)
@given(seed=st.integers(0, 2**32))
def test_rooms_are_the_cheapest_for_the_periods(seed: int) -> None:
    expanded = _expanded(a_random_problem(seed))
    model = compile_enrolment(expanded)
    assume(model.rooms <= 3)
    state = EnrolmentState(model, seed)
    state.construct(40)
    state.return_to_best()
    rooms = cheapest_rooms(model, state.period, state.room)
    assert set(count(model, state.period, rooms).hard) <= {"unplaced"}
    for p in set(state.period[state.room >= 0].tolist()):
        events = np.flatnonzero((state.period == p) & (state.room >= 0)).tolist()
        possible = [
            sum(int(model.room_cost[e, r]) for e, r in zip(events, chosen, strict=True))
            for chosen in permutations(range(model.rooms), len(events))
            if all(model.room_cost[e, r] >= 0 and not model.closed[p, r] for e, r in zip(events, chosen, strict=True))
        ]
        assert sum(int(model.room_cost[e, rooms[e]]) for e in events) == min(possible)

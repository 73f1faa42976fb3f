"""Likely times and rooms: the tables that they are drawn by stay exact, the draws are the heat baths they must be."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.problem.expand import expand
from schemas.problem.model import Class, Config, Course, Problem, Room, RoomOption, Subpart, Time, TimeOption
from services.solver.compile.general import compile_general
from services.solver.engine.general.layout import (
    LIST_AT,
    LIST_COLUMNS,
    MATES_LEN,
    PAR_HARD,
    PAR_PROSPECTS,
    PAR_SOFT,
    PROSPECT_HARD,
    PROSPECT_SOFT,
    PROSPECT_TIME,
    ROOM,
)
from services.solver.engine.general.model import (
    CLASH_ALL,
    CLASH_AT,
    MATES_AT,
    SOFT_ALL,
    SOFT_AT,
    TIMES_LEN,
    GeneralModel,
)
from services.solver.engine.general.search import warm_up
from services.solver.engine.general.state import State
from services.solver.engine.search import Assignment
from services.solver.jit_cache import use_jit_cache
from tests.unit.engine.general_problems import a_general_problem


@pytest.fixture(scope="module", autouse=True)
def _kernels() -> None:
    use_jit_cache()
    warm_up()


def _counted(model: GeneralModel, state: State) -> np.ndarray:
    """The table again, in plain Python, from where classes and students are."""
    table = np.zeros_like(state.prospects)
    table[PROSPECT_TIME] = state.prospects[PROSPECT_TIME]
    for i, row in enumerate(model.classes):
        met = [(PROSPECT_HARD, p >> 1, 1) for p in model.pool[row[CLASH_AT] : row[CLASH_ALL]]]
        soft = slice(row[SOFT_AT], row[SOFT_ALL])
        met += [
            (PROSPECT_SOFT, p >> 1, w) for p, w in zip(model.soft_peers[soft], model.soft_weights[soft], strict=True)
        ]
        mates = state.mates[row[MATES_AT] : row[MATES_AT] + state.st[i, MATES_LEN]]
        met += [(PROSPECT_SOFT, j, n * model.student_weight) for j, n in mates]
        first = state.lists[LIST_COLUMNS * i + LIST_AT]
        for k in range(first, first + row[TIMES_LEN]):
            for what, j, amount in met:
                table[what, k] += amount * (model.gaps[table[PROSPECT_TIME, k], state.time[j]] < 0)
    return table


def _taken(model: GeneralModel, state: State) -> np.ndarray:
    """The table of taken rooms again, in plain Python."""
    table = np.zeros_like(state.busy)
    for r in range(model.n_rooms):
        row = model.blocked_row[r]
        for v in range(len(model.gaps)):
            inside = np.flatnonzero(state.st[:, ROOM] == r)
            table[v, r] = sum(model.gaps[state.time[i], v] < 0 for i in inside) + (row >= 0 and model.blocked[row, v])
    return table


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10**6))
def test_the_tables_stay_exact_under_moves(seed: int) -> None:
    model = compile_general(expand(a_general_problem(seed)))
    state = State(model, seed)
    state.load(None, 300)
    for _ in range(3):
        # All kinds of moves: chains, students, classes with their students, likely times, tied classes.
        state.anneal(1_500, 30.0, 5.0, 0.3, 0.2, 0.3, bath_share=0.5)
        assert (state.prospects == _counted(model, state)).all()
        assert (state.busy == _taken(model, state)).all()
    state.take_over(state.best(), 300)
    assert state.par[PAR_PROSPECTS] == 0
    state.anneal(1_500, 30.0, 5.0, 0.3, 0.2, 0.3, bath_share=0.5)
    assert (state.prospects == _counted(model, state)).all()
    assert (state.busy == _taken(model, state)).all()


def test_weights_too_large_for_the_table_do_without_it() -> None:
    model = compile_general(expand(a_general_problem(6)))
    state = State(replace(model, student_weight=10**9), 1)
    state.load(None, 300)
    state.anneal(500, 30.0, 5.0, 0.0, 0.2, 0.3, bath_share=0.9)
    assert state.par[PAR_PROSPECTS] == 0
    hard, cost = state.score_now()
    assert (sum(hard.values()), sum(cost.values())) == (state.par[PAR_HARD], state.par[PAR_SOFT])


def _lone_class(penalties: list[int], rooms: list[int] | None = None) -> GeneralModel:
    """One class, times apart from each other at these penalties; without a room, or rooms at these."""
    base = a_general_problem(0, types=())
    week = "1" * base.calendar.weeks
    only = Class(
        id="only",
        limit=1,
        times=[TimeOption(time=f"t{k}", penalty=penalty) for k, penalty in enumerate(penalties)],
        rooms=None if rooms is None else [RoomOption(room=f"r{k}", penalty=p) for k, p in enumerate(rooms)],
    )
    problem = Problem.model_validate(
        {
            **base.model_dump(),
            "times": [Time(id=f"t{k}", weeks=week, days="1", start=k, length=1) for k in range(len(penalties))],
            "rooms": [Room(id=f"r{k}", capacity=1) for k in range(len(rooms or []))],
            "room_travel": [],
            "building_travel": [],
            "calendar": base.calendar.model_copy(update={"days": 1}),
            "courses": [Course(id="only", configs=[Config(id="only", subparts=[Subpart(id="only", classes=[only])])])],
            "curricula": [],
            "students": [],
            "distributions": [],
        }
    )
    return compile_general(expand(problem))


def _at_time(model: GeneralModel, time: int, room: int = -1) -> State:
    nobody = np.zeros(1, np.int32), np.zeros(0, np.int32)
    state = State(model, 1)
    state.load(Assignment(np.array([time], np.int32), np.array([room], np.int32), *nobody), 300)
    return state


def test_the_only_good_time_of_many_is_found_at_once() -> None:
    model = _lone_class([800, *[900] * 19, 0, *[900] * 19])
    by_chance, likely = (_at_time(model, 0) for _ in range(2))
    by_chance.anneal(3, 1.0, 1.0, 0.0, 0.0)
    likely.anneal(3, 1.0, 1.0, 0.0, 0.0, bath_share=1.0)
    assert (by_chance.time[0], likely.time[0]) == (0, 20)


@pytest.mark.parametrize("bath_share", [0.0, 0.5, 1.0])
def test_times_are_as_frequent_as_their_costs_say(bath_share: float) -> None:
    """The stationary distribution of annealing at one temperature, whatever the share of likely times."""
    penalties = [0, 4, 8, 8]
    model = _lone_class(penalties)
    state = _at_time(model, 0)
    temperature, looks = 6.0, 4_000
    seen = np.zeros(len(penalties))
    for _ in range(looks):
        state.anneal(3, temperature, temperature, 0.0, 0.0, bath_share=bath_share)
        seen[state.time[0]] += 1
    weights = np.array([math.exp(-model.time_weight * p / temperature) for p in penalties])
    assert seen / looks == pytest.approx(weights / weights.sum(), abs=0.04)


def test_the_only_good_room_of_many_is_found_at_once() -> None:
    model = _lone_class([0], [800, *[900] * 199, 0, *[900] * 199])
    by_chance, likely = (_at_time(model, 0, 0) for _ in range(2))
    by_chance.anneal(5, 1.0, 1.0, 0.0, 0.0)
    likely.anneal(5, 1.0, 1.0, 0.0, 0.0, bath_share=1.0)
    assert (by_chance.st[0, ROOM], likely.st[0, ROOM]) == (0, 200)


def test_rooms_are_as_frequent_as_their_costs_say() -> None:
    penalties = [0, 4, 8, 8]
    model = _lone_class([0], penalties)
    state = _at_time(model, 0, 0)
    temperature, looks = 6.0, 4_000
    seen = np.zeros(len(penalties))
    for _ in range(looks):
        state.anneal(3, temperature, temperature, 0.0, 0.0, bath_share=1.0)
        seen[state.st[0, ROOM]] += 1
    weights = np.array([math.exp(-model.room_weight * p / temperature) for p in penalties])
    assert seen / looks == pytest.approx(weights / weights.sum(), abs=0.04)


def test_too_many_rooms_and_times_for_the_table_do_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.solver.engine.general.state.MAX_BUSY", 3)
    model = compile_general(expand(a_general_problem(6)))
    state = State(model, 1)
    state.load(None, 300)
    state.anneal(1_500, 30.0, 5.0, 0.3, 0.2, 0.3, bath_share=0.9)
    assert state.busy.size == 0
    assert (state.prospects == _counted(model, state)).all()


def test_however_overlaps_are_told_it_is_the_same_timetable(monkeypatch: pytest.MonkeyPatch) -> None:
    """As rows of bytes, as places in the list, or, where there are too many times for either, by looking at gaps."""
    model = compile_general(expand(a_general_problem(6)))

    def annealed(dense: float, looks: int) -> State:
        monkeypatch.setattr("services.solver.engine.general.overlaps.DENSE", dense)
        monkeypatch.setattr("services.solver.engine.general.overlaps.MAX_LOOKS", looks)
        state = State(model, 1)
        state.load(None, 300)
        state.anneal(3_000, 30.0, 5.0, 0.3, 0.2, 0.3, bath_share=0.9)
        assert (state.prospects == _counted(model, state)).all()
        return state

    rows, places, gaps = annealed(0.0, 10**9), annealed(math.inf, 10**9), annealed(0.0, 0)
    heads = LIST_COLUMNS * model.n_classes
    assert rows.overlaps.size > 0
    assert rows.lists.size == heads
    assert places.overlaps.size == 0
    assert places.lists.size > heads
    assert gaps.overlaps.size == 0
    assert gaps.lists.size == heads
    for other in (places, gaps):
        assert (rows.time == other.time).all()
        assert (rows.st[:, ROOM] == other.st[:, ROOM]).all()
        assert (rows.slots == other.slots).all()


@pytest.mark.parametrize("dense", [0.0, math.inf])
def test_both_ways_to_tell_overlaps_stay_exact(monkeypatch: pytest.MonkeyPatch, dense: float) -> None:
    monkeypatch.setattr("services.solver.engine.general.overlaps.DENSE", dense)
    for seed in range(6):
        model = compile_general(expand(a_general_problem(seed)))
        state = State(model, seed)
        state.load(None, 300)
        state.anneal(1_500, 30.0, 5.0, 0.3, 0.2, 0.3, bath_share=0.5)
        assert (state.prospects == _counted(model, state)).all()

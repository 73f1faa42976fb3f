"""Every distribution type, required and with a penalty: the engine counts what the referee counts, everywhere."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.formats.itc2019 import read_itc2019
from schemas.problem.expand import ExpandedProblem, expand
from schemas.problem.model import Distribution, DistributionType, Problem, Weights
from schemas.problem.read import guess_format, load_problem
from schemas.referee.judge import judge
from services.solver.compile.general import compile_general
from services.solver.engine.general.model import GeneralModel
from services.solver.engine.general.search import score_general, warm_up
from services.solver.engine.general.state import State
from services.solver.engine.search import Assignment
from services.solver.jit_cache import use_jit_cache
from tests.benchmark_instances import instance
from tests.unit.engine.general_problems import a_general_problem, timetable_of, with_faults
from tests.unit.schemas.itc2019_files import a_random_problem

PENALTY = 7


@pytest.fixture(scope="module", autouse=True)
def _kernels() -> None:
    use_jit_cache()
    warm_up()


def counts(
    expanded: ExpandedProblem, model: GeneralModel, assignment: Assignment
) -> tuple[dict[str, int], dict[str, int]]:
    """Violations and cost by part, on which both agree."""
    hard, cost = score_general(model, assignment)
    score = judge(expanded.problem, timetable_of(expanded, assignment)).score
    assert hard == dict(score.hard)
    assert cost == dict(score.cost)
    return hard, cost


def a_random_assignment(expanded: ExpandedProblem, seed: int) -> Assignment:
    """Every class somewhere of its own, students nowhere."""
    dice = random.Random(seed)  # noqa: S311  # reproducible test data
    times = np.array([dice.choice(c.times)[0] for c in expanded.classes], np.int32)
    rooms = np.array([dice.choice(c.rooms)[0] if c.rooms else -1 for c in expanded.classes], np.int32)
    return Assignment(times, rooms, np.zeros(len(expanded.requests) + 1, np.int32), np.zeros(0, np.int32))


def with_one_rule(kind: DistributionType, seed: int, *, required: bool) -> Problem:
    """A random problem whose only rules are two of one kind, all required or all with a penalty."""
    problem = a_general_problem(seed, types=(kind,))
    rules = [
        Distribution.model_validate(
            {**rule.model_dump(), "required": required, "penalty": None if required else PENALTY}
        )
        for rule in problem.distributions
    ]
    return problem.model_copy(update={"distributions": rules, "weights": Weights(distribution=3)})


@pytest.mark.parametrize("required", [True, False], ids=["required", "soft"])
@pytest.mark.parametrize("kind", list(DistributionType))
def test_each_type_is_counted_as_the_referee_counts_it(kind: DistributionType, required: bool) -> None:
    seen: set[int] = set()
    for seed in range(12):
        expanded = expand(with_one_rule(kind, seed, required=required))
        model = compile_general(expanded)
        for n in range(8):
            hard, cost = counts(expanded, model, a_random_assignment(expanded, n))
            part = (hard if required else cost).get(kind.value, 0)
            assert kind.value not in (cost if required else hard)
            assert required or part % 3 == 0, "the weight times a whole number: the division is done before"
            seen.add(part)
    assert len(seen) > 2, "the type was hardly exercised"


@given(st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_problems_of_the_competition_are_counted_as_the_referee_counts_them(seed: int) -> None:
    expanded = read_itc2019(a_random_problem(seed)).expanded()
    model = compile_general(expanded)
    counts(expanded, model, a_random_assignment(expanded, seed))
    state = State(model, seed)
    state.load(None, 300)
    state.anneal(1_000, 20.0, 1.0, 0.2, 0.4)
    counts(expanded, model, state.now())
    counts(expanded, model, with_faults(expanded, state.now(), seed))


@pytest.mark.benchmark_instances
@pytest.mark.parametrize(
    "name",
    [
        *("lums-sum17.xml", "wbg-fal10.xml", "pu-cs-fal07.xml", "lums-spr18.xml.gz", "muni-fi-spr17.xml.gz"),
        *("muni-fi-spr16.xml.gz", "muni-fsps-spr17.xml.gz", "tg-fal17.xml.gz", "nbi-spr18.xml.gz"),
        *("mary-spr17.xml.gz", "bet-fal17.xml.gz", "pu-d5-spr17.xml.gz"),
    ],
)
def test_real_instances_are_counted_as_the_referee_counts_them(name: str) -> None:
    path: Path = instance(f"itc2019/{name}")
    expanded = load_problem(path.read_bytes(), guess_format(path.name))
    model = compile_general(expanded)
    state = State(model, 1)
    state.load(None, 300)
    counts(expanded, model, state.now())
    state.anneal(20_000, 20.0, 1.0, 0.2, 0.4)
    hard, _ = counts(expanded, model, state.now())
    assert "unplaced" not in hard

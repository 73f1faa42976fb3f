"""Engine and referee count the same, rule by rule, for good and bad timetables of every real instance of CB-CTT."""

from __future__ import annotations

import random
from collections.abc import Mapping

import numpy as np
import pytest

from schemas.problem.expand import ExpandedProblem
from schemas.problem.read import guess_format, load_problem
from schemas.referee import judge
from services.solver.compile.general import compile_general
from services.solver.compile.grid import compile_grid, is_grid
from services.solver.engine.general.search import score_general
from services.solver.engine.grid.search import search_grid
from services.solver.engine.grid.state import cells_and_rooms, count
from services.solver.engine.search import Assignment, Limits
from services.solver.jit_cache import use_jit_cache
from tests.benchmark_instances import folder, instance
from tests.unit.engine.general_problems import timetable_of

pytestmark = pytest.mark.benchmark_instances

FOLDER = "itc2007/cbctt"
FILES = sorted(
    path.relative_to(folder() / FOLDER).as_posix()
    for path in (folder() / FOLDER).rglob("*")
    if ".ctt" in path.name or ".ectt" in path.name
)
# All that these instances can violate or cost; a time costs nothing in them.
HARD = {"unplaced", "room_conflict", "class_conflict"}
SOFT = {"MinWorkingDays", "RoomStability", "IsolatedLectures"}


@pytest.fixture(scope="module", autouse=True)
def _kernels() -> None:
    use_jit_cache()


def at_random(expanded: ExpandedProblem, seed: int, among: int | None = None) -> Assignment:
    """Each class in any of its times (the first ``among`` only) and rooms, one in ten nowhere, whoever is there."""
    dice = random.Random(seed)  # noqa: S311  # reproducible test data
    options = [
        (-1, -1) if dice.random() < 0.1 else (dice.choice(c.times[:among])[0], dice.choice(c.rooms or ((-1, 0),))[0])
        for c in expanded.classes
    ]
    times, rooms = (np.array(column, np.int32) for column in zip(*options, strict=True))
    return Assignment(times, rooms, np.zeros(1, np.int32), np.zeros(0, np.int32))


def found_by_search(expanded: ExpandedProblem, seed: int) -> Assignment:
    """What a short search leaves: mostly without violation, so that the last points of each cost are counted."""
    limits = Limits(seconds=120.0, seed=seed, moves=50_000)
    return search_grid(compile_grid(expanded), limits, lambda progress, read: None, lambda: False, None).assignment


def without_zeros(parts: Mapping[str, int]) -> dict[str, int]:
    return {part: amount for part, amount in parts.items() if amount}


@pytest.mark.parametrize("name", FILES or ["toy.ectt"])
def test_both_kernels_and_the_referee_agree_on_every_part(name: str) -> None:
    file = instance(f"{FOLDER}/{name}")
    content = file.read_bytes()
    expanded = load_problem(content, guess_format(file.name, content))
    assert is_grid(expanded)
    grid, general = compile_grid(expanded), compile_general(expanded)
    reached: set[str] = set()
    # Where there are many days, only lectures crowded on a few of them fall short of working days.
    for assignment in (at_random(expanded, 1), at_random(expanded, 2, among=6), found_by_search(expanded, 3)):
        score = judge(expanded.problem, timetable_of(expanded, assignment)).score
        said = dict(score.hard), without_zeros(score.cost)
        counted = count(grid, *cells_and_rooms(grid, assignment))
        assert (dict(counted.hard), without_zeros(counted.parts)) == said
        hard, soft = score_general(general, assignment)
        assert (dict(hard), without_zeros(soft)) == said
        reached |= set(said[0]) | set(said[1])
    # In some instances every room has seats for all; in the smallest, chance does not bring every fault about.
    short_of_seats = any(penalty for c in expanded.classes for _, penalty in c.rooms or ())
    if name != "toy.ectt":
        assert reached == HARD | SOFT | ({"room"} if short_of_seats else set())


def test_there_are_instances() -> None:
    instance(FOLDER)
    assert len(FILES) >= 41

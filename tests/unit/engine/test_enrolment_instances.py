"""Engine and referee count alike, rule by rule, good and bad timetables of every real post-enrolment instance."""

from __future__ import annotations

import pytest

from schemas.problem.read import guess_format, load_problem
from schemas.referee import judge
from services.solver.compile.enrolment import compile_enrolment, is_enrolment
from services.solver.engine.enrolment.counting import count, periods_and_rooms
from services.solver.engine.enrolment.search import search_enrolment
from services.solver.engine.search import Limits
from services.solver.jit_cache import use_jit_cache
from tests.benchmark_instances import folder, instance
from tests.unit.engine.enrolment_problems import at_random, attended_by_all
from tests.unit.engine.general_problems import timetable_of

pytestmark = pytest.mark.benchmark_instances

FOLDERS = ("itc2002", "itc2007/postenrol")
FILES = sorted(f"{name}/{path.name}" for name in FOLDERS for path in (folder() / name).glob("*.tim*"))
ANY_COST = 10**9
# All that these instances can violate or cost.
HARD = {"unplaced", "room_conflict", "student_conflict"}
SOFT = {"time", "StudentMaxConsecutive", "StudentSingleClassDay"}


@pytest.fixture(scope="module", autouse=True)
def _kernels() -> None:
    use_jit_cache()


@pytest.mark.parametrize("name", FILES or ["itc2002/competition01.tim.gz"])
def test_engine_and_referee_agree_on_every_part(name: str) -> None:
    file = instance(name)
    content = file.read_bytes()
    expanded = load_problem(content, guess_format(file.name, content))
    assert is_enrolment(expanded)
    model = compile_enrolment(expanded)
    # The first timetable without violations will do: it takes seconds, up to a dozen where rooms are scarce.
    limits = Limits(seconds=150.0, seed=3, target=ANY_COST)
    outcome = search_enrolment(model, limits, lambda progress, read: None, lambda: False)
    assert outcome.hard_violations == 0
    reached: set[str] = set()
    for assignment in (attended_by_all(expanded, *at_random(expanded, 1)), outcome.assignment):
        score = judge(expanded.problem, timetable_of(expanded, assignment)).score
        counted = count(model, *periods_and_rooms(model, assignment))
        assert dict(counted.hard) == dict(score.hard)
        assert dict(counted.parts) == {part: cost for part, cost in score.cost.items() if cost}
        reached |= set(score.hard) | set(counted.parts)
    ordered = {"Precedence"} if expanded.distributions else set()
    assert reached == HARD | SOFT | ordered


def test_there_are_instances() -> None:
    instance(FOLDERS[0])
    assert len(FILES) >= 29

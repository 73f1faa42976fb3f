"""What is a period-grid problem and what is left to the general kernel; what the arrays say about a problem."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from schemas.problem.expand import expand
from schemas.problem.model import (
    Calendar,
    Curriculum,
    Distribution,
    DistributionType,
    Pin,
    Problem,
    Room,
    Student,
    Time,
    TimeBlock,
    Travel,
)
from services.solver.compile.grid import compile_grid, is_grid, obstacle
from tests.unit.engine.grid_problems import a_curriculum_problem


def _with_distribution(problem: Problem, **fields: object) -> Problem:
    added = Distribution.model_validate({"classes": ["c0#0", "c0#1", "c0#2"], "penalty": 1, **fields})
    return problem.model_copy(update={"distributions": [*problem.distributions, added]})


def _with_first_class(problem: Problem, **fields: object) -> Problem:
    course = problem.courses[0]
    config = course.configs[0]
    subpart = config.subparts[0]
    changed = subpart.model_copy(update={"classes": [subpart.classes[0].model_copy(update=fields)]})
    config = config.model_copy(update={"subparts": [changed, *config.subparts[1:]]})
    return problem.model_copy(
        update={"courses": [course.model_copy(update={"configs": [config]}), *problem.courses[1:]]}
    )


def _with_a_second_section(problem: Problem) -> Problem:
    course = problem.courses[0]
    config = course.configs[0]
    subpart = config.subparts[0]
    twin = subpart.classes[0].model_copy(update={"id": "twin"})
    changed = subpart.model_copy(update={"classes": [*subpart.classes, twin]})
    config = config.model_copy(update={"subparts": [changed, *config.subparts[1:]]})
    return problem.model_copy(
        update={"courses": [course.model_copy(update={"configs": [config]}), *problem.courses[1:]]}
    )


def _with_first_time(problem: Problem, **fields: object) -> Problem:
    return problem.model_copy(update={"times": [problem.times[0].model_copy(update=fields), *problem.times[1:]]})


def test_a_curriculum_problem_is_a_grid_problem() -> None:
    assert obstacle(expand(a_curriculum_problem())) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda p: p.model_copy(update={"students": [Student(id="s", courses=["c0"])]}), "students"),
        (lambda p: p.model_copy(update={"room_travel": [Travel(a="r0", b="r1", slots=1)]}), "walking"),
        (
            lambda p: p.model_copy(update={"curricula": [Curriculum(id="q", courses=["c0", "c1"], penalty=1)]}),
            "soft curricula",
        ),
        (lambda p: _with_first_class(p, rooms=None), "without room"),
        (_with_a_second_section, "alternatives"),
        (lambda p: _with_first_time(p, length=2), "not one slot"),
        (lambda p: _with_first_time(p, days="1100"), "not one slot"),
        (lambda p: _with_first_time(p, start=1), "two times"),
        (lambda p: _with_distribution(p, type="SameRoom"), "distribution"),
        (lambda p: _with_distribution(p, type="RoomStability", required=True, penalty=None), "distribution"),
        (lambda p: _with_distribution(p, type="RoomStability", classes=["c0#0", "c1#0"]), "distribution"),
        (lambda p: _with_distribution(p, type="MinWorkingDays", parameters=[2]), "distribution"),
        (
            lambda p: p.model_copy(
                update={
                    "calendar": Calendar(weeks=2, days=4, slots_per_day=4),
                    "times": [t.model_copy(update={"weeks": "11"}) for t in p.times],
                }
            ),
            "several weeks",
        ),
    ],
)
def test_any_other_shape_is_left_to_the_general_kernel(change: Callable[[Problem], Problem], reason: str) -> None:
    expanded = expand(change(a_curriculum_problem()))
    assert not is_grid(expanded)
    assert reason in str(obstacle(expanded))
    with pytest.raises(ValueError, match=reason):
        compile_grid(expanded)


def test_pins_blocked_rooms_and_a_second_teacher_of_a_course_stay_on_the_grid() -> None:
    plain = a_curriculum_problem(pins=[Pin(class_id="c1#0", time="0-0")])
    blocked = [Room(id="r0", capacity=10, unavailable=[TimeBlock(start=0, length=2)]), *plain.rooms[1:]]
    problem = _with_first_class(plain.model_copy(update={"rooms": blocked}), instructors=["i5"])
    # Rules over the whole course no longer fit a course whose lectures differ in who teaches them.
    per_course = {DistributionType.MIN_WORKING_DAYS, DistributionType.ROOM_STABILITY}
    kept = [d for d in problem.distributions if d.type not in per_course or "c0#0" not in d.classes]
    model = compile_grid(expand(problem.model_copy(update={"distributions": kept})))
    assert model.courses == 13
    assert model.usable[0].sum() == model.cells - 2 * 4
    assert np.diff(model.time_first).tolist() == [16, 1]


def test_cells_of_neighbouring_periods_are_neighbours_and_days_are_apart() -> None:
    model = compile_grid(expand(a_curriculum_problem(days=2, slots=3)))
    assert model.cell_time.tolist() == [-1, -1, 0, 1, 2, -1, 3, 4, 5, -1, -1]


def test_the_bound_counts_what_every_timetable_pays() -> None:
    # Two courses of three lectures miss one seat in the largest room; curricula and days can be had for nothing.
    assert compile_grid(expand(a_curriculum_problem())).bound == 6
    # One lecture per course: MinWorkingDays asks for one day; each of four curricula holds a lone lecture.
    alone = a_curriculum_problem(courses=4, lectures=1, rooms=4)
    assert compile_grid(expand(alone)).bound == 4 * 2


def test_equal_compact_sets_are_one() -> None:
    problem = a_curriculum_problem()
    repeated = next(d for d in problem.distributions if d.type is DistributionType.ISOLATED_LECTURES)
    model = compile_grid(expand(problem.model_copy(update={"distributions": [*problem.distributions, repeated]})))
    assert sorted(model.set_cost.tolist()) == [2, 2, 2, 4]


def test_times_that_no_class_lists_are_no_options() -> None:
    problem = a_curriculum_problem()
    extra = Time(id="late", weeks="1", days="0001", start=4, length=1)
    wider = problem.model_copy(
        update={"times": [*problem.times, extra], "calendar": Calendar(weeks=1, days=4, slots_per_day=5)}
    )
    model = compile_grid(expand(wider))
    late = int(np.flatnonzero(model.cell_time == 16)[0])
    assert (model.time_cost[:, late] == -1).all()

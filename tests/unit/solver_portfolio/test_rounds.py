"""A search that is to end when it finds nothing better goes in rounds, each from the best timetable so far."""

from __future__ import annotations

import numpy as np

from schemas.problem.expand import expand
from services.solver.choice import Choice, ExactRole
from services.solver.engine.search import Assignment, Limits, Meeting, OnProgress, Outcome, ShouldStop
from services.solver.members import Members
from services.solver.portfolio import Board, Clock, Kernel
from tests.unit.engine.grid_problems import a_curriculum_problem

Call = tuple[Limits, Assignment | None]


def _assignment() -> Assignment:
    return Assignment(*(np.zeros(1, np.int32) for _ in range(4)))


def _run(round_s: float | None, costs: list[int], *, seconds: float = 60.0) -> tuple[list[Call], list[Assignment]]:
    """Have a kernel find these costs, one in each of its searches; then the search is stopped."""
    calls: list[Call] = []
    found: list[Assignment] = []

    def search(
        limits: Limits, on_progress: OnProgress, stop: ShouldStop, start: Assignment | None, meeting: Meeting | None
    ) -> Outcome:
        calls.append((limits, start))
        found.append(_assignment())
        return Outcome(found[-1], 0, costs[len(calls) - 1], {}, {}, "fake")

    expanded = expand(a_curriculum_problem(courses=1))
    members = Members(
        expanded=expanded,
        asked=expanded,
        board=Board(),
        clock=Clock(seconds),
        seed=5,
        workers=1,
        target=0,
        moves=None,
        start=None,
        reserve=0.0,
        round_s=round_s,
    )
    (work,) = members.works(Kernel("fake", "", search), Choice(ExactRole.NONE, "", bound=False))
    work(lambda: len(calls) == len(costs))
    return calls, found


def test_without_patience_there_is_one_search_of_all_the_time() -> None:
    calls, _ = _run(None, [9])
    ((limits, start),) = calls
    assert start is None
    assert 59.0 < limits.seconds <= 60.0


def test_each_round_begins_at_the_best_timetable_with_other_random_numbers() -> None:
    calls, found = _run(4.0, [9, 5, 7, 6])
    assert [limits.seconds for limits, _ in calls] == [4.0] * 4
    assert len({limits.seed for limits, _ in calls}) == 4
    assert [start is best for (_, start), best in zip(calls[1:], [found[0], found[1], found[1]], strict=True)] == [
        True
    ] * 3
    assert calls[0][1] is None


def test_the_last_round_ends_with_the_time() -> None:
    calls, _ = _run(4.0, [9, 8], seconds=3.0)
    assert all(limits.seconds <= 3.0 for limits, _ in calls)

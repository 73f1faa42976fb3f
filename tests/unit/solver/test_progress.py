"""Progress: paced, in order, never backwards, silent without a lease, and no burden to the search."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import SolveProgress, Stage
from schemas.timetable import Score
from services.solver.progress import Report, Reporter, gap
from tests.unit.solver.claims import a_claim, the_settings


class Topic:
    def __init__(self) -> None:
        self.events: list[SolveProgress] = []
        self.times: list[float] = []
        self.away = False

    async def publish(self, event: SolveProgress) -> None:
        if self.away:
            raise ConnectionError("away")
        self.events.append(event)
        self.times.append(monotonic())


def a_reporter(topic: Topic, trusted: bool = True, **settings: float) -> Reporter:
    return Reporter(a_claim(), the_settings(**settings), topic.publish, lambda: trusted)


async def run_for(reporter: Reporter, seconds: float) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reporter.run(), seconds)


async def test_a_flood_of_reports_is_thinned_and_the_last_one_always_sent() -> None:
    topic = Topic()
    reporter = a_reporter(topic, solver_progress_min_interval_s=0.05)

    async def flood() -> None:
        for n in range(200):
            reporter.offer(Report(Stage.IMPROVING, n / 2, Score(hard_violations=0, total=200 - n)))
            await asyncio.sleep(0.001)

    await asyncio.gather(run_for(reporter, 0.3), flood())
    paced = topic.times.copy()
    await reporter.last("finished", Score(hard_violations=0, total=1))

    assert all(later - earlier > 0.049 for earlier, later in pairwise(paced))
    assert len(paced) > 1
    assert [event.sequence for event in topic.events] == sorted({event.sequence for event in topic.events})
    last = topic.events[-1]
    assert (last.stage, last.percent, last.message) == (Stage.FINISHED, 100.0, "finished")
    assert last.score is not None
    assert last.score.total == 1


async def test_a_search_that_stands_still_is_reported_all_the_same() -> None:
    topic = Topic()
    running = asyncio.create_task(a_reporter(topic, solver_heartbeat_s=0.05).run())
    async with asyncio.timeout(60):
        while len(topic.events) < 5:  # noqa: ASYNC110  # as long as it takes; the reporter's own clock ticks
            await asyncio.sleep(0.01)
    running.cancel()


@given(st.lists(st.floats(0, 100), min_size=1, max_size=20))
async def test_the_percentage_never_falls_and_a_score_is_not_forgotten(percents: list[float]) -> None:
    topic = Topic()
    reporter = a_reporter(topic)
    reporter.offer(Report(Stage.IMPROVING, 0.0, Score(hard_violations=0, total=5), 3))
    for percent in percents:
        reporter.offer(Report(Stage.IMPROVING, percent))
        await reporter._send(1.0)
    sent = [event.percent for event in topic.events]
    assert sent == sorted(sent)
    assert all(event.score is not None and event.lower_bound == 3 for event in topic.events)


@pytest.mark.parametrize("iterations", range(6))
async def test_a_reporter_ends_also_in_the_moment_when_the_broker_answers(iterations: int) -> None:
    """An attempt at a cancelled job waits for its reporter: one that went on would keep the slot for ever."""
    answer = asyncio.get_running_loop().create_future()
    asked = asyncio.Event()

    async def publish(_: SolveProgress) -> None:
        asked.set()
        await answer

    running = asyncio.create_task(Reporter(a_claim(), the_settings(), publish, lambda: True).run())
    await asked.wait()
    answer.set_result(None)
    for _ in range(iterations):
        await asyncio.sleep(0)
    running.cancel()
    ended, _ = await asyncio.wait({running}, timeout=5)
    assert ended


async def test_without_a_sure_lease_nothing_is_said() -> None:
    topic = Topic()
    await run_for(a_reporter(topic, trusted=False), 0.2)
    assert topic.events == []


async def test_a_broker_that_is_away_costs_reports_and_nothing_else() -> None:
    topic = Topic()
    topic.away = True
    reporter = a_reporter(topic)
    await run_for(reporter, 0.1)
    topic.away = False
    await reporter.last("finished")
    assert [event.message for event in topic.events] == ["finished"]


def test_a_gap_needs_a_bound_and_a_cost_above_zero() -> None:
    score = Score(hard_violations=0, total=50)
    assert gap(score, 40) == pytest.approx(0.2)
    assert gap(score, 60) == 0.0
    assert gap(score, 0) is gap(score, None) is gap(None, 40) is None
    assert gap(Score(hard_violations=1, total=50), 40) is None

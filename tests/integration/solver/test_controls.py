"""Whole jobs: requested twice, controlled early, late and often, ended once and published once."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.events import ControlAction, ErrorInfo, JobControl, Outcome, SolveCompleted
from schemas.events.cloudevents import WireMessage, decode
from schemas.tables import job_controls
from services.solver.claim import Claim
from services.solver.ends import Ends
from services.solver.intake import Intake
from services.solver.jobs import Controlled, Jobs
from services.solver.notifications import Doorbell
from services.solver.publisher import Publisher
from services.solver.tasks import Tasks
from tests.integration.solver.building import (
    a_checkpoint,
    a_request,
    a_result,
    attempt_ends,
    claimed,
    completed_events,
    let_leases_run_out,
    make_due,
    requested,
    task_row,
    the_end,
)

STOP, CANCEL = ControlAction.STOP, ControlAction.CANCEL


async def test_a_request_that_comes_again_changes_nothing(jobs: Jobs, tasks: Tasks, engine: AsyncEngine) -> None:
    intake = Intake(jobs)
    event = a_request(variants=2)
    await asyncio.gather(*(intake.on_job_requested(event) for _ in range(4)))
    claims = [await claimed(tasks), await claimed(tasks)]
    await intake.on_job_requested(event)
    for claim in claims:
        await tasks.finish(claim, a_result(claim))
    end = await the_end(engine, event.job_id)

    await intake.on_job_requested(event)
    await intake.on_job_requested(a_request().model_copy(update={"job_id": event.job_id}))

    assert await tasks.claim("worker") is None
    assert await completed_events(engine, event.job_id) == [end]


async def test_stopping_a_queued_job_ends_it_without_a_timetable_and_without_a_worker(
    jobs: Jobs, tasks: Tasks, engine: AsyncEngine
) -> None:
    event = await requested(jobs, variants=3)
    assert await jobs.control(event.job_id, event.organization_id, STOP) is Controlled.APPLIED
    assert await jobs.control(event.job_id, event.organization_id, STOP) is Controlled.UNCHANGED

    end = await the_end(engine, event.job_id)
    assert (end.outcome, end.variants, end.error) == (Outcome.STOPPED, [], None)
    assert await tasks.claim("worker") is None


async def test_stopping_ends_queued_variants_and_leaves_running_ones_to_bring_in_their_best(
    jobs: Jobs, tasks: Tasks, engine: AsyncEngine
) -> None:
    event = await requested(jobs, variants=3)
    running = await claimed(tasks)
    await jobs.control(event.job_id, event.organization_id, STOP)
    assert await tasks.claim("worker") is None

    renewal = await tasks.renew(running)
    assert (renewal.held, renewal.control) == (True, STOP)
    assert await completed_events(engine, event.job_id) == []
    await tasks.finish(running, a_result(running))

    end = await the_end(engine, event.job_id)
    assert end.outcome is Outcome.STOPPED
    assert [variant.variant for variant in end.variants] == [running.variant]


async def test_cancelling_ends_a_running_job_at_once_and_its_worker_learns_it(
    jobs: Jobs, tasks: Tasks, engine: AsyncEngine
) -> None:
    event = await requested(jobs, variants=2)
    running = await claimed(tasks)
    await tasks.renew(running, a_checkpoint())
    await jobs.control(event.job_id, event.organization_id, CANCEL)

    end = await the_end(engine, event.job_id)
    assert (end.outcome, end.variants) == (Outcome.CANCELLED, [])
    renewal = await tasks.renew(running)
    assert (renewal.held, renewal.control) == (False, CANCEL)
    assert not await tasks.finish(running, a_result(running))
    assert await completed_events(engine, event.job_id) == [end]
    assert await attempt_ends(engine, event.job_id) == ["cancelled"]


@pytest.mark.parametrize("actions", [(STOP, CANCEL), (CANCEL, STOP)])
async def test_cancel_beats_stop_in_either_order_and_a_control_before_its_job_is_kept(
    jobs: Jobs, tasks: Tasks, engine: AsyncEngine, actions: tuple[ControlAction, ControlAction]
) -> None:
    intake = Intake(jobs)
    event = a_request()
    for action in actions:
        await intake.on_job_control(
            JobControl(job_id=event.job_id, organization_id=event.organization_id, action=action)
        )
    await intake.on_job_requested(event)

    assert (await the_end(engine, event.job_id)).outcome is Outcome.CANCELLED
    assert await tasks.claim("worker") is None


async def test_a_cancel_asked_for_over_http_beats_a_stop_that_was_here_before_the_job(
    jobs: Jobs, tasks: Tasks, engine: AsyncEngine
) -> None:
    """The request and the cancel's event may come on after the stop: to everybody else the job is cancelled by then."""
    intake = Intake(jobs)
    event = a_request()
    whose = {"job_id": event.job_id, "organization_id": event.organization_id}
    await intake.on_job_control(JobControl(**whose, action=STOP))
    asked = insert(job_controls).values(**whose, action=CANCEL.value, requested_by="", correlation_id="")
    async with engine.begin() as connection:
        await connection.execute(asked)
    await intake.on_job_requested(event)
    await intake.on_job_control(JobControl(**whose, action=CANCEL))

    assert (await the_end(engine, event.job_id)).outcome is Outcome.CANCELLED
    assert len(await completed_events(engine, event.job_id)) == 1


async def test_another_organisations_control_changes_nothing_before_or_after_the_request(
    jobs: Jobs, tasks: Tasks
) -> None:
    event = a_request()
    assert await jobs.control(event.job_id, uuid.uuid4(), CANCEL) is Controlled.KEPT
    await Intake(jobs).on_job_requested(event)
    assert await jobs.control(event.job_id, uuid.uuid4(), CANCEL) is Controlled.FOREIGN

    assert (await claimed(tasks)).job_id == event.job_id


async def test_a_control_and_its_request_at_the_same_moment_never_miss_each_other(
    jobs: Jobs, tasks: Tasks, engine: AsyncEngine
) -> None:
    intake = Intake(jobs)
    for _ in range(15):
        event = a_request()
        control = JobControl(job_id=event.job_id, organization_id=event.organization_id, action=CANCEL)
        await asyncio.gather(intake.on_job_requested(event), intake.on_job_control(control))
        assert (await the_end(engine, event.job_id)).outcome is Outcome.CANCELLED


async def test_a_request_that_cannot_be_meant_fails_as_it_arrives(jobs: Jobs, engine: AsyncEngine) -> None:
    event = a_request(variants=2, problem_format="ctt")
    await Intake(jobs).on_job_requested(event)
    end = await the_end(engine, event.job_id)
    assert end.outcome is Outcome.FAILED
    assert end.error is not None
    assert "problem_format" in end.error.message


class Broker:
    """Takes messages unless it is away; notices a message that is sent twice."""

    def __init__(self) -> None:
        self.away = False
        self.sent: list[SolveCompleted] = []

    async def publish(self, message: WireMessage) -> None:
        await asyncio.sleep(0)
        if self.away:
            raise ConnectionError("away")
        self.sent.append(decode(message.value, message.headers, [SolveCompleted]))


async def test_every_end_is_published_once_by_whichever_replica_and_waits_while_the_broker_is_away(
    jobs: Jobs, tasks: Tasks, engine: AsyncEngine
) -> None:
    events = [await requested(jobs) for _ in range(6)]
    for _ in events:
        claim = await claimed(tasks)
        await tasks.finish(claim, a_result(claim))
    broker = Broker()
    ends = Ends(engine, timedelta(minutes=1))
    replicas = [Publisher(ends, broker.publish, Doorbell(), timedelta(minutes=1)) for _ in range(3)]

    broker.away = True
    for replica in replicas:
        with pytest.raises(ConnectionError):
            await replica.publish_new()
    broker.away = False

    await asyncio.gather(*(replica.publish_new() for replica in replicas))

    assert Counter(sent.job_id for sent in broker.sent) == {event.job_id: 1 for event in events}
    stored = [await the_end(engine, event.job_id) for event in events]
    assert {sent.event_id for sent in broker.sent} == {end.event_id for end in stored}


@pytest.mark.parametrize("seed", range(2))
async def test_whatever_happens_in_whatever_order_every_job_ends_exactly_once(
    jobs: Jobs, tasks: Tasks, engine: AsyncEngine, seed: int
) -> None:
    """A seeded scheduler claims, renews, finishes, fails, hands over, loses, stops and cancels at random."""
    draw = random.Random(seed)  # noqa: S311  # a schedule, no secret
    owners = [uuid.uuid4() for _ in range(2)]
    events = [await requested(jobs, draw.choice(owners), variants=draw.randint(1, 3)) for _ in range(8)]
    held: list[Claim] = []  # current or not: a worker may always come late
    ended: dict[uuid.UUID, SolveCompleted] = {}
    tokens: dict[tuple[uuid.UUID, int], int] = {}

    async def claim() -> None:
        taken = await tasks.claim("worker")
        if taken is not None:
            assert taken.token > tokens.get((taken.job_id, taken.variant), 0)
            tokens[taken.job_id, taken.variant] = taken.token
            held.append(taken)

    async def with_any(act: str) -> None:
        if not held:
            return
        one = draw.choice(held)
        current = (await task_row(engine, one.job_id, one.variant)).token == one.token
        match act:
            case "renew":
                answer = (await tasks.renew(one, a_checkpoint())).held
            case "finish":
                answer = await tasks.finish(one, a_result(one, cost=draw.randint(0, 9)))
            case "crash":
                answer = await tasks.retry(one, ErrorInfo(code="crash", message="x", retryable=True))
            case _:
                answer = await tasks.hand_over(one, None)
        assert current or not answer

    async def lose() -> None:
        if draw.random() < 0.3:
            await let_leases_run_out(engine)
            await tasks.expire()

    async def control() -> None:
        event = draw.choice(events)
        if draw.random() < 0.15:
            await jobs.control(event.job_id, event.organization_id, draw.choice([STOP, CANCEL]))

    for step in range(200):
        acts: list[Callable[[], Awaitable[None]]] = [claim, claim, lose, control, partial(make_due, engine)]
        acts += [partial(with_any, act) for act in ("renew", "finish", "crash", "hand_over")]
        await draw.choice(acts)()
        if step % 20 == 0 or step == 199:
            for event in events:
                for end in await completed_events(engine, event.job_id):
                    assert ended.setdefault(event.job_id, end) == end, "an end never changes"
    while len(ended) < len(events):
        await make_due(engine)
        await let_leases_run_out(engine)
        await tasks.expire()
        await claim()
        for one in held:
            await tasks.finish(one, a_result(one))
        for event in events:
            for end in await completed_events(engine, event.job_id):
                assert ended.setdefault(event.job_id, end) == end
    for event in events:
        statuses = [(await task_row(engine, event.job_id, n)).status for n in range(1, event.options.variants + 1)]
        assert set(statuses) <= {"done", "failed", "cancelled"}

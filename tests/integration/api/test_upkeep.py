"""What got lost on its way is sent again, at growing ages and only while it is needed; what nobody needs goes."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Table, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from schemas.events import ControlAction, Event, JobControl, JobRequested, SolveOptions
from schemas.events.cloudevents import decode
from schemas.problem.read import ProblemFormat
from schemas.tables import (
    idempotency_keys,
    job_controls,
    job_states,
    jobs,
    organizations,
    outbox,
    solve_jobs,
    users,
)
from services.api.reading import ReadProblem
from services.api.store.jobs import Jobs, Wanted
from services.api.upkeep import Upkeep
from services.runtime.tokens import Principal
from tests.conftest import FreshDatabase

ORGANIZATION = uuid.uuid4()
CALLER = Principal(uuid.uuid4(), ORGANIZATION, "planner", "planner@one.example")
AFTER_S = 30.0
WRITTEN: tuple[type[Event], ...] = (JobRequested, JobControl)
STOP, CANCEL = ControlAction.STOP, ControlAction.CANCEL


class World:
    """A database with api's own way of writing to it, in which time is made to pass and solvers to act."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.jobs = Jobs(engine, lambda: None)
        self.upkeep = Upkeep(
            engine, lambda: None, republish_after=timedelta(seconds=AFTER_S), keep_keys=timedelta(hours=24)
        )

    async def a_job(self) -> uuid.UUID:
        """A job whose request the broker has acknowledged, and lost."""
        problem = ReadProblem("p", ProblemFormat.CTT, "0" * 64, 1, {}, b"x")
        wanted = Wanted(problem, SolveOptions(), 0, "a correlation", None, "0" * 64)
        job_id = (await self.jobs.request(CALLER, wanted)).job_id
        await self.lose()
        return job_id

    async def asked(self, job_id: uuid.UUID, *actions: ControlAction) -> list[Event]:
        """The controls, asked over the api and then lost by the broker; returns their events as first written."""
        for action in actions:
            await self.jobs.control(CALLER, job_id, action, f"correlation of {action}")
        return await self.lose()

    async def lose(self) -> list[Event]:
        """Publish what waits, to nobody."""
        waiting = await self.waiting()
        await self.execute(delete(outbox))
        return waiting

    async def waiting(self) -> list[Event]:
        async with self.engine.connect() as connection:
            rows = (await connection.execute(select(outbox).order_by(outbox.c.id))).all()
        found: list[Event] = []
        for row in rows:
            headers = [(name, value.encode()) for name, value in row.headers.items()]
            found.append(decode(row.value, headers, WRITTEN))
        return found

    async def is_old(self, table: Table, seconds: float) -> None:
        """Everything in the table was written that long ago."""
        then = func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, seconds)
        await self.execute(update(table).values(created_at=then))

    async def taken_in(self, job_id: uuid.UUID, **row: Any) -> None:
        """As the solver's intake does."""
        values = {
            "organization_id": ORGANIZATION,
            "options": {},
            "problem_sha256": "0" * 64,
            "correlation_id": "x",
            "requested_at": func.now(),
        }
        await self.execute(insert(solve_jobs).values(job_id=job_id, **values, **row))

    async def stands(self, job_id: uuid.UUID, status: str) -> None:
        """As the persister writes it."""
        state = {"job_id": str(job_id), "organization_id": str(ORGANIZATION), "status": status}
        state["updated_at"] = "2026-01-01T00:00:00Z"
        await self.execute(
            insert(job_states).values(
                job_id=job_id,
                organization_id=ORGANIZATION,
                status=status,
                state=state,
                version=1,
                updated_at=func.now(),
            )
        )

    async def execute(self, statement: Any) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(statement)

    async def controls(self) -> set[uuid.UUID]:
        async with self.engine.connect() as connection:
            return set(await connection.scalars(select(job_controls.c.job_id)))


@pytest.fixture
async def world(fresh_database: FreshDatabase) -> AsyncIterator[World]:
    engine = create_async_engine(fresh_database())
    made = World(engine)
    await made.execute(insert(organizations).values(id=ORGANIZATION, name="One"))
    await made.execute(
        insert(users).values(
            id=CALLER.user_id, organization_id=ORGANIZATION, email=CALLER.email, password_hash="x", role=CALLER.role
        )
    )
    yield made
    await engine.dispose()


async def test_a_lost_control_is_sent_again_as_the_same_event_at_growing_ages(world: World) -> None:
    job_id = await world.a_job()
    await world.taken_in(job_id)
    [first] = await world.asked(job_id, STOP)
    assert await world.upkeep.republish_controls(None) == 0, "it is too young to be lost"
    sent = []
    for age_s in range(5, 500, 10):
        await world.is_old(job_controls, age_s)
        if await world.upkeep.republish_controls(10.0):
            sent.append(age_s)
            [again] = await world.lose()
            # It occurred when it was asked; here the test has moved that.
            assert again.model_copy(update={"occurred_at": first.occurred_at}) == first
            assert again.occurred_at < first.occurred_at
    assert sent == [35, 65, 125, 245, 485]


async def test_after_a_long_outage_nothing_waits_for_twice_its_age(world: World) -> None:
    await world.a_job()
    day_s, sent = 24 * 3600.0, 0
    for number in range(1, 17):  # 32 minutes, in passes of two
        await world.is_old(jobs, day_s + 15 + number * 120)
        sent += await world.upkeep.republish_unclaimed(120.0)
        await world.lose()
    assert sent == 1


async def test_a_replica_that_just_started_sends_all_that_is_old_enough(world: World) -> None:
    job_id = await world.a_job()
    await world.asked(job_id, STOP)
    await world.is_old(jobs, 50)
    await world.is_old(job_controls, 50)
    assert await world.upkeep.republish_unclaimed(None) == 1
    assert await world.upkeep.republish_controls(None) == 1
    assert [type(event) for event in await world.waiting()] == [JobRequested, JobControl], "the request goes first"
    assert await world.upkeep.republish_unclaimed(None) + await world.upkeep.republish_controls(None) == 0


@pytest.mark.parametrize(
    ("asked", "solver", "state", "sent"),
    [
        ([STOP], None, None, [STOP]),
        ([STOP], {}, "running", [STOP]),
        ([STOP], {"control": "stop"}, "running", []),
        ([STOP], {"outcome": "completed"}, "running", []),
        ([STOP], None, "completed", []),
        ([CANCEL], None, "cancelled", []),
        # Whoever reads the state sees a cancelled job, but a solver missed it and goes on.
        ([CANCEL], {}, "cancelled", [CANCEL]),
        ([CANCEL], {"outcome": "cancelled", "control": "cancel"}, "cancelled", []),
        ([STOP, CANCEL], {"control": "stop"}, "running", [CANCEL]),
        ([STOP, CANCEL], {}, "running", [CANCEL]),
        ([STOP, CANCEL], {"outcome": "cancelled", "control": "cancel"}, None, []),
    ],
)
async def test_a_control_is_sent_again_exactly_while_a_solver_lacks_it(
    world: World,
    asked: list[ControlAction],
    solver: dict[str, str] | None,
    state: str | None,
    sent: list[ControlAction],
) -> None:
    job_id = await world.a_job()
    await world.asked(job_id, *asked)
    await world.is_old(job_controls, 40)
    if solver is not None:
        await world.taken_in(job_id, **solver)
    if state is not None:
        await world.stands(job_id, state)
    assert await world.upkeep.republish_controls(None) == len(sent)
    assert [event.action for event in await world.waiting() if isinstance(event, JobControl)] == sent


@pytest.mark.parametrize(("state", "sent"), [(None, 1), ("queued", 1), ("running", 1), ("completed", 0)])
async def test_a_job_that_solvers_do_not_know_is_sent_again_whatever_has_been_seen_of_it(
    world: World, state: str | None, sent: int
) -> None:
    """A running one is what a restore of the solvers' tables from an older backup leaves behind."""
    lost, known = await world.a_job(), await world.a_job()
    await world.taken_in(known)
    for job_id in (lost, known):
        if state is not None:
            await world.stands(job_id, state)
    await world.is_old(jobs, 40)
    assert await world.upkeep.republish_unclaimed(None) == sent
    assert [event.job_id for event in await world.waiting()] == [lost] * sent


async def test_a_repeated_control_is_the_first_one_again(world: World) -> None:
    job_id = await world.a_job()
    [first] = await world.asked(job_id, STOP)
    await world.jobs.control(CALLER, job_id, STOP, "another correlation")
    assert await world.lose() == [first]
    job = await world.jobs.get(ORGANIZATION, job_id)
    assert job is not None
    assert job.control is STOP, "it is told before anybody has heard of it"
    await world.jobs.control(CALLER, job_id, CANCEL, "x")
    job = await world.jobs.get(ORGANIZATION, job_id)
    assert job is not None
    assert job.control is CANCEL


async def test_controls_of_ended_jobs_and_old_keys_are_forgotten_and_no_others(world: World) -> None:
    queued, running, ended, cancelled, missed, long_ago = [await world.a_job() for _ in range(6)]
    for job_id in (queued, running, ended, cancelled, missed, long_ago):
        await world.asked(job_id, CANCEL)
    await world.taken_in(running)
    await world.stands(running, "running")
    await world.taken_in(ended, outcome="cancelled")
    await world.stands(ended, "cancelled")
    await world.stands(cancelled, "cancelled")  # before any solver knew it: its request may still be on the topic
    await world.taken_in(missed)
    await world.stands(missed, "cancelled")
    await world.stands(long_ago, "cancelled")
    fortnight = job_controls.c.created_at - func.make_interval(0, 0, 0, 15)
    await world.execute(update(job_controls).where(job_controls.c.job_id == long_ago).values(created_at=fortnight))
    await world.execute(update(job_controls).where(job_controls.c.job_id == queued).values(created_at=fortnight))
    for key, age_h in (("old", 25), ("new", 23)):
        await world.execute(
            insert(idempotency_keys).values(
                organization_id=ORGANIZATION,
                key=key,
                request_sha256="0" * 64,
                job_id=queued,
                created_at=func.now() - func.make_interval(0, 0, 0, 0, age_h),
            )
        )
    await world.upkeep.forget_once()
    assert await world.controls() == {queued, running, cancelled, missed}
    async with world.engine.connect() as connection:
        assert list(await connection.scalars(select(idempotency_keys.c.key))) == ["new"]
    await world.execute(delete(jobs).where(jobs.c.id == running))
    await world.upkeep.forget_once()
    assert running not in await world.controls(), "its job is gone"

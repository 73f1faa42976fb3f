"""How rows are removed: beside others that use them, in steps, one sweeper at a time."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import and_, delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.events.job import SolveOptions
from schemas.problem.read import ProblemFormat
from schemas.tables import jobs, problems
from services.api.reading import ReadProblem
from services.api.store.jobs import Jobs, UnknownProblemError, Wanted
from services.api.store.problems import add_problem, reference
from services.runtime.retention import Rule, sweep
from services.runtime.tokens import Principal
from tests.integration.retention.building import a_problem, an_organization, ids, job_of, rules_of

GATE = 727_001  # an advisory lock of these tests' own


def problem_rule() -> Rule:
    return next(rule for rule in rules_of("api") if rule.table is problems)


def a_planner(organization: UUID) -> Principal:
    return Principal(uuid.uuid4(), organization, "planner", "planner@one.example")


def wanted(problem: UUID) -> Wanted:
    return Wanted(problem, SolveOptions(), 0, "correlation", None, "0" * 64)


async def until_somebody_waits(engine: AsyncEngine) -> None:
    """Until a connection to this database waits for a lock."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(30), engine.connect() as connection:
        while not await connection.scalar(waiting):
            await connection.rollback()
            await asyncio.sleep(0.02)


async def test_a_problem_that_is_being_asked_for_is_passed_over(engine: AsyncEngine) -> None:
    organization = await an_organization(engine)
    problem = await a_problem(engine, organization)
    async with engine.begin() as connection:
        assert await reference(connection, organization, problem) is not None
        assert (await sweep(engine, "api", [problem_rule()])).removed == {"problems": 0}
        await job_of(connection, organization, problem)
    assert (await sweep(engine, "api", [problem_rule()])).removed == {"problems": 0}


async def test_a_problem_that_was_asked_for_between_choosing_and_locking_stays(engine: AsyncEngine) -> None:
    """The sweep has decided by what it saw before the job was committed; under the row's lock it must look again."""
    organization = await an_organization(engine)
    problem = await a_problem(engine, organization)
    rule = problem_rule()
    # Holds the choosing statement up after it has taken its snapshot.
    gate = select(func.pg_advisory_xact_lock_shared(GATE)).scalar_subquery().is_not(None)
    gated = replace(rule, condition=lambda left: and_(rule.condition(left), gate))
    async with engine.connect() as guard:
        await guard.execute(select(func.pg_advisory_lock(GATE)))
        sweeping = asyncio.create_task(sweep(engine, "api", [gated]))
        await until_somebody_waits(engine)
        accepted = await Jobs(engine, lambda: None).request(a_planner(organization), wanted(problem))
        await guard.execute(select(func.pg_advisory_unlock(GATE)))
        assert (await sweeping).removed == {"problems": 0}
    assert await ids(engine, problems, "id") == {problem}
    assert await ids(engine, jobs, "id") == {accepted.job_id}


async def test_asking_for_a_problem_that_is_just_going_is_refused_and_leaves_no_job(engine: AsyncEngine) -> None:
    organization = await an_organization(engine)
    problem = await a_problem(engine, organization)
    async with engine.begin() as cleaner:
        await cleaner.execute(delete(problems).where(problems.c.id == problem))
        asking = asyncio.create_task(Jobs(engine, lambda: None).request(a_planner(organization), wanted(problem)))
        await until_somebody_waits(engine)
    with pytest.raises(UnknownProblemError):
        await asking
    assert await ids(engine, jobs, "id") == set()


async def test_a_known_problem_sent_with_a_request_is_kept_until_its_job_is_written(engine: AsyncEngine) -> None:
    organization = await an_organization(engine)
    problem = await a_problem(engine, organization)
    read = ReadProblem("problem", ProblemFormat.NATIVE, problem.hex * 2, 0, {}, b"")
    async with engine.begin() as connection:
        known, new = await add_problem(connection, a_planner(organization), read, None)
        assert (known.id, new) == (problem, False)
        assert (await sweep(engine, "api", [problem_rule()])).removed == {"problems": 0}
        assert await reference(connection, organization, problem) is not None


async def test_many_rows_go_in_batches_and_sweepers_share_nothing(engine: AsyncEngine) -> None:
    organization = await an_organization(engine)
    for _ in range(20):
        await a_problem(engine, organization)
    rules = [replace(problem_rule(), batch=3)]
    swept = await asyncio.gather(*(sweep(engine, "api", rules) for _ in range(4)))
    assert sum(one.removed["problems"] for one in swept) == 20
    assert any(one.complete for one in swept)
    assert await ids(engine, problems, "id") == set()


async def test_of_one_name_one_sweeper_works_at_a_time(engine: AsyncEngine) -> None:
    await a_problem(engine, await an_organization(engine))
    async with engine.begin() as other:
        await other.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('cleanup/api', 0))"))
        swept = await sweep(engine, "api", [problem_rule()])
        assert (swept.complete, swept.removed) == (False, {"problems": 0})
    assert (await sweep(engine, "api", [problem_rule()])).removed == {"problems": 1}


async def test_a_sweep_ends_soon_after_it_is_told_to_stop(engine: AsyncEngine) -> None:
    await a_problem(engine, await an_organization(engine))
    stop = asyncio.Event()
    stop.set()
    assert not (await sweep(engine, "api", [problem_rule()], stop)).complete
    assert len(await ids(engine, problems, "id")) == 1

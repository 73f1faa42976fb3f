"""Solver replicas that are killed, frozen, asked to leave or too slow: no job is lost, none ends twice."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from time import monotonic

import psutil
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from deploy.local.addresses import Addresses
from deploy.local.stack import LocalStack
from schemas.events import ControlAction, Outcome
from tests.integration.solver.building import a_long_search, attempt_ends, let_leases_run_out, task_row
from tests.integration.solver.replicas import Solvers, a_world, accepted_by_the_referee, eventually
from tests.stack import Databases

pytestmark = pytest.mark.faults

log = logging.getLogger(__name__)


@pytest.fixture(scope="module")
def servers() -> Iterator[LocalStack]:
    with a_world() as stack:
        yield stack


@pytest.fixture
def world(servers: LocalStack) -> Addresses:
    """The servers with a database of this test alone: every replica claims whatever is there."""
    addresses = servers.addresses
    return replace(addresses, database_url=Databases(addresses.database_url).fresh())


@pytest.fixture
async def engine(world: Addresses) -> AsyncIterator[AsyncEngine]:
    made = create_async_engine(world.database_url, pool_pre_ping=True)
    yield made
    await made.dispose()


@pytest.fixture
def solvers(world: Addresses, engine: AsyncEngine, tmp_path: Path) -> Iterator[Solvers]:
    with ExitStack() as exits:
        yield Solvers(world, engine, tmp_path, exits)


async def test_another_replica_takes_over_from_a_killed_one_and_no_child_outlives_it(solvers: Solvers) -> None:
    doomed = solvers.start("doomed")
    event = await solvers.request()
    saved = await solvers.checkpointed(event.job_id)
    heir = solvers.start("heir")
    children = doomed.children()
    doomed.signal("SIGKILL")
    await let_leases_run_out(solvers.engine)

    async def taken_over() -> bool:
        row = await task_row(solvers.engine, event.job_id)
        return bool(row.status == "running" and row.attempt == 2)

    await eventually("the take-over", taken_over)
    assert not psutil.wait_procs(children, timeout=30)[1]
    resumed = await solvers.checkpointed(event.job_id, attempt=2)
    await solvers.jobs.control(event.job_id, event.organization_id, ControlAction.STOP)
    end = await solvers.end(event.job_id)
    assert resumed.checkpoint_score["total"] <= saved.checkpoint_score["total"]
    assert end.token > saved.token
    assert "job_ended" in heir.log()
    assert await attempt_ends(solvers.engine, event.job_id) == ["lease_expired", "stopped"]


async def test_a_replica_that_is_asked_to_leave_hands_its_search_over(solvers: Solvers) -> None:
    """The bar is ten seconds: it is logged here, and the end of the process's patience (20 s) is the only limit."""
    leaving = solvers.start("leaving", SOLVER_CHECKPOINT_S="60")
    event = await solvers.request()

    async def searching() -> bool:
        return any("horarium_solver_first_progress_seconds_count 1" in line for line in leaving.metrics().splitlines())

    await eventually("the search", searching)
    asked_at = monotonic()
    assert leaving.stop() == 0
    log.info("left %.1f s after it was asked to", monotonic() - asked_at)

    row = await task_row(solvers.engine, event.job_id)
    assert (row.status, row.lease_until) == ("queued", None)
    assert row.checkpoint_zstd is not None, "what was found is not lost"
    assert await attempt_ends(solvers.engine, event.job_id) == ["released"]
    await solvers.jobs.control(event.job_id, event.organization_id, ControlAction.CANCEL)


async def test_a_job_over_its_hard_limit_ends_timed_out_with_its_best(solvers: Solvers) -> None:
    # The limit counts from the claim: the child's start comes out of it.
    solvers.start(SOLVER_HARD_LIMIT_S="30")
    event = await solvers.request()
    end = await solvers.end(event.job_id)
    assert end.outcome is Outcome.TIMED_OUT
    assert accepted_by_the_referee(end, a_long_search())
    assert await attempt_ends(solvers.engine, event.job_id) == ["timed_out"]


async def test_a_job_that_is_taken_over_after_its_hard_limit_ends_timed_out_with_its_checkpoint(
    solvers: Solvers,
) -> None:
    first = solvers.start("first")
    event = await solvers.request()
    await solvers.checkpointed(event.job_id)
    assert first.stop() == 0
    left = await task_row(solvers.engine, event.job_id)
    solvers.start("second", SOLVER_HARD_LIMIT_S="1")
    end = await solvers.end(event.job_id)
    assert end.outcome is Outcome.TIMED_OUT
    assert accepted_by_the_referee(end, a_long_search())
    assert end.variants[0].score.total == left.checkpoint_score["total"], "nobody searched on"
    assert await attempt_ends(solvers.engine, event.job_id) == ["released", "timed_out"]


async def test_a_database_that_is_away_longer_than_a_lease_costs_no_search(
    solvers: Solvers, servers: LocalStack
) -> None:
    service = solvers.start(SOLVER_LEASE_S="8")  # it has to run out
    event = await solvers.request()
    saved = await solvers.checkpointed(event.job_id)
    assert servers.postgres is not None
    await asyncio.to_thread(servers.postgres.stop)

    async def lease_has_run_out() -> bool:
        return '"lease_surely_ours": false' in service.log()

    await eventually("the lease to run out", lease_has_run_out)
    assert service.children(), "the search goes on"
    await asyncio.to_thread(servers.postgres.start)

    async def saved_again() -> bool:
        row = await task_row(solvers.engine, event.job_id)
        return bool(row.checkpoint_at > saved.checkpoint_at)

    await eventually("the next checkpoint", saved_again)
    await solvers.jobs.control(event.job_id, event.organization_id, ControlAction.STOP)
    end = await solvers.end(event.job_id)
    assert (end.attempt, end.token) == (1, saved.token)
    assert await attempt_ends(solvers.engine, event.job_id) == ["stopped"]


async def test_a_frozen_replica_that_thaws_after_its_lease_changes_nothing(solvers: Solvers) -> None:
    frozen = solvers.start("frozen", SOLVER_LEASE_S="8")  # it has to run out
    event = await solvers.request()
    await solvers.checkpointed(event.job_id)
    frozen.signal("SIGSTOP")
    solvers.start("heir")
    await solvers.checkpointed(event.job_id, attempt=2)
    frozen.signal("SIGCONT")

    async def gave_up() -> bool:
        return "lease_lost" in frozen.log()

    await eventually("the frozen one to notice", gave_up)
    await solvers.jobs.control(event.job_id, event.organization_id, ControlAction.STOP)
    end = await solvers.end(event.job_id)
    assert end.attempt == 2
    assert await attempt_ends(solvers.engine, event.job_id) == ["lease_expired", "stopped"]

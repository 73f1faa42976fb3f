"""What goes and what stays: each rule at its boundaries, on a real PostgreSQL."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.tables import (
    job_states,
    jobs,
    outbox,
    problems,
    solve_attempts,
    solve_jobs,
    solve_tasks,
    timetable_variants,
    timetables,
)
from services.api import retention as api
from services.api.store.jobs import Jobs
from services.runtime.retention import preview, sweep
from tests.integration.retention.building import (
    KEPT,
    OLD,
    YOUNG,
    a_job,
    a_problem,
    an_event,
    an_organization,
    counts,
    ids,
    rules_of,
)

SERVICES = ("api", "solver", "persister")


async def clean_up(engine: AsyncEngine) -> Mapping[str, int]:
    """Every service once; and a dry run before told exactly what they would remove, and touched nothing."""
    before = await counts(engine)
    told = await preview(engine, [rule for service in SERVICES for rule in rules_of(service)])
    assert await counts(engine) == before
    removed: dict[str, int] = {}
    for service in SERVICES:
        swept = await sweep(engine, service, rules_of(service))
        assert swept.complete
        removed |= swept.removed
    assert {found.what: found.rows for found in told} == removed
    after = await counts(engine)
    assert {table: before[table] - after[table] for table in removed} == removed
    return removed


async def test_an_old_ended_job_goes_with_all_that_is_stored_of_it(engine: AsyncEngine) -> None:
    organization = await an_organization(engine)
    old = [
        await a_job(engine, organization),
        await a_job(engine, organization, status="failed", outcome="failed"),
        await a_job(engine, organization, status="cancelled", solver=False),
        await a_job(engine, organization, source="event"),
    ]
    young = await a_job(engine, organization, days=YOUNG)
    removed = await clean_up(engine)
    assert removed == {
        **{"outbox": 0, "jobs": 4, "problems": 0},
        **{"solve_jobs": 3, "solve_attempts": 3},
        **{"timetables": 2, "job_states": 4},
    }
    assert await ids(engine, jobs, "id") == {young}
    for table in (solve_jobs, solve_tasks, solve_attempts, timetables, timetable_variants, job_states):
        assert await ids(engine, table, "job_id") == {young}, table.name
    reader = Jobs(engine, lambda: None)
    assert await reader.get(organization, old[0]) is None
    assert await reader.get(organization, young) is not None
    assert set((await clean_up(engine)).values()) == {0}


async def test_a_job_stays_while_it_may_not_have_ended(engine: AsyncEngine) -> None:
    organization, stranger = await an_organization(engine), await an_organization(engine)
    kept = {
        await a_job(engine, organization, status="running", outcome=None, published=False),
        await a_job(engine, organization, status="queued", solver=False),
        # The persister has not heard of it; the solver's word alone is not enough.
        await a_job(engine, organization, status=None),
        # Somebody else's event about this id says nothing.
        await a_job(engine, organization, state_of=stranger),
        # Cancelled for its readers, but a solver missed that, or its end waits for the broker.
        await a_job(engine, organization, status="cancelled", outcome=None, published=False),
        await a_job(engine, organization, published=False),
    }
    waiting = await a_job(engine, organization)
    await an_event(engine, waiting, days=OLD, refused=0)
    removed = await clean_up(engine)
    assert removed["jobs"] == removed["job_states"] == removed["solve_jobs"] == 0
    assert await ids(engine, jobs, "id") == {*kept, waiting}


async def test_what_leads_to_a_job_stays_as_long_as_it_is_listed(engine: AsyncEngine) -> None:
    """A listed job without its state, or without the solver's row, would be taken for a lost one and sent again."""
    organization = await an_organization(engine)
    job = await a_job(engine, organization)
    for service in ("solver", "persister"):
        swept = await sweep(engine, service, rules_of(service))
        assert set(swept.removed.values()) == {0}
    assert await ids(engine, job_states, "job_id") == await ids(engine, solve_jobs, "job_id") == {job}
    # Whatever order the services sweep in, it ends the same.
    await sweep(engine, "api", rules_of("api"))
    await sweep(engine, "persister", rules_of("persister"))
    await sweep(engine, "solver", rules_of("solver"))
    assert set((await counts(engine)).values()) == {0}


async def test_a_problem_stays_while_a_kept_job_of_its_organisation_refers_to_it(engine: AsyncEngine) -> None:
    one, two = await an_organization(engine), await an_organization(engine)
    kept, gone = set[UUID](), set[UUID]()

    shared = await a_problem(engine, one)
    await a_job(engine, one, shared)
    await a_job(engine, one, shared, days=YOUNG)
    queued = await a_problem(engine, one)
    await a_job(engine, one, queued, status=None, solver=False)
    unlisted = await a_problem(engine, one)  # an outside producer's, which only the solver knows yet
    await a_job(engine, one, unlisted, status=None, outcome=None, published=False, listed=False)
    kept |= {shared, queued, unlisted, await a_problem(engine, one, days=YOUNG)}

    finished = await a_problem(engine, one)
    await a_job(engine, one, finished)
    named_by_stranger = await a_problem(engine, one)
    await a_job(engine, two, named_by_stranger, days=YOUNG)
    await a_job(engine, two, named_by_stranger, status=None, outcome=None, published=False, listed=False)
    gone |= {finished, named_by_stranger, await a_problem(engine, one)}

    removed = await clean_up(engine)
    assert removed["problems"] == len(gone)
    assert await ids(engine, problems, "id") == kept


async def test_a_refused_event_goes_only_when_its_job_needs_none(engine: AsyncEngine) -> None:
    organization = await an_organization(engine)
    ended = await a_job(engine, organization, days=20)
    running = await a_job(engine, organization, days=20, status="running", outcome=None, published=False)
    unheard = await a_job(engine, organization, days=20, status=None, solver=False)
    untouched = await a_job(engine, organization, days=20)
    for job in (ended, uuid.uuid4()):
        await an_event(engine, job, days=15)
        await an_event(engine, job, days=15, refused=0)  # waits behind the refused one
    kept = {
        await an_event(engine, ended, days=13),
        await an_event(engine, running, days=15),
        await an_event(engine, unheard, days=15),
        await an_event(engine, untouched, days=15, refused=0),
    }
    assert (await clean_up(engine))["outbox"] == 4
    assert await ids(engine, outbox, "event_id") == kept


async def test_an_old_job_goes_in_the_run_that_removes_its_dead_event(engine: AsyncEngine) -> None:
    job = await a_job(engine, await an_organization(engine))
    await an_event(engine, job, days=OLD)
    removed = await clean_up(engine)
    assert (removed["outbox"], removed["jobs"], removed["job_states"]) == (1, 1, 1)


async def test_zero_keeps_for_ever(engine: AsyncEngine) -> None:
    organization = await an_organization(engine)
    await a_job(engine, organization, await a_problem(engine, organization))
    unused = await a_problem(engine, organization)
    assert api.rules(job_retention=None, problem_retention=None, outbox_dead_after=None) == []
    jobs_kept = api.rules(job_retention=None, problem_retention=KEPT, outbox_dead_after=timedelta(days=14))
    assert (await sweep(engine, "api", jobs_kept)).removed == {"outbox": 0, "problems": 1}
    assert unused not in await ids(engine, problems, "id")


async def test_a_dry_run_tells_sizes_and_ages(engine: AsyncEngine) -> None:
    organization = await an_organization(engine)
    await a_job(engine, organization, await a_problem(engine, organization, days=200))
    await a_problem(engine, organization, days=100)
    found = {one.what: one for one in await preview(engine, rules_of("api") + rules_of("persister"))}
    size, oldest, newest = found["problems"].stored_bytes, found["problems"].oldest, found["problems"].newest
    assert size is not None
    assert 2 * 1000 <= size <= 2 * 1100
    assert oldest is not None
    assert newest is not None
    assert 99 < (newest - oldest).total_seconds() / 86400 < 101
    size = found["timetables"].stored_bytes
    assert size is not None
    assert 2000 <= size <= 2100

"""Rows of any age: jobs with all that is stored of them, problems, events in the outbox; and what is left of them."""

from __future__ import annotations

import os
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Table, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schemas.fold import JobState, JobStatus
from schemas.tables import (
    job_states,
    jobs,
    organizations,
    outbox,
    problems,
    solve_attempts,
    solve_jobs,
    solve_tasks,
    timetable_variants,
    timetables,
)
from services.api import retention as api
from services.persister import retention as persister
from services.runtime.retention import Rule
from services.solver import retention as solver

KEPT = timedelta(days=90)
OLD, YOUNG = 91.0, 89.0  # days
TABLES = (outbox, jobs, problems, solve_jobs, solve_tasks, solve_attempts, timetables, timetable_variants, job_states)


def rules_of(service: str) -> list[Rule]:
    """The rules as the defaults set them."""
    if service == "api":
        return api.rules(job_retention=KEPT, problem_retention=KEPT, outbox_dead_after=timedelta(days=14))
    return solver.rules(job_retention=KEPT) if service == "solver" else persister.rules(job_retention=KEPT)


def ago(days: float) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


async def an_organization(engine: AsyncEngine) -> UUID:
    made = uuid.uuid4()
    await _write(engine, organizations, id=made, name=str(made))
    return made


async def a_problem(engine: AsyncEngine, organization: UUID, *, days: float = OLD) -> UUID:
    made = uuid.uuid4()
    await _write(
        engine,
        problems,
        id=made,
        organization_id=organization,
        name="problem",
        format="native",
        sha256=made.hex * 2,
        content_zstd=os.urandom(1000),
        size_bytes=1000,
        summary={},
        created_at=ago(days),
    )
    return made


async def a_job(
    engine: AsyncEngine,
    organization: UUID,
    problem: UUID | None = None,
    *,
    status: str | None = "completed",
    days: float = OLD,
    state_of: UUID | None = None,
    solver: bool = True,
    outcome: str | None = "completed",
    published: bool = True,
    listed: bool = True,
    source: str = "api",
) -> UUID:
    """A job, by default one that ended `days` ago. `status` None: the persister has not heard of it."""
    job = uuid.uuid4()
    ended = ago(days)
    if listed:
        await _write(engine, jobs, **_job_row(job, organization, problem, source, ago(days + 1)))
    if solver:
        await _write(
            engine,
            solve_jobs,
            job_id=job,
            organization_id=organization,
            options={},
            problem_id=problem,
            problem_sha256="0" * 64,
            correlation_id="c",
            requested_at=ended,
            outcome=outcome,
            completed_event=os.urandom(5000),
            published_at=ended if published else None,
        )
        await _write(engine, solve_tasks, job_id=job, variant=1, organization_id=organization, priority=0)
        token = uuid.uuid4().int >> 66
        await _write(
            engine, solve_attempts, token=token, job_id=job, variant=1, attempt=1, worker="w", started_at=ended
        )
    if status is not None:
        whose = state_of or organization
        state = JobState(job_id=job, organization_id=whose, status=JobStatus(status), updated_at=ended)
        await _write(
            engine,
            job_states,
            job_id=job,
            organization_id=whose,
            status=status,
            state=state.model_dump(mode="json"),
            version=1,
            updated_at=ended,
        )
    if status in ("completed", "stopped"):
        await _write_result(engine, job, organization, ended)
    return job


async def _write_result(engine: AsyncEngine, job: UUID, organization: UUID, ended: datetime) -> None:
    result = {"job_id": job, "organization_id": organization, "event_id": uuid.uuid4(), "outcome": "completed"}
    await _write(engine, timetables, **result, completed_at=ended, persisted_at=ended)
    await _write(
        engine,
        timetable_variants,
        job_id=job,
        variant=1,
        hard_violations=0,
        total=0,
        score={},
        provenance={},
        optimal=False,
        elapsed_s=1.0,
        violations=[],
        timetable_zstd=os.urandom(2000),
        sha256="0" * 64,
    )


def _job_row(job: UUID, organization: UUID, problem: UUID | None, source: str, created_at: datetime) -> dict[str, Any]:
    return {
        "id": job,
        "organization_id": organization,
        "problem_id": problem,
        "options": {},
        "source": source,
        "correlation_id": "c",
        "created_at": created_at,
    }


async def job_of(connection: AsyncConnection, organization: UUID, problem: UUID) -> UUID:
    """A job that was requested just now, in the caller's transaction."""
    job = uuid.uuid4()
    await connection.execute(insert(jobs).values(_job_row(job, organization, problem, "api", datetime.now(UTC))))
    return job


async def an_event(engine: AsyncEngine, job: UUID, *, days: float, refused: int = 1) -> UUID:
    """An outbox row that the broker refused so often."""
    made = uuid.uuid4()
    row = {"event_id": made, "job_id": job, "topic": "job.control", "key": b"k", "value": b"v", "headers": {}}
    await _write(engine, outbox, **row, attempts=refused, created_at=ago(days))
    return made


async def _write(engine: AsyncEngine, table: Table, **row: Any) -> None:
    async with engine.begin() as connection:
        await connection.execute(insert(table).values(row))


async def ids(engine: AsyncEngine, table: Table, column: str) -> set[UUID]:
    """What is there."""
    async with engine.connect() as connection:
        return set((await connection.scalars(select(table.c[column]))).all())


async def counts(engine: AsyncEngine) -> dict[str, int]:
    """Rows by table."""
    async with engine.connect() as connection:
        return {t.name: int(await connection.scalar(select(func.count()).select_from(t)) or 0) for t in TABLES}

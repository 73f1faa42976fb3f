"""PostgreSQL: the one doorway of the persister.

Owns the queries and the transaction in which an event takes effect. Must not know Kafka. The state is the fold
(`schemas.fold`) of the events, so it agrees with the projection in Redis.

A repeat is harmless: the fold does not change a state twice, and only the event that ends a job stores a result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schemas.events import JobControl, JobRequested, SolveCompleted, SolveProgress
from schemas.fold import JobState, fold
from schemas.tables import job_states, jobs, timetable_variants, timetables
from services.persister.packing import storable

JobEvent = JobRequested | JobControl | SolveProgress | SolveCompleted


@dataclass(frozen=True, slots=True)
class Result:
    """The rows that the end of a job adds; no variants where they are not kept."""

    timetable: dict[str, Any]
    variants: Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of one or more events of a job, taken in order; `changed` tells whether the last one had an effect.

    `foreign`: the job belongs to another organisation. `same_end`: the result of this very event was stored before.
    """

    state: JobState | None
    changed: bool
    foreign: bool = False
    same_end: bool = False
    stored: bool = False
    inserted_job: bool = False


class Repository:
    """Applies events, each call in one transaction."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def apply(self, events: Sequence[JobEvent], result: Result | None = None) -> Applied:
        """Fold the events of one job into its row. `result` is stored if the last event ends the job.

        Raises SQLAlchemy's OperationalError and its like while the database is away; then nothing has happened.
        """
        last = events[-1]
        async with self._engine.begin() as connection:
            inserted = isinstance(last, JobRequested) and await _insert_job(connection, last)
            while True:
                before = await _lock_state(connection, last.job_id)
                # An event that comes before the request must not claim another organisation's job.
                owner = None if before else await _owner(connection, last.job_id)
                after, changed = before, False
                for event in events:
                    changed = False
                    if owner in (None, event.organization_id):
                        folded = fold(after, event)
                        after, changed = folded, folded is not after
                if after is None or after is before or await _write_state(connection, before, after):
                    break
                # Another replica wrote this job's first row between our look and our insert: fold into that one.
            ended = changed and after is not None and after.status.terminal
            stored = ended and result is not None and await _store(connection, result)
            owner = after.organization_id if after else owner
            return Applied(
                after,
                changed=changed,
                foreign=owner != last.organization_id,
                same_end=not changed and await _stored_event(connection, last.job_id) == last.event_id,
                stored=stored,
                inserted_job=inserted,
            )


async def _lock_state(connection: AsyncConnection, job_id: UUID) -> JobState | None:
    query = select(job_states.c.state).where(job_states.c.job_id == job_id).with_for_update()
    found = (await connection.execute(query)).scalar_one_or_none()
    return JobState.model_validate(found) if found is not None else None


async def _owner(connection: AsyncConnection, job_id: UUID) -> UUID | None:
    """Whose job it is, if its request is known: api writes it before anybody hears of the job."""
    query = select(jobs.c.organization_id).where(jobs.c.id == job_id)
    found: UUID | None = (await connection.execute(query)).scalar_one_or_none()
    return found


async def _write_state(connection: AsyncConnection, before: JobState | None, after: JobState) -> bool:
    """False if there was no row and now there is one."""
    row = {
        "organization_id": after.organization_id,
        "status": after.status.value,
        "state": storable(after.model_dump(mode="json")),
        "version": after.version,
        "updated_at": after.updated_at,
    }
    if before is not None:
        await connection.execute(update(job_states).where(job_states.c.job_id == after.job_id).values(row))
        return True
    statement = insert_or(job_states).values(job_id=after.job_id, **row).on_conflict_do_nothing()
    return (await connection.execute(statement.returning(job_states.c.job_id))).first() is not None


async def _insert_job(connection: AsyncConnection, event: JobRequested) -> bool:
    """A job that an outside producer asked for is not in `jobs` yet; one that api accepted is."""
    reference = event.problem_ref
    statement = (
        insert_or(jobs)
        .values(
            id=event.job_id,
            organization_id=event.organization_id,
            problem_id=reference.problem_id if reference else None,
            problem_sha256=reference.sha256 if reference else None,
            options=event.options.model_dump(mode="json"),
            priority=event.priority,
            source="event",
            requested_by=storable(event.requested_by),
            correlation_id=storable(event.correlation_id),
        )
        .on_conflict_do_nothing(index_elements=[jobs.c.id])
    )
    return (await connection.execute(statement.returning(jobs.c.id))).first() is not None


async def _store(connection: AsyncConnection, result: Result) -> bool:
    """False if the job has a result already, although its state said otherwise: what was stored first stays."""
    statement = insert_or(timetables).values(result.timetable).on_conflict_do_nothing()
    if (await connection.execute(statement.returning(timetables.c.job_id))).first() is None:
        return False
    for variant in result.variants:
        # One by one: together they could be larger than one statement may be.
        await connection.execute(insert(timetable_variants).values(variant))
    return True


async def _stored_event(connection: AsyncConnection, job_id: UUID) -> UUID | None:
    query = select(timetables.c.event_id).where(timetables.c.job_id == job_id)
    found: UUID | None = (await connection.execute(query)).scalar_one_or_none()
    return found

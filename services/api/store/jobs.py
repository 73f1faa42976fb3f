"""Jobs: requested, listed, read, controlled.

Owns the transactions that accept a job (the job, its event in the outbox and its idempotency key) and a control (what
was asked, and its event in the outbox): written together or not at all. Must not know HTTP, nor when and how the
outbox is published.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4, uuid5

from sqlalchemy import Row, Select, bindparam, func, or_, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schemas.events.job import ControlAction, JobControl, JobRequested, ProblemReference, SolveOptions
from schemas.fold import JobState, JobStatus
from schemas.tables import (
    idempotency_keys,
    job_controls,
    job_states,
    jobs,
    timetable_variants,
    timetables,
)
from services.api.cursors import Position
from services.api.reading import ReadProblem
from services.api.store.accepting import JOB_COLUMNS, accept_at_once
from services.api.store.limits import Allowance, admit
from services.api.store.outbox import PUT, put, row_of
from services.api.store.problems import add_problem, reference
from services.runtime.faults import fault_point
from services.runtime.message_spans import creating
from services.runtime.tokens import Principal

# Names for event ids that are a function of the job: the same event written twice is one event.
_EVENT_IDS = UUID("b7f2f7f0-6a0e-4d0e-9a55-0c8a4c1d7a11")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A job as asked for; `problem` is a stored problem's id, a problem to be stored with the job, or None: the problem
    of the job that the options name as base.
    """

    problem: UUID | ReadProblem | None
    options: SolveOptions
    priority: int
    correlation_id: str
    idempotency_key: str | None
    request_sha256: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """A job; `allowance` is what is left to the organisation after it.

    None for a replay: the same request had been accepted before, this is that job, and it does not count again.
    """

    job_id: UUID
    allowance: Allowance | None

    @property
    def replayed(self) -> bool:
        return self.allowance is None


@dataclass(frozen=True, slots=True)
class Job:
    """A job with what is known of it. `state` is None until the persister has seen it: then it is queued."""

    row: Row[Any]
    state: JobState | None

    @property
    def status(self) -> JobStatus:
        return self.state.status if self.state is not None else JobStatus.QUEUED

    @property
    def control(self) -> ControlAction | None:
        """What was asked of the job: told from the moment it was asked, whatever the broker does."""
        told = self.state.control if self.state is not None else None
        if self.status.terminal or self.row.asked is None:
            return told
        return ControlAction(self.row.asked)

    @property
    def position(self) -> Position:
        return Position(self.row.created_at, self.row.id)


class UnknownProblemError(Exception):
    """The organisation has no such problem."""


class UnknownBaseError(Exception):
    """The organisation has no such finished timetable, or (`problem`) its problem is not kept by itself."""

    def __init__(self, *, problem: bool = False) -> None:
        super().__init__()
        self.problem = problem


class IdempotencyKeyReusedError(Exception):
    """The key belongs to a request with another body."""


class Jobs:
    """Writes jobs of one organisation at a time; calls `on_written` after each commit that fills the outbox."""

    def __init__(self, engine: AsyncEngine, on_written: Callable[[], None]) -> None:
        self._engine = engine
        self._on_written = on_written

    async def request(self, caller: Principal, wanted: Wanted) -> Accepted:
        """Accept a job. Raises UnknownProblemError, UnknownBaseError, IdempotencyKeyReusedError or LimitReachedError;
        then nothing is written.
        """
        job_id = uuid4()
        allowance = await self._at_once(caller, wanted, job_id)
        if allowance is None:
            async with self._engine.begin() as connection:
                accepted = await _step_by_step(connection, caller, wanted, job_id)
            if accepted.replayed:
                return accepted
            allowance = accepted.allowance
        fault_point("api.committed")
        self._on_written()
        return Accepted(job_id, allowance)

    async def _at_once(self, caller: Principal, wanted: Wanted, job_id: UUID) -> Allowance | None:
        """What is left if the job was accepted; None if that takes more steps, or cannot be."""
        if not isinstance(wanted.problem, UUID) or wanted.options.base_job_id is not None:
            return None
        async with self._engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            found = await reference(connection, caller.organization_id, wanted.problem)
            if found is None:
                return None
            event = _requested(
                caller, wanted, job_id, ProblemReference(problem_id=found.problem_id, sha256=found.sha256)
            )
            with creating(event.TOPIC, job_id=str(job_id)) as traceparent:
                return await accept_at_once(
                    connection,
                    _row(caller, wanted, event),
                    row_of(event, traceparent),
                    wanted.idempotency_key,
                    wanted.request_sha256,
                )

    async def control(
        self, caller: Principal, job_id: UUID, action: ControlAction, correlation_id: str
    ) -> JobStatus | None:
        """Ask a job to stop or cancel; its state now, or None if there is no such job.

        What was asked is kept until the job ends, so that upkeep can send it again. Asking again is harmless: it is the
        first request's event, with the same id, and the readers' states absorb it.
        """
        async with self._engine.begin() as connection:
            job = await _get(connection, caller.organization_id, job_id)
            if job is None:
                return None
            if job.status.terminal:
                return job.status
            asked = insert(job_controls).values(
                job_id=job_id,
                action=action.value,
                organization_id=caller.organization_id,
                requested_by=caller.email[:200],
                correlation_id=correlation_id,
            )
            # An update that changes nothing: unlike doing nothing, it returns the row that was there first.
            kept = asked.on_conflict_do_update(
                index_elements=[job_controls.c.job_id, job_controls.c.action], set_={"action": asked.excluded.action}
            )
            row = (await connection.execute(kept.returning(job_controls))).one()
            await put(connection, control_event(row))
        self._on_written()
        return job.status

    async def get(self, organization_id: UUID, job_id: UUID) -> Job | None:
        async with self._engine.connect() as connection:
            return await _get(connection, organization_id, job_id)

    async def page(
        self, organization_id: UUID, statuses: Sequence[JobStatus], limit: int, after: Position | None
    ) -> list[Job]:
        """Up to `limit` jobs, newest first, after the position; of all states if none are named."""
        query = _of(organization_id).order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit)
        if statuses:
            known = job_states.c.status.in_([s.value for s in statuses])
            unseen = job_states.c.status.is_(None)
            query = query.where(or_(known, unseen) if JobStatus.QUEUED in statuses else known)
        if after is not None:
            query = query.where(tuple_(jobs.c.created_at, jobs.c.id) < tuple_(after.created_at, after.id))
        async with self._engine.connect() as connection:
            return [_job(row) for row in await connection.execute(query)]


def request_event_id(job_id: UUID) -> UUID:
    """The id of a job's `job.requested`, the same however often it is written."""
    return uuid5(_EVENT_IDS, f"{job_id}/{JobRequested.TYPE}")


def control_event(row: Row[Any]) -> JobControl:
    """The event of a row of `job_controls`, the same however often it is written."""
    action = ControlAction(row.action)
    return JobControl(
        event_id=uuid5(_EVENT_IDS, f"{row.job_id}/{JobControl.TYPE}/{action}"),
        job_id=row.job_id,
        occurred_at=row.created_at,
        correlation_id=row.correlation_id,
        organization_id=row.organization_id,
        action=action,
        requested_by=row.requested_by,
    )


async def _step_by_step(connection: AsyncConnection, caller: Principal, wanted: Wanted, job_id: UUID) -> Accepted:
    """As `Jobs.request`, in a transaction."""
    if wanted.idempotency_key is not None:
        earlier = await _claim_key(connection, caller.organization_id, wanted, job_id)
        if earlier is not None:
            return Accepted(earlier, allowance=None)
    if wanted.options.base_job_id is not None:
        wanted = await _with_base(connection, caller.organization_id, wanted)
    if isinstance(wanted.problem, ReadProblem):
        number, allowance = await admit(connection, caller.organization_id)
        added, _ = await add_problem(connection, caller, wanted.problem, None)
        problem_ref = ProblemReference(problem_id=added.id, sha256=wanted.problem.sha256)
    else:
        # What can be known without the organisation's lock comes before it, so that others wait less.
        problem_ref = await _stored(connection, caller, wanted.problem)
        number, allowance = await admit(connection, caller.organization_id)
    event = _requested(caller, wanted, job_id, problem_ref)
    row = _row(caller, wanted, event) | {"accepted_number": number}
    await put(connection, event, _PUT_WITH_JOB, {f"new_{name}": value for name, value in row.items()})
    return Accepted(job_id, allowance)


def _requested(caller: Principal, wanted: Wanted, job_id: UUID, problem_ref: ProblemReference) -> JobRequested:
    return JobRequested(
        event_id=request_event_id(job_id),
        job_id=job_id,
        correlation_id=wanted.correlation_id,
        organization_id=caller.organization_id,
        requested_by=caller.email[:200],
        priority=wanted.priority,
        options=wanted.options,
        problem_ref=problem_ref,
    )


def _row(caller: Principal, wanted: Wanted, event: JobRequested) -> dict[str, Any]:
    """The job as it is stored, without its number."""
    problem_ref = event.problem_ref
    return {
        "id": event.job_id,
        "organization_id": caller.organization_id,
        "problem_id": problem_ref.problem_id if problem_ref else None,
        "problem_sha256": problem_ref.sha256 if problem_ref else None,
        "options": wanted.options.model_dump(mode="json"),
        "priority": wanted.priority,
        "requested_by": event.requested_by,
        "correlation_id": wanted.correlation_id,
    }


async def _claim_key(connection: AsyncConnection, organization_id: UUID, wanted: Wanted, job_id: UUID) -> UUID | None:
    """None if the key is new and now ours; else the job that it belongs to.

    The insert waits for a transaction that is just writing the same key, so of many equal requests one goes on.
    """
    claimed = await connection.execute(
        insert(idempotency_keys)
        .values(
            organization_id=organization_id,
            key=wanted.idempotency_key,
            request_sha256=wanted.request_sha256,
            job_id=job_id,
        )
        .on_conflict_do_nothing()
        .returning(idempotency_keys.c.job_id)
    )
    if claimed.one_or_none() is not None:
        return None
    earlier = (
        await connection.execute(
            select(idempotency_keys.c.request_sha256, idempotency_keys.c.job_id).where(
                idempotency_keys.c.organization_id == organization_id,
                idempotency_keys.c.key == wanted.idempotency_key,
            )
        )
    ).one()
    if earlier.request_sha256 != wanted.request_sha256:
        raise IdempotencyKeyReusedError
    found: UUID = earlier.job_id
    return found


async def _with_base(connection: AsyncConnection, organization_id: UUID, wanted: Wanted) -> Wanted:
    """What was asked, with the variant (the best if none was named) and the problem of the base job filled in.

    Raises UnknownBaseError. The solver looks again: what is there now may be deleted before it starts.
    """
    options = wanted.options
    variant = timetables.c.best_variant if options.base_variant is None else options.base_variant
    query = (
        select(timetable_variants.c.variant, jobs.c.problem_id)
        .join(timetables, timetables.c.job_id == timetable_variants.c.job_id)
        .join(jobs, jobs.c.id == timetable_variants.c.job_id)
        .where(
            jobs.c.id == options.base_job_id,
            jobs.c.organization_id == organization_id,
            timetables.c.organization_id == organization_id,
            timetable_variants.c.variant == variant,
        )
    )
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise UnknownBaseError
    if wanted.problem is None and row.problem_id is None:
        raise UnknownBaseError(problem=True)
    return replace(
        wanted,
        problem=row.problem_id if wanted.problem is None else wanted.problem,
        options=options.model_copy(update={"base_variant": row.variant}),
    )


async def _stored(connection: AsyncConnection, caller: Principal, problem_id: UUID | None) -> ProblemReference:
    """The reference of a problem that is there already. Raises UnknownProblemError."""
    found = None if problem_id is None else await reference(connection, caller.organization_id, problem_id)
    if found is None:
        raise UnknownProblemError
    return ProblemReference(problem_id=found.problem_id, sha256=found.sha256)


_NEW_JOB = insert(jobs).values(
    source="api",
    maybe_open=True,
    # In the order of the numbers: now() is when the transaction began to wait for its turn.
    created_at=func.clock_timestamp(),
    **{name: bindparam(f"new_{name}") for name in (*JOB_COLUMNS, "accepted_number")},
)
# The job's row and its event in one statement, built once: both are written with every generate request.
_PUT_WITH_JOB = PUT.add_cte(_NEW_JOB.cte("new_job"))


def _of(organization_id: UUID) -> Select[Any]:
    # Of both, a cancel is what counts; it comes first in the alphabet.
    asked = select(func.min(job_controls.c.action)).where(
        job_controls.c.job_id == jobs.c.id, job_controls.c.organization_id == jobs.c.organization_id
    )
    return (
        select(
            jobs,
            job_states.c.state,
            asked.scalar_subquery().label("asked"),
            timetables.c.infeasibility,
            func.coalesce(job_states.c.updated_at, jobs.c.created_at).label("updated_at"),
        )
        # Of the job's own organisation: whatever else was stored under its id is not its own.
        .outerjoin(
            job_states, (job_states.c.job_id == jobs.c.id) & (job_states.c.organization_id == jobs.c.organization_id)
        )
        .outerjoin(
            timetables, (timetables.c.job_id == jobs.c.id) & (timetables.c.organization_id == jobs.c.organization_id)
        )
        .where(jobs.c.organization_id == organization_id)
    )


async def _get(connection: AsyncConnection, organization_id: UUID, job_id: UUID) -> Job | None:
    row = (await connection.execute(_of(organization_id).where(jobs.c.id == job_id))).one_or_none()
    return None if row is None else _job(row)


def _job(row: Row[Any]) -> Job:
    return Job(row, None if row.state is None else JobState.model_validate(row.state))

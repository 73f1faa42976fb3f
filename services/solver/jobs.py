"""What happens to a whole job: accepted, stopped or cancelled, ended.

Owns the statements on `solve_jobs` and `solve_controls` until a job has ended, and the one transaction in which its
last task ends it; `ends` owns what follows. Must not know workers or the broker.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row, and_, case, delete, exists, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schemas.events import (
    ControlAction,
    ErrorInfo,
    Infeasibility,
    SolveCompleted,
    SolveOptions,
    VariantResult,
)
from schemas.tables import job_controls, solve_attempts, solve_controls, solve_jobs, solve_tasks
from services.solver.metrics import JOBS_ENDED
from services.solver.outcome import (
    MAX_EVENT_BYTES,
    EndedJob,
    EndReason,
    TaskEnd,
    completed_event,
    dead_letter_reason,
    sized_event,
)
from services.solver.packing import pack, unpack

log = structlog.get_logger(__name__)

TASKS_CHANNEL = "solve_tasks"
CONTROL_CHANNEL = "solve_control"

# A variant's result is compressed by the child; a larger one could not be sent anyway.
MAX_RESULT_BYTES = 2 * MAX_EVENT_BYTES
# What will be told of the jobs that the present transaction ends, once it has been committed.
_ended: ContextVar[list[dict[str, Any]]] = ContextVar("ended_jobs")
_ENDED_STATUSES = ("done", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job as intake accepts it. `error` is set for one that fails as it arrives."""

    job_id: UUID
    organization_id: UUID
    priority: int
    options: SolveOptions
    problem_format: str | None
    problem_zstd: bytes | None
    problem_id: UUID | None
    problem_sha256: str
    correlation_id: str
    requested_at: datetime
    requested_by: str
    request_event_id: UUID
    error: ErrorInfo | None = None
    traceparent: str | None = None


class Accepted(StrEnum):
    """`duplicate`: the job is there already. `foreign`: it is, and it is another organisation's."""

    NEW = "new"
    DUPLICATE = "duplicate"
    FOREIGN = "foreign"


class Controlled(StrEnum):
    """What a control met: a job to act on, one that has ended or was told so before, none yet, or a stranger's."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    KEPT = "kept"
    FOREIGN = "foreign"


class Jobs:
    """The jobs in the database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def accept(self, job: NewJob) -> Accepted:
        """Store a job and its tasks, once: a repeated request changes nothing.

        A control that came before its job is applied here. Both sides hold the job's advisory lock, so that neither can
        miss what the other has not yet committed.
        """
        async with ending_jobs(self._engine) as connection:
            await _lock_unborn(connection, job.job_id)
            if (await connection.execute(_insert_job(job))).first() is None:
                known = select(solve_jobs.c.organization_id).where(solve_jobs.c.job_id == job.job_id)
                owner = await connection.scalar(known)
                return Accepted.DUPLICATE if owner == job.organization_id else Accepted.FOREIGN
            await connection.execute(_insert_tasks(job))
            early = delete(solve_controls).where(solve_controls.c.job_id == job.job_id)
            asked = (await connection.execute(early.returning(solve_controls))).all()
            for row in asked:
                if row.organization_id == job.organization_id:
                    early_action = ControlAction(row.action)
                    action = await _strongest(connection, job.job_id, job.organization_id, early_action)
                    await _apply(connection, job.job_id, action)
            if job.error is not None:
                await end_job_if_done(connection, job.job_id)
            await notify_tasks(connection)
        return Accepted.NEW

    async def control(self, job_id: UUID, organization_id: UUID, action: ControlAction) -> Controlled:
        """Stop or cancel a job. Idempotent; cancel beats stop; a job that has ended stays as it ended.

        Queued tasks end here, without a worker, and so does a cancelled job. The workers of a stopped job's running
        tasks are told; should one of them be dead, its lease ends and its checkpoint is brought in.
        """
        async with ending_jobs(self._engine) as connection:
            await _lock_unborn(connection, job_id)
            owner = (
                await connection.execute(
                    select(solve_jobs.c.organization_id, solve_jobs.c.outcome).where(solve_jobs.c.job_id == job_id)
                )
            ).first()
            if owner is None:
                await connection.execute(_keep_control(job_id, organization_id, action))
                return Controlled.KEPT
            if owner.organization_id != organization_id:
                return Controlled.FOREIGN
            if owner.outcome is not None:
                return Controlled.UNCHANGED
            current = await lock_job(connection, job_id)
            action = await _strongest(connection, job_id, organization_id, action)
            if current in (action, ControlAction.CANCEL):
                return Controlled.UNCHANGED
            await _apply(connection, job_id, action)
            await connection.execute(select(func.pg_notify(CONTROL_CHANNEL, str(job_id))))
            await notify_tasks(connection)
        return Controlled.APPLIED

    async def forget_early_controls(self, older_than: timedelta) -> int:
        """Delete controls whose job never came: their topic has forgotten both by now. Returns how many."""
        statement = delete(solve_controls).where(solve_controls.c.created_at < func.now() - older_than)
        async with self._engine.begin() as connection:
            return (await connection.execute(statement)).rowcount


@asynccontextmanager
async def ending_jobs(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A transaction in which jobs may end.

    They are counted and logged once it has been committed: one that fails, and is made again, ends nothing.
    """
    ended: list[dict[str, Any]] = []
    token = _ended.set(ended)
    try:
        async with engine.begin() as connection:
            yield connection
    finally:
        _ended.reset(token)
    for job in ended:
        JOBS_ENDED.labels(outcome=job["outcome"]).inc()
        log.info("job_ended", **job)


async def lock_job(connection: AsyncConnection, job_id: UUID) -> ControlAction | None:
    """Lock the job's row until the transaction ends, before any of its tasks' rows; what was asked of it so far."""
    statement = select(solve_jobs.c.control).where(solve_jobs.c.job_id == job_id).with_for_update(key_share=True)
    control = await connection.scalar(statement)
    return ControlAction(control) if control else None


async def notify_tasks(connection: AsyncConnection) -> None:
    """Wake idle workers when the transaction commits."""
    await connection.execute(select(func.pg_notify(TASKS_CHANNEL, "")))


async def end_or_hasten_queued(connection: AsyncConnection, job_id: UUID) -> None:
    """A stopped job's queued tasks: those with a checkpoint are claimed now, to bring it in; the others end.

    The caller holds the job's lock.
    """
    of_job = and_(solve_tasks.c.job_id == job_id, solve_tasks.c.status == "queued")
    await connection.execute(
        update(solve_tasks)
        .where(of_job, solve_tasks.c.checkpoint_zstd.is_not(None))
        .values(run_after=func.clock_timestamp())
    )
    await connection.execute(
        update(solve_tasks)
        .where(of_job, solve_tasks.c.checkpoint_zstd.is_(None))
        .values(status="cancelled", end_reason=EndReason.STOPPED.value, finished_at=func.clock_timestamp())
    )
    await end_job_if_done(connection, job_id)


async def end_job_if_done(connection: AsyncConnection, job_id: UUID) -> None:
    """Set the job's outcome and its completed event when no task is left to end.

    The caller holds the job's lock, so of several last tasks one sees the others ended; `outcome IS NULL` makes sure of
    it. The tasks' own copies of what the event now holds are dropped. The transaction is one of `ending_jobs`.
    """
    unended = select(func.count()).where(solve_tasks.c.job_id == job_id, solve_tasks.c.status.not_in(_ENDED_STATUSES))
    if await connection.scalar(unended):
        return
    job = (await connection.execute(select(solve_jobs).where(solve_jobs.c.job_id == job_id))).one()
    if job.outcome is not None:
        return
    rows = select(solve_tasks).where(solve_tasks.c.job_id == job_id).order_by(solve_tasks.c.variant)
    tasks = (await connection.execute(rows)).all()
    # Megabytes of JSON: not in the event loop, which renews the leases of other tasks.
    event, packed, dead_letter = await asyncio.to_thread(_completed, job, tasks)
    await connection.execute(
        update(solve_jobs)
        .where(solve_jobs.c.job_id == job_id, solve_jobs.c.outcome.is_(None))
        .values(outcome=event.outcome.value, completed_event=packed, dead_letter_reason=dead_letter)
    )
    await connection.execute(
        update(solve_tasks).where(solve_tasks.c.job_id == job_id).values(result_zstd=None, checkpoint_zstd=None)
    )
    _ended.get().append(
        {
            "job_id": str(job_id),
            "outcome": event.outcome.value,
            "variants": len(event.variants),
            "best": event.best.rank if event.best else None,
            "error": event.error.code if event.error else None,
            "dead_letter": dead_letter,
            "event_bytes": len(packed),
        }
    )


def _completed(job: Row[Any], tasks: Sequence[Row[Any]]) -> tuple[SolveCompleted, bytes, str | None]:
    ends = [_task_end(task) for task in tasks]
    ended = EndedJob(
        job.job_id,
        job.organization_id,
        job.correlation_id,
        job.started_at,
        ControlAction(job.control) if job.control else None,
    )
    event, value = sized_event(completed_event(ended, ends))
    return event, pack(value), dead_letter_reason(event.outcome, ends)


def _task_end(task: Row[Any]) -> TaskEnd:
    result = None
    if task.result_zstd is not None:
        result = VariantResult.model_validate_json(unpack(bytes(task.result_zstd), MAX_RESULT_BYTES))
    return TaskEnd(
        variant=task.variant,
        reason=EndReason(task.end_reason),
        attempt=task.attempt,
        token=task.token or 0,
        result=result,
        infeasibility=Infeasibility.model_validate(task.infeasibility) if task.infeasibility else None,
        error=ErrorInfo.model_validate(task.error) if task.error else None,
    )


async def _apply(connection: AsyncConnection, job_id: UUID, action: ControlAction) -> None:
    await connection.execute(update(solve_jobs).where(solve_jobs.c.job_id == job_id).values(control=action.value))
    if action is ControlAction.STOP:
        await end_or_hasten_queued(connection, job_id)
        return
    unended = and_(solve_tasks.c.job_id == job_id, solve_tasks.c.status.not_in(_ENDED_STATUSES))
    tokens = select(solve_tasks.c.token).where(unended, solve_tasks.c.status == "running")
    await connection.execute(
        update(solve_attempts)
        .where(solve_attempts.c.token.in_(tokens), solve_attempts.c.ended_at.is_(None))
        .values(ended_at=func.clock_timestamp(), end_reason=EndReason.CANCELLED.value)
    )
    await connection.execute(
        update(solve_tasks)
        .where(unended)
        .values(
            status="cancelled",
            end_reason=EndReason.CANCELLED.value,
            finished_at=func.clock_timestamp(),
            lease_until=None,
        )
    )
    await end_job_if_done(connection, job_id)


async def _strongest(
    connection: AsyncConnection, job_id: UUID, organization_id: UUID, action: ControlAction
) -> ControlAction:
    """A cancel asked for over HTTP after a stop beats it, although its event has not arrived: to everybody else the job
    is cancelled by then.
    """
    cancelled = exists().where(
        job_controls.c.job_id == job_id,
        job_controls.c.organization_id == organization_id,
        job_controls.c.action == ControlAction.CANCEL.value,
    )
    return ControlAction.CANCEL if await connection.scalar(select(cancelled)) else action


async def _lock_unborn(connection: AsyncConnection, job_id: UUID) -> None:
    """Lock a job's id, whether or not it has a row to lock."""
    await connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(str(job_id), literal(0)))))


def _insert_job(job: NewJob) -> Any:
    values = {
        "job_id": job.job_id,
        "organization_id": job.organization_id,
        "priority": job.priority,
        "options": job.options.model_dump(mode="json"),
        "problem_format": job.problem_format,
        "problem_zstd": job.problem_zstd,
        "problem_id": job.problem_id,
        "problem_sha256": job.problem_sha256,
        "correlation_id": job.correlation_id,
        "requested_at": job.requested_at,
        "requested_by": job.requested_by,
        "request_event_id": job.request_event_id,
        "traceparent": job.traceparent,
    }
    return insert(solve_jobs).values(values).on_conflict_do_nothing().returning(solve_jobs.c.job_id)


def _insert_tasks(job: NewJob) -> Any:
    failed: dict[str, Any] = {}
    if job.error is not None:
        failed = {
            "status": "failed",
            "end_reason": EndReason.FAILED.value,
            "error": job.error.model_dump(mode="json"),
            "finished_at": func.clock_timestamp(),
        }
    rows = [
        {
            "job_id": job.job_id,
            "variant": variant,
            "organization_id": job.organization_id,
            "priority": job.priority,
            **failed,
        }
        for variant in range(1, job.options.variants + 1)
    ]
    return insert(solve_tasks).values(rows).on_conflict_do_nothing()


def _keep_control(job_id: UUID, organization_id: UUID, action: ControlAction) -> Any:
    statement = insert(solve_controls).values(job_id=job_id, organization_id=organization_id, action=action.value)
    stronger = case(
        (
            or_(
                solve_controls.c.action == ControlAction.CANCEL.value,
                statement.excluded.action == ControlAction.CANCEL.value,
            ),
            ControlAction.CANCEL.value,
        ),
        else_=statement.excluded.action,
    )
    return statement.on_conflict_do_update(
        index_elements=[solve_controls.c.job_id, solve_controls.c.organization_id], set_={"action": stronger}
    )

"""What a worker does with a task: claim it, renew its lease, save its checkpoint, give it back, end it.

Owns the statements on `solve_tasks` and `solve_attempts`. All times are the database's, never this machine's clock.
Locks are always taken in the order job, then task; a claim waits for no row at all. A write by a claim names its
fencing token, so a worker that lost its lease changes nothing. Must not know how a task is solved, nor the broker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Row, and_, cast, exists, extract, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql import ColumnElement

from schemas.events import ControlAction, ErrorInfo, SolveOptions
from schemas.tables import problems, solve_attempts, solve_jobs, solve_tasks, timetable_variants, timetables
from schemas.timetable import Score
from services.solver.claim import Checkpoint, Claim, Renewal, StoredBase, StoredProblem, TaskResult
from services.solver.jobs import end_job_if_done, end_or_hasten_queued, ending_jobs, lock_job, notify_tasks
from services.solver.outcome import EndReason
from services.solver.settings import SolverSettings
from services.solver.turns import due, next_task, runnable_tasks, seconds, turn_taken

# Claims are made one after another, over all replicas: only so are the limit on an organisation's running jobs and
# the fair order exact. A claim takes a millisecond or two, a solve takes seconds to minutes.
_CLAIM_LOCK = 0x686F7261_636C6169
_STATUS_OF = {EndReason.FAILED: "failed", EndReason.CANCELLED: "cancelled"}
UNENDED = ("queued", "running")
# An attempt that ended so counts against the task's attempts. A hand-over at shutdown does not.
FAILED_ENDS = ("lease_expired", "error")
_EXPIRE_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Backlog:
    """Unended tasks by status, those of them that could run at once, and the jobs that they belong to; how long the
    oldest task that may run has waited, and how long ago the oldest unended job was first claimed; ended jobs whose
    event is unpublished.
    """

    tasks: Mapping[str, int]
    runnable_tasks: int
    queued_jobs: int
    running_jobs: int
    oldest_queued_s: float
    oldest_running_s: float
    unpublished: int


class Tasks:
    """The tasks in the database."""

    def __init__(self, engine: AsyncEngine, settings: SolverSettings) -> None:
        self._engine = engine
        self._settings = settings
        self._lease = timedelta(seconds=settings.solver_lease_s)

    async def claim(self, worker: str) -> Claim | None:
        """The next task by `turns.next_task`, or None."""
        async with self._engine.begin() as connection:
            waiting = select(exists().where(solve_tasks.c.status == "queued", due()))
            if not await connection.scalar(waiting):
                return None
            await connection.execute(select(func.pg_advisory_xact_lock(_CLAIM_LOCK)))
            candidate = (await connection.execute(next_task(self._settings.solver_max_running_jobs))).first()
            if candidate is None:
                return None
            claimed = (await connection.execute(self._take(candidate, worker))).one()
            await connection.execute(turn_taken(candidate.organization_id))
            started_at = await connection.scalar(
                update(solve_jobs)
                .where(solve_jobs.c.job_id == candidate.job_id)
                .values(started_at=func.coalesce(solve_jobs.c.started_at, func.clock_timestamp()))
                .returning(seconds(func.clock_timestamp() - solve_jobs.c.started_at))
            )
            await connection.execute(
                insert(solve_attempts).values(
                    token=claimed.token,
                    job_id=candidate.job_id,
                    variant=candidate.variant,
                    attempt=claimed.attempt,
                    worker=worker,
                    started_at=func.clock_timestamp(),
                )
            )
        return self._claim(candidate, claimed, worker, running_s=started_at or 0.0)

    def _take(self, candidate: Row[Any], worker: str) -> Any:
        return (
            update(solve_tasks)
            .where(solve_tasks.c.job_id == candidate.job_id, solve_tasks.c.variant == candidate.variant)
            .values(
                status="running",
                attempt=solve_tasks.c.attempt + 1,
                token=_next_token(),
                worker=worker,
                lease_until=func.clock_timestamp() + self._lease,
                started_at=func.coalesce(solve_tasks.c.started_at, func.clock_timestamp()),
            )
            .returning(solve_tasks.c.attempt, solve_tasks.c.token)
        )

    def _claim(self, candidate: Row[Any], claimed: Row[Any], worker: str, running_s: float) -> Claim:
        checkpoint = None
        if candidate.checkpoint_zstd is not None and candidate.checkpoint_score is not None:
            checkpoint = Checkpoint(
                bytes(candidate.checkpoint_zstd),
                Score.model_validate(candidate.checkpoint_score),
                candidate.checkpoint_elapsed_s or 0.0,
            )
        return Claim(
            job_id=candidate.job_id,
            variant=candidate.variant,
            organization_id=candidate.organization_id,
            attempt=claimed.attempt,
            token=claimed.token,
            worker=worker,
            options=SolveOptions.model_validate(candidate.options),
            correlation_id=candidate.correlation_id,
            problem_sha256=candidate.problem_sha256,
            problem_id=candidate.problem_id,
            control=ControlAction(candidate.control) if candidate.control else None,
            checkpoint=checkpoint,
            waited_s=max(0.0, float(candidate.waited_s)),
            remaining_s=self._settings.solver_hard_limit_s - float(running_s),
            traceparent=candidate.traceparent,
        )

    async def problem(self, claim: Claim) -> StoredProblem | None:
        """The claimed task's problem: inline with its job, or the referenced one if organisation and hash agree."""
        if claim.problem_id is None:
            statement = select(solve_jobs.c.problem_format, solve_jobs.c.problem_zstd).where(
                solve_jobs.c.job_id == claim.job_id, solve_jobs.c.organization_id == claim.organization_id
            )
        else:
            statement = select(problems.c.format, problems.c.content_zstd).where(
                problems.c.id == claim.problem_id,
                problems.c.organization_id == claim.organization_id,
                problems.c.sha256 == claim.problem_sha256,
            )
        async with self._engine.connect() as connection:
            row = (await connection.execute(statement)).first()
        return None if row is None or row[1] is None else StoredProblem(str(row[0]), bytes(row[1]))

    async def base(self, claim: Claim) -> StoredBase | None:
        """The timetable to stay close to, of a finished job of the same organisation; the best if no variant is named.

        It is what the persister stored: read by reference, because timetables of whole universities are megabytes.
        """
        options = claim.options
        variant = timetables.c.best_variant if options.base_variant is None else options.base_variant
        statement = (
            select(timetable_variants.c.variant, timetable_variants.c.timetable_zstd)
            .join(timetables, timetables.c.job_id == timetable_variants.c.job_id)
            .where(
                timetables.c.job_id == options.base_job_id,
                timetables.c.organization_id == claim.organization_id,
                timetable_variants.c.variant == variant,
            )
        )
        async with self._engine.connect() as connection:
            row = (await connection.execute(statement)).first()
        return None if row is None else StoredBase(int(row[0]), bytes(row[1]))

    async def renew(self, claim: Claim, checkpoint: Checkpoint | None = None) -> Renewal:
        """Extend the lease and, with it, save a checkpoint. Not held: another claim, an end or the reaper came first.

        A lease that has run out but that nobody took is ours again: the work behind it is not thrown away.
        """
        values: dict[str, Any] = {"lease_until": func.clock_timestamp() + self._lease}
        if checkpoint is not None:
            values |= _checkpoint_values(checkpoint)
        job = select(solve_jobs.c.control).where(solve_jobs.c.job_id == claim.job_id)
        statement = (
            update(solve_tasks).where(_held_by(claim)).values(values).returning(job.scalar_subquery().label("control"))
        )
        async with self._engine.begin() as connection:
            row = (await connection.execute(statement)).first()
            control = row.control if row is not None else await connection.scalar(job)
        return Renewal(row is not None, ControlAction(control) if control else None)

    async def hand_over(self, claim: Claim, checkpoint: Checkpoint | None) -> bool:
        """Give the task back, to be claimed at once by somebody else. False if it was ours no more."""
        async with ending_jobs(self._engine) as connection:
            control = await lock_job(connection, claim.job_id)
            return await self._give_back(connection, claim, control, "released", "", checkpoint, timedelta(0))

    async def retry(self, claim: Claim, error: ErrorInfo, checkpoint: Checkpoint | None = None) -> bool:
        """Give the task back after a failed attempt, to be tried again after a while; the last attempt fails it.

        False if it was ours no more.
        """
        async with ending_jobs(self._engine) as connection:
            control = await lock_job(connection, claim.job_id)
            failures = 1 + await _failures(connection, claim.job_id, claim.variant)
            if not error.retryable or failures >= self._settings.solver_max_attempts:
                return await self._end(connection, claim, TaskResult(EndReason.FAILED), error)
            delay = timedelta(seconds=self._settings.solver_retry_delay_s)
            return await self._give_back(connection, claim, control, "error", error.message, checkpoint, delay)

    async def finish(self, claim: Claim, result: TaskResult) -> bool:
        """End the task; the last one ends the job, in the same transaction. False if it was ours no more."""
        async with ending_jobs(self._engine) as connection:
            await lock_job(connection, claim.job_id)
            return await self._end(connection, claim, result, None)

    async def expire(self) -> int:
        """Take the tasks of lost workers back: queued again with their history, or failed after the last attempt.

        Returns how many. The first time a worker is lost its task is claimed at once (the lease was the wait); a task
        that loses workers again waits as after any failed attempt.
        """
        lost = (
            select(solve_tasks.c.job_id, solve_tasks.c.variant, solve_tasks.c.token)
            .where(solve_tasks.c.status == "running", solve_tasks.c.lease_until < func.clock_timestamp())
            .order_by(solve_tasks.c.lease_until)
            .limit(_EXPIRE_AT_ONCE)
        )
        async with self._engine.connect() as connection:
            rows = (await connection.execute(lost)).all()
        return sum([await self._expire(row.job_id, row.variant, row.token) for row in rows])

    async def backlog(self) -> Backlog:
        """How much there is to do, for whoever scales the solver."""
        by_status = (
            select(solve_tasks.c.status, func.count())
            .where(solve_tasks.c.status.in_(UNENDED))
            .group_by(solve_tasks.c.status)
        )
        oldest = select(seconds(func.statement_timestamp() - func.min(solve_tasks.c.run_after))).where(
            solve_tasks.c.status == "queued", due()
        )
        jobs = select(
            func.count(solve_tasks.c.job_id.distinct()).label("unended"),
            func.count(solve_tasks.c.job_id.distinct()).filter(solve_tasks.c.status == "running").label("running"),
            seconds(func.statement_timestamp() - func.min(solve_jobs.c.started_at)).label("oldest_s"),
        ).where(solve_tasks.c.status.in_(UNENDED), solve_jobs.c.job_id == solve_tasks.c.job_id)
        unpublished = select(func.count()).where(solve_jobs.c.outcome.is_not(None), solve_jobs.c.published_at.is_(None))
        async with self._engine.connect() as connection:
            rows = (await connection.execute(by_status)).all()
            unended = (await connection.execute(jobs)).one()
            return Backlog(
                tasks={str(status): int(count) for status, count in rows},
                runnable_tasks=int(
                    await connection.scalar(runnable_tasks(self._settings.solver_max_running_jobs)) or 0
                ),
                queued_jobs=int(unended.unended) - int(unended.running),
                running_jobs=int(unended.running),
                oldest_queued_s=float(await connection.scalar(oldest) or 0.0),
                oldest_running_s=max(0.0, float(unended.oldest_s or 0.0)),
                unpublished=int(await connection.scalar(unpublished) or 0),
            )

    async def _expire(self, job_id: UUID, variant: int, token: int) -> bool:
        async with ending_jobs(self._engine) as connection:
            control = await lock_job(connection, job_id)
            task = _Held(job_id, variant, token)
            still_lost = select(solve_tasks.c.worker).where(
                _held_by(task), solve_tasks.c.lease_until < func.clock_timestamp()
            )
            worker = await connection.scalar(still_lost.with_for_update(key_share=True))
            if worker is None:
                return False
            failures = 1 + await _failures(connection, job_id, variant)
            detail = f"worker {worker} was silent for longer than its lease of {self._settings.solver_lease_s:g} s"
            if failures >= self._settings.solver_max_attempts:
                error = ErrorInfo(
                    code="worker_lost",
                    message=f"The task lost its worker {failures} times (killed, out of memory, or its machine gone). "
                    "Look for kills of the solver's processes; a smaller problem or more memory may be the remedy.",
                    retryable=True,
                )
                return await self._end(connection, task, TaskResult(EndReason.FAILED), error, "lease_expired", detail)
            delay = timedelta(seconds=0 if failures == 1 else self._settings.solver_retry_delay_s)
            return await self._give_back(connection, task, control, "lease_expired", detail, None, delay)

    async def _give_back(
        self,
        connection: AsyncConnection,
        task: Claim | _Held,
        control: ControlAction | None,
        end: str,
        detail: str,
        checkpoint: Checkpoint | None,
        delay: timedelta,
    ) -> bool:
        """Back to the queue. The job's row is locked, so that `control` is what it says until the commit."""
        values: dict[str, Any] = {
            "status": "queued",
            "lease_until": None,
            "worker": None,
            "run_after": func.clock_timestamp() + delay,
        }
        if checkpoint is not None:
            values |= _checkpoint_values(checkpoint)
        kept = (
            update(solve_tasks)
            .where(_held_by(task))
            .values(values)
            .returning(solve_tasks.c.checkpoint_zstd.is_not(None).label("resumable"))
        )
        row = (await connection.execute(kept)).first()
        if row is None:
            return False
        await _end_attempt(connection, task.token, end, detail)
        if control is ControlAction.STOP:
            # Nobody will search on: bring the checkpoint in at once, or end with nothing.
            await end_or_hasten_queued(connection, task.job_id)
        await notify_tasks(connection)
        return True

    async def _end(
        self,
        connection: AsyncConnection,
        task: Claim | _Held,
        result: TaskResult,
        error: ErrorInfo | None,
        attempt_end: str | None = None,
        detail: str = "",
    ) -> bool:
        reason = result.reason
        ended = (
            update(solve_tasks)
            .where(_held_by(task))
            .values(
                status=_STATUS_OF.get(reason, "done"),
                end_reason=reason.value,
                lease_until=None,
                finished_at=func.clock_timestamp(),
                result_zstd=result.result_zstd,
                infeasibility=result.infeasibility.model_dump(mode="json") if result.infeasibility else None,
                error=error.model_dump(mode="json") if error else None,
                checkpoint_zstd=None,
            )
            .returning(solve_tasks.c.job_id)
        )
        if (await connection.execute(ended)).first() is None:
            return False
        named = attempt_end or ("error" if reason is EndReason.FAILED else reason.value)
        await _end_attempt(connection, task.token, named, detail or (error.message if error else ""))
        await end_job_if_done(connection, task.job_id)
        # A slot is free, and claims that met this transaction's locks passed the job's other tasks over.
        await notify_tasks(connection)
        return True


@dataclass(frozen=True, slots=True)
class _Held:
    """What identifies a claim to the database."""

    job_id: UUID
    variant: int
    token: int


def _held_by(task: Claim | _Held) -> ColumnElement[bool]:
    return and_(
        solve_tasks.c.job_id == task.job_id,
        solve_tasks.c.variant == task.variant,
        solve_tasks.c.token == task.token,
        solve_tasks.c.status == "running",
    )


def _next_token() -> ColumnElement[int]:
    """A fencing token larger than any before it: the time in microseconds. Claims are made one after another, so no two
    share one; and a database restored from an older backup goes on where the clock is, not where its counter was.
    A clock that was set back still does not give a task a smaller token than its last.
    """
    microseconds = cast(extract("epoch", func.clock_timestamp()) * 1_000_000, BigInteger)
    return func.greatest(microseconds, func.coalesce(solve_tasks.c.token, 0) + 1)


def _checkpoint_values(checkpoint: Checkpoint) -> Mapping[str, Any]:
    return {
        "checkpoint_zstd": checkpoint.timetable_zstd,
        "checkpoint_score": checkpoint.score.model_dump(mode="json"),
        "checkpoint_elapsed_s": checkpoint.searched_s,
        "checkpoint_at": func.clock_timestamp(),
    }


async def _failures(connection: AsyncConnection, job_id: UUID, variant: int) -> int:
    counted = select(func.count()).where(
        solve_attempts.c.job_id == job_id,
        solve_attempts.c.variant == variant,
        solve_attempts.c.end_reason.in_(FAILED_ENDS),
    )
    return await connection.scalar(counted) or 0


async def _end_attempt(connection: AsyncConnection, token: int, reason: str, detail: str) -> None:
    await connection.execute(
        update(solve_attempts)
        .where(solve_attempts.c.token == token, solve_attempts.c.ended_at.is_(None))
        .values(ended_at=func.clock_timestamp(), end_reason=reason, detail=detail[:2000] or None)
    )

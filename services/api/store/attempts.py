"""How a job's variants stand with the solvers: their tasks, and the history of attempts at them.

Owns one query over the solver's tables, which it only reads. Must not know how tasks are claimed.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Float, Row, Select, and_, case, cast, extract, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.tables import jobs, solve_attempts, solve_jobs, solve_tasks
from services.api.bodies import AttemptAnswer, TaskStatus, VariantAttempts

# Of one variant. Failed attempts are few; a solver that is restarted again and again hands its tasks over every time.
MAX_ATTEMPTS = 50
_QUEUED, _RUNNING = "queued", "running"


class Attempts:
    """Reads what the solver wrote, for jobs of one organisation at a time."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def of_job(self, organization_id: UUID, job_id: UUID) -> list[VariantAttempts] | None:
        """The variants in order, none before a solver has taken the job in; None if there is no such job."""
        known = select(jobs.c.id).where(jobs.c.id == job_id, jobs.c.organization_id == organization_id)
        async with self._engine.connect() as connection:
            if await connection.scalar(known) is None:
                return None
            rows = (await connection.execute(_of(organization_id, job_id))).all()
        variants: dict[int, VariantAttempts] = {}
        for row in rows:
            variant = variants.setdefault(row.variant, _variant(row))
            if row.started_at is not None:
                variant.attempts.append(
                    AttemptAnswer(
                        attempt=row.attempt,
                        worker=row.worker,
                        started_at=row.started_at,
                        ended_at=row.ended_at,
                        end=row.end_reason,
                        detail=row.detail,
                    )
                )
        return list(variants.values())


def _of(organization_id: UUID, job_id: UUID) -> Select[Any]:
    """One row per attempt, and one for a variant without any. A single statement sees task and attempts agree."""
    # Tokens grow with every claim.
    newest_first = func.row_number().over(partition_by=solve_attempts.c.variant, order_by=solve_attempts.c.token.desc())
    history = (
        select(
            solve_attempts,
            newest_first.label("age_rank"),
            func.count().over(partition_by=solve_attempts.c.variant).label("total"),
        )
        .where(solve_attempts.c.job_id == job_id)
        .subquery("history")
    )
    unended = solve_tasks.c.status.in_((_QUEUED, _RUNNING))
    waits = and_(solve_tasks.c.status == _QUEUED, solve_tasks.c.run_after > func.statement_timestamp())
    checkpoint_age_s = cast(extract("epoch", func.statement_timestamp() - solve_tasks.c.checkpoint_at), Float)
    return (
        select(
            solve_tasks.c.variant,
            solve_tasks.c.status,
            case((waits, solve_tasks.c.run_after)).label("run_after"),
            case((unended, checkpoint_age_s)).label("checkpoint_age_s"),
            history.c.attempt,
            history.c.worker,
            history.c.started_at,
            history.c.ended_at,
            history.c.end_reason,
            history.c.detail,
            func.coalesce(history.c.total, 0).label("total"),
        )
        .join(solve_jobs, solve_jobs.c.job_id == solve_tasks.c.job_id)
        .outerjoin(history, and_(history.c.variant == solve_tasks.c.variant, history.c.age_rank <= MAX_ATTEMPTS))
        .where(solve_jobs.c.job_id == job_id, solve_jobs.c.organization_id == organization_id)
        .order_by(solve_tasks.c.variant, history.c.token)
    )


def _variant(row: Row[Any]) -> VariantAttempts:
    """A variant still without its attempts."""
    status = TaskStatus(row.status) if row.status in (_QUEUED, _RUNNING) else TaskStatus.ENDED
    return VariantAttempts(
        variant=row.variant,
        status=status,
        run_after=row.run_after,
        checkpoint_age_s=None if row.checkpoint_age_s is None else round(max(0.0, row.checkpoint_age_s), 3),
        attempts=[],
        attempts_left_out=max(0, row.total - MAX_ATTEMPTS),
    )

"""Ended jobs in the database: whose end is still to be published, whose got lost, whose request is a dead letter.

Owns the statements on `solve_jobs` once a job has ended. Each row is locked while it is published, so that of several
replicas one does it; a crash between the broker's acknowledgement and the commit publishes the same event, with the
same id, once more. Must not know how jobs end, nor the broker.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.fold import TERMINAL_STATUSES
from schemas.tables import job_states, solve_jobs, solve_tasks
from schemas.topics import BY_NAME, SOLVE_COMPLETED

_END_COLUMNS = (solve_jobs.c.job_id, solve_jobs.c.completed_event, solve_jobs.c.traceparent)


@dataclass(frozen=True, slots=True)
class Due:
    """A row that is to reach the broker; `row` has what the statement selected."""

    job_id: UUID
    row: Row[Any]


class Ends:
    """Each method gives the next due row, passing over those of `but`; leaving the block in peace marks it done."""

    def __init__(self, engine: AsyncEngine, republish_after: timedelta) -> None:
        self._engine = engine
        self._republish_after = republish_after

    def next_unpublished(self, but: Collection[UUID] = ()) -> AbstractAsyncContextManager[Due | None]:
        """The oldest job whose end is not known to be on the broker."""
        due = select(*_END_COLUMNS).where(solve_jobs.c.outcome.is_not(None), solve_jobs.c.published_at.is_(None))
        return self._next(due.order_by(solve_jobs.c.created_at), but, solve_jobs.c.published_at)

    def next_lost(self, but: Collection[UUID] = ()) -> AbstractAsyncContextManager[Due | None]:
        """The job whose published end has waited longest to be recorded: the broker, or a restored backup, lost it.

        Due when as much time has passed since it was last published as had passed between the job's end and then, and
        at least `republish_after`: so at doubling ages, whichever replica looks. An end older than its topic's
        retention is let be: nothing that is down for longer is expected back.
        """
        last_task_ended_at = (
            select(func.max(solve_tasks.c.finished_at))
            .where(solve_tasks.c.job_id == solve_jobs.c.job_id)
            .scalar_subquery()
        )
        ended_at = func.coalesce(last_task_ended_at, solve_jobs.c.created_at)
        wait = func.greatest(self._republish_after, solve_jobs.c.published_at - ended_at)
        oldest = func.now() - BY_NAME[SOLVE_COMPLETED].retention
        recorded = exists().where(
            job_states.c.job_id == solve_jobs.c.job_id, job_states.c.status.in_(sorted(TERMINAL_STATUSES))
        )
        due = select(*_END_COLUMNS).where(
            solve_jobs.c.published_at > oldest,  # implied by the last condition, but an index knows it
            solve_jobs.c.completed_event.is_not(None),
            ~recorded,
            solve_jobs.c.published_at + wait <= func.now(),
            ended_at > oldest,
        )
        return self._next(due.order_by(solve_jobs.c.published_at), but, solve_jobs.c.published_at)

    def next_dead_letter(self, but: Collection[UUID] = ()) -> AbstractAsyncContextManager[Due | None]:
        """The oldest failed job whose request is to go to the dead-letter topic and is not known to be there."""
        due = select(solve_jobs).where(
            solve_jobs.c.dead_letter_reason.is_not(None),
            solve_jobs.c.dead_lettered_at.is_(None),
        )
        return self._next(due.order_by(solve_jobs.c.created_at), but, solve_jobs.c.dead_lettered_at)

    @asynccontextmanager
    async def _next(self, due: Any, but: Collection[UUID], done_at: ColumnElement[Any]) -> AsyncIterator[Due | None]:
        if but:
            due = due.where(solve_jobs.c.job_id.not_in(list(but)))
        async with self._engine.begin() as connection:
            locked = due.limit(1).with_for_update(of=solve_jobs, skip_locked=True, key_share=True)
            row = (await connection.execute(locked)).first()
            if row is None:
                yield None
                return
            yield Due(row.job_id, row)
            await connection.execute(
                update(solve_jobs).where(solve_jobs.c.job_id == row.job_id).values({done_at: func.clock_timestamp()})
            )

"""Upkeep of what api owns: requests that got lost on their way are sent again, old idempotency keys go.

Owns two slow loops. Must not know HTTP. Repeats are harmless: a request sent again has the same event id and job id,
and every reader takes the second one for a redelivery.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from time import monotonic
from typing import Any

import structlog
from sqlalchemy import Row, delete, exists, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.events.job import JobRequested, ProblemReference, SolveOptions
from schemas.fold import JobStatus
from schemas.tables import idempotency_keys, job_states, jobs, outbox, solve_jobs
from services.api.metrics import REPUBLISHED
from services.api.store.jobs import put, request_event_id
from services.runtime.outage import is_world_away, sleep_unless

log = structlog.get_logger(__name__)

_KEYS_EVERY = timedelta(minutes=10)
_AT_ONCE = 1000
_ENDED = tuple(status.value for status in JobStatus if status.terminal)


class Upkeep:
    """`republish` and `forget_keys` are background loops."""

    def __init__(
        self, engine: AsyncEngine, on_written: Callable[[], None], *, republish_after: timedelta, keep_keys: timedelta
    ) -> None:
        self._engine = engine
        self._on_written = on_written
        self._republish_after = republish_after
        self._keep_keys = keep_keys

    async def republish(self, stop: asyncio.Event) -> None:
        """Send requests again that no solver has taken in: a broker may have lost what it had acknowledged.

        A request is sent again when it is `republish_after` old, then at twice that age, four times, and so on: when
        every solver is down for a day, a job costs a dozen messages. The first pass takes all that are old enough,
        because a replica that just started cannot know which ages it has missed.
        """
        since_last: float | None = None
        while True:
            started = monotonic()
            try:
                await self.republish_unclaimed(since_last)
            except Exception as error:
                if not is_world_away(error):
                    raise
                log.warning("republish_waits", error=str(error)[:200])
            else:
                since_last = 0.0
            if await sleep_unless(stop, self._republish_after.total_seconds() / 2):
                return
            if since_last is not None:
                since_last += monotonic() - started

    async def republish_unclaimed(self, since_last_s: float | None) -> int:
        """Write the requests into the outbox whose age has passed a threshold since the last pass; how many."""
        after_s = self._republish_after.total_seconds()
        age = func.extract("epoch", func.now() - jobs.c.created_at)
        query = (
            select(jobs)
            .outerjoin(job_states, job_states.c.job_id == jobs.c.id)
            .where(jobs.c.source == "api", jobs.c.problem_id.is_not(None), age >= after_s)
            .where(job_states.c.status.is_(None) | job_states.c.status.not_in(_ENDED))
            .where(~exists().where(solve_jobs.c.job_id == jobs.c.id))
            .where(~exists().where(outbox.c.job_id == jobs.c.id))
            .order_by(jobs.c.created_at)
            .limit(_AT_ONCE)
        )
        if since_last_s is not None:
            before = func.greatest(age - since_last_s, after_s / 2)
            query = query.where(_doublings(before, after_s) < _doublings(age, after_s))
        async with self._engine.begin() as connection:
            rows = (await connection.execute(query)).all()
            for row in rows:
                await put(connection, _request(row))
        if rows:
            REPUBLISHED.inc(len(rows))
            log.warning("requests_republished", jobs=len(rows), oldest=str(rows[0].id))
            self._on_written()
        return len(rows)

    async def forget_keys(self, stop: asyncio.Event) -> None:
        """Delete idempotency keys that are older than anybody may rely on."""
        while True:
            try:
                async with self._engine.begin() as connection:
                    await connection.execute(
                        delete(idempotency_keys).where(idempotency_keys.c.created_at < func.now() - self._keep_keys)
                    )
            except Exception as error:
                if not is_world_away(error):
                    raise
                log.warning("forget_keys_waits", error=str(error)[:200])
            if await sleep_unless(stop, _KEYS_EVERY.total_seconds()):
                return


def _doublings(age: Any, after_s: float) -> Any:
    """How many whole doublings of `after_s` an age has behind it (SQL expressions, whose types are the library's)."""
    return func.floor(func.ln(age / after_s) / func.ln(2.0))


def _request(row: Row[Any]) -> JobRequested:
    """The event as it was first written."""
    return JobRequested(
        event_id=request_event_id(row.id),
        job_id=row.id,
        occurred_at=row.created_at,
        correlation_id=row.correlation_id,
        organization_id=row.organization_id,
        requested_by=row.requested_by,
        priority=row.priority,
        options=SolveOptions.model_validate(row.options),
        problem_ref=ProblemReference(problem_id=row.problem_id, sha256=row.problem_sha256),
    )

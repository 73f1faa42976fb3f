"""Upkeep of what api owns: requests and controls that got lost on their way are sent again, and what nobody can need
any more goes.

Owns two slow loops. Must not know HTTP. Repeats are harmless: what is sent again has the same event id and job id, and
every reader takes the second one for a redelivery.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from time import monotonic
from typing import Any

import structlog
from prometheus_client import Counter
from sqlalchemy import Column, ColumnElement, Row, Select, and_, delete, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.events.base import Event
from schemas.events.job import ControlAction, JobControl, JobRequested, ProblemReference, SolveOptions
from schemas.fold import TERMINAL_STATUSES
from schemas.tables import idempotency_keys, job_controls, job_states, jobs, outbox, solve_jobs
from schemas.topics import BY_NAME
from services.api.metrics import CONTROLS_REPUBLISHED, REPUBLISHED
from services.api.store.forgetting import forget_sign_ins
from services.api.store.jobs import control_event, request_event_id
from services.api.store.outbox import put
from services.runtime.outage import is_world_away, sleep_unless

log = structlog.get_logger(__name__)

_FORGET_EVERY = timedelta(minutes=10)
_AT_ONCE = 1000
# Ages at which something is sent again double up to this many times the first; from then on it is sent that often.
# At the default of 30 s: every 32 minutes, so an outage that lasted a day is over that soon for every job.
_LONGEST_STEP = 64.0
# As long as this a solver may still find a request that it has not read.
_REQUESTS_KEPT = BY_NAME[JobRequested.TOPIC].retention


class Upkeep:
    """`republish` and `forget` are background loops."""

    def __init__(
        self, engine: AsyncEngine, on_written: Callable[[], None], *, republish_after: timedelta, keep_keys: timedelta
    ) -> None:
        self._engine = engine
        self._on_written = on_written
        self._republish_after = republish_after
        self._keep_keys = keep_keys

    async def republish(self, stop: asyncio.Event) -> None:
        """Send again what no solver has taken in: a broker may have lost what it had acknowledged.

        A request or control is sent again when it is `republish_after` old, then at twice that age, four times, and so
        on up to `_LONGEST_STEP`: when every solver is down for a day, a job costs a few dozen messages. The first pass
        takes all that are old enough, because a replica that just started cannot know which ages it has missed.
        """
        since_last: float | None = None
        while True:
            started = monotonic()
            try:
                await self.republish_unclaimed(since_last)
                await self.republish_controls(since_last)
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
        """Write the requests into the outbox whose age has passed a threshold since the last pass; how many.

        What counts is what the solvers' tables know, not what the job's state says: tables that were restored from an
        older backup may lack a job that has been seen running.
        """
        lost = (
            select(jobs)
            .outerjoin(job_states, job_states.c.job_id == jobs.c.id)
            .where(jobs.c.source == "api", jobs.c.problem_id.is_not(None))
            .where(_not_ended())
            .where(~exists().where(solve_jobs.c.job_id == jobs.c.id))
            .where(_not_waiting(jobs.c.id, JobRequested))
        )
        sent = await self._send_again(lost, jobs.c.created_at, since_last_s, _request, REPUBLISHED)
        if sent:
            log.warning("requests_republished", jobs=len(sent), oldest=str(sent[0].id))
        return len(sent)

    async def republish_controls(self, since_last_s: float | None) -> int:
        """The same for stops and cancels that no solver has taken in; how many.

        A cancelled job has ended for its readers as soon as one of them heard of it. A solver that missed it goes on
        all the same, so a job that a solver has and has not ended counts, whatever its state says.
        """
        cancels = job_controls.alias("cancels")
        cancel, stop = ControlAction.CANCEL.value, ControlAction.STOP.value
        lost = (
            select(job_controls)
            .outerjoin(job_states, job_states.c.job_id == job_controls.c.job_id)
            .outerjoin(solve_jobs, solve_jobs.c.job_id == job_controls.c.job_id)
            .where(or_(solve_jobs.c.job_id.is_not(None), _not_ended()))
            .where(solve_jobs.c.outcome.is_(None))
            .where(
                or_(
                    solve_jobs.c.control.is_(None),
                    and_(solve_jobs.c.control == stop, job_controls.c.action == cancel),
                )
            )
            # Of both, the cancel is all that a solver need know.
            .where(
                or_(
                    job_controls.c.action == cancel,
                    ~exists().where(cancels.c.job_id == job_controls.c.job_id, cancels.c.action == cancel),
                )
            )
            .where(_not_waiting(job_controls.c.job_id, JobControl))
        )
        sent = await self._send_again(
            lost, job_controls.c.created_at, since_last_s, control_event, CONTROLS_REPUBLISHED
        )
        if sent:
            log.warning("controls_republished", controls=len(sent), oldest=str(sent[0].job_id))
        return len(sent)

    async def _send_again(
        self,
        lost: Select[Any],
        created_at: Column[Any],
        since_last_s: float | None,
        event: Callable[[Row[Any]], Event],
        counter: Counter,
    ) -> list[Row[Any]]:
        """Write the events of the rows whose turn it is, by their age, into the outbox; oldest first."""
        after_s = self._republish_after.total_seconds()
        age = func.extract("epoch", func.now() - created_at)
        query = lost.where(age >= after_s).order_by(created_at).limit(_AT_ONCE)
        if since_last_s is not None:
            before = func.greatest(age - since_last_s, after_s / 2)
            query = query.where(_steps(before / after_s) < _steps(age / after_s))
        async with self._engine.begin() as connection:
            rows = list((await connection.execute(query)).all())
            for row in rows:
                await put(connection, event(row))
        if rows:
            counter.inc(len(rows))
            self._on_written()
        return rows

    async def forget(self, stop: asyncio.Event) -> None:
        """Delete, now and then, what nobody can need any more."""
        while True:
            try:
                await self.forget_once()
            except Exception as error:
                if not is_world_away(error):
                    raise
                log.warning("forget_waits", error=str(error)[:200])
            if await sleep_unless(stop, _FORGET_EVERY.total_seconds()):
                return

    async def forget_once(self) -> None:
        """Delete idempotency keys that are older than anybody may rely on, ended sessions and tokens, old failures to
        sign in, and the controls of ended jobs.

        A control stays while a solver may still take its job up: one that it has not ended, or, of a job that was
        cancelled before any solver knew it, one whose request may still be on its topic.
        """
        job = job_controls.c.job_id
        ended = exists().where(job_states.c.job_id == job, job_states.c.status.in_(TERMINAL_STATUSES))
        solved = exists().where(solve_jobs.c.job_id == job, solve_jobs.c.outcome.is_not(None))
        unsolved = exists().where(solve_jobs.c.job_id == job, solve_jobs.c.outcome.is_(None))
        too_late = and_(~unsolved, job_controls.c.created_at < func.now() - _REQUESTS_KEPT)
        async with self._engine.begin() as connection:
            await connection.execute(
                delete(idempotency_keys).where(idempotency_keys.c.created_at < func.now() - self._keep_keys)
            )
            await forget_sign_ins(connection)
            await connection.execute(
                delete(job_controls).where(or_(~exists().where(jobs.c.id == job), and_(ended, or_(solved, too_late))))
            )


def _not_ended() -> ColumnElement[bool]:
    """Of a job that is joined with its state, if any."""
    return or_(job_states.c.status.is_(None), job_states.c.status.not_in(TERMINAL_STATUSES))


def _not_waiting(job_id: Column[Any], event: type[Event]) -> ColumnElement[bool]:
    """No such event of the job is in the outbox still."""
    return ~exists().where(outbox.c.job_id == job_id, outbox.c.topic == event.TOPIC)


def _steps(age: Any) -> Any:
    """How many times something of this age should have been sent again, but for the first (SQL expressions, whose types
    are the library's). An age is a multiple of the first threshold.
    """
    doublings = func.floor(func.ln(func.least(age, _LONGEST_STEP)) / func.ln(2.0))
    return doublings + func.floor(func.greatest(age / _LONGEST_STEP, 1.0))


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

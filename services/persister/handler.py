"""What the persister does with each event: one method per topic.

Owns throttling and what is said about each end. Must not know SQL (repository) or how a result is packed (packing).

The offset is committed after the method returns, that is after the database transaction. Throttled reports are the one
exception, and losing them is harmless: a report only tells how a running job stood, the next one comes within five
seconds and tells it better, and what an end tells does not depend on any report.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from time import monotonic
from uuid import UUID

import structlog

from schemas.events import Event, JobControl, JobRequested, Outcome, SolveCompleted, SolveProgress
from schemas.fold import keeps_result
from services.persister.metrics import (
    GENERATION_SECONDS,
    JOBS_INSERTED,
    PERSIST_LAG,
    PERSIST_SECONDS,
    PROGRESS_HELD_BACK,
    PROGRESS_WAITING,
    RESULTS_DROPPED,
    RESULTS_STORED,
    STATE_WRITES,
)
from services.persister.packing import timetable_row, variant_rows
from services.persister.repository import Applied, Repository, Result
from services.runtime.faults import fault_point
from services.runtime.kafka import Received
from services.runtime.outage import is_world_away, sleep_unless

log = structlog.get_logger(__name__)


class Persister:
    """Handles the four topics' events; `flush_progress` is its background loop."""

    def __init__(self, repository: Repository, write_every_s: float) -> None:
        self._repository = repository
        self._write_every_s = write_every_s
        # Reports not written yet, the latest of each variant; and when each running job was written last.
        self._waiting: dict[UUID, dict[int, SolveProgress]] = {}
        self._written_at: dict[UUID, float] = {}

    async def on_requested(self, event: JobRequested, _received: Received) -> None:
        applied = await self._repository.apply([event])
        self._count(event, applied)
        if applied.inserted_job:
            JOBS_INSERTED.inc()
        log.info(
            "request_recorded",
            source="event" if applied.inserted_job else "api",
            effect="changed" if applied.changed else "none",
            foreign=applied.foreign,
        )

    async def on_control(self, event: JobControl, _received: Received) -> None:
        # Where the job stood when it was cancelled is worth keeping: first what waits, then the end.
        applied = await self._repository.apply([*self._take_waiting(event.job_id), event])
        self._count(event, applied)
        log.info(
            "control_recorded",
            action=event.action.value,
            status=applied.state.status.value if applied.state else None,
            effect="changed" if applied.changed else "none",
            foreign=applied.foreign,
        )

    async def on_progress(self, event: SolveProgress, _received: Received) -> None:
        """Write the report, or keep it for `flush_progress` if this job was written a moment ago."""
        waiting = self._waiting.setdefault(event.job_id, {})
        known = waiting.get(event.variant)
        if known is None or _rank(known) <= _rank(event):
            waiting[event.variant] = event
        if monotonic() - self._written_at.get(event.job_id, -self._write_every_s) >= self._write_every_s:
            await self._write_waiting(event.job_id)
        else:
            PROGRESS_HELD_BACK.inc()
        PROGRESS_WAITING.set(len(self._waiting))
        PERSIST_LAG.labels(topic=event.TOPIC).set(_age_s(event))

    async def on_completed(self, event: SolveCompleted, _received: Received) -> None:
        started = monotonic()
        fault_point("persister.received")
        result = await asyncio.to_thread(_pack, event)
        applied = await self._repository.apply([*self._take_waiting(event.job_id), event], result)
        fault_point("persister.stored")
        seconds = monotonic() - started
        self._count(event, applied)
        self._written_at.pop(event.job_id, None)
        if not applied.changed:
            reason = _why_dropped(applied)
            RESULTS_DROPPED.labels(reason=reason).inc()
            log.warning("result_dropped", reason=reason, outcome=event.outcome.value, event_id=str(event.event_id))
            return
        PERSIST_SECONDS.observe(seconds)
        RESULTS_STORED.labels(outcome=event.outcome.value).inc()
        if event.started_at is not None:
            generated_s = (event.occurred_at - event.started_at).total_seconds()
            GENERATION_SECONDS.labels(outcome=event.outcome.value).observe(max(0.0, generated_s))
        log.info(
            "result_stored",
            outcome=event.outcome.value,
            variants=len(result.variants) if result else 0,
            packed_bytes=sum(len(row["timetable_zstd"]) for row in result.variants) if result else 0,
            hard_violations=event.best.score.hard_violations if event.best else None,
            total=event.best.score.total if event.best else None,
            seconds=round(seconds, 3),
        )

    async def flush_progress(self, stop: asyncio.Event) -> None:
        """Background loop: write what waits once its job's second is over, so that the last report is never the one
        that stays unwritten.
        """
        while not await sleep_unless(stop, max(0.05, self._write_every_s / 2)):
            now = monotonic()
            self._written_at = {job: at for job, at in self._written_at.items() if now - at < 60.0}
            try:
                for job_id in [job for job, waiting in self._waiting.items() if waiting]:
                    if now - self._written_at.get(job_id, -self._write_every_s) >= self._write_every_s:
                        await self._write_waiting(job_id)
            except Exception as error:  # the same answer as for a message: wait for the world, tell of defects
                if not is_world_away(error):
                    raise
                log.warning("progress_waits", jobs=len(self._waiting), error=str(error)[:200])
            PROGRESS_WAITING.set(len(self._waiting))

    async def _write_waiting(self, job_id: UUID) -> None:
        """Write a job's waiting reports; they wait on if the database is away."""
        reports = self._take_waiting(job_id)
        if not reports:
            return
        self._written_at[job_id] = monotonic()
        try:
            applied = await self._repository.apply(reports)
        except Exception:
            waiting = self._waiting.setdefault(job_id, {})
            for report in reports:
                waiting.setdefault(report.variant, report)
            self._written_at.pop(job_id, None)
            raise
        self._count(reports[-1], applied)

    def _take_waiting(self, job_id: UUID) -> list[SolveProgress]:
        return list(self._waiting.pop(job_id, {}).values())

    def _count(self, event: Event, applied: Applied) -> None:
        if applied.changed:
            STATE_WRITES.inc()
        PERSIST_LAG.labels(topic=event.TOPIC).set(_age_s(event))


def _pack(event: SolveCompleted) -> Result | None:
    """A cancelled job leaves no result, a failed one only its error."""
    if event.outcome is Outcome.CANCELLED:
        return None
    return Result(timetable_row(event), variant_rows(event) if keeps_result(event.outcome) else [])


def _why_dropped(applied: Applied) -> str:
    if applied.foreign:
        return "foreign"
    if applied.same_end:
        return "duplicate"
    return "late" if applied.state is not None and applied.state.status.terminal else "fenced"


def _rank(report: SolveProgress) -> tuple[int, int, int]:
    return (report.token, report.attempt, report.sequence)


def _age_s(event: Event) -> float:
    return max(0.0, (datetime.now(UTC) - event.occurred_at).total_seconds())

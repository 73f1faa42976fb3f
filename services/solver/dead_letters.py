"""Dead letters of the solver: the requests of jobs that failed for good, for an operator to look at and try again.

Owns what such a letter says. The request was acknowledged long ago, so it is built again from the job's row: the same
ids, options and problem. A crash between publishing and marking publishes it twice; replaying both asks for one job
(`horarium.dead_letters`). Must not know which failures are worth a letter (`outcome`).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid5

import structlog
from sqlalchemy import Row

from schemas.events import JobRequested, ProblemFormat, ProblemReference, SolveCompleted, SolveOptions
from schemas.events.cloudevents import WireMessage, encode
from schemas.problem.read import MAX_PROBLEM_BYTES
from schemas.topics import BY_NAME
from services.runtime.outage import sleep_unless
from services.solver.delivery import Delivery, PublishWire
from services.solver.ends import Due, Ends
from services.solver.intake import new_job
from services.solver.metrics import DEAD_LETTERS
from services.solver.outcome import MAX_EVENT_BYTES
from services.solver.packing import unpack

log = structlog.get_logger(__name__)

SOURCE = "/horarium/solver"
GROUP = "solver.intake"
_POLL_S = 2.0
_MAX_ERROR_CHARS = 1000


class UnbuildableRequestError(Exception):
    """The row no longer holds the problem that was asked for, so the request cannot be built from it."""


class DeadLetters:
    """`run` is a background loop."""

    def __init__(self, ends: Ends, publish: PublishWire) -> None:
        self._delivery = Delivery("dead_letter", ends.next_dead_letter, dead_letter, publish)

    async def run(self, stop: asyncio.Event) -> None:
        """Publish what is due, then wait. Raises what the broker raises: start it again after a pause."""
        while True:
            await self.publish(stop)
            if await sleep_unless(stop, _POLL_S):
                return

    async def publish(self, stop: asyncio.Event | None = None) -> int:
        """Publish every dead letter that has not been; how many."""
        return await self._delivery.deliver_all(_on_published, stop)


def _on_published(due: Due, _event: JobRequested, message: WireMessage) -> None:
    reason = message.headers["dlq_reason"]
    DEAD_LETTERS.labels(reason=reason).inc()
    log.error(
        "job_dead_lettered",
        organization_id=str(due.row.organization_id),
        reason=reason,
        error=message.headers["dlq_error"][:300],
        attempts=int(message.headers["dlq_attempts"]),
        value_bytes=len(message.value),
    )


def dead_letter(due: Due) -> tuple[JobRequested, WireMessage]:
    """The job's request as it was first written, with the headers that `services.runtime.kafka` gives a dead letter.

    Without partition and offset, which nobody knows any more. Raises UnbuildableRequestError.
    """
    event, wire = _request(due.row)
    end = SolveCompleted.model_validate_json(unpack(bytes(due.row.completed_event), MAX_EVENT_BYTES))
    error = f"{end.error.code}: {end.error.message}" if end.error else ""
    headers = {
        **wire.headers,
        "dlq_reason": str(due.row.dead_letter_reason),
        "dlq_error": error[:_MAX_ERROR_CHARS],
        "dlq_attempts": str(end.attempt),
        "dlq_topic": wire.topic,
        "dlq_group": GROUP,
        "dlq_service": "solver",
    }
    return event, replace(wire, topic=BY_NAME[wire.topic].dead_letter, headers=headers)


def _request(row: Row[Any]) -> tuple[JobRequested, WireMessage]:
    for problem in _problems(row):
        event = JobRequested(
            # Rows of an older version have none; a name of the job's own makes a repeated letter the same event.
            event_id=row.request_event_id or uuid5(row.job_id, JobRequested.TYPE),
            job_id=row.job_id,
            occurred_at=row.requested_at,
            correlation_id=row.correlation_id,
            organization_id=row.organization_id,
            requested_by=row.requested_by,
            priority=row.priority,
            options=SolveOptions.model_validate(row.options),
            **problem,
        )
        wire = encode(event, source=SOURCE, traceparent=row.traceparent)
        # JSON does not bring everything back as it was (NaN): what intake would make of the letter decides.
        if new_job(JobRequested.model_validate_json(wire.value)).problem_sha256 == row.problem_sha256:
            return event, wire
    raise UnbuildableRequestError(f"the problem of job {row.job_id} is not the one with SHA-256 {row.problem_sha256}")


def _problems(row: Row[Any]) -> Iterator[dict[str, Any]]:
    """The problem's fields, as an object for people to read if possible, else as the text that was stored."""
    if row.problem_id is not None:
        yield {"problem_ref": ProblemReference(problem_id=row.problem_id, sha256=row.problem_sha256)}
        return
    if row.problem_zstd is None:
        return
    content = unpack(bytes(row.problem_zstd), MAX_PROBLEM_BYTES)
    if hashlib.sha256(content).hexdigest() != row.problem_sha256:
        return
    if row.problem_format == ProblemFormat.NATIVE:
        parsed = _object(content)
        if parsed is not None:
            yield {"problem": parsed, "problem_format": ProblemFormat.NATIVE}
    yield {"problem": content.decode(), "problem_format": ProblemFormat(row.problem_format)}


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None

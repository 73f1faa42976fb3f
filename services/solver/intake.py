"""Intake: requests and controls from the broker become rows, at once, so that no offset is ever held during a solve.

Owns what is checked on arrival: only what would be absurd to store. Whether the problem is any good is found out by the
child process that loads it. Both handlers are idempotent: a message that comes again changes nothing. Must not know the
broker or who claims the tasks.
"""

from __future__ import annotations

import asyncio
import hashlib
import json

import structlog

from schemas.events import ErrorInfo, JobControl, JobRequested, ProblemFormat
from services.runtime.faults import fault_point
from services.runtime.kafka import Received
from services.runtime.tracing import annotate, traceparent
from services.solver.jobs import Accepted, Controlled, Jobs, NewJob
from services.solver.metrics import DUPLICATE_REQUESTS
from services.solver.packing import pack

log = structlog.get_logger(__name__)


class Intake:
    """The handlers of `job.requested` and `job.control`."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    async def on_job_requested(self, event: JobRequested, received: Received | None = None) -> None:
        """Store the job and one task per variant. A job that cannot be meant ends at once, as `failed`."""
        annotate(organization_id=str(event.organization_id))
        # Up to 64 MiB of JSON: not in the event loop, which renews leases.
        job = await asyncio.to_thread(new_job, event)
        accepted = await self._jobs.accept(job)
        fault_point("intake.stored")
        match accepted:
            case Accepted.NEW:
                log.info(
                    "job_accepted",
                    organization_id=str(event.organization_id),
                    variants=event.options.variants,
                    by_reference=event.problem_ref is not None,
                    error=job.error.code if job.error else None,
                )
            case Accepted.DUPLICATE:
                DUPLICATE_REQUESTS.inc()
                log.info("job_known_already")
            case Accepted.FOREIGN:
                # Whoever made this request chose an id that is taken; it is not told by whom.
                log.warning("job_id_taken", organization_id=str(event.organization_id))

    async def on_job_control(self, event: JobControl, received: Received | None = None) -> None:
        """Stop or cancel the job. One that has not arrived yet keeps the control until it does."""
        controlled = await self._jobs.control(event.job_id, event.organization_id, event.action)
        fault_point("control.stored")
        level = log.warning if controlled is Controlled.FOREIGN else log.info
        level("job_controlled", action=event.action.value, result=controlled.value)


def new_job(event: JobRequested) -> NewJob:
    """The job to store for a request."""
    content: bytes | None = None
    if event.problem_ref is not None:
        format_name, problem_id, sha256 = None, event.problem_ref.problem_id, event.problem_ref.sha256
    else:
        content = _content(event.problem)
        format_name, problem_id, sha256 = event.problem_format.value, None, hashlib.sha256(content).hexdigest()
    error = _absurdity(event)
    return NewJob(
        job_id=event.job_id,
        organization_id=event.organization_id,
        priority=event.priority,
        options=event.options,
        problem_format=format_name,
        problem_zstd=pack(content) if content is not None and error is None else None,
        problem_id=problem_id,
        problem_sha256=sha256,
        correlation_id=_storable(event.correlation_id),
        requested_at=event.occurred_at,
        requested_by=_storable(event.requested_by),
        request_event_id=event.event_id,
        error=error,
        traceparent=traceparent(),
    )


def _storable(text: str) -> str:
    """Without U+0000, which PostgreSQL's text cannot hold: it comes only from broken or hostile producers."""
    return text.replace("\x00", "\ufffd")


def _content(problem: object) -> bytes:
    if isinstance(problem, str):
        return problem.encode("utf-8", "surrogatepass")
    # What is no text (a lone surrogate) is kept as it is: the reader says where it is.
    return json.dumps(problem, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _absurdity(event: JobRequested) -> ErrorInfo | None:
    if event.problem_format is not ProblemFormat.NATIVE and isinstance(event.problem, dict):
        return ErrorInfo(
            code="invalid_problem",
            message=f"/problem: 'problem_format' is '{event.problem_format}', but the problem is a JSON object."
            " Send the text of the file, or 'problem_format': 'native'.",
        )
    if event.problem is not None and not event.problem:
        return ErrorInfo(code="invalid_problem", message="/problem: the problem is empty. Send a problem.")
    return None

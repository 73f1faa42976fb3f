"""Timetables over HTTP: ask for them, list and look at jobs, stop and cancel.

Owns what a request means for a job. Must not know how jobs are stored or published.
"""

from __future__ import annotations

import hashlib
import json
from http import HTTPStatus
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from schemas.events.job import ControlAction, SolveOptions
from schemas.fold import JobStatus
from schemas.problem.findings import Finding, InvalidInputError, InvalidProblemError
from services.api.access import Access
from services.api.bodies import (
    Accepted,
    Controlled,
    GenerateRequest,
    JobAnswer,
    JobAttempts,
    JobDetailAnswer,
    JobList,
    JobPage,
)
from services.api.cursors import position
from services.api.metrics import JOBS_REQUESTED, REPLAYED
from services.api.reading import ReadProblem, parse_request, read_request
from services.api.refusals import Refusal, invalid_body, not_found
from services.api.refusals_of_limits import rate_headers
from services.api.routes.documented import json_body
from services.api.routes.requests import IDEMPOTENCY_HEADER, idempotency_key, require_json
from services.api.store.attempts import Attempts
from services.api.store.jobs import (
    IdempotencyKeyReusedError,
    Job,
    Jobs,
    UnknownBaseError,
    UnknownProblemError,
    Wanted,
)
from services.api.store.results import Results
from services.api.uploads import Body, Uploads
from services.api.work import ChildProcesses
from services.runtime.contract import merged, refusals, with_headers
from services.runtime.tokens import Principal

PREFIX = "/api/timetables"
# Up to this size a request is parsed on the event loop: that takes well under a millisecond.
_PARSED_HERE_BYTES = 32 * 1024


class Links:
    """Where a job's state and progress are told."""

    def __init__(self, progress_base_url: str) -> None:
        self._progress = progress_base_url.rstrip("/")

    def status(self, job_id: UUID) -> str:
        return f"{PREFIX}/{job_id}"

    def progress(self, job_id: UUID) -> str:
        return f"{self._progress}/api/progress/{job_id}"


def timetable_routes(
    access: Access,
    jobs: Jobs,
    attempts: Attempts,
    results: Results,
    uploads: Uploads,
    children: ChildProcesses,
    links: Links,
) -> APIRouter:
    router = APIRouter(prefix=PREFIX, tags=["timetables"])
    viewer, planner = Depends(access.viewer), Depends(access.planner)

    @router.post(
        "/generate",
        status_code=HTTPStatus.ACCEPTED,
        summary="Ask for timetables",
        description="Accepted durably, whatever the broker does; ask `status_url` and `progress_url` how it goes. With"
        " an Idempotency-Key the same request may be sent again safely: it is one job.",
        openapi_extra=json_body(GenerateRequest),
        responses=merged(
            refusals(408, 409, 413, 415, 422, 429, 503),
            with_headers(202, "Location", optional=("RateLimit", "RateLimit-Policy")),
            with_headers(429, optional=("RateLimit", "RateLimit-Policy")),
        ),
    )
    async def generate(
        request: Request,
        response: Response,
        key: Annotated[
            str | None, Header(alias=IDEMPOTENCY_HEADER, description="1 to 200 printable characters.")
        ] = None,
        caller: Principal = planner,
    ) -> Accepted:
        require_json(request)
        idempotency = idempotency_key(request)
        async with uploads.receive(request) as body:
            asked, problem = await _read(body, children, caller.organization_id)
        wanted = Wanted(
            problem=problem,
            options=asked.options(),
            priority=asked.priority,
            correlation_id=request.state.correlation_id,
            idempotency_key=idempotency,
            request_sha256=_fingerprint(asked, problem),
        )
        try:
            accepted = await jobs.request(caller, wanted)
        except UnknownProblemError as error:
            message = "There is no such problem. Upload it first, or send it as 'problem'."
            raise invalid_body([Finding("unknown_problem", "/problem_id", message)], 1) from error
        except UnknownBaseError as error:
            raise invalid_body([_unknown_base(error, asked.base_variant)], 1) from error
        except IdempotencyKeyReusedError as error:
            raise Refusal(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                f"This {IDEMPOTENCY_HEADER} belongs to a request with another body. Use a new key.",
            ) from error
        (REPLAYED if accepted.replayed else JOBS_REQUESTED).inc()
        request.state.job_id = accepted.job_id
        response.headers["Location"] = links.status(accepted.job_id)
        if accepted.allowance is not None:
            response.headers.update(rate_headers(accepted.allowance))
        return Accepted(
            job_id=accepted.job_id,
            status=JobStatus.QUEUED,
            status_url=links.status(accepted.job_id),
            progress_url=links.progress(accepted.job_id),
        )

    @router.get(
        "",
        summary="Jobs of the organisation, newest first",
        description="Without the pins in `options`; a job's own page has them.",
        responses=refusals(422),
    )
    async def list_jobs(page: Annotated[JobPage, Query()], caller: Principal = viewer) -> JobList:
        found = await jobs.page(caller.organization_id, page.status, page.limit, position(page.cursor))
        last = found[-1].position.cursor() if len(found) == page.limit else None
        return JobList(items=[JobAnswer.model_validate(_listed(job, links)) for job in found], next_cursor=last)

    @router.get("/{job_id}", summary="A job and its finished variants", responses=refusals(404, 422))
    async def get_job(job_id: UUID, request: Request, caller: Principal = viewer) -> JobDetailAnswer:
        request.state.job_id = job_id
        job = await jobs.get(caller.organization_id, job_id)
        if job is None:
            raise not_found("job", "job_not_found")
        variants = []
        if job.status.terminal:
            variants = await results.variants(caller.organization_id, job_id, links.status(job_id))
        reports = job.state.variants.values() if job.state is not None else ()
        return JobDetailAnswer.model_validate(
            {
                **_shown(job, links),
                "infeasibility": job.row.infeasibility,
                "progress": sorted(reports, key=lambda report: report.variant),
                "variants": variants,
            }
        )

    @router.get(
        "/{job_id}/attempts",
        summary="Who has worked on a job, and how each attempt ended",
        description="A variant that loses its worker is taken up by another, from its last checkpoint.",
        responses=refusals(404, 422),
    )
    async def get_attempts(job_id: UUID, request: Request, caller: Principal = viewer) -> JobAttempts:
        request.state.job_id = job_id
        found = await attempts.of_job(caller.organization_id, job_id)
        if found is None:
            raise not_found("job", "job_not_found")
        return JobAttempts(job_id=job_id, variants=found)

    async def control(request: Request, caller: Principal, job_id: UUID, action: ControlAction) -> Controlled:
        request.state.job_id = job_id
        status = await jobs.control(caller, job_id, action, request.state.correlation_id)
        if status is None:
            raise not_found("job", "job_not_found")
        return Controlled(job_id=job_id, action=action, status=status, status_url=links.status(job_id))

    @router.post(
        "/{job_id}/stop",
        status_code=HTTPStatus.ACCEPTED,
        summary="Stop a job and keep the best timetable so far",
        description="Kept until a solver has it. A job that none has begun ends without being solved. Asking again, or"
        " of a job that has ended, changes nothing; a cancel may follow.",
        responses=refusals(404, 422, 503),
    )
    async def stop(job_id: UUID, request: Request, caller: Principal = planner) -> Controlled:
        return await control(request, caller, job_id, ControlAction.STOP)

    @router.post(
        "/{job_id}/cancel",
        status_code=HTTPStatus.ACCEPTED,
        summary="Cancel a job and discard what it found",
        description="The job ends at once, also while every solver is down, and also if it was to be stopped. Asking"
        " again, or of a job that has ended, changes nothing.",
        responses=refusals(404, 422, 503),
    )
    async def cancel(job_id: UUID, request: Request, caller: Principal = planner) -> Controlled:
        return await control(request, caller, job_id, ControlAction.CANCEL)

    return router


def _unknown_base(error: UnknownBaseError, variant: int | None) -> Finding:
    if error.problem:
        message = "That job brought its problem along, and it is not stored. Name the problem as 'problem_id'."
        return Finding("unknown_problem", "/problem_id", message)
    which = "no finished timetable" if variant is None else f"no finished variant {variant}"
    message = f"There is {which} of such a job. Name a job of yours that has ended with a timetable."
    return Finding("unknown_base", "/base_job_id", message)


async def _read(body: Body, children: ChildProcesses, whose: UUID) -> tuple[GenerateRequest, UUID | ReadProblem | None]:
    """The request and its problem: the id of a stored one, one to be stored, or None: the base job's.

    Raises Refusal (422, 429, 503).
    """
    problem: ReadProblem | None = None
    try:
        if isinstance(body.content, Path) or body.size > _PARSED_HERE_BYTES:
            asked, problem = await children.run(whose, read_request, body.content)
        else:
            asked = parse_request(body.content)
            if asked.problem is not None:
                # Even a small problem may be laborious to check.
                asked, problem = await children.run(whose, read_request, body.content)
    except InvalidProblemError as error:
        raise invalid_body(error.findings, error.total, "invalid_problem") from error
    except InvalidInputError as error:
        raise invalid_body(error.findings, error.total) from error
    return asked, asked.problem_id if problem is None else problem


def _fingerprint(asked: GenerateRequest, problem: UUID | ReadProblem | None) -> str:
    """Of what was asked, not of the bytes it was asked in: the order of fields does not make another request."""
    what = problem.sha256 if isinstance(problem, ReadProblem) else str(problem)
    text = json.dumps([what, asked.priority, asked.options().model_dump(mode="json")], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _listed(job: Job, links: Links) -> dict[str, object]:
    """As `_shown`, without the pins: there may be thousands of them in each of two hundred jobs."""
    shown = _shown(job, links)
    return {**shown, "options": SolveOptions.model_validate({**job.row.options, "pins": []})}


def _shown(job: Job, links: Links) -> dict[str, object]:
    """A job's row and state as an answer's fields."""
    row, state = job.row, job.state
    return {
        "job_id": row.id,
        "status": job.status,
        "percent": state.percent if state else 0.0,
        "problem_id": row.problem_id,
        "problem_sha256": row.problem_sha256,
        "options": SolveOptions.model_validate(row.options),
        "priority": row.priority,
        "source": row.source,
        "requested_by": row.requested_by,
        "correlation_id": row.correlation_id,
        "control": job.control,
        "best_score": state.best_score if state else None,
        "best_variant": state.best_variant if state else None,
        "error": state.error if state else None,
        "created_at": row.created_at,
        "started_at": state.started_at if state else None,
        "finished_at": state.finished_at if state else None,
        "updated_at": row.updated_at,
        "status_url": links.status(row.id),
        "progress_url": links.progress(row.id),
    }

"""Finished variants over HTTP: whole, or seen from one room, instructor, course, student or curriculum.

Owns media types, file names and caching. Must not know how a format is written.
"""

from __future__ import annotations

import hashlib
import json
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from anyio import to_thread
from fastapi import APIRouter, Depends, Path, Query, Request, Response

from schemas.change.report import Changes
from schemas.formats.html_timetable import STYLE_HASH
from schemas.formats.solutions import solution_format
from schemas.problem.findings import InvalidInputError
from services.api.access import Access
from services.api.bodies import VariantFormat, VariantQuery
from services.api.refusals import Refusal, invalid_body, not_found, problem_deleted
from services.api.rendering import RENDERING_VERSION, Rendering, decompressed, render
from services.api.routes.documented import XLSX_TYPE
from services.api.routes.downloads import IfNoneMatch, attachment, caching, not_modified
from services.api.routes.timetables import PREFIX
from services.api.store.results import Results, StoredChanges
from services.api.work import ChildProcesses
from services.runtime.contract import merged, refusals, with_headers
from services.runtime.tokens import Principal

_MEDIA_TYPES = {
    VariantFormat.JSON: "application/json",
    VariantFormat.CSV: "text/csv; charset=utf-8",
    VariantFormat.ICS: "text/calendar; charset=utf-8",
    VariantFormat.XLSX: XLSX_TYPE,
    VariantFormat.HTML: "text/html; charset=utf-8",
    VariantFormat.SOLUTION: "text/plain; charset=utf-8",
    VariantFormat.XML: "application/xml",
}
_SUFFIXES = {
    VariantFormat.CSV: "csv",
    VariantFormat.ICS: "ics",
    VariantFormat.XLSX: "xlsx",
    VariantFormat.SOLUTION: "sol",
    VariantFormat.XML: "xml",
}
# The page is shown, not saved; nothing in it can run or load anything.
_PAGE_POLICY = (
    f"default-src 'none'; style-src '{STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def variant_routes(access: Access, results: Results, children: ChildProcesses) -> APIRouter:
    router = APIRouter(prefix=PREFIX, tags=["timetables"])
    viewer = Depends(access.viewer)

    @router.get(
        "/{job_id}/variants/{number}",
        summary="A finished timetable",
        description="A finished variant never changes: send its ETag as If-None-Match and get 304.",
        response_class=Response,
        responses=merged(
            {
                200: {
                    "description": "The timetable.",
                    "content": {media_type.partition(";")[0]: {} for media_type in _MEDIA_TYPES.values()},
                },
                304: {"description": "The caller has it already."},
            },
            refusals(404, 406, 410, 422, 429),
            with_headers(200, "ETag", "Cache-Control", optional=("Content-Disposition",)),
            with_headers(304, "ETag", "Cache-Control"),
        ),
    )
    async def get_variant(
        job_id: UUID,
        number: Annotated[int, Path(ge=1, le=1000)],
        request: Request,
        query: Annotated[VariantQuery, Query()],
        if_none_match: IfNoneMatch = None,
        caller: Principal = viewer,
    ) -> Response:
        request.state.job_id = job_id
        finished = await results.finished(caller.organization_id, job_id, number)
        if finished is None:
            raise not_found("finished variant of a job", "variant_not_found")
        rendering = Rendering(
            query.format, query.view, str(caller.organization_id), finished.completed_at, finished.credits
        )
        etag = _etag(finished.sha256, rendering)
        unchanged = not_modified(if_none_match, etag)
        if unchanged is not None:
            return unchanged
        content = await _content(caller, job_id, number, rendering)
        headers = caching(etag)
        if query.format in _SUFFIXES:
            view = "".join(f"-{kind}-{wanted}" for kind, wanted in rendering.view.items())
            headers |= attachment(f"timetable-{str(job_id)[:8]}-{number}{view}.{_SUFFIXES[query.format]}")
        elif query.format is VariantFormat.HTML:
            headers["Content-Security-Policy"] = _PAGE_POLICY
        return Response(content, media_type=_MEDIA_TYPES[query.format], headers=headers)

    @router.get(
        "/{job_id}/variants/{number}/changes",
        summary="What departs from the timetable that a job started from",
        description="Only for variants of jobs with a `base_job_id`. Like the variant itself this never changes.",
        responses=refusals(404, 422),
    )
    async def get_changes(
        job_id: UUID, number: Annotated[int, Path(ge=1, le=1000)], request: Request, caller: Principal = viewer
    ) -> Changes:
        request.state.job_id = job_id
        stored = await results.changes(caller.organization_id, job_id, number)
        if stored is None:
            raise not_found("finished variant with a base timetable", "changes_not_found")
        return await to_thread.run_sync(_changes, stored)

    async def _content(caller: Principal, job_id: UUID, number: int, rendering: Rendering) -> bytes:
        stored = await results.timetable(job_id, number)
        if stored is None:
            raise not_found("finished variant of a job", "variant_not_found")
        if rendering.format is VariantFormat.JSON and not rendering.view:
            return await to_thread.run_sync(decompressed, stored)
        problem = await results.problem(caller.organization_id, job_id)
        if problem is None:
            raise problem_deleted("only the whole timetable as JSON is left")
        if rendering.format is VariantFormat.SOLUTION and solution_format(problem.format) is None:
            raise Refusal(
                HTTPStatus.NOT_ACCEPTABLE,
                "no_solution_format",
                f"Problems sent as .ctt or .tim have solution files; this one is '{problem.format}'. Ask for XML.",
            )
        try:
            return await children.run(
                caller.organization_id, render, rendering, problem.format, problem.content_zstd, stored
            )
        except InvalidInputError as error:
            raise invalid_body(error.findings, error.total) from error

    return router


def _changes(stored: StoredChanges) -> Changes:
    return Changes.model_validate({**stored.counts, "changed": json.loads(decompressed(stored.changed_zstd))})


def _etag(sha256: str, rendering: Rendering) -> str:
    """Strong: equal bytes. The whole JSON has the stored hash; every other form a hash of what it is made from."""
    if rendering.format is VariantFormat.JSON and not rendering.view:
        return f'"{sha256}"'
    made_from = repr((sha256, RENDERING_VERSION, rendering.format.value, sorted(rendering.view.items())))
    return f'"{hashlib.sha256(made_from.encode()).hexdigest()}"'

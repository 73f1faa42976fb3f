"""Problems over HTTP: upload once, validated; list, look at, delete.

Owns which media type means which format. Must not know how problems are read or stored.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from schemas.problem.findings import InvalidProblemError
from schemas.problem.read import AnyFormat, ProblemFormat, TableFormat
from services.api.access import Access
from services.api.bodies import Page, ProblemAnswer, ProblemList, UploadQuery
from services.api.cursors import position
from services.api.reading import read_upload
from services.api.refusals import Refusal, invalid_body, not_found, unsupported_media_type
from services.api.routes.documented import (
    ANY_TYPE,
    CTT_TYPES,
    NATIVE_TYPE,
    TIM_TYPE,
    XLSX_TYPE,
    XML_TYPES,
    ZIP_TYPES,
    problem_body,
)
from services.api.store.problems import ProblemInUseError, Problems, next_cursor
from services.api.uploads import Uploads, media_type
from services.api.work import ChildProcesses
from services.runtime.contract import merged, refusals, with_headers
from services.runtime.tokens import Principal

PREFIX = "/api/problems"
_FORMATS: dict[str, AnyFormat | None] = {
    NATIVE_TYPE: ProblemFormat.NATIVE,
    **dict.fromkeys(CTT_TYPES, ProblemFormat.CTT),
    TIM_TYPE: ProblemFormat.TIM,
    **dict.fromkeys(XML_TYPES, ProblemFormat.ITC2019),
    XLSX_TYPE: TableFormat.XLSX,
    **dict.fromkeys(ZIP_TYPES, TableFormat.CSV),
    ANY_TYPE: None,
}


def problem_routes(access: Access, problems: Problems, uploads: Uploads, children: ChildProcesses) -> APIRouter:
    router = APIRouter(prefix=PREFIX, tags=["problems"])
    viewer, planner = Depends(access.viewer), Depends(access.planner)

    @router.post(
        "",
        status_code=HTTPStatus.CREATED,
        summary="Upload a problem",
        description=(
            "The body is the problem itself. The same content again answers 200 with the stored one. A spreadsheet is"
            " stored as the native problem that it says; templates are under `/api/problems/templates`."
        ),
        openapi_extra=problem_body(),
        responses=merged(
            {200: {"model": ProblemAnswer, "description": "The organisation has this content already."}},
            refusals(408, 409, 413, 415, 422, 429),
            with_headers(200, "Location"),
            with_headers(201, "Location"),
        ),
    )
    async def upload(
        request: Request,
        response: Response,
        query: Annotated[UploadQuery, Query()],
        caller: Principal = planner,
    ) -> ProblemAnswer:
        if media_type(request) not in _FORMATS:
            raise unsupported_media_type(media_type(request), _FORMATS)
        format = _FORMATS[media_type(request)]
        async with uploads.receive(request) as body:
            created = False
            stored = None
            if isinstance(format, ProblemFormat):  # others are stored as something else, with another hash
                stored = await problems.find(caller.organization_id, body.sha256, format)
            if stored is None:
                try:
                    read = await children.run(caller.organization_id, read_upload, body.content, format)
                except InvalidProblemError as error:
                    raise invalid_body(error.findings, error.total, "invalid_problem") from error
                stored, created = await problems.add(caller, read, query.name)
        request.state.problem_id = stored.id
        response.status_code = HTTPStatus.CREATED if created else HTTPStatus.OK
        response.headers["Location"] = f"{PREFIX}/{stored.id}"
        return stored

    @router.get("", summary="Problems of the organisation, newest first", responses=refusals(422))
    async def list_problems(page: Annotated[Page, Query()], caller: Principal = viewer) -> ProblemList:
        items = await problems.page(caller.organization_id, page.limit, position(page.cursor))
        return ProblemList(items=items, next_cursor=next_cursor(items, page.limit))

    @router.get("/{problem_id}", summary="A problem without its content", responses=refusals(404, 422))
    async def get_problem(problem_id: UUID, request: Request, caller: Principal = viewer) -> ProblemAnswer:
        request.state.problem_id = problem_id
        found = await problems.get(caller.organization_id, problem_id)
        if found is None:
            raise not_found("problem", "problem_not_found")
        return found

    @router.delete(
        "/{problem_id}",
        status_code=HTTPStatus.NO_CONTENT,
        summary="Delete a problem that no unfinished job needs",
        responses=refusals(404, 409, 422),
    )
    async def delete_problem(problem_id: UUID, request: Request, caller: Principal = planner) -> Response:
        request.state.problem_id = problem_id
        try:
            deleted = await problems.delete(caller.organization_id, problem_id)
        except ProblemInUseError as error:
            raise Refusal(
                HTTPStatus.CONFLICT,
                "problem_in_use",
                "Jobs that have not ended need this problem. Wait for them, or cancel them, and try again.",
            ) from error
        if not deleted:
            raise not_found("problem", "problem_not_found")
        return Response(status_code=HTTPStatus.NO_CONTENT)

    return router

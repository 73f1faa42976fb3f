"""Templates over HTTP: spreadsheets to fill in, with a small example that can be uploaded as it is.

Owns their names and caching. Must not know what is in them.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum

from fastapi import APIRouter, Depends, Response

from schemas.formats.tables.template import template_bundle, template_workbook
from services.api.access import Access
from services.api.routes.documented import XLSX_TYPE, ZIP_TYPES
from services.api.routes.downloads import IfNoneMatch, download
from services.api.work import ChildProcesses
from services.runtime.contract import merged, refusals, with_headers
from services.runtime.tokens import Principal


class TemplateName(StrEnum):
    """The files that can be downloaded."""

    WORKBOOK = "problem.xlsx"
    BUNDLE = "problem.zip"


_TEMPLATES = {
    TemplateName.WORKBOOK: (template_workbook, XLSX_TYPE),
    TemplateName.BUNDLE: (template_bundle, ZIP_TYPES[0]),
}


def template_routes(access: Access, children: ChildProcesses) -> APIRouter:
    router = APIRouter(prefix="/api/problems/templates", tags=["problems"])
    viewer = Depends(access.viewer)

    @router.get(
        "/{name}",
        summary="A spreadsheet to fill in",
        description="Every sheet and column with what goes in, and a small problem that can be uploaded as it is.",
        response_class=Response,
        responses=merged(
            {
                200: {"description": "The file.", "content": {kind: {} for _, kind in _TEMPLATES.values()}},
                304: {"description": "The caller has it already."},
            },
            refusals(422, 429),
            with_headers(200, "ETag", "Cache-Control", optional=("Content-Disposition",)),
            with_headers(304, "ETag", "Cache-Control"),
        ),
    )
    async def get_template(
        name: TemplateName, if_none_match: IfNoneMatch = None, caller: Principal = viewer
    ) -> Response:
        make, kind = _TEMPLATES[name]
        content = await children.run(caller.organization_id, make)
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        return download(if_none_match, etag, content, kind, name.value)

    return router

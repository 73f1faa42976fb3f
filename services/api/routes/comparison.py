"""A job's finished variants compared, over HTTP.

Owns which variants are asked for, and caching. Must not know how they are compared.
"""

from __future__ import annotations

import hashlib
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from schemas.problem.findings import Finding, InvalidInputError
from services.api.access import Access
from services.api.bodies import ComparedVariant, ComparisonAnswer, ComparisonQuery, VariantAnswer
from services.api.comparing import COMPARISON_VERSION, compare_variants
from services.api.refusals import invalid_body, not_found, problem_deleted
from services.api.routes.downloads import IfNoneMatch, caching, not_modified
from services.api.routes.timetables import PREFIX
from services.api.store.results import Results
from services.api.work import ChildProcesses
from services.runtime.contract import merged, refusals, with_headers
from services.runtime.tokens import Principal


def comparison_routes(access: Access, results: Results, children: ChildProcesses) -> APIRouter:
    router = APIRouter(prefix=PREFIX, tags=["timetables"])
    viewer = Depends(access.viewer)

    @router.get(
        "/{job_id}/comparison",
        summary="Finished variants side by side",
        description="Cost by part with the problem's own weights, how much each pair differs, and how different all of"
        " them are. Of exactly two variants also which classes and students differ: `before` is the smaller number.",
        response_class=Response,
        responses=merged(
            {
                200: {"model": ComparisonAnswer, "description": "The comparison."},
                304: {"description": "The caller has it already."},
            },
            refusals(404, 410, 422, 429),
            with_headers(200, "ETag", "Cache-Control"),
            with_headers(304, "ETag", "Cache-Control"),
        ),
    )
    async def get_comparison(
        job_id: UUID,
        request: Request,
        query: Annotated[ComparisonQuery, Query()],
        if_none_match: IfNoneMatch = None,
        caller: Principal = viewer,
    ) -> Response:
        request.state.job_id = job_id
        finished = {v.variant: v for v in await results.variants(caller.organization_id, job_id, "")}
        if not finished:
            raise not_found("job with finished variants", "variant_not_found")
        wanted = query.numbers or sorted(finished)
        unknown = [number for number in wanted if number not in finished]
        if unknown:
            message = f"There is no finished variant {unknown[0]}; there are {', '.join(map(str, sorted(finished)))}."
            raise invalid_body([Finding("unknown_variant", "/query/variants", message)], 1)
        hashes = await results.hashes(job_id, wanted)
        etag = _etag(hashes)
        unchanged = not_modified(if_none_match, etag)
        if unchanged is not None:
            return unchanged
        content = await _content(caller, job_id, [finished[number] for number in wanted])
        return Response(content, media_type="application/json", headers=caching(etag))

    async def _content(caller: Principal, job_id: UUID, variants: list[VariantAnswer]) -> bytes:
        problem = await results.problem(caller.organization_id, job_id)
        if problem is None:
            raise problem_deleted("only timetables are left")
        stored = {}
        for variant in variants:
            packed = await results.timetable(job_id, variant.variant)
            if packed is None:
                raise not_found("finished variant of a job", "variant_not_found")
            stored[variant.variant] = packed
        compared = [_compared(variant) for variant in variants]
        try:
            return await children.run(
                caller.organization_id, compare_variants, compared, problem.format, problem.content_zstd, stored
            )
        except InvalidInputError as error:
            raise invalid_body(error.findings, error.total) from error

    return router


def _compared(variant: VariantAnswer) -> ComparedVariant:
    return ComparedVariant(
        variant=variant.variant, profile=variant.provenance.profile, score=variant.own_score or variant.score
    )


def _etag(hashes: dict[int, str]) -> str:
    made_from = repr((COMPARISON_VERSION, sorted(hashes.items())))
    return f'"{hashlib.sha256(made_from.encode()).hexdigest()}"'

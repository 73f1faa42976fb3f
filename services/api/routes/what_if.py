"""What if a class of a finished timetable were moved, over HTTP.

Owns what a question means and whether it may be asked. Must not know how consequences are counted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from schemas.whatif.alternatives import MAX_ALTERNATIVES
from schemas.whatif.answers import Alternatives, Evaluation
from services.api.access import Access
from services.api.bodies import MoveRequest
from services.api.refusals import not_found, problem_deleted
from services.api.routes.documented import json_body
from services.api.routes.requests import read_json
from services.api.routes.timetables import PREFIX
from services.api.store.results import Results
from services.api.uploads import Uploads
from services.api.what_if import WhatIf
from services.api.what_if_messages import Content, Question
from services.runtime.contract import refusals
from services.runtime.tokens import Principal

Number = Annotated[int, Path(ge=1, le=1000)]


def what_if_routes(access: Access, results: Results, uploads: Uploads, what_if: WhatIf) -> APIRouter:
    router = APIRouter(prefix=PREFIX, tags=["timetables"])
    viewer = Depends(access.viewer)

    @router.post(
        "/{job_id}/variants/{number}/moves/evaluate",
        summary="What a move would change",
        description="Nothing is stored. Cost by part and hard violations by rule, as differences, and the conflicts"
        " that it would make and mend, by name. Milliseconds once the timetable is ready; the first question about it"
        " takes a second or two at full size.",
        openapi_extra=json_body(MoveRequest),
        response_class=Response,
        responses={
            200: {"model": Evaluation, "description": "The consequences."},
            **refusals(404, 408, 410, 413, 415, 422, 429, 503),
        },
    )
    async def evaluate(job_id: UUID, number: Number, request: Request, caller: Principal = viewer) -> Response:
        request.state.job_id = job_id
        move = await read_json(request, uploads, MoveRequest)
        return await answered(caller, job_id, number, Question(key="", move=move))

    @router.get(
        "/{job_id}/variants/{number}/alternatives",
        summary="The best other places of a class",
        description="Pairs of an allowed time and an allowed room, ranked by (hard violations, cost), each with what it"
        " would change and disturb.",
        response_class=Response,
        responses={
            200: {"model": Alternatives, "description": "The best ones."},
            **refusals(404, 410, 422, 429, 503),
        },
    )
    async def alternatives(
        job_id: UUID,
        number: Number,
        request: Request,
        class_id: Annotated[str, Query(alias="class", min_length=1, max_length=128)],
        limit: Annotated[int, Query(ge=1, le=MAX_ALTERNATIVES)] = 10,
        caller: Principal = viewer,
    ) -> Response:
        request.state.job_id = job_id
        return await answered(caller, job_id, number, Question(key="", class_id=class_id, limit=limit))

    async def answered(caller: Principal, job_id: UUID, number: int, question: Question) -> Response:
        finished = await results.finished(caller.organization_id, job_id, number)
        if finished is None:
            raise not_found("finished variant of a job", "variant_not_found")

        async def content() -> Content:
            problem = await results.problem(caller.organization_id, job_id)
            stored = await results.timetable(job_id, number)
            if problem is None or stored is None:
                raise problem_deleted("without it nothing can be counted")
            return Content(problem.format, problem.content_zstd, stored)

        # By what the timetable is, not by its number alone: nothing that is kept can be mistaken for something else.
        keyed = replace(question, key=f"{job_id}/{number}/{finished.sha256}")
        answer = await what_if.ask(caller.organization_id, keyed, content)
        return Response(answer, media_type="application/json", headers={"Cache-Control": "private, no-store"})

    return router

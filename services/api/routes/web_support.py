"""What the web page needs to draw a timetable: what the ids in it mean.

Owns one read-only answer that is the page's own: it is in no contract and changes with the page. Must not know how it
is drawn. A timetable names times, rooms and classes by id only; their hours, capacities, courses and people are in the
problem, of which this is the small part that a reader needs, whatever format the problem came in.
"""

from __future__ import annotations

import hashlib
import json
from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from schemas.problem.model import Course, Problem
from schemas.problem.read import ProblemFormat, parse_problem
from services.api.access import Access
from services.api.refusals import not_found, problem_deleted
from services.api.rendering import decompressed
from services.api.routes.timetables import PREFIX
from services.api.store.jobs import Jobs
from services.api.store.results import Results
from services.api.work import ChildProcesses
from services.runtime.tokens import Principal

# Part of every ETag: to be raised when the same problem is told differently.
_VERSION = 1


def web_support_routes(access: Access, jobs: Jobs, results: Results, children: ChildProcesses) -> APIRouter:
    router = APIRouter(prefix=PREFIX, include_in_schema=False)
    viewer = Depends(access.viewer)

    @router.get("/{job_id}/directory")
    async def directory(job_id: UUID, request: Request, caller: Principal = viewer) -> Response:
        request.state.job_id = job_id
        problem = await results.problem(caller.organization_id, job_id)
        if problem is None:
            if await jobs.get(caller.organization_id, job_id) is None:
                raise not_found("job", "job_not_found")
            raise problem_deleted("its names are gone with it")
        digest = hashlib.sha256(problem.content_zstd).hexdigest()[:32]
        headers = {"ETag": f'"{digest}-{_VERSION}"', "Cache-Control": "private, no-cache"}
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        content = await children.run(caller.organization_id, write_directory, problem.format, problem.content_zstd)
        return Response(content, media_type="application/json", headers=headers)

    return router


def write_directory(problem_format: ProblemFormat, problem_zstd: bytes) -> bytes:
    """The directory as JSON; runs in a child process. Bulky lists are rows, not objects: the page names the columns."""
    problem = parse_problem(decompressed(problem_zstd), problem_format)
    return json.dumps(_directory(problem), ensure_ascii=False, separators=(",", ":")).encode()


def _directory(problem: Problem) -> dict[str, object]:
    return {
        "name": problem.name,
        "calendar": problem.calendar.model_dump(),
        "times": [[t.id, t.weeks, t.days, t.start, t.length] for t in problem.times],
        "rooms": [[r.id, r.name, r.building, r.capacity, r.features] for r in problem.rooms],
        "courses": [[c.id, c.name, _classes(c)] for c in problem.courses],
        "instructors": [[i.id, i.name] for i in problem.instructors],
        "students": [[s.id, s.name] for s in problem.students],
        "curricula": [[q.id, q.name, q.courses] for q in problem.curricula],
    }


def _classes(course: Course) -> list[list[object]]:
    return [
        [c.id, c.limit, config.id, subpart.id, c.instructors]
        for config in course.configs
        for subpart in config.subparts
        for c in subpart.classes
    ]

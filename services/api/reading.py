"""Reading problems, in a child process: from an upload's bytes to what is stored.

Owns the step from bytes to a validated problem with its counts. Must not know HTTP or the database. Everything here
and everything it returns or raises must pickle.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import zstandard
from pydantic import ValidationError

from schemas.problem.expand import ExpandedProblem
from schemas.problem.findings import Finding, InvalidInputError, InvalidProblemError
from schemas.problem.read import ProblemFormat, load_problem
from services.api.bodies import GenerateRequest
from services.api.refusals import findings_of


@dataclass(frozen=True, slots=True)
class ReadProblem:
    """A valid problem, ready to be stored. `sha256` is of the content as sent."""

    name: str
    format: ProblemFormat
    sha256: str
    size_bytes: int
    summary: dict[str, int]
    content_zstd: bytes


class InvalidRequestError(InvalidInputError):
    """The request's own fields are wrong."""


def read_upload(content: bytes | Path, format: ProblemFormat) -> ReadProblem:
    """The problem in an upload. Raises InvalidProblemError with every finding."""
    raw = content.read_bytes() if isinstance(content, Path) else content
    expanded = load_problem(raw, format)
    return ReadProblem(
        name=expanded.problem.name,
        format=format,
        sha256=hashlib.sha256(raw).hexdigest(),
        size_bytes=len(raw),
        summary=summary(expanded),
        content_zstd=zstandard.compress(raw),
    )


def parse_request(raw: bytes) -> GenerateRequest:
    """A request's fields, without a look at the problem inside. Raises InvalidRequestError."""
    try:
        return GenerateRequest.model_validate_json(raw, strict=True)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
        raise InvalidRequestError(findings_of(errors)) from error


def read_request(content: bytes | Path) -> tuple[GenerateRequest, ReadProblem | None]:
    """A request and the problem inside it, if there is one; the request comes back without it.

    Raises InvalidRequestError, or InvalidProblemError with pointers from the request's root.
    """
    request = parse_request(content.read_bytes() if isinstance(content, Path) else content)
    if request.problem is None:
        return request, None
    if isinstance(request.problem, str):
        raw, format = request.problem.encode(), request.problem_format or ProblemFormat.CTT
    else:
        raw, format = json.dumps(request.problem, separators=(",", ":")).encode(), ProblemFormat.NATIVE
    try:
        read = read_upload(raw, format)
    except InvalidProblemError as error:
        raise InvalidProblemError([_inside(f) for f in error.findings], error.total) from error
    return request.model_copy(update={"problem": None}), read


def summary(expanded: ExpandedProblem) -> dict[str, int]:
    """How many there are of what."""
    problem = expanded.problem
    return {
        "courses": len(problem.courses),
        "classes": len(expanded.classes),
        "rooms": len(problem.rooms),
        "times": len(problem.times),
        "instructors": len(problem.instructors),
        "curricula": len(problem.curricula),
        "students": len(problem.students),
        "course_requests": sum(len(courses) for courses in expanded.requests),
        "distributions": len(problem.distributions),
        "weeks": problem.calendar.weeks,
        "days": problem.calendar.days,
        "slots_per_day": problem.calendar.slots_per_day,
    }


def _inside(finding: Finding) -> Finding:
    """A finding about the problem, seen from the request that carries it."""
    if finding.pointer.startswith("/") or not finding.pointer:
        return Finding(finding.code, f"/problem{finding.pointer}", finding.message)
    return Finding(finding.code, "/problem", f"{finding.pointer}: {finding.message}")

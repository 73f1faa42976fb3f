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
from schemas.problem.model import Problem
from schemas.problem.nesting import require_shallow
from schemas.problem.read import MAX_PROBLEM_BYTES, AnyFormat, ProblemFormat, TableFormat, guess_format, load_problem
from services.api.bodies import GenerateRequest
from services.api.refusals import findings_of

# In a stored summary, beside the counts: the kind of spreadsheet that was uploaded.
UPLOADED_AS = "uploaded_as"


@dataclass(frozen=True, slots=True)
class ReadProblem:
    """A valid problem, ready to be stored. `sha256` is of the content as stored, before it is compressed.

    That is what was sent, except for spreadsheets: of them the native problem that they say is kept, because that is
    what solvers read; the summary's `uploaded_as` remembers what came.
    """

    name: str
    format: ProblemFormat
    sha256: str
    size_bytes: int
    summary: dict[str, int | str]
    content_zstd: bytes


class InvalidRequestError(InvalidInputError):
    """The request's own fields are wrong."""


def read_upload(content: bytes | Path, format: AnyFormat | None) -> ReadProblem:
    """The problem in an upload; without a format, the content tells it. Raises InvalidProblemError."""
    raw = content.read_bytes() if isinstance(content, Path) else content
    if format is None:
        format = guess_format(content=raw)
    expanded = load_problem(raw, format)
    counts: dict[str, int | str] = {**summary(expanded)}
    if isinstance(format, TableFormat):
        counts[UPLOADED_AS] = format.value
        raw, format = _native(expanded.problem), ProblemFormat.NATIVE
    return ReadProblem(
        name=expanded.problem.name,
        format=format,
        sha256=hashlib.sha256(raw).hexdigest(),
        size_bytes=len(raw),
        summary=counts,
        content_zstd=zstandard.compress(raw),
    )


def _native(problem: Problem) -> bytes:
    """The problem as native JSON; the same problem gives the same bytes, so it is stored once."""
    content = problem.model_dump_json(by_alias=True, exclude_none=True, exclude_defaults=True).encode()
    if len(content) > MAX_PROBLEM_BYTES:
        message = f"The problem takes more than {MAX_PROBLEM_BYTES // 2**20} MiB as native JSON. Split it."
        raise InvalidProblemError([Finding("too_large", "", message)])
    return content


def parse_request(raw: bytes) -> GenerateRequest:
    """A request's fields, without a look at the problem inside. Raises InvalidRequestError."""
    require_shallow(raw, InvalidRequestError)
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
        raw = request.problem.encode()
        is_xml = request.problem[:100].lstrip("\ufeff \t\r\n").startswith("<")
        format = request.problem_format or (ProblemFormat.ITC2019 if is_xml else ProblemFormat.CTT)
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

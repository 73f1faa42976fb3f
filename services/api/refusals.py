"""Saying no: every error answer as RFC 9457 `application/problem+json`.

Owns the shape of an error answer and the translation of findings and validation errors into it. Must not know any
route. Nothing internal is ever shown: no traceback, no SQL, no address.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from pydantic_core import ErrorDetails

from schemas.problem.findings import MAX_FINDINGS, Finding

MEDIA_TYPE = "application/problem+json"
_TYPE_PREFIX = "urn:horarium:error:"


class ErrorItem(BaseModel):
    """One thing wrong, where, and what would mend it."""

    pointer: str = Field(
        description="JSON pointer into the body; 'line N' in line-based formats; 'SHEET, row N, column NAME' in"
        " spreadsheets; '/query/NAME' or '/path/NAME'."
    )
    code: str
    message: str


class ProblemDetails(BaseModel):
    """An error answer (RFC 9457). `code` is stable; `errors` lists everything found, up to a bound."""

    type: str = Field(examples=["urn:horarium:error:invalid_problem"])
    title: str = Field(examples=["Unprocessable Entity"])
    status: int = Field(examples=[422])
    detail: str
    instance: str = Field(description="The path that was asked for.")
    code: str = Field(examples=["invalid_problem"])
    correlation_id: str = Field(description="Quote it when asking for help: every log line of the request carries it.")
    errors: list[ErrorItem] = Field(default_factory=list)


class Refusal(Exception):  # noqa: N818  # an answer to the caller, not a failure of ours
    """The request is answered with an error; `detail` is for the caller to read."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        detail: str,
        errors: Sequence[Finding] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = tuple(errors[:MAX_FINDINGS])
        self.headers = dict(headers or {})
        super().__init__(f"{status} {code}: {detail}")


def not_found(what: str, code: str) -> Refusal:
    """Also the answer for what belongs to another organisation: nobody learns that it exists."""
    return Refusal(HTTPStatus.NOT_FOUND, code, f"There is no such {what}.")


def problem_deleted(consequence: str) -> Refusal:
    """410 for what cannot be had without the job's problem."""
    return Refusal(HTTPStatus.GONE, "problem_deleted", f"The problem of this job has been deleted; {consequence}.")


def unavailable(detail: str, code: str = "unavailable", retry_after_s: int = 5) -> Refusal:
    return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, code, detail, headers={"Retry-After": str(retry_after_s)})


def unsupported_media_type(given: str, accepted: Iterable[str]) -> Refusal:
    names = ", ".join(accepted)
    sent = f"'{given[:100]}'" if given else "no Content-Type"
    return Refusal(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        f"The request has {sent}. Accepted here: {names}.",
        headers={"Accept": names, "Connection": "close"},
    )


def invalid_body(findings: Sequence[Finding], total: int, code: str = "invalid_request") -> Refusal:
    """422 with every finding, up to the bound; the detail tells the first one and how many there are."""
    first = findings[0]
    where = f"{first.pointer}: " if first.pointer else ""
    more = f" (and {total - 1} more)" if total > 1 else ""
    return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, code, f"{where}{first.message}{more}", findings)


def findings_of(errors: Iterable[ErrorDetails]) -> list[Finding]:
    """A validation library's errors as findings with JSON pointers, without the input (it may be huge, or private)."""
    found = []
    for error in errors:
        pointer = "".join(f"/{_escaped(step)}" for step in error["loc"])
        if error["type"] == "json_invalid":
            reason = str(error.get("ctx", {}).get("error", error["msg"]))
            found.append(Finding("malformed_json", "", f"The JSON is malformed: {reason}. Correct it there."))
        elif error["type"] == "missing":
            found.append(Finding("missing", pointer, f"'{_last(error)}' is required. Add it."))
        elif error["type"] == "extra_forbidden":
            found.append(
                Finding("unknown_field", pointer, f"'{_last(error)}' is unknown. Remove it or correct its name.")
            )
        else:
            found.append(Finding(error["type"], pointer, f"{error['msg'].removeprefix('Value error, ')}."))
    return found


def answer(request: Request, refusal: Refusal) -> JSONResponse:
    """The refusal as an HTTP answer."""
    details = ProblemDetails(
        type=_TYPE_PREFIX + refusal.code,
        title=refusal.status.phrase,
        status=refusal.status,
        detail=refusal.detail,
        instance=request.url.path[:500],
        code=refusal.code,
        correlation_id=str(getattr(request.state, "correlation_id", "")),
        errors=[ErrorItem(pointer=e.pointer, code=e.code, message=e.message) for e in refusal.errors],
    )
    return JSONResponse(
        details.model_dump(mode="json"), status_code=refusal.status, headers=refusal.headers, media_type=MEDIA_TYPE
    )


def of_http_error(status_code: int, headers: Mapping[str, str] | None) -> Refusal:
    """What the framework refuses by itself: unknown paths, methods that a path does not have."""
    status = HTTPStatus(status_code)
    sentences = {
        HTTPStatus.NOT_FOUND: ("not_found", "There is nothing at this path."),
        HTTPStatus.METHOD_NOT_ALLOWED: ("method_not_allowed", "This path does not take that method."),
    }
    code, detail = sentences.get(status, (status.name.lower(), f"{status.phrase}."))
    return Refusal(status, code, detail, headers=headers)


def _escaped(step: int | str) -> str:
    return str(step)[:128].replace("~", "~0").replace("/", "~1")


def _last(error: Mapping[str, Any]) -> str:
    return str(error["loc"][-1])[:128] if error["loc"] else "The body"

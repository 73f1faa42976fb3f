"""Saying no: error answers as RFC 9457 `application/problem+json`.

Owns the shape of an error answer. Must not know any route. Nothing internal is ever shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

MEDIA_TYPE = "application/problem+json"


class ProblemDetails(BaseModel):
    """An error answer; `code` is stable."""

    type: str = Field(examples=["urn:horarium:error:unknown_job"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str
    instance: str = Field(description="The path that was asked for.")
    code: str = Field(examples=["unknown_job"])
    correlation_id: str = Field(description="Quote it when asking for help: every log line of the request carries it.")


class Refusal(Exception):  # noqa: N818  # an answer to the caller, not a failure of ours
    """The request is answered with an error; `detail` is for the caller to read."""

    def __init__(self, status: HTTPStatus, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        super().__init__(f"{status} {code}: {detail}")


def answer(request: Request, refusal: Refusal) -> JSONResponse:
    body = ProblemDetails(
        type=f"urn:horarium:error:{refusal.code}",
        title=refusal.status.phrase,
        status=refusal.status.value,
        detail=refusal.detail,
        instance=request.url.path[:500],
        code=refusal.code,
        correlation_id=str(getattr(request.state, "correlation_id", "")),
    )
    headers = {"Cache-Control": "no-store", **refusal.headers}
    return JSONResponse(body.model_dump(), refusal.status, headers=headers, media_type=MEDIA_TYPE)

"""Saying no to an organisation at a limit, and telling one that is not how far it is.

Owns the translation of limits into answers. Must not know how limits are kept. The `RateLimit` headers are those of
draft-ietf-httpapi-ratelimit-headers-10.
"""

from __future__ import annotations

from http import HTTPStatus

from fastapi import Request
from fastapi.responses import JSONResponse

from services.api.access import unauthorized
from services.api.metrics import LIMITED
from services.api.refusals import Refusal, answer
from services.api.store.limits import WINDOW, Allowance, LimitReachedError, UnknownOrganizationError


def rate_headers(allowance: Allowance) -> dict[str, str]:
    """What is left of the requests of an hour."""
    return {
        "RateLimit-Policy": f'"generate";q={allowance.per_hour};w={int(WINDOW.total_seconds())}',
        "RateLimit": f'"generate";r={allowance.remaining};t={allowance.reset_s}',
    }


async def on_limit_reached(request: Request, error: Exception) -> JSONResponse:
    """429 for what passes by itself, 409 for what somebody has to make room for."""
    if not isinstance(error, LimitReachedError):
        raise error
    LIMITED.labels(limit=error.code).inc()
    headers = {} if error.allowance is None else rate_headers(error.allowance)
    status = HTTPStatus.CONFLICT
    if error.retry_after_s is not None:
        status = HTTPStatus.TOO_MANY_REQUESTS
        headers["Retry-After"] = str(error.retry_after_s)
    return answer(request, Refusal(status, error.code, str(error), headers=headers))


async def on_unknown_organization(request: Request, error: Exception) -> JSONResponse:
    """The token outlived its organisation."""
    if not isinstance(error, UnknownOrganizationError):
        raise error
    return answer(request, unauthorized("This organisation no longer exists."))

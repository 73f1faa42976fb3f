"""The edge of every request: correlation id, one log line, metrics, and answers for what went wrong inside.

Owns what is true of all requests alike. Must not know any route. An ASGI middleware of its own, because the
framework's base class buffers bodies.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from http import HTTPStatus
from time import monotonic
from typing import Any
from uuid import uuid4

import structlog
from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.metrics import HTTP_REQUESTS, HTTP_SECONDS
from services.api.refusals import Refusal, answer, unavailable
from services.runtime.logging import bound_ids
from services.runtime.outage import is_world_away

log = structlog.get_logger(__name__)

CORRELATION_HEADER = "X-Correlation-ID"
_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_QUIET = frozenset({"/healthz", "/startz", "/readyz", "/metrics"})
# nginx's number for a caller who went away before the answer; it is only ever logged.
_CALLER_WENT_AWAY = 499


class RequestEdge:
    """Wraps the whole application; `scope["state"]["correlation_id"]` is set for everything inside."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        correlation_id = _correlation_id(request)
        state: MutableMapping[str, Any] = scope.setdefault("state", {})
        state["correlation_id"] = correlation_id
        started = monotonic()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                _set_headers(MutableHeaders(scope=message), correlation_id)
            await send(message)

        with bound_ids(correlation_id=correlation_id):
            try:
                await self._app(scope, receive, send_with_headers)
            except ClientDisconnect:
                status = _CALLER_WENT_AWAY
            except Exception as error:  # the process's edge: whatever it is, answer without telling internals
                if status:  # too late to answer anything else
                    raise
                await answer(request, _refusal(error))(scope, receive, send_with_headers)
            finally:
                _record(scope, status, monotonic() - started)


def _refusal(error: Exception) -> Refusal:
    if is_world_away(error):
        log.warning("request_refused_unavailable", error_type=type(error).__name__, error=str(error)[:300])
        return unavailable("The database does not answer right now. Nothing was changed. Try again.", "unavailable")
    log.exception("request_failed")
    return Refusal(
        HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", "Something went wrong on our side; it has been logged."
    )


def _correlation_id(request: Request) -> str:
    given = request.headers.get(CORRELATION_HEADER, "")
    return given if _CORRELATION_ID.fullmatch(given) else str(uuid4())


def _set_headers(headers: MutableHeaders, correlation_id: str) -> None:
    headers[CORRELATION_HEADER] = correlation_id


def _record(scope: Scope, status: int, seconds: float) -> None:
    template = getattr(scope.get("route"), "path", None) or "(none)"
    method = scope["method"] if scope["method"] in _METHODS else "(other)"
    HTTP_REQUESTS.labels(method=method, route=template, status=str(status)).inc()
    HTTP_SECONDS.labels(method=method, route=template).observe(seconds)
    state = scope.get("state", {})
    write = log.debug if template in _QUIET else log.info
    write(
        "request_answered",
        method=method,
        route=template,
        status=status,
        duration_ms=round(seconds * 1000, 1),
        **{name: str(state[name]) for name in ("organization_id", "user_id", "job_id", "problem_id") if name in state},
    )

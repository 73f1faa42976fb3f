"""The edge of every request: correlation id, one log line, metrics, and answers for what went wrong inside.

Owns what is true of all requests alike, whichever service is asked. Must not know any route, nor how a service's error
answers look. An ASGI middleware of its own, because the framework's base class buffers bodies.
"""

from __future__ import annotations

import re
from collections.abc import Collection, MutableMapping
from http import HTTPStatus
from time import monotonic
from typing import Any
from uuid import uuid4

import structlog
from fastapi import FastAPI, Request
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.runtime.logging import bound_ids
from services.runtime.metrics import HTTP_REQUESTS, HTTP_SECONDS
from services.runtime.outage import is_schema_missing, is_world_away
from services.runtime.tokens import TokenSettings
from services.runtime.web import Bounds, Refuse, SecurityHeaders, allow_origins

log = structlog.get_logger(__name__)

CORRELATION_HEADER = "X-Correlation-ID"
_CORRELATION_NAME = CORRELATION_HEADER.lower().encode()
CORRELATION_ID_PATTERN = "[A-Za-z0-9._:-]{1,128}"
_CORRELATION_ID = re.compile(CORRELATION_ID_PATTERN)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PROBES = frozenset({"/healthz", "/startz", "/readyz", "/metrics"})
_EVENT_STREAM = b"text/event-stream"
_RETRY_AFTER = {"Retry-After": "5"}
# nginx's number for a caller who went away before the answer; it is only ever logged.
_CALLER_WENT_AWAY = 499


def add_edge(
    app: FastAPI, settings: TokenSettings, refuse: Refuse, methods: list[str], routine: Collection[str] = ()
) -> None:
    """Everything between the network and the routes, in its order; `refuse` makes the service's error answers.

    From outside to inside: the headers of every answer, whoever made it; other origins, which may read errors, too;
    the log line, whatever happens further inside; bounds of address and headers. `methods` are those that listed
    origins may use. Routes whose path is `routine` are asked every few seconds by every page: their successes are told
    by the metrics, and in the log only at level DEBUG.
    """
    # The one that is added last is the outermost.
    app.add_middleware(Bounds, refuse=refuse)
    app.add_middleware(RequestEdge, refuse=refuse, routine=frozenset(routine))
    allow_origins(app, settings, methods)
    app.add_middleware(SecurityHeaders, https_only=settings.cookie_secure)


class RequestEdge:
    """Wraps the whole application; `scope["state"]["correlation_id"]` is set for everything inside."""

    def __init__(self, app: ASGIApp, refuse: Refuse, routine: frozenset[str] = frozenset()) -> None:
        self._app = app
        self._refuse = refuse
        self._routine = routine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        correlation_id = _correlation_id(scope)
        state: MutableMapping[str, Any] = scope.setdefault("state", {})
        state["correlation_id"] = correlation_id
        made = _Answer()

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                made.begins(message)
                message["headers"] = [*message["headers"], (_CORRELATION_NAME, correlation_id.encode())]
            await send(message)

        with bound_ids(correlation_id=correlation_id):
            try:
                await self._app(scope, receive, send_with_headers)
            except ClientDisconnect:
                made.status = _CALLER_WENT_AWAY
            except Exception as error:  # the process's edge: whatever it is, answer without telling internals
                if made.status:  # too late to answer anything else
                    raise
                await self._refusal(Request(scope, receive), error)(scope, receive, send_with_headers)
            finally:
                self._record(scope, made)

    def _refusal(self, request: Request, error: Exception) -> ASGIApp:
        if is_schema_missing(error):
            log.warning("schema_missing", needs="horarium migrate", error=str(error).partition("\n")[0])
            sentence = (
                "The database of this installation is not ready for this version: its operators have to run 'horarium"
                " migrate'. Nothing was changed."
            )
            return self._refuse(request, HTTPStatus.SERVICE_UNAVAILABLE, "not_migrated", sentence, _RETRY_AFTER)
        if is_world_away(error):
            log.warning("request_refused_unavailable", error_type=type(error).__name__, error=str(error)[:300])
            sentence = "The database does not answer right now. Nothing was changed. Try again."
            return self._refuse(request, HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", sentence, _RETRY_AFTER)
        log.exception("request_failed")
        sentence = "Something went wrong on our side; it has been logged."
        return self._refuse(request, HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", sentence, {})

    def _record(self, scope: Scope, made: _Answer) -> None:
        template = getattr(scope.get("route"), "path", None) or "(none)"
        method = scope["method"] if scope["method"] in _METHODS else "(other)"
        HTTP_REQUESTS.labels(method=method, route=template, status=str(made.status)).inc()
        HTTP_SECONDS.labels(method=method, route=template).observe(made.seconds_to_answer)
        state = scope.get("state", {})
        routine = template in self._routine and made.status < HTTPStatus.BAD_REQUEST
        write = log.debug if template in _PROBES or routine else log.info
        write(
            "request_answered",
            method=method,
            route=template,
            status=made.status,
            duration_ms=round(made.seconds * 1000, 1),
            **{name: str(state[name]) for name in _STATE if name in state},
        )


# What routes leave in a request's state for its log line.
_STATE = ("organization_id", "user_id", "job_id", "problem_id")


class _Answer:
    """What is known of an answer, and the time that it takes."""

    def __init__(self) -> None:
        self.status = 0
        self._started = monotonic()
        self._stream_began: float | None = None

    def begins(self, message: Message) -> None:
        self.status = int(message["status"])
        if any(name == b"content-type" and value.startswith(_EVENT_STREAM) for name, value in message["headers"]):
            self._stream_began = self.seconds

    @property
    def seconds(self) -> float:
        """From the request to now, which is the answer's end when it is asked for."""
        return monotonic() - self._started

    @property
    def seconds_to_answer(self) -> float:
        """To the answer's end, but to the beginning of an event stream: that lasts as long as somebody looks on."""
        return self.seconds if self._stream_began is None else self._stream_began


def _correlation_id(scope: Scope) -> str:
    given = next((value.decode("latin-1") for name, value in scope["headers"] if name == _CORRELATION_NAME), "")
    return given if _CORRELATION_ID.fullmatch(given) else str(uuid4())

"""The HTTP face that every service has: probes and metrics.

/healthz: alive. /startz: takes requests. /readyz: its dependencies answer. /metrics: Prometheus.

Owns probes and the span of each request. Liveness never asks a dependency: a broker's outage must
not restart a solver in the middle of a solve. Nor does what a load balancer asks: while a server that all replicas
share is away, each of them can still say so, and nobody else can (ADR 0040). Must not know any service's own routes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.runtime.metrics import DEPENDENCY_UP, REGISTRY
from services.runtime.tracing import HEADER, Span, SpanKind, failed, span

Check = Callable[[], Awaitable[None]]
_CHECK_TIMEOUT_S = 3.0
_PROBES = frozenset({"/healthz", "/startz", "/readyz", "/metrics"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def probes(checks: Mapping[str, Check]) -> APIRouter:
    """Routes for the probes. A check passes by returning; its error's type, never its text, is shown."""
    router = APIRouter(tags=["operations"])

    @router.get("/healthz", summary="Alive")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/startz", summary="Started: takes requests, whoever else is away")
    async def startz() -> dict[str, str]:
        # No request gets here before the application has started, or after it has been told to stop.
        return {"status": "started"}

    @router.get("/readyz", summary="Ready: every dependency answers", responses={503: {"description": "Not ready"}})
    async def readyz() -> JSONResponse:
        results = await _results(checks)
        ready = not any(results.values())
        body = {"status": "ready" if ready else "waiting", "checks": {n: p or "ok" for n, p in results.items()}}
        return JSONResponse(body, status_code=200 if ready else 503)

    @router.get("/metrics", summary="Prometheus metrics", response_class=Response)
    async def metrics() -> Response:
        # Asked now: where nobody calls /readyz, an alert would look at how the world was long ago.
        await _results(checks)
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

    return router


async def _results(checks: Mapping[str, Check]) -> dict[str, str | None]:
    """Each dependency's problem, or None; also into the metric."""
    results = dict(zip(checks, await asyncio.gather(*(_passed(c) for c in checks.values())), strict=True))
    for name, problem in results.items():
        DEPENDENCY_UP.labels(dependency=name).set(0 if problem else 1)
    return results


async def _passed(check: Check) -> str | None:
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT_S):
            await check()
    except Exception as error:  # noqa: BLE001  # any failure means "not ready", and the answer says which
        return type(error).__name__
    return None


class TracedRequests:
    """An ASGI application whose requests have spans, named by the route's template; probes have none.

    Around the whole application, so that every log line of a request is in its trace.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _PROBES:
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        given = [value for name, value in scope["headers"] if name == HEADER.encode()]
        # Of two contexts neither is to be trusted (W3C Trace Context, section 3.2).
        parent = given[0].decode("ascii", "replace") if len(given) == 1 else None
        status = 0

        async def noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
            await send(message)

        with span(method, kind=SpanKind.SERVER, parent=parent, attributes={"http.request.method": method}) as made:
            try:
                await self._app(scope, receive, noting_status)
            finally:
                _describe(made, method, scope, status)


def _describe(made: Span, method: str, scope: Scope, status: int) -> None:
    """What is known only when a request has been answered (`status` 0: it has not been)."""
    route = getattr(scope.get("route"), "path", None)
    if route:
        made.update_name(f"{method} {route}")
        made.set_attribute("http.route", route)
    if status:
        made.set_attribute("http.response.status_code", status)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        failed(made, f"status {status}")
    state = scope.get("state", {})
    for name in ("job_id", "organization_id"):
        if name in state:
            made.set_attribute(f"horarium.{name}", str(state[name]))

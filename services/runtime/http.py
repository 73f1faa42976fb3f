"""The HTTP face that every service has: /healthz (alive), /readyz (its dependencies answer), /metrics (Prometheus).

Owns probes and the server's start. Liveness never asks a dependency: a broker's outage must not restart a solver in the
middle of a solve. Must not know any service's own routes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import uvicorn
from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from services.runtime.metrics import DEPENDENCY_UP, REGISTRY
from services.runtime.settings import RuntimeSettings

Check = Callable[[], Awaitable[None]]
_CHECK_TIMEOUT_S = 3.0


def probes(checks: Mapping[str, Check]) -> APIRouter:
    """Routes for the probes. A check passes by returning; its error's type, never its text, is shown."""
    router = APIRouter(tags=["operations"])

    @router.get("/healthz", summary="Alive")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz", summary="Ready: every dependency answers", responses={503: {"description": "Not ready"}})
    async def readyz() -> JSONResponse:
        results = dict(zip(checks, await asyncio.gather(*(_passed(c) for c in checks.values())), strict=True))
        for name, problem in results.items():
            DEPENDENCY_UP.labels(dependency=name).set(0 if problem else 1)
        ready = not any(results.values())
        body = {"status": "ready" if ready else "waiting", "checks": {n: p or "ok" for n, p in results.items()}}
        return JSONResponse(body, status_code=200 if ready else 503)

    @router.get("/metrics", summary="Prometheus metrics", response_class=Response)
    async def metrics() -> Response:
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

    return router


async def _passed(check: Check) -> str | None:
    try:
        await asyncio.wait_for(check(), _CHECK_TIMEOUT_S)
    except Exception as error:  # noqa: BLE001  # any failure means "not ready", and the answer says which
        return type(error).__name__
    return None


def run(app: FastAPI, settings: RuntimeSettings, grace_s: int = 5) -> None:
    """Serve until SIGTERM or SIGINT; open connections (event streams) get `grace_s` seconds to end."""
    uvicorn.run(
        app,
        host=settings.http_host,
        port=settings.http_port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=grace_s,
        server_header=False,
        h11_max_incomplete_event_size=64 * 1024,
    )

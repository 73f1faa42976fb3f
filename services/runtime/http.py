"""The HTTP face that every service has: /healthz (alive), /readyz (its dependencies answer), /metrics (Prometheus).

Owns probes and the server's start. Liveness never asks a dependency: a broker's outage must not restart a solver in the
middle of a solve. Must not know any service's own routes.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from types import FrameType

import structlog
import uvicorn
from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from services.runtime.metrics import DEPENDENCY_UP, REGISTRY
from services.runtime.settings import RuntimeSettings

Check = Callable[[], Awaitable[None]]
_CHECK_TIMEOUT_S = 3.0
_CANNOT_START = 3
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

log = structlog.get_logger(__name__)


def probes(checks: Mapping[str, Check]) -> APIRouter:
    """Routes for the probes. A check passes by returning; its error's type, never its text, is shown."""
    router = APIRouter(tags=["operations"])

    @router.get("/healthz", summary="Alive")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

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
        await asyncio.wait_for(check(), _CHECK_TIMEOUT_S)
    except Exception as error:  # noqa: BLE001  # any failure means "not ready", and the answer says which
        return type(error).__name__
    return None


class _Server(uvicorn.Server):
    """The library raises the signal again after an orderly stop, so that it looks like a crash (exit code -15), and a
    second SIGINT skips the stop of the background loops. Here a stop on request ends with 0, and asking again changes
    nothing: the stop is under way and takes bounded time.
    """

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        for number in _STOP_SIGNALS:
            # For good: the library would put the handlers back before the process has ended.
            signal.signal(number, self.handle_exit)
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        started = monotonic()
        log.info("service_stopping")
        await super().shutdown(sockets)
        log.info("service_stopped", seconds=round(monotonic() - started, 2))


def run(app: FastAPI, settings: RuntimeSettings, grace_s: int = 2) -> None:
    """Serve until SIGTERM or SIGINT; open connections (event streams) get `grace_s` seconds to end.

    Ends the process with exit code 3 if the application or its port cannot be had.
    """
    config = uvicorn.Config(
        app,
        host=settings.http_host,
        port=settings.http_port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=grace_s,
        server_header=False,
        h11_max_incomplete_event_size=64 * 1024,
    )
    server = _Server(config)
    server.run()
    for number in _STOP_SIGNALS:
        # The interpreter puts default handlers back while it ends: a late second signal would look like a crash.
        signal.signal(number, signal.SIG_IGN)
    # All that remains is to exit; collecting the libraries' objects one by one before that takes a second.
    gc.freeze()
    if not server.started:
        raise SystemExit(_CANNOT_START)

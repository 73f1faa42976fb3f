"""The progress service, put together: the only place that picks its real parts.

Owns wiring. Must not contain any work of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from importlib.metadata import version

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import SecretStr
from starlette.exceptions import HTTPException

from schemas.events import EVENT_TYPES
from services.progress import openapi
from services.progress.hub import Hub, Shares
from services.progress.positions import Positions
from services.progress.projection import Projector
from services.progress.refusals import Refusal, answer
from services.progress.routes import SNAPSHOT_PATH, progress_routes
from services.progress.settings import ProgressSettings
from services.progress.store import Store
from services.progress.streams import StreamLimits
from services.runtime.access import require_declared
from services.runtime.background import running
from services.runtime.edge import add_edge
from services.runtime.http import probes
from services.runtime.kafka import Kafka

DESCRIPTION = "How a job stands, as a snapshot and as server-sent events."


def create_app(settings: ProgressSettings) -> FastAPI:
    """The application; it connects when it starts, not before, and keeps trying while the world is away."""
    store = Store(
        settings.redis_url.get_secret_value(),
        timeout_s=settings.redis_timeout_s,
        connections=settings.redis_connections,
        progress_ttl=settings.progress_ttl,
        result_ttl=settings.result_ttl,
        stream_length=settings.stream_length,
    )
    kafka = Kafka(settings, "progress")
    positions = Positions(store, progress_horizon=settings.progress_ttl, horizon=settings.result_ttl)
    projector = Projector(store, positions)
    for event_type in EVENT_TYPES:
        topic = event_type.TOPIC
        # A group for each topic: the consumers have nothing to share, and one's rebalance is not the others'.
        consumer = kafka.subscribe(
            topic,
            [event_type],
            projector.on_event,
            group=f"progress.{topic}",
            listener=positions.listener(topic),
            commit=False,
        )
        positions.attach(topic, consumer)
    shares = Shares(settings.max_streams, settings.max_streams_per_organization, settings.max_streams_per_user)
    hub = Hub(store, shares)
    limits = StreamLimits(
        heartbeat_s=settings.heartbeat_s,
        unknown_job_wait_s=settings.unknown_job_wait_s,
        longest_s=settings.max_stream_s,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        loops = {
            "broker": kafka.run,
            "positions": positions.watch,
            "announcements": projector.announce,
            "feed": hub.run,
        }
        async with running(loops):
            yield
        await store.close()

    app = FastAPI(
        title="Horarium progress",
        version=version("horarium"),
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.include_router(progress_routes(store, hub, limits, settings.keys, settings.session_cookie))
    app.include_router(probes({"redis": store.ping, **kafka.checks}))
    app.add_exception_handler(Refusal, _on_refusal)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    add_edge(app, settings, _refuse, ["GET"], routine=[SNAPSHOT_PATH])
    require_declared(app, public=())
    app.openapi = partial(openapi.document, app)  # type: ignore[method-assign]  # the framework's documented way
    return app


def documentation_settings() -> ProgressSettings:
    """Settings of an application that is only described, never started."""
    return ProgressSettings(
        kafka_bootstrap_servers="localhost:9092",
        redis_url=SecretStr("redis://localhost:6379"),
        jwt_secret=SecretStr("0" * 32),
    )


def _refuse(request: Request, status: HTTPStatus, code: str, sentence: str, headers: Mapping[str, str]) -> JSONResponse:
    return answer(request, Refusal(status, code, sentence, headers))


async def _on_refusal(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, Refusal):
        raise error
    return answer(request, error)


async def _on_http_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    refusal = Refusal(status, status.name.lower(), f"{status.phrase}: {request.method} is not answered here.")
    refusal.headers.update(error.headers or {})
    return answer(request, refusal)


async def _on_invalid_request(request: Request, error: Exception) -> JSONResponse:
    """The only parameters are a job's id and headers; an id that is none names no job."""
    if not isinstance(error, RequestValidationError):
        raise error
    places = ["/".join(str(part) for part in found["loc"]) + ": " + found["msg"] for found in error.errors()[:5]]
    return answer(request, Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", "; ".join(places)))

"""The api service, put together: the only place that picks its real parts.

Owns wiring. Must not contain any work of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from importlib.metadata import version

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import SecretStr
from starlette.exceptions import HTTPException

from services.api import openapi, retention
from services.api.access import PUBLIC, Access
from services.api.pages import page_routes
from services.api.passwords import Passwords
from services.api.refusals import Refusal, answer, findings_of, invalid_body, of_http_error
from services.api.refusals_of_limits import on_limit_reached, on_unknown_organization
from services.api.relay import Relay
from services.api.routes.auth import auth_routes
from services.api.routes.comparison import comparison_routes
from services.api.routes.organization import organization_routes
from services.api.routes.problems import problem_routes
from services.api.routes.templates import template_routes
from services.api.routes.timetables import Links, timetable_routes
from services.api.routes.tokens import token_routes
from services.api.routes.users import user_routes
from services.api.routes.variants import variant_routes
from services.api.routes.web_support import web_support_routes
from services.api.routes.what_if import what_if_routes
from services.api.settings import ApiSettings
from services.api.sign_in import SignIns
from services.api.store.accounts import Accounts
from services.api.store.attempts import Attempts
from services.api.store.failures import SignInFailures
from services.api.store.jobs import Jobs
from services.api.store.limits import LimitReachedError, Organizations, UnknownOrganizationError
from services.api.store.problems import Problems
from services.api.store.results import Results
from services.api.store.sessions import Sessions
from services.api.store.tokens import ApiTokens
from services.api.upkeep import Upkeep
from services.api.uploads import Uploads
from services.api.what_if import WhatIf
from services.api.work import ChildProcesses
from services.runtime.access import require_declared
from services.runtime.background import running
from services.runtime.database import create_engine, ping
from services.runtime.edge import add_edge
from services.runtime.http import probes
from services.runtime.kafka import Kafka
from services.runtime.retention import Cleanup
from services.runtime.web import Origins

DESCRIPTION = "Upload a university's problem, ask for timetables, fetch the finished ones."


def create_app(settings: ApiSettings) -> FastAPI:
    """The application; it connects when it starts, not before, and keeps trying while the world is away."""
    engine = create_engine(settings, "horarium-api")
    kafka = Kafka(settings, "api")
    relay = Relay(
        engine,
        kafka,
        batch=settings.relay_batch,
        poll_s=settings.relay_poll_s,
        publish_timeout_s=settings.relay_publish_timeout_s,
    )
    upkeep = Upkeep(
        engine,
        relay.wake,
        republish_after=timedelta(seconds=settings.republish_after_s),
        keep_keys=timedelta(hours=settings.idempotency_key_lifetime_h),
    )
    kept = retention.rules(
        job_retention=settings.job_retention,
        problem_retention=settings.problem_retention,
        outbox_dead_after=settings.outbox_dead_after,
    )
    others = {"upload_files": retention.leftover_uploads()}
    cleanup = Cleanup(engine, "api", kept, settings.cleanup_every, others)
    tokens, accounts, passwords = ApiTokens(engine), Accounts(engine), Passwords()
    access = Access(settings.keys, settings.session_cookie, Origins(settings), tokens)
    sign_ins = SignIns(accounts, SignInFailures(engine), passwords)
    sessions = Sessions(engine, settings.session_lifetime)
    uploads = Uploads(
        settings.max_upload_bytes, settings.body_timeout_s, settings.uploads_at_once, settings.uploads_share
    )
    children = ChildProcesses(
        settings.work_processes,
        settings.work_queue,
        settings.work_share,
        settings.work_timeout_s,
        settings.work_memory_mib,
    )
    what_if = WhatIf(settings.what_if_memory_mib, settings.what_if_timeout_s, settings.work_share)
    problems, jobs, results = Problems(engine), Jobs(engine, relay.wake), Results(engine)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        loops = {
            "broker": kafka.run,
            "relay": relay.run,
            "republish": upkeep.republish,
            "forget": upkeep.forget,
            "cleanup": cleanup.run,
        }
        async with running(loops):
            yield
        await what_if.close()
        await engine.dispose()

    app = FastAPI(
        title="Horarium API",
        version=version("horarium"),
        description=DESCRIPTION,
        lifespan=lifespan,
        # The framework's pages load scripts from somebody else's server.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.include_router(auth_routes(access, accounts, sessions, sign_ins, passwords, uploads, settings))
    app.include_router(token_routes(access, tokens, sign_ins, uploads))
    app.include_router(user_routes(access, accounts, passwords, uploads))
    app.include_router(organization_routes(access, Organizations(engine)))
    app.include_router(problem_routes(access, problems, uploads, children))
    app.include_router(template_routes(access, children))
    links = Links(settings.progress_base_url)
    app.include_router(timetable_routes(access, jobs, Attempts(engine), results, uploads, children, links))
    app.include_router(variant_routes(access, results, children))
    app.include_router(comparison_routes(access, results, children))
    app.include_router(what_if_routes(access, results, uploads, what_if))
    app.include_router(web_support_routes(access, jobs, results, children))
    app.include_router(page_routes(settings.progress_base_url))
    # Not the broker: while it is away, jobs are accepted all the same and wait in the outbox.
    app.include_router(probes({"database": partial(ping, engine)}))
    app.add_exception_handler(Refusal, _on_refusal)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(LimitReachedError, on_limit_reached)
    app.add_exception_handler(UnknownOrganizationError, on_unknown_organization)
    add_edge(app, settings, _refuse, ["GET", "POST", "PATCH", "DELETE"])
    require_declared(app, PUBLIC)
    app.openapi = partial(openapi.document, app)  # type: ignore[method-assign]  # the framework's documented way
    return app


def documentation_settings() -> ApiSettings:
    """Settings of an application that is only described, never started."""
    return ApiSettings(
        kafka_bootstrap_servers="localhost:9092",
        database_url=SecretStr("postgresql+psycopg://localhost/horarium"),
        jwt_secret=SecretStr("0" * 32),
    )


def _refuse(request: Request, status: HTTPStatus, code: str, sentence: str, headers: Mapping[str, str]) -> JSONResponse:
    return answer(request, Refusal(status, code, sentence, headers=headers))


async def _on_refusal(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, Refusal):
        raise error
    return answer(request, error)


async def _on_http_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    return answer(request, of_http_error(error.status_code, error.headers))


async def _on_invalid_request(request: Request, error: Exception) -> JSONResponse:
    """Ids and query parameters; bodies are read by the routes themselves."""
    if not isinstance(error, RequestValidationError):
        raise error
    found = findings_of(error.errors())
    return answer(request, invalid_body(found, len(found)))

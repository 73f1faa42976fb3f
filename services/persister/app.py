"""The persister service, put together: the only place that picks its real parts.

Owns wiring. Must not contain any work of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version

from fastapi import FastAPI

from schemas.events import JobControl, JobRequested, SolveCompleted, SolveProgress
from services.persister import retention
from services.persister.handler import Persister
from services.persister.repository import Repository
from services.persister.settings import PersisterSettings
from services.runtime.background import running
from services.runtime.database import create_engine, ping
from services.runtime.http import probes
from services.runtime.kafka import Kafka
from services.runtime.retention import Cleanup


def create_app(settings: PersisterSettings) -> FastAPI:
    """The application; it connects when it starts, not before, and keeps trying while the world is away."""
    engine = create_engine(settings, "horarium-persister")
    persister = Persister(Repository(engine), settings.progress_write_every_s)
    kept = retention.rules(job_retention=settings.job_retention)
    cleanup = Cleanup(engine, "persister", kept, settings.cleanup_every)
    kafka = Kafka(settings, "persister")
    # A group for each topic: the consumers have nothing to share, and one's rebalance is not the others'.
    kafka.subscribe(JobRequested.TOPIC, [JobRequested], persister.on_requested, group="persister.job.requested")
    kafka.subscribe(JobControl.TOPIC, [JobControl], persister.on_control, group="persister.job.control")
    kafka.subscribe(SolveProgress.TOPIC, [SolveProgress], persister.on_progress, group="persister.solve.progress")
    kafka.subscribe(SolveCompleted.TOPIC, [SolveCompleted], persister.on_completed, group="persister.solve.completed")

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        loops = {"broker": kafka.run, "progress_writes": persister.flush_progress, "cleanup": cleanup.run}
        async with running(loops):
            yield
        await engine.dispose()

    app = FastAPI(
        title="Horarium persister",
        version=version("horarium"),
        description="Stores job states and finished timetables; only probes and metrics answer here.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.include_router(probes({"database": partial(ping, engine), **kafka.checks}))
    return app

"""The solver service, wired.

Owns which parts are made and how they are joined; nothing else does. Must not know how any part works.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI

from schemas.events import JobControl, JobRequested
from schemas.topics import JOB_CONTROL, JOB_REQUESTED
from services.runtime.background import running
from services.runtime.database import create_engine, ping
from services.runtime.http import probes
from services.runtime.kafka import Kafka
from services.runtime.retention import Cleanup
from services.solver import retention
from services.solver.dead_letters import DeadLetters
from services.solver.ends import Ends
from services.solver.intake import Intake
from services.solver.jobs import Jobs
from services.solver.notifications import Doorbell, Notifications
from services.solver.publisher import Publisher
from services.solver.reaper import Reaper
from services.solver.settings import SolverSettings
from services.solver.tasks import Tasks
from services.solver.worker import Worker

# The worker's own bounds, which hand a search over, end sooner.
_HAND_OVER_WITHIN_S = 20.0


def create_app(settings: SolverSettings) -> FastAPI:
    """The application; its parts live as long as its lifespan."""
    kafka = Kafka(settings, "solver")
    engine = create_engine(settings, "horarium-solver")
    tasks, jobs = Tasks(engine, settings), Jobs(engine)
    work, ends = Doorbell(), Doorbell()

    intake = Intake(jobs)
    kafka.subscribe(JOB_REQUESTED, [JobRequested], intake.on_job_requested, group="solver.intake")
    kafka.subscribe(JOB_CONTROL, [JobControl], intake.on_job_control, group="solver.control")

    worker = Worker(tasks, settings, publish=kafka.publish, doorbell=work, on_ended=ends.ring)
    notifications = Notifications(settings, work, worker.on_control)
    republish_after = timedelta(seconds=settings.solver_republish_after_s)
    ended = Ends(engine, republish_after)
    publisher = Publisher(ended, kafka.publish_wire, ends, republish_after)
    dead_letters = DeadLetters(ended, kafka.publish_wire)
    reaper = Reaper(tasks, jobs, settings)
    kept = retention.rules(job_retention=settings.job_retention)
    cleanup = Cleanup(engine, "solver", kept, settings.cleanup_every)
    slots = {f"slot_{number}": worker.slot for number in range(1, settings.solver_slots + 1)}

    async def database_answers() -> None:
        await ping(engine)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loops = {
            "kafka": kafka.run,
            "notifications": notifications.run,
            "publisher": publisher.run,
            "republisher": publisher.republish,
            "dead_letters": dead_letters.run,
            "reaper": reaper.run,
            "cleanup": cleanup.run,
            **slots,
        }
        try:
            async with running(loops, grace_s=_HAND_OVER_WITHIN_S):
                yield
        finally:
            await engine.dispose()

    app = FastAPI(title="Horarium solver", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.include_router(probes({"database": database_answers, **kafka.checks}))
    return app

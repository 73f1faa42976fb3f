"""The reaper: takes back the tasks of lost workers, forgets what is past, and measures the queue.

Owns the pace. Every replica has one, and they do not harm one another. Must not know how tasks are stored.
"""

from __future__ import annotations

import asyncio
from time import monotonic

import structlog

from schemas.topics import BY_NAME, JOB_REQUESTED
from services.runtime.outage import is_world_away, sleep_unless
from services.solver.jobs import Jobs
from services.solver.metrics import (
    COMPLETED_UNPUBLISHED,
    JOBS,
    LEASES_EXPIRED,
    OLDEST_QUEUED_SECONDS,
    OLDEST_RUNNING_SECONDS,
    RUNNABLE_TASKS,
    TASKS,
)
from services.solver.settings import SolverSettings
from services.solver.tasks import UNENDED, Tasks

log = structlog.get_logger(__name__)

_INTERVAL_S = 1.0
_MEASURE_EVERY_S = 5.0
_FORGET_EVERY_S = 3600.0


class Reaper:
    """`run` is a background loop."""

    def __init__(self, tasks: Tasks, jobs: Jobs, settings: SolverSettings) -> None:
        self._tasks = tasks
        self._jobs = jobs
        self._settings = settings
        self._reap_from = float("-inf")
        self._away = False

    async def run(self, stop: asyncio.Event) -> None:
        """Reap, measure and forget until `stop` is set."""
        measured_at = forgot_at = float("-inf")
        while not await sleep_unless(stop, min(_INTERVAL_S, self._settings.solver_lease_s / 4)):
            now = monotonic()
            try:
                await self._reap()
                if now >= measured_at + _MEASURE_EVERY_S:
                    await self._measure()
                    measured_at = now
                if now >= forgot_at + _FORGET_EVERY_S:
                    await self._jobs.forget_early_controls(BY_NAME[JOB_REQUESTED].retention)
                    forgot_at = now
            except Exception as error:
                self._away = self._away or is_world_away(error)
                raise

    async def _reap(self) -> None:
        """Take lost tasks back, but not for the length of a lease after an outage of the database.

        While it is away no worker can renew, and all leases run out: the living come first. The length counts from its
        first answer, however long ago it was that we asked in vain. A database that hangs is away, too.
        """
        lease_s = self._settings.solver_lease_s
        async with asyncio.timeout(lease_s / 2):
            if self._away:
                await self._measure()
                self._away, self._reap_from = False, monotonic() + lease_s
            if monotonic() < self._reap_from:
                return
            expired = await self._tasks.expire()
        if expired:
            LEASES_EXPIRED.inc(expired)
            log.warning("leases_expired", tasks=expired)

    async def _measure(self) -> None:
        backlog = await self._tasks.backlog()
        for status in UNENDED:
            TASKS.labels(status=status).set(backlog.tasks.get(status, 0))
        JOBS.labels(status="queued").set(backlog.queued_jobs)
        JOBS.labels(status="running").set(backlog.running_jobs)
        RUNNABLE_TASKS.set(backlog.runnable_tasks)
        OLDEST_QUEUED_SECONDS.set(backlog.oldest_queued_s)
        OLDEST_RUNNING_SECONDS.set(backlog.oldest_running_s)
        COMPLETED_UNPUBLISHED.set(backlog.unpublished)

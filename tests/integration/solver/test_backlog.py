"""What the solver tells whoever scales it and whoever is on call: how much waits, how much runs, for how long."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, update
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.tables import solve_jobs
from services.solver.jobs import Jobs
from services.solver.tasks import Tasks
from tests.integration.solver.building import a_result, claimed, requested


async def test_jobs_and_tasks_are_counted_as_they_wait_run_and_end(
    jobs: Jobs, tasks: Tasks, engine: AsyncEngine
) -> None:
    empty = await tasks.backlog()
    assert (empty.queued_jobs, empty.running_jobs, empty.oldest_running_s) == (0, 0, 0.0)

    two = await requested(jobs, variants=2)
    await requested(jobs, priority=-1)
    waiting = await tasks.backlog()
    assert (waiting.queued_jobs, waiting.running_jobs, waiting.tasks) == (2, 0, {"queued": 3})

    claims = [await claimed(tasks)]
    async with engine.begin() as connection:
        long_ago = func.now() - timedelta(minutes=11)
        await connection.execute(
            update(solve_jobs).where(solve_jobs.c.job_id == two.job_id).values(started_at=long_ago)
        )
    running = await tasks.backlog()
    assert (running.queued_jobs, running.running_jobs, running.tasks) == (1, 1, {"queued": 2, "running": 1})
    assert 660 <= running.oldest_running_s < 720

    claims.append(await claimed(tasks))
    while claims[-1].job_id != two.job_id:
        claims.append(await claimed(tasks))
    for claim in claims:
        assert await tasks.finish(claim, a_result(claim))
    assert (await tasks.backlog()).oldest_running_s < 660

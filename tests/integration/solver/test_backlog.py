"""What the solver tells whoever scales it and whoever is on call: how much waits, how much runs, for how long."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from pathlib import Path

import yaml
from sqlalchemy import func, insert, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.tables import organizations, solve_jobs
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


REPOSITORY = Path(__file__).resolve().parents[3]


async def test_what_an_organisations_limit_holds_back_asks_for_no_solver(
    jobs: Jobs, tasks: Tasks, engine: AsyncEngine
) -> None:
    """By the solver's own count and by the autoscaler's, which signs in with no more rights than we document."""
    small, unknown = uuid.uuid4(), uuid.uuid4()
    async with engine.begin() as connection:
        await connection.execute(insert(organizations).values(id=small, name="small", max_running_jobs=2))

    async def runnable() -> int:
        own = (await tasks.backlog()).runnable_tasks
        assert await asked_by_the_autoscaler(engine) == own
        return own

    assert await runnable() == 0
    for _ in range(6):
        await requested(jobs, small, variants=3)
    assert await runnable() == 6, "two jobs of three variants"
    for _ in range(12):
        await requested(jobs, unknown)
    assert await runnable() == 6 + 10, "an organisation that the database does not know runs ten jobs"

    claims = [await claimed(tasks) for _ in range(2)]
    assert await runnable() == 16, "what runs is what could run"
    await requested(jobs, small, variants=8, priority=100)
    assert await runnable() == 3 + 8 + 10, "the job that runs, and the one that comes next"
    for claim in claims:
        assert await tasks.finish(claim, a_result(claim))
    assert await runnable() == 8 + 2 + 10, "of the job that has begun two variants are left"


async def asked_by_the_autoscaler(engine: AsyncEngine) -> int:
    """What KEDA would read: the manifest's query, by a role with the rights that the operations page grants."""
    manifest = (REPOSITORY / "deploy" / "k8s" / "components" / "keda" / "scaled-object.yaml").read_text()
    [scaled] = [document for document in yaml.safe_load_all(manifest) if document["kind"] == "ScaledObject"]
    query = scaled["spec"]["triggers"][0]["metadata"]["query"]
    granted = re.findall(r"^(GRANT .+);$", (REPOSITORY / "docs" / "operations.md").read_text(), re.MULTILINE)
    assert granted
    role = f"autoscaler_{uuid.uuid4().hex[:8]}"
    async with engine.connect() as connection, connection.begin() as rolled_back:
        await connection.execute(text(f"CREATE ROLE {role}"))
        for grant in granted:
            await connection.execute(text(grant.replace("horarium_autoscaler", role)))
        await connection.execute(text(f"SET LOCAL ROLE {role}"))
        found = await connection.scalar(text(query.replace("::", "\\:\\:")))
        await rolled_back.rollback()
    return int(found or 0)

"""The persister as a process: what it does while the database is away, and when it is killed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx
import psycopg
from prometheus_client.parser import text_string_to_metric_families
from psycopg import sql
from sqlalchemy.engine import make_url

from deploy.local.services import ServiceProcess
from deploy.local.stack import LocalStack
from horarium.commands.topics import apply_topics
from tests.integration.progress.speaking import WITHIN_S, publisher
from tests.integration.runtime.consuming import until
from tests.job_events import JobEvents, a_result
from tests.stack import migrate


async def the_results(url: str, jobs: list[JobEvents]) -> dict[str, int]:
    """Stored variants by job id, as soon as every job has an end."""
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    query = """SELECT s.job_id::text, count(v.variant) FROM job_states s LEFT JOIN timetable_variants v USING (job_id)
               WHERE s.status = 'completed' AND s.job_id = ANY(%s) GROUP BY s.job_id"""
    found: dict[str, int] = {}
    async with asyncio.timeout(2 * WITHIN_S):
        while len(found) < len(jobs):
            await asyncio.sleep(0.1)
            try:
                async with await psycopg.AsyncConnection.connect(address, connect_timeout=5) as connection:
                    cursor = await connection.execute(query, [[job.job_id for job in jobs]])
                    found = {str(job): int(count) for job, count in await cursor.fetchall()}
            except psycopg.OperationalError:
                continue
    return found


async def test_nothing_is_lost_while_the_database_is_away_or_the_persister_dies(
    own_stack: Callable[[], LocalStack], tmp_path: Path
) -> None:
    stack = await asyncio.to_thread(own_stack)
    assert stack.postgres is not None
    migrate(stack.addresses.database_url)
    await apply_topics(stack.addresses.kafka_bootstrap_servers)
    service = ServiceProcess("persister", tmp_path, stack.addresses.as_environment())
    await asyncio.to_thread(service.start)
    try:
        before, during, killed = JobEvents(), JobEvents(), JobEvents()
        async with publisher(stack.addresses.kafka_bootstrap_servers) as publish:
            await publish(before.requested(), before.completed())
            await the_results(stack.addresses.database_url, [before])

            await asyncio.to_thread(stack.postgres.kill)
            end = during.completed(variants=[a_result(1, classes=20_000)])
            await publish(during.requested(), during.progress(1), end, end)
            await asyncio.to_thread(service.process.kill)
            service.process.start()
            await asyncio.to_thread(stack.postgres.start)
            await the_results(stack.addresses.database_url, [before, during])

            await publish(killed.requested(), killed.completed())
            await asyncio.to_thread(service.process.kill)
            await asyncio.to_thread(service.start)
            found = await the_results(stack.addresses.database_url, [before, during, killed])
        assert set(found.values()) == {1}, "each result is stored exactly once"
    finally:
        await asyncio.to_thread(service.process.stop)


async def test_a_database_that_has_become_read_only_is_waited_for_and_seen(
    own_stack: Callable[[], LocalStack], tmp_path: Path
) -> None:
    """As after a failover that leads to a standby: it answers, and refuses every write."""
    stack = await asyncio.to_thread(own_stack)
    assert stack.postgres is not None
    url = stack.addresses.database_url
    migrate(url)
    await apply_topics(stack.addresses.kafka_bootstrap_servers)
    service = ServiceProcess("persister", tmp_path, stack.addresses.as_environment())
    await asyncio.to_thread(service.start)
    try:
        async with httpx.AsyncClient(base_url=service.url, timeout=10) as http:
            job = JobEvents()
            await read_only(url, on=True)
            async with publisher(stack.addresses.kafka_bootstrap_servers) as publish:
                await publish(job.requested(), job.completed())
            await until(lambda: shows(http, 1, "horarium_consumer_backlog_messages", topic="solve.completed"))
            assert await shows(http, 0, "horarium_dependency_up", dependency="database")
            assert (await http.get("/readyz")).json()["checks"]["database"] == "ReadOnlyDatabaseError"

            await read_only(url, on=False)
            await the_results(url, [job])
            await until(lambda: shows(http, 0, "horarium_consumer_backlog_messages", topic="solve.completed"))
            assert await shows(http, 0, "horarium_messages_total", topic="solve.completed", result="dead_lettered")
    finally:
        await asyncio.to_thread(service.process.stop)


async def read_only(url: str, *, on: bool) -> None:
    """Let the database refuse writes, or take them again, from everybody's next connection on."""
    address = make_url(url)
    name = sql.Identifier(str(address.database))
    text = address.set(drivername="postgresql").render_as_string(hide_password=False)
    options = "-c default_transaction_read_only=off"
    async with await psycopg.AsyncConnection.connect(text, autocommit=True, options=options) as connection:
        await connection.execute(
            sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}").format(name, sql.Literal(on))
        )
        others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        await connection.execute(f"SELECT pg_terminate_backend(pid) {others}")


async def shows(http: httpx.AsyncClient, value: float, name: str, **labels: str) -> bool:
    """True if the service's series is scraped with this value."""
    families = text_string_to_metric_families((await http.get("/metrics")).text)
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return [sample.value for sample in samples if labels.items() <= sample.labels.items()] == [value]

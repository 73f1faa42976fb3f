"""The service on Redis Cluster, from the address to the end of a stream: no command of its life spans two slots."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
import redis

from deploy.local.addresses import Addresses
from deploy.local.services import ServiceProcess
from horarium.commands.topics import apply_topics
from services.progress.store import EPOCH, POSITIONS, result_key
from tests.integration.progress.cluster import ClusterOfOne, a_cluster
from tests.integration.progress.speaking import SECRET, Publisher, Reader, frames
from tests.job_events import JobEvents, a_result

Start = Callable[[], ServiceProcess]


@pytest.fixture
async def cluster() -> AsyncIterator[ClusterOfOne]:
    with a_cluster() as server:
        yield server


@pytest.fixture
async def service(cluster: ClusterOfOne, addresses: Addresses, tmp_path: Path) -> AsyncIterator[ServiceProcess]:
    await apply_topics(addresses.kafka_bootstrap_servers)
    environment = {"JWT_SECRET": SECRET, "HEARTBEAT_S": "1", "REDIS_URL": cluster.cluster_url}
    service = ServiceProcess("progress", tmp_path, {**addresses.as_environment(), **environment})
    await asyncio.to_thread(service.start)
    yield service
    await asyncio.to_thread(service.process.stop)


async def test_a_job_is_followed_to_its_end_and_the_projection_survives_a_kill_and_a_flush(
    cluster: ClusterOfOne, service: ServiceProcess, publish: Publisher
) -> None:
    async with httpx.AsyncClient(base_url=service.url, timeout=10) as http:
        job = JobEvents()
        reader = Reader(http, job)
        await publish(job.requested(), job.progress(10))
        first = await reader.until(progress=10.0)
        following = asyncio.create_task(reader.follow())
        await publish(job.progress(20))
        # Progress and ends come by different topics: sent together, either could be projected first.
        await reader.until(progress=20.0)
        await publish(job.completed(variants=[a_result(1)]))
        seen = frames(await following)
        assert seen[-1].body["status"] == "completed"
        assert (await reader.until(status="completed"))["progress"] == 100.0
        resumed = frames(await reader.follow(last_event_id=first["revision"]))
        assert [message.id for message in resumed] == [m.id for m in seen if m.id > first["revision"]]

        with redis.Redis.from_url(cluster.url) as stored:
            assert stored.exists(result_key(job.job_id))
            before = stored.hgetall(POSITIONS)
            epoch = stored.get(EPOCH)
            assert before

            await asyncio.to_thread(service.process.kill)
            await asyncio.to_thread(service.start)
            second = JobEvents()
            await publish(second.requested(), second.progress(30))
            await Reader(http, second).until(progress=30.0)
            assert stored.get(EPOCH) == epoch, "it went on where it was"

            stored.flushall()
            assert (await reader.until(status="completed"))["progress"] == 100.0
            assert stored.get(EPOCH) != epoch, "it has read everything again"

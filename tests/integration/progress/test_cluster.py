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
from tests.integration.progress.speaking import SECRET, WITHIN_S, Message, Publisher, Reader, frames
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
        # Requests, progress and ends come by different topics: sent together, any could be projected first.
        await publish(job.requested())
        await reader.until(status="queued")
        await publish(job.progress(10))
        first = await reader.until(progress=10.0)
        async with asyncio.timeout(WITHIN_S), reader.stream() as (_, messages):
            opening = await anext(messages)
            assert (opening.id, opening.body["progress"]) == (first["revision"], 10.0)
            await publish(job.progress(20))
            seen = [await _next_frame(messages)]
            await publish(job.completed(variants=[a_result(1)]))
            seen += frames([message async for message in messages])
        assert [message.body["progress"] for message in seen] == [20.0, 100.0]
        assert seen[-1].body["status"] == "completed"
        assert (await reader.until(status="completed"))["progress"] == 100.0
        resumed = frames(await reader.follow(last_event_id=first["revision"]))
        assert [message.id for message in resumed] == [message.id for message in seen]

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


async def _next_frame(messages: AsyncIterator[Message]) -> Message:
    """The next that is no heartbeat."""
    while not (following := frames([await anext(messages)])):
        pass
    return following[0]

"""The projection heals itself: Redis empty, away, or older; the broker without its log; the service killed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import redis.asyncio

from deploy.local.services import ServiceProcess
from deploy.local.stack import LocalStack
from horarium.commands.topics import apply_topics
from schemas.events import Event
from tests.integration.progress.speaking import SECRET, WITHIN_S, Reader, frames, publisher
from tests.job_events import JobEvents


class Platform:
    """Private servers, one progress service on them, and ways to speak to it."""

    def __init__(self, stack: LocalStack, service: ServiceProcess, http: httpx.AsyncClient) -> None:
        self.stack = stack
        self.service = service
        self.http = http

    async def publish(self, *events: Event) -> None:
        async with publisher(self.stack.addresses.kafka_bootstrap_servers) as publish:
            await publish(*events)

    async def projected(self) -> float:
        """How many events this process of the service has projected."""
        found = re.findall(
            r"^horarium_projected_events_total\{.*\} (\S+)$", (await self.http.get("/metrics")).text, re.M
        )
        return sum(float(value) for value in found)

    async def until_projected(self, events: int) -> None:
        """Wait until so many events are projected. Those of several topics come in any order, and each is told of: a
        snapshot of the last one does not say that nothing more will come.
        """
        async with asyncio.timeout(WITHIN_S):
            while True:
                if await self.projected() >= events:
                    return
                await asyncio.sleep(0.01)


@pytest.fixture
async def platform(own_stack: Callable[[], LocalStack], tmp_path: Path) -> AsyncIterator[Platform]:
    stack = await asyncio.to_thread(own_stack)
    await apply_topics(stack.addresses.kafka_bootstrap_servers)
    environment = {"JWT_SECRET": SECRET, "HEARTBEAT_S": "1", "REDIS_TIMEOUT_S": "1"}
    service = ServiceProcess("progress", tmp_path, {**stack.addresses.as_environment(), **environment})
    await asyncio.to_thread(service.start)
    async with httpx.AsyncClient(base_url=service.url, timeout=10) as http:
        yield Platform(stack, service, http)
    await asyncio.to_thread(service.process.stop)


async def test_a_flushed_redis_is_rebuilt_without_a_flood_and_no_client_sees_a_step_back(platform: Platform) -> None:
    # Events older than ten seconds are history to the projector.
    long_ago = datetime.now(UTC) - timedelta(minutes=1)
    done, running = JobEvents(started=long_ago), JobEvents(started=long_ago)
    await platform.publish(done.requested(), done.completed())
    await platform.publish(running.requested(), *(running.progress(n) for n in range(1, 41)))
    of_done, of_running = Reader(platform.http, done), Reader(platform.http, running)
    await of_done.until(status="completed")
    before = await of_running.until(progress=40.0)

    async with asyncio.timeout(2 * WITHIN_S), of_running.stream() as (_, messages):
        first = await anext(messages)
        async with redis.asyncio.Redis.from_url(platform.stack.addresses.redis_url) as client:
            await client.flushall()
        assert (await of_done.until(status="completed"))["finished_at"]
        after = await of_running.until(progress=40.0)
        assert after["revision"] > before["revision"]
        assert {**after, "revision": ""} == {**before, "revision": ""}
        now = datetime.now(UTC)
        await platform.publish(running.progress(41, occurred_at=now), running.completed(occurred_at=now))
        rest = frames([message async for message in messages])
    messages_seen = [first, *rest]
    seen = [message.body["progress"] for message in messages_seen if message.body["status"] != "unknown"]
    assert seen == sorted(seen), "nobody sees progress fall"
    assert seen[-1] == 100.0
    assert len(seen) < 10, f"a rebuild is no flood of frames: {seen}"


async def test_without_redis_the_answer_is_unknown_and_everything_resumes_by_itself(platform: Platform) -> None:
    assert platform.stack.redis is not None
    job = JobEvents()
    reader = Reader(platform.http, job)
    await platform.publish(job.requested(), job.progress(10))
    await reader.until(progress=10.0)
    await platform.until_projected(2)
    async with asyncio.timeout(2 * WITHIN_S), reader.stream() as (_, messages):
        assert (await anext(messages)).body["progress"] == 10.0
        await asyncio.to_thread(platform.stack.redis.kill)
        away = await reader.until(status="unknown")
        assert away["message"].startswith("processing")
        async for message in messages:
            if message.event != "comment":
                break
        assert (message.body["status"], message.body["progress"], message.id) == ("unknown", 10.0, "")
        kinds = [(await anext(messages)).event for _ in range(2)]
        assert kinds == ["comment", "comment"], "the stream stays alive"
        await platform.publish(job.progress(20), job.completed())
        assert (await platform.http.get("/healthz")).status_code == 200
        assert (await platform.http.get("/startz")).status_code == 200, "requests still come here for that answer"
        assert (await platform.http.get("/readyz")).status_code == 503

        await asyncio.to_thread(platform.stack.redis.start)
        rest = frames([message async for message in messages])
    assert (rest[-1].event, rest[-1].body["status"]) == ("finished", "completed")
    await reader.until(status="completed")


async def test_a_redis_that_restarts_without_its_data_is_filled_again(platform: Platform) -> None:
    assert platform.stack.redis is not None
    job = JobEvents()
    reader = Reader(platform.http, job)
    await platform.publish(job.requested(), job.progress(10))
    await reader.until(progress=10.0)
    await asyncio.to_thread(platform.stack.redis.kill)
    for file in platform.stack.redis.folder.glob("*.aof"):
        file.unlink()
    await asyncio.to_thread(platform.stack.redis.start)
    await reader.until(progress=10.0, status="running")


async def test_a_broker_that_lost_its_log_does_not_make_the_projector_skip_what_is_new(platform: Platform) -> None:
    """The embedded broker starts again at offset 0 and answers a fetch beyond the end with silence."""
    assert platform.stack.broker is not None
    old = JobEvents()
    await platform.publish(old.requested(), *(old.progress(n) for n in range(1, 31)))
    await Reader(platform.http, old).until(progress=30.0)
    await asyncio.to_thread(platform.stack.broker.kill)
    await asyncio.to_thread(platform.stack.broker.start)
    await apply_topics(platform.stack.addresses.kafka_bootstrap_servers)
    jobs = [JobEvents() for _ in range(12)]
    for job in jobs:
        await platform.publish(job.requested(), job.completed())
    for job in jobs:
        await Reader(platform.http, job).until(status="completed")
    assert (await Reader(platform.http, old).get()).json()["progress"] == 30.0, "what Redis has is kept"


async def test_a_killed_service_goes_on_where_redis_says(platform: Platform) -> None:
    first, second = JobEvents(), JobEvents()
    await platform.publish(first.requested(), *(first.progress(n) for n in range(1, 101)))
    await Reader(platform.http, first).until(progress=99.0, message="report 100")
    await asyncio.to_thread(platform.service.process.kill)
    await platform.publish(first.progress(101), first.completed(), second.requested())
    await asyncio.to_thread(platform.service.start)
    await Reader(platform.http, first).until(status="completed")
    await Reader(platform.http, second).until(status="queued")
    assert await platform.projected() < 20, "it did not read everything again"

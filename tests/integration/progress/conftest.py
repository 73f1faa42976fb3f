"""A progress service as a process over the shared servers, one for each test module."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import redis.asyncio

from deploy.local.addresses import Addresses
from deploy.local.services import ServiceProcess
from horarium.commands.topics import apply_topics
from tests.integration.progress.speaking import SECRET, Publisher, publisher


@pytest.fixture(scope="module")
def progress(
    addresses: Addresses, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[ServiceProcess]:
    """The service, with short heartbeats and room for few streams, and what the module's ENVIRONMENT says. It waits for
    an unknown job longer than a test takes to publish one.
    """
    asyncio.run(apply_topics(addresses.kafka_bootstrap_servers))
    folder: Path = tmp_path_factory.mktemp("progress")
    environment = {"JWT_SECRET": SECRET, "HEARTBEAT_S": "0.5", "MAX_STREAMS": "30", "UNKNOWN_JOB_WAIT_S": "6"}
    environment |= getattr(request.module, "ENVIRONMENT", {})
    service = ServiceProcess("progress", folder, {**addresses.as_environment(), **environment})
    try:
        service.start()
        yield service
    finally:
        service.process.stop()


@pytest.fixture
async def http(progress: ServiceProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=progress.url, timeout=30) as client:
        yield client


@pytest.fixture
async def publish(kafka_bootstrap_servers: str) -> AsyncIterator[Publisher]:
    async with publisher(kafka_bootstrap_servers) as publishing:
        yield publishing


@pytest.fixture
async def stored(redis_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    client = redis.asyncio.Redis.from_url(redis_url)
    yield client
    await client.aclose()

"""Consumers of `job.control` in this process, on a broker that a test may kill, freeze and restart."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client import REGISTRY
from pydantic import SecretStr

from deploy.local.kafka import KafkaBroker
from deploy.local.stack import LocalStack
from deploy.local.tansu import TansuBroker
from horarium.commands.topics import apply_topics
from schemas.events import ControlAction, JobControl
from schemas.topics import JOB_CONTROL
from services.runtime.background import running
from services.runtime.kafka import Kafka, Received
from services.runtime.settings import RuntimeSettings
from tests.stack import KAFKA_JARS_FOLDER, chosen_broker, data_folder

Handle = Callable[[JobControl, Received], Awaitable[None]]
Broker = TansuBroker | KafkaBroker


@contextmanager
def a_broker() -> Iterator[Broker]:
    """A broker of a test's own, with our topics."""
    nobody = {"DATABASE_URL": "postgresql+psycopg://unused", "REDIS_URL": "redis://unused"}
    with data_folder() as folder:
        stack = LocalStack(folder, broker=chosen_broker(), environment=nobody, kafka_jars_folder=KAFKA_JARS_FOLDER)
        with stack:
            assert stack.broker is not None
            asyncio.run(apply_topics(stack.broker.bootstrap_servers))
            yield stack.broker


def settings_for(bootstrap_servers: str, **changed: Any) -> RuntimeSettings:
    """As a service has them on this broker, with the shortest session that it accepts unless another is given."""
    given = {
        "kafka_idempotent_producer": chosen_broker() == "kafka",
        "kafka_session_timeout_s": 6 if chosen_broker() == "kafka" else 4,
        **changed,
    }
    return RuntimeSettings(
        kafka_bootstrap_servers=bootstrap_servers, database_url=SecretStr("postgresql+psycopg://unused"), **given
    )


def a_control() -> JobControl:
    return JobControl(job_id=uuid.uuid4(), organization_id=uuid.uuid4(), action=ControlAction.STOP)


@asynccontextmanager
async def consuming(settings: RuntimeSettings, handle: Handle, group: str) -> AsyncIterator[Kafka]:
    """A connected consumer of `job.control`."""
    kafka = Kafka(settings, "test")
    kafka.subscribe(JOB_CONTROL, [JobControl], handle, group=group)
    async with running({"kafka": kafka.run}, grace_s=10):
        await until(kafka.ping)
        yield kafka


async def until(check: Callable[[], Awaitable[object]], within_s: float = 60) -> None:
    """Wait until `check` neither raises OSError nor returns False."""
    async with asyncio.timeout(within_s):
        while True:
            try:
                if await check() is not False:
                    return
            except OSError:
                pass
            await asyncio.sleep(0.05)


async def offsets_of(settings: RuntimeSettings, group: str) -> int:
    """How many messages of `job.control` the group has committed, over all partitions."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers, group_id=group, enable_auto_commit=False
    )
    await consumer.start()
    try:
        found = [await consumer.committed(TopicPartition(JOB_CONTROL, number)) for number in range(12)]
        return sum(offset or 0 for offset in found)
    finally:
        await consumer.stop()


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, {"topic": JOB_CONTROL, **labels}) or 0.0

"""The outbox's relay on a real database: order, refusals and replicas; and with the broker and the database away."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from aiokafka.errors import MessageSizeTooLargeError
from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from deploy.local.stack import LocalStack
from horarium.commands.topics import apply_topics
from schemas.events.cloudevents import WireMessage
from schemas.tables import outbox
from services.api.migrate import upgrade
from services.api.relay import Relay, Result
from tests.conftest import FreshDatabase
from tests.integration.api.conftest import a_running_api, messages_of, refused, until, uploaded


class Broker:
    """Acknowledges, refuses or is away, as told; remembers what it acknowledged."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.too_large: set[bytes] = set()
        self.away = False

    async def ping(self) -> None:
        if self.away:
            raise ConnectionError("away")

    async def publish_wire(self, message: WireMessage) -> None:
        await asyncio.sleep(0)
        if self.away:
            raise ConnectionError("away")
        if message.value in self.too_large:
            raise MessageSizeTooLargeError
        self.got.append(message.value)


@pytest.fixture
async def engine(fresh_database: FreshDatabase) -> AsyncIterator[AsyncEngine]:
    made = create_async_engine(fresh_database())
    yield made
    await made.dispose()


def a_relay(engine: AsyncEngine, broker: Broker, batch: int = 10) -> Relay:
    return Relay(engine, broker, batch=batch, poll_s=0.05, publish_timeout_s=1)


async def written(engine: AsyncEngine, *values: tuple[uuid.UUID, bytes]) -> None:
    async with engine.begin() as connection:
        for job_id, value in values:
            await connection.execute(
                insert(outbox).values(
                    event_id=uuid.uuid4(),
                    job_id=job_id,
                    topic="job.requested",
                    key=str(job_id).encode(),
                    value=value,
                    headers={"ce_id": "1"},
                )
            )


async def left(engine: AsyncEngine) -> list[tuple[bytes, int]]:
    async with engine.connect() as connection:
        rows = await connection.execute(select(outbox.c.value, outbox.c.attempts).order_by(outbox.c.id))
        return [(row.value, row.attempts) for row in rows]


async def test_rows_are_published_in_each_jobs_order_and_deleted(engine: AsyncEngine) -> None:
    broker, (a, b) = Broker(), (uuid.uuid4(), uuid.uuid4())
    await written(engine, (a, b"a1"), (b, b"b1"), (a, b"a2"), (a, b"a3"))
    relay = a_relay(engine, broker)
    for _ in range(3):
        await relay.publish_batch()
    assert [v for v in broker.got if v.startswith(b"a")] == [b"a1", b"a2", b"a3"]
    assert b"b1" in broker.got
    assert await left(engine) == []


async def test_a_refused_row_holds_up_its_own_job_and_nobody_else(engine: AsyncEngine) -> None:
    broker, (a, b) = Broker(), (uuid.uuid4(), uuid.uuid4())
    broker.too_large = {b"a1"}
    await written(engine, (a, b"a1"), (a, b"a2"), (b, b"b1"))
    relay = a_relay(engine, broker, batch=1)
    assert await relay.publish_batch() == Counter({Result.REFUSED: 1})
    assert await relay.publish_batch() == Counter({Result.ACKNOWLEDGED: 1})
    assert broker.got == [b"b1"]
    assert await left(engine) == [(b"a1", 1), (b"a2", 0)]

    broker.too_large = set()
    async with engine.begin() as connection:  # as if a while had passed
        await connection.execute(outbox.update().values(created_at=func.now() - text("interval '1 hour'")))
    for _ in range(2):
        await relay.publish_batch()
    assert broker.got == [b"b1", b"a1", b"a2"]


async def test_rows_wait_while_the_broker_is_away_and_go_out_when_it_is_back(engine: AsyncEngine) -> None:
    broker, a = Broker(), uuid.uuid4()
    broker.away = True
    await written(engine, (a, b"a1"), (a, b"a2"))
    relay, stop = a_relay(engine, broker), asyncio.Event()
    running = asyncio.create_task(relay.run(stop))
    try:
        await asyncio.wait_for(_until(lambda: relay_failed(relay)), 10)
        assert await left(engine) == [(b"a1", 0), (b"a2", 0)]
        broker.away = False
        await asyncio.wait_for(_until(lambda: len(broker.got) == 2), 10)
    finally:
        stop.set()
        await asyncio.wait_for(running, 5)
    assert broker.got == [b"a1", b"a2"]
    assert await left(engine) == []


def relay_failed(relay: Relay) -> bool:
    return relay.failures > 0


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  # what is waited for sets no event
        await asyncio.sleep(0.01)


async def test_replicas_share_the_work_and_keep_the_order(engine: AsyncEngine) -> None:
    broker, jobs = Broker(), [uuid.uuid4() for _ in range(20)]
    await written(engine, *((job, f"{n} {job}".encode()) for n in range(4) for job in jobs))
    stop = asyncio.Event()
    replicas = [asyncio.create_task(a_relay(engine, broker, batch=7).run(stop)) for _ in range(3)]
    await asyncio.wait_for(_until(lambda: len(broker.got) >= 80), 20)
    stop.set()
    await asyncio.wait_for(asyncio.gather(*replicas), 5)
    assert len(broker.got) == 80
    for job in jobs:
        assert [v[:1] for v in broker.got if v.endswith(str(job).encode())] == [b"0", b"1", b"2", b"3"]


def test_jobs_are_accepted_while_the_broker_is_down_and_published_when_it_is_back(
    own_stack: Callable[[], LocalStack], tmp_path: Path
) -> None:
    stack = own_stack()
    upgrade(stack.addresses.database_url)
    api = a_running_api(stack.addresses, tmp_path)
    try:
        with closing(api.client()) as client:
            problem_id = uploaded(client)
            assert stack.broker is not None
            stack.broker.kill()
            answers = [client.post("/api/timetables/generate", json={"problem_id": problem_id}) for _ in range(3)]
            assert [a.status_code for a in answers] == [202, 202, 202]
            assert client.get("/readyz").status_code == 200
            assert api.sql("SELECT count(*) FROM outbox") == [(3,)]
            stack.broker.restart()
            asyncio.run(apply_topics(stack.addresses.kafka_bootstrap_servers))
            for answer in answers:
                messages_of(
                    stack.addresses.kafka_bootstrap_servers, "job.requested", answer.json()["job_id"], within_s=60
                )
            until(lambda: api.sql("SELECT count(*) FROM outbox") == [(0,)])

            # The embedded broker keeps its log in memory: what it had acknowledged is gone, and is sent again.
            stack.broker.kill()
            stack.broker.restart()
            asyncio.run(apply_topics(stack.addresses.kafka_bootstrap_servers))
            messages_of(
                stack.addresses.kafka_bootstrap_servers, "job.requested", answers[0].json()["job_id"], within_s=60
            )
    finally:
        api.process.process.stop()


def test_without_the_database_requests_are_refused_for_now_and_nothing_is_created(
    own_stack: Callable[[], LocalStack], tmp_path: Path
) -> None:
    stack = own_stack()
    upgrade(stack.addresses.database_url)
    api = a_running_api(stack.addresses, tmp_path)
    try:
        with closing(api.client()) as client:
            problem_id = uploaded(client)
            assert stack.postgres is not None
            stack.postgres.kill()
            headers = {"Idempotency-Key": "once"}
            answer = client.post("/api/timetables/generate", json={"problem_id": problem_id}, headers=headers)
            refused(answer, 503, "unavailable")
            assert int(answer.headers["retry-after"]) > 0
            assert client.get("/healthz").status_code == 200
            assert client.get("/startz").status_code == 200
            assert client.get("/readyz").status_code == 503
            stack.postgres.restart()

            def again() -> httpx.Response | None:
                answer = client.post("/api/timetables/generate", json={"problem_id": problem_id}, headers=headers)
                return answer if answer.status_code == 202 else None

            until(again)
            assert api.sql("SELECT count(*) FROM jobs") == [(1,)]
    finally:
        api.process.process.stop()

"""A running api with two organisations, callers of every role, and problems to send."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord

from deploy.local.addresses import Addresses
from deploy.local.services import ServiceProcess
from horarium.commands.topics import apply_topics
from schemas.tables import metadata
from services.api.seed import seed_demo
from tests.conftest import FreshDatabase

SECRET = "integration-tests-sign-their-tokens-with-this"
PASSWORD = "correct horse battery staple"
SETTINGS = {
    "JWT_SECRET": SECRET,
    "COOKIE_SECURE": "false",
    "PROGRESS_BASE_URL": "http://progress.example",
    "REPUBLISH_AFTER_S": "2",
}
# In the order of their references.
SEEDED = ("organizations", "users")


@dataclass(frozen=True)
class RunningApi:
    """An api process and what its tests need to reach around it."""

    process: ServiceProcess
    addresses: Addresses
    organization_id: uuid.UUID

    @property
    def url(self) -> str:
        return self.process.url

    def client(self, email: str = "planner@one.example") -> httpx.Client:
        """A signed-in caller that sends a bearer token."""
        client = httpx.Client(base_url=self.url, timeout=30)
        answer = client.post("/api/auth/login", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        client.cookies.clear()
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return client

    def sql(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Rows of a query, or none of a statement."""
        address = self.addresses.database_url.replace("+psycopg", "")
        with psycopg.connect(address, autocommit=True) as connection:
            cursor = connection.execute(query, arguments)
            return cursor.fetchall() if cursor.description else []


def a_running_api(addresses: Addresses, folder: Path, **environment: str) -> RunningApi:
    """Seeds both organisations, creates the topics, and starts the process; the caller stops it."""
    asyncio.run(apply_topics(addresses.kafka_bootstrap_servers))
    one = seed_demo(
        addresses.database_url, "planner@one.example", PASSWORD, "One", role="planner", generate_per_hour=10_000
    )
    seed_demo(addresses.database_url, "viewer@one.example", PASSWORD, "One", role="viewer")
    seed_demo(addresses.database_url, "admin@one.example", PASSWORD, "One", role="admin")
    seed_demo(addresses.database_url, "planner@two.example", PASSWORD, "Two", role="planner")
    seed_demo(addresses.database_url, "admin@two.example", PASSWORD, "Two", role="admin")
    process = ServiceProcess("api", folder, {**addresses.as_environment(), **SETTINGS, **environment})
    process.start()
    return RunningApi(process, addresses, one.organization_id)


@pytest.fixture(scope="package")
def shared_api(
    addresses: Addresses, fresh_database: FreshDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningApi]:
    """One process for all who do it no harm: each start, and each password to hash, costs seconds of a processor."""
    running = a_running_api(replace(addresses, database_url=fresh_database()), tmp_path_factory.mktemp("api"))
    try:
        running.sql("CREATE SCHEMA seeded")
        for table in SEEDED:
            running.sql(f"CREATE TABLE seeded.{table} AS TABLE {table}")
        yield running
    finally:
        running.process.process.stop()


@pytest.fixture(scope="module")
def api(shared_api: RunningApi) -> RunningApi:
    """The shared process, with nothing in its database but the organisations and their callers."""
    shared_api.sql(f"TRUNCATE {', '.join(table.name for table in metadata.sorted_tables)} RESTART IDENTITY")
    for table in SEEDED:
        shared_api.sql(f"INSERT INTO {table} SELECT * FROM seeded.{table}")  # noqa: S608  # our own names
    return shared_api


@pytest.fixture(scope="module")
def planner(api: RunningApi) -> Iterator[httpx.Client]:
    with closing(api.client()) as client:
        yield client


@pytest.fixture(scope="module")
def viewer(api: RunningApi) -> Iterator[httpx.Client]:
    with closing(api.client("viewer@one.example")) as client:
        yield client


@pytest.fixture(scope="module")
def admin(api: RunningApi) -> Iterator[httpx.Client]:
    with closing(api.client("admin@one.example")) as client:
        yield client


@pytest.fixture(scope="module")
def stranger(api: RunningApi) -> Iterator[httpx.Client]:
    """A planner of another organisation."""
    with closing(api.client("planner@two.example")) as client:
        yield client


def a_problem(*, students: int = 20, capacity: int = 30, room: str = "r1", name: str | None = None) -> dict[str, Any]:
    """Two classes, two times, one room; a fresh name makes fresh content."""
    classes: list[dict[str, Any]] = [
        {
            "id": f"c{n}",
            "limit": students,
            "times": [{"time": "mon"}, {"time": "tue"}],
            "rooms": [{"room": room}] if room != "r1" else None,
            "room_needs": {} if room == "r1" else None,
            "instructors": ["ada"],
        }
        for n in (1, 2)
    ]
    return {
        "format": "horarium.problem/1",
        "name": name or f"problem {uuid.uuid4()}",
        "calendar": {"weeks": 1, "days": 5, "slots_per_day": 10, "slot_minutes": 60, "first_slot": "08:00"},
        "times": [
            {"id": "mon", "weeks": "1", "days": "10000", "start": 1, "length": 1},
            {"id": "tue", "weeks": "1", "days": "01000", "start": 1, "length": 1},
        ],
        "rooms": [{"id": "r1", "capacity": capacity}],
        "instructors": [{"id": "ada"}],
        "courses": [
            {"id": f"course{n}", "configs": [{"id": "k", "subparts": [{"id": "s", "classes": [cls]}]}]}
            for n, cls in enumerate(classes, start=1)
        ],
        "students": [{"id": "s1", "courses": ["course1", "course2"]}],
    }


CTT = """\
Name: Toy
Courses: 2
Rooms: 2
Days: 5
Periods_per_day: 4
Curricula: 1
Constraints: 1

COURSES:
SceCosC Ocra 3 3 30
ArcTec Indaco 3 2 42

ROOMS:
rA	32
rB	50

CURRICULA:
Cur1 2 SceCosC ArcTec

UNAVAILABILITY_CONSTRAINTS:
ArcTec 4 0

END.
"""


def uploaded(client: httpx.Client, problem: dict[str, Any] | None = None) -> str:
    answer = client.post("/api/problems", json=problem or a_problem())
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def requested(client: httpx.Client, **fields: Any) -> str:
    answer = client.post("/api/timetables/generate", json={"problem_id": uploaded(client), **fields})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem details of an answer that must be one."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    body: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail", "instance", "code", "errors", "correlation_id"} <= body.keys()
    assert (body["status"], body["code"]) == (status, code), body
    assert "Traceback" not in answer.text
    assert "psycopg" not in answer.text
    return body


def messages_of(servers: str, topic: str, job_id: str, count: int = 1, within_s: float = 30) -> list[ConsumerRecord]:
    """The first `count` messages of a job on a topic."""
    return asyncio.run(_messages_of(servers, topic, job_id, count, within_s))


async def _messages_of(servers: str, topic: str, job_id: str, count: int, within_s: float) -> list[ConsumerRecord]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest")
    await consumer.start()
    found: list[ConsumerRecord] = []
    try:
        async with asyncio.timeout(within_s):
            async for record in consumer:
                if record.key == job_id.encode():
                    found.append(record)
                    if len(found) == count:
                        return found
    finally:
        await consumer.stop()
    raise AssertionError("the stream of a topic has no end")


def until(condition: Callable[[], Any], within_s: float = 30) -> Any:
    """The condition's first true value."""
    deadline = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.02)
    return value

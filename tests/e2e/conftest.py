"""A whole Horarium for end-to-end tests: private servers and all four services as processes, spoken to as a user would.

Owns bringing it up and signing in. Tests speak only HTTP, Kafka and SQL to it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any, TypeVar

import psycopg
import pytest
from psycopg.rows import dict_row

from deploy.local import LocalStack
from deploy.local.services import LocalServices
from horarium.client import Client, Submitted
from horarium.commands.topics import apply_topics
from schemas.fold import TERMINAL_STATUSES
from services.api.migrate import upgrade
from services.api.seed import seed_demo
from tests.stack import data_folder, private_stack, warm_kernels

T = TypeVar("T")
EMAIL, PASSWORD = "planner@test.example", "correct horse battery staple"


def wait_for(
    what: str, look: Callable[[], T | None], within_s: float = 120.0, *, tell: Callable[[], str] = lambda: ""
) -> T:
    """The first truthy answer of `look`; fails, naming what was waited for and what `tell` then says, when the time is
    over.
    """
    deadline = monotonic() + within_s
    while True:
        found = look()
        if found:
            return found
        if monotonic() > deadline:
            raise AssertionError(f"waited {within_s:g} s for {what}\n{tell()}")
        sleep(0.05)


@dataclass
class System:
    """A running Horarium and a client that has signed in to it."""

    stack: LocalStack
    services: LocalServices
    client: Client
    organization_id: str

    def stranger(self) -> tuple[str, str]:
        """E-mail and password of somebody in another organisation."""
        seed_demo(self.stack.addresses.database_url, "stranger@other.example", PASSWORD, "Another University")
        return "stranger@other.example", PASSWORD

    def sql(self, query: str, **parameters: object) -> list[dict[str, Any]]:
        """Rows of a query, straight from PostgreSQL."""
        url = self.stack.addresses.database_url.replace("postgresql+psycopg://", "postgresql://")
        with psycopg.connect(url, row_factory=dict_row, connect_timeout=10) as connection:
            return connection.execute(query.encode(), parameters).fetchall()

    def ended(self, job: Submitted, within_s: float = 120.0) -> dict[str, Any]:
        """The job as the api tells it once it has ended."""

        def look() -> dict[str, Any] | None:
            found = self.client.job(job.job_id)
            return found if found["status"] in TERMINAL_STATUSES else None

        return wait_for(f"job {job.job_id} to end", look, within_s, tell=self.tails)

    def running(self, job: Submitted, within_s: float = 120.0) -> dict[str, Any]:
        """The job's progress once a solver has found a first timetable. Only for a job that does not end meanwhile."""

        def look() -> dict[str, Any] | None:
            found = self.client.progress(job.progress_url)
            return found if found and found["status"] == "running" and found.get("best_score") else None

        return wait_for(f"job {job.job_id} to run", look, within_s, tell=self.tails)

    def log_lines(self, service: str) -> list[dict[str, Any]]:
        """The structured log of a service."""
        text = (self.services.folder / "logs" / f"{service}.log").read_text()
        complete = text[: text.rfind("\n") + 1]  # the last line may be on its way
        return [json.loads(line) for line in complete.splitlines() if line.startswith("{")]

    def tails(self) -> str:
        """The end of every service's log, for failure messages."""
        return "\n".join(service.process.log_tail(15) for service in self.services.all)


@contextmanager
def whole_system(solvers: int = 1, **environment: str) -> Iterator[System]:
    """Everything up while the block runs."""
    warm_kernels()
    with ExitStack() as exits:
        stack = exits.enter_context(private_stack())
        upgrade(stack.addresses.database_url)
        asyncio.run(apply_topics(stack.addresses.kafka_bootstrap_servers))
        seeded = seed_demo(stack.addresses.database_url, EMAIL, PASSWORD, "Test University", generate_per_hour=100_000)
        folder: Path = exits.enter_context(data_folder())
        services = LocalServices(stack.addresses, folder, solvers=solvers, environment=environment)
        exits.enter_context(services)
        client = exits.enter_context(Client(services.api.url))
        client.sign_in(EMAIL, PASSWORD)
        yield System(stack, services, client, str(seeded.organization_id))


@pytest.fixture(scope="package")
def system() -> Iterator[System]:
    """One system for all tests that break nothing: to bring one up takes a quarter of a minute."""
    with whole_system() as running:
        yield running


@pytest.fixture
def own_system() -> Iterator[Callable[..., System]]:
    """A system for a test that breaks things; it ends with the test."""
    with ExitStack() as exits:
        yield lambda solvers=1, **environment: exits.enter_context(whole_system(solvers, **environment))

"""Solver processes for the tests of this folder: start them, feed them, harm them, wait for what must come of it."""

from __future__ import annotations

import asyncio
import signal
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar
from uuid import UUID

import psutil
from aiokafka import AIOKafkaConsumer
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.addresses import Addresses
from deploy.local.services import ServiceProcess
from deploy.local.stack import LocalStack
from horarium.commands.topics import apply_topics
from schemas.events import JobRequested, SolveCompleted, SolveOptions
from schemas.problem.read import ProblemFormat, read_problem
from schemas.referee import judge
from services.solver.intake import new_job
from services.solver.jobs import Jobs
from tests.integration.solver.building import a_long_search, a_request, completed_events, started_at, task_row
from tests.stack import migrate, private_stack, warm_kernels

T = TypeVar("T")


async def eventually(what: str, look: Callable[[], Awaitable[T | None]], within_s: float = 120.0) -> T:
    """The first truthy answer; fails, naming what was waited for, when the time is over."""
    deadline = monotonic() + within_s
    while True:
        found = await look()
        if found:
            return found
        assert monotonic() < deadline, f"waited {within_s:g} s for {what}"
        await asyncio.sleep(0.05)


@contextmanager
def a_world() -> Iterator[LocalStack]:
    """Servers of one module alone: a consumer group of another test's solver would take our requests."""
    warm_kernels()
    with private_stack() as stack:
        migrate(stack.addresses.database_url)
        asyncio.run(apply_topics(stack.addresses.kafka_bootstrap_servers))
        yield stack


class Replica:
    """A solver process, to be used and abused. Whatever it starts must end with it."""

    def __init__(self, world: Addresses, folder: Path, name: str, environment: Mapping[str, str]) -> None:
        self._service = ServiceProcess(f"solver-{name}", folder, {**world.as_environment(), **environment})
        self._service.process.start()
        self._service.process.wait_until(self._ready, within=timedelta(seconds=60))
        self._children: set[psutil.Process] = set()

    def children(self) -> list[psutil.Process]:
        """The solving processes that it has at the moment."""
        process = self._service.process
        found = psutil.Process(process.pid).children(recursive=True) if process.is_running() else []
        self._children.update(found)
        return found

    def signal(self, name: str) -> None:
        """To the service alone: its children are its own business."""
        self.children()
        psutil.Process(self._service.process.pid).send_signal(signal.Signals[name])

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.children()
        self._service.process.stop()
        code = self._service.process.exit_code
        assert code is not None
        return code

    def log(self) -> str:
        return self._service.process.log_tail(200)

    def _ready(self) -> None:
        try:
            self._get("/readyz")
        except urllib.error.HTTPError as error:
            error.close()
            raise ConnectionError(f"not ready: {error}") from None

    def metrics(self) -> str:
        return self._get("/metrics")

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(f"{self._service.url}{path}", timeout=5) as answer:  # noqa: S310  # loopback
            return bytes(answer.read()).decode()

    def close(self) -> None:
        self.stop()
        assert not psutil.wait_procs(self._children, timeout=5)[1], "children outlive their service"


def start_replica(world: Addresses, folder: Path, exits: ExitStack, name: str = "one", **environment: str) -> Replica:
    """A replica with one slot, quick to renew and to save, without a delay before a retry; it ends with `exits`.

    Its lease is as long as in production: a shorter one would be lost by a replica that merely gets no processor for a
    while. No persister records the ends, and they are not published again because of that.
    """
    short = {"SOLVER_SLOTS": "1", "SOLVER_LEASE_S": "15", "SOLVER_RENEW_S": "1", "SOLVER_CHECKPOINT_S": "2"}
    pace = {"SOLVER_RETRY_DELAY_S": "0", "SOLVER_REPUBLISH_AFTER_S": "3600"}
    replica = Replica(world, folder, name, {**short, **pace, **environment})
    exits.callback(replica.close)
    return replica


@dataclass
class Solvers:
    """Starts solver replicas, and feeds and asks the database they share."""

    world: Addresses
    engine: AsyncEngine
    folder: Path
    exits: ExitStack

    def start(self, name: str = "one", **environment: str) -> Replica:
        return start_replica(self.world, self.folder, self.exits, name, **environment)

    async def request(self, seconds: float = 600.0, **fields: Any) -> JobRequested:
        """A search that outlives every wait of a test unless it is ended, stored as intake stores it."""
        event = a_request(**({"problem": a_long_search(), "problem_format": "ctt"} | fields))
        event = event.model_copy(update={"options": SolveOptions(time_limit_s=seconds)})
        await self.jobs.accept(new_job(event))
        return event

    @property
    def jobs(self) -> Jobs:
        return Jobs(self.engine)

    async def checkpointed(self, job_id: UUID, attempt: int = 1) -> Any:
        """The task's row once this attempt has saved a checkpoint of its own."""

        async def look() -> Any:
            row = await task_row(self.engine, job_id)
            running = row.status == "running" and row.attempt == attempt and row.checkpoint_zstd is not None
            return row if running and row.checkpoint_at > await started_at(self.engine, row.token) else None

        return await eventually("a checkpoint", look)

    async def end(self, job_id: UUID, within_s: float = 120.0) -> SolveCompleted:
        async def look() -> SolveCompleted | None:
            return next(iter(await completed_events(self.engine, job_id)), None)

        return await eventually("the job's end", look, within_s)


def accepted_by_the_referee(end: SolveCompleted, problem: str) -> bool:
    read = read_problem(problem.encode(), ProblemFormat.CTT)
    return bool(end.variants) and all(judge(read, v.timetable).score == v.score for v in end.variants)


async def messages(world: Addresses, topic: str, job_id: UUID) -> list[Any]:
    """The job's messages on a topic, from its beginning."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=world.kafka_bootstrap_servers, auto_offset_reset="earliest", group_id=None
    )
    await consumer.start()
    try:
        found: list[Any] = []
        while batch := await consumer.getmany(timeout_ms=1500):
            found += [r for records in batch.values() for r in records if r.key == str(job_id).encode()]
        return found
    finally:
        await consumer.stop()

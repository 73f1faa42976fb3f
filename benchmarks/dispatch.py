"""Dispatch and recovery over the local stack, with the services' default settings: how long a job waits for an idle
slot, how long a killed solver is missed, how soon stop, cancel and SIGTERM take effect.

Sends traffic only to the services that it starts itself on the loopback interface; its loops are bounded. All times of
claims are the database's own.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from time import monotonic, sleep
from typing import Any

import psycopg
from psycopg.rows import dict_row

from deploy.local import LocalStack
from deploy.local.services import LocalServices, ServiceProcess
from deploy.local.stack import BrokerKind
from horarium.client import Client, Submitted
from horarium.commands.topics import apply_topics
from horarium.university import generate_university
from schemas.fold import TERMINAL_STATUSES
from services.api.migrate import upgrade
from services.api.seed import seed_demo

JOBS = 100
CRASHES = 3
_EMAIL, _PASSWORD = "bench@demo.example", "benchmarks only, on loopback"  # of a database that ends with us


def measure(broker: BrokerKind) -> None:
    """Print the table for one broker: "embedded" or "kafka" (Apache Kafka as a child process)."""
    with _system(broker) as system:
        system.wait_of_a_job()  # a replica compiles its kernels before its first claim, unless they are cached
        waits = sorted(system.wait_of_a_job() for _ in range(JOBS))
        crashes = [system.crash() for _ in range(CRASHES)]
        stops, cancels = ([system.end(action) for _ in range(5)] for action in ("stop", "cancel"))
        leaves = [system.leave() for _ in range(CRASHES)]
    print(f"\nDispatch and recovery, {broker} broker, default settings, 2 solver replicas of 1 slot\n")
    print("| what | seconds |")
    print("|---|---:|")
    print(f"| request to claim with an idle slot, median of {JOBS} | {median(waits):.3f} |")
    print(f"| request to claim with an idle slot, second longest of {JOBS} | {waits[-2]:.3f} |")
    missed, lost = (max(column) for column in zip(*crashes, strict=True))
    print(f"| kill -9 of a solver to the next claim of its task, longest of {CRASHES} | {missed:.1f} |")
    print(f"| search lost by it (age of the checkpoint), longest of {CRASHES} | {lost:.1f} |")
    print(f"| POST stop to stopped, with the result stored, longest of 5 | {max(stops):.2f} |")
    print(f"| POST cancel to a free slot, longest of 5 | {max(cancels):.2f} |")
    print(f"| SIGTERM of a solving replica to its exit, longest of {CRASHES} | {max(leaves):.1f} |")


class _System:
    def __init__(self, stack: LocalStack, services: LocalServices, client: Client) -> None:
        self._url = stack.addresses.database_url.replace("postgresql+psycopg://", "postgresql://")
        self._services = services
        self._client = client
        university = generate_university(courses=40, students=400, faculty=60, seed=7)
        long = client.upload(university.model_dump_json(exclude_none=True, by_alias=True).encode())
        self._long = str(long["id"])
        small = generate_university(courses=4, students=20, faculty=6, seed=1)
        self._small = str(client.upload(small.model_dump_json(exclude_none=True, by_alias=True).encode())["id"])

    def wait_of_a_job(self) -> float:
        job = self._client.generate(self._small, time_limit_s=1)
        self._ended(job)
        row = self._row(
            "SELECT extract(epoch FROM a.started_at - j.created_at)::float AS s FROM solve_attempts a "
            "JOIN jobs j ON j.id = a.job_id WHERE j.id = %(id)s::uuid",
            job,
        )
        return float(row["s"])

    def crash(self) -> tuple[float, float]:
        """Seconds to the next claim, and seconds of search behind the checkpoint at the crash."""
        job = self._client.generate(self._long, time_limit_s=60)
        self._checkpointed(job)
        sleep(3.0)  # somewhere between two checkpoints
        victim = self._running_on(job)
        before = self._row(
            "SELECT clock_timestamp() AS now, extract(epoch FROM clock_timestamp() - checkpoint_at)::float AS age "
            "FROM solve_tasks WHERE job_id = %(id)s::uuid",
            job,
        )
        victim.process.kill()
        claim = "SELECT started_at FROM solve_attempts WHERE job_id = %(id)s::uuid AND attempt = 2"
        claimed = _until(lambda: self._rows(claim, job))[0]["started_at"]
        self._client.control(job.job_id, "cancel")
        victim.start()
        return (claimed - before["now"]).total_seconds(), float(before["age"])

    def end(self, action: str) -> float:
        job = self._client.generate(self._long, time_limit_s=60)
        self._checkpointed(job)
        started = monotonic()
        self._client.control(job.job_id, action)
        self._ended(job)
        free = "SELECT 1 AS x FROM solve_tasks WHERE job_id = %(id)s::uuid AND status NOT IN ('queued', 'running')"
        _until(lambda: self._rows(free, job))
        return monotonic() - started

    def leave(self) -> float:
        job = self._client.generate(self._long, time_limit_s=60)
        self._checkpointed(job)
        leaving = self._running_on(job)
        started = monotonic()
        leaving.process.stop()
        seconds = monotonic() - started
        self._client.control(job.job_id, "cancel")
        leaving.start()
        return seconds

    def _ended(self, job: Submitted) -> None:
        _until(lambda: self._client.job(job.job_id)["status"] in TERMINAL_STATUSES)

    def _checkpointed(self, job: Submitted) -> None:
        saved = "SELECT 1 AS x FROM solve_tasks WHERE job_id = %(id)s::uuid AND checkpoint_zstd IS NOT NULL"
        _until(lambda: self._rows(saved, job))

    def _running_on(self, job: Submitted) -> ServiceProcess:
        worker = self._row("SELECT worker FROM solve_tasks WHERE job_id = %(id)s::uuid", job)["worker"]
        return next(s for s in self._services.solvers if worker.endswith(f"-{s.process.pid}"))

    def _row(self, query: str, job: Submitted) -> dict[str, Any]:
        return self._rows(query, job)[0]

    def _rows(self, query: str, job: Submitted) -> list[dict[str, Any]]:
        with psycopg.connect(self._url, row_factory=dict_row, connect_timeout=10) as connection:
            return connection.execute(query.encode(), {"id": job.job_id}).fetchall()


@contextmanager
def _system(broker: BrokerKind) -> Iterator[_System]:
    with ExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="horarium-bench-")))
        folder.chmod(0o711)
        stack = exits.enter_context(LocalStack(folder, broker=broker, environment={}))
        upgrade(stack.addresses.database_url)
        asyncio.run(apply_topics(stack.addresses.kafka_bootstrap_servers))
        seed_demo(stack.addresses.database_url, _EMAIL, _PASSWORD, "Benchmarks", generate_per_hour=1_000)
        services = LocalServices(stack.addresses, folder, solvers=2, environment={"SOLVER_SLOTS": "1"})
        exits.enter_context(services)
        client = exits.enter_context(Client(services.api.url))
        client.sign_in(_EMAIL, _PASSWORD)
        yield _System(stack, services, client)


def _until(look: Callable[[], Any], within_s: float = 120.0) -> Any:
    deadline = monotonic() + within_s
    while not (found := look()):
        if monotonic() > deadline:
            raise TimeoutError(f"nothing within {within_s:g} s")
        sleep(0.02)
    return found

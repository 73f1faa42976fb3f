"""A whole Horarium that is made to fail: services die at named points and come back as under an orchestrator.

Owns the harm (kill, freeze, stop a server, arm a fault point), the supervisor that starts again what died, and the work
that is given to it. Speaks only HTTP, Kafka and SQL to what it harms.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import psutil

from deploy.local.server import Server
from deploy.local.services import ServiceProcess
from horarium.client import RefusedError, Submitted
from horarium.commands.topics import apply_topics
from horarium.university import generate_university
from schemas.problem.model import Problem
from services.runtime.faults import VARIABLE
from tests.e2e.conftest import System, wait_for
from tests.e2e.faults.account import INLINE, settle
from tests.e2e.kafka_writing import a_control, publish
from tests.e2e.problems import a_department

# So short that a test can wait for what takes minutes in production. The lease is not: a shorter one would be lost by
# a solver that merely gets no processor for a while, and a test that counts attempts would blame it.
FAST = {
    "SOLVER_SLOTS": "1",
    "SOLVER_LEASE_S": "15",
    "SOLVER_RENEW_S": "1",
    "SOLVER_CHECKPOINT_S": "1",
    "SOLVER_RETRY_DELAY_S": "0",
    "SOLVER_MAX_ATTEMPTS": "6",
    "REPUBLISH_AFTER_S": "2",
    "SOLVER_REPUBLISH_AFTER_S": "2",
}
# For a test that freezes solvers past it and asks how a job ends, not how often it was begun.
SHORT_LEASE = {"SOLVER_LEASE_S": "3"}
# So long that a search which nobody ends outlives every wait of these tests.
SEARCH_S = 600
# Long enough to be taken hold of before it is over, short enough to be waited for.
HOLDABLE_S = 20


@dataclass
class Death:
    """A service that ended without having been asked."""

    service: str
    exit_code: int | None


@dataclass
class Cluster:
    """One running system and what was done to it. `supervise` is on as long as the cluster lives."""

    system: System
    deaths: list[Death] = field(default_factory=list)
    _down: set[str] = field(default_factory=set)
    _armed: dict[str, list[str]] = field(default_factory=dict)
    _usual: dict[str, dict[str, str]] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _uploaded: dict[str, str] = field(default_factory=dict)
    _problems: dict[str, Problem] = field(default_factory=dict)

    # --- the supervisor -----------------------------------------------------------------------------------------------

    @contextmanager
    def supervised(self) -> Iterator[None]:
        """While the block runs, a service that dies is started again, armed with what is next for it."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.1):
                with self._lock:
                    for service in self.services:
                        if service.name not in self._down and not service.process.is_running():
                            self.deaths.append(Death(service.name, service.process.exit_code))
                            self._start(service)

        watcher = threading.Thread(target=watch, name="supervisor", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()

    @property
    def services(self) -> tuple[ServiceProcess, ...]:
        return self.system.services.all

    def service(self, name: str) -> ServiceProcess:
        return next(service for service in self.services if service.name == name)

    def _start(self, service: ServiceProcess) -> None:
        """Start a service that is down, armed with its next fault point if it has one."""
        environment = {key: value for key, value in service.process.environment.items() if key != VARIABLE}
        if points := self._armed.get(service.name):
            environment[VARIABLE] = points.pop(0)
        service.process.environment = environment
        service.process.start()

    # --- harm ---------------------------------------------------------------------------------------------------------

    def arm(self, **points: Sequence[str]) -> None:
        """Start services afresh; each dies at its first point, and started again at its next, until none is left."""
        with self._lock:
            for name, named in points.items():
                self.service(name).process.stop()
                self._armed[name] = list(named)
                self._start(self.service(name))
        for name in points:
            self.service(name).wait_until_ready()

    def arm_quietly(self, name: str, point: str) -> None:
        """Start a service afresh, armed, without waiting until it is ready."""
        with self._lock:
            self.service(name).process.stop()
            self._armed[name] = [point]
            self._start(self.service(name))

    def take_down(self, *names: str, politely: bool = False) -> None:
        """Kill services (or ask them to leave) and keep them down until `bring_up`."""
        with self._lock:
            self._down.update(names)
            for name in names:
                process = self.service(name).process
                if politely:
                    process.stop()
                else:
                    process.kill()

    def kill(self, name: str) -> None:
        """kill -9 of a service and its children; the supervisor starts it again."""
        with self._lock:
            self.service(name).process.kill()

    def bring_up(self, *names: str) -> None:
        """Start what was taken down; returns when it is ready."""
        with self._lock:
            for name in names:
                if not self.service(name).process.is_running():
                    self._start(self.service(name))
                self._down.discard(name)
        for name in names:
            self.service(name).wait_until_ready()

    def start(self, name: str) -> None:
        """Start what was taken down without waiting for what it needs."""
        with self._lock:
            self._start(self.service(name))
            self._down.discard(name)

    def restart_with(self, settings: Mapping[str, str], *names: str) -> None:
        """Start services afresh with other settings, until the test is over."""
        with self._lock:
            for name in names:
                process = self.service(name).process
                process.stop()
                self._usual.setdefault(name, dict(process.environment))
                process.environment = {**process.environment, **settings}
                self._start(self.service(name))
        for name in names:
            self.service(name).wait_until_ready()

    @contextmanager
    def held(self, job: Submitted) -> Iterator[Callable[[], None]]:
        """While the block runs the job's search stands still: its process is frozen, its time goes on.

        What is yielded lets it go. So a search of `HOLDABLE_S` ends after that, and never before.
        """
        solver = self.service(self.running_on(job)).process
        children = [
            child for child in psutil.Process(solver.pid).children() if "services.solver.child" in child.cmdline()
        ]
        assert len(children) == 1, children

        def let_go() -> None:
            with suppress(psutil.NoSuchProcess):
                children[0].resume()

        children[0].suspend()
        try:
            yield let_go
        finally:
            let_go()

    def leases_of_the_dead_run_out(self) -> None:
        """What a lease's length of silence does to the tasks of solvers that are gone, without the wait."""
        with self._lock:  # or a solver that is started meanwhile would be taken for dead
            living = [s.process.pid for s in self.system.services.solvers if s.process.is_running()]
            self.system.sql(
                "UPDATE solve_tasks SET lease_until = clock_timestamp() - interval '1 s' WHERE status = 'running' "
                "AND NOT substring(worker from '[0-9]+$')::int = ANY(%(living)s) RETURNING job_id",
                living=living,
            )

    def heal(self) -> None:
        """Everything up, thawed and ready, as a test finds it."""
        for server in self.servers.values():
            if server.is_running():
                server.resume()
            else:
                self.start_server(server)
        with self._lock:
            self._armed.clear()
            for service in self.services:
                usual = self._usual.pop(service.name, None)
                if usual is not None or VARIABLE in service.process.environment:
                    service.process.stop()
                    service.process.environment = usual or service.process.environment
                if service.process.is_running():
                    service.process.resume()
                else:
                    self._start(service)
            self._down.clear()
        for service in self.services:
            service.wait_until_ready()
        self.deaths.clear()

    @property
    def servers(self) -> dict[str, Server]:
        """PostgreSQL, Redis and the broker, by those names."""
        stack = self.system.stack
        found: dict[str, Server | None] = {"postgres": stack.postgres, "redis": stack.redis, "broker": stack.broker}
        return {name: server for name, server in found.items() if server is not None}

    def start_server(self, server: Server) -> None:
        """Start a server that is down. A broker that keeps nothing gets its topics back, as an operator would do."""
        server.start()
        if server is self.servers["broker"]:
            asyncio.run(apply_topics(self.system.stack.addresses.kafka_bootstrap_servers))

    @contextmanager
    def without(self, name: str, *, kill: bool = False) -> Iterator[None]:
        """The block runs while a server ("postgres", "redis", "broker") is down."""
        server = self.servers[name]
        if kill:
            server.kill()
        else:
            server.stop()
        try:
            yield
        finally:
            self.start_server(server)

    # --- work ---------------------------------------------------------------------------------------------------------

    def small(self) -> str:
        """The id of a problem that is solved in an instant, with proof: its search ends long before its time limit."""
        return self._problem("small", lambda: json.dumps(a_department()).encode())

    def long(self) -> str:
        """The id of a problem whose search is never over before its time limit."""

        def university() -> bytes:
            problem = generate_university(courses=40, students=400, faculty=60, seed=7)
            return problem.model_dump_json(exclude_none=True, by_alias=True).encode()

        return self._problem("long", university)

    def carried_inline(self, problem: dict[str, Any]) -> None:
        """Say what problem the requests of outside producers carry, so that their timetables can be judged."""
        self._problems[INLINE] = Problem.model_validate(problem)

    def _problem(self, name: str, make: Callable[[], bytes]) -> str:
        if name not in self._uploaded:
            content = make()
            self._uploaded[name] = str(self.system.client.upload(content, name=name)["id"])
            self._problems[self._uploaded[name]] = Problem.model_validate_json(content)
        return self._uploaded[name]

    def search(self, seconds: float = SEARCH_S) -> Submitted:
        """Ask for a job that searches until the test ends it, or all of its time."""
        job, *_ = self.submit(long=True, seconds=seconds)
        return job

    def stop(self, *jobs: Submitted) -> None:
        """Ask for the end of searches; they keep their best."""
        for job in jobs:
            self.system.client.control(job.job_id, "stop")

    def end_leftovers(self) -> None:
        """Cancel what a test that failed has left unended: its searches would keep the next test from a slot."""
        left = "SELECT job_id::text, organization_id::text FROM solve_jobs WHERE outcome IS NULL"
        unended = self.system.sql(left)
        publish(self.system, [a_control(job["job_id"], job["organization_id"], "cancel") for job in unended])
        wait_for("leftovers to end", lambda: not self.system.sql(left), tell=self.system.tails)

    def submit(
        self, count: int = 1, *, long: bool = False, seconds: float = 10.0, **options: object
    ) -> list[Submitted]:
        """Ask for that many jobs. A request that is not answered, or with 503, is repeated with its idempotency key,
        as every careful client does.
        """
        problem_id = self.long() if long else self.small()
        body = {"problem_id": problem_id, "time_limit_s": seconds, **options}
        return [self._insist(body) for _ in range(count)]

    def _insist(self, body: dict[str, object]) -> Submitted:
        key = {"Idempotency-Key": secrets.token_hex(16)}

        def ask() -> Submitted | None:
            try:
                answer = self.system.client.attempt("POST", "/api/timetables/generate", json=body, headers=key)
            except httpx.TransportError:
                return None
            if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                return None
            if answer.is_error:
                raise RefusedError(answer.status_code, answer.text)
            told = answer.json()
            return Submitted(told["job_id"], told["status_url"], told["progress_url"])

        return wait_for("a job to be accepted", ask)

    # --- what has become of it ----------------------------------------------------------------------------------------

    def settle(
        self,
        jobs: Sequence[Submitted],
        status: str | Iterable[str] = "completed",
        *,
        within_s: float = 240.0,
        log_kept: bool = True,
    ) -> list[dict[str, Any]]:
        """Wait for every job to end, and check the account (see `account`). Returns the jobs as the api tells them."""
        return settle(self.system, self._problems, jobs, status, within_s=within_s, log_kept=log_kept)

    def attempts(self, job: Submitted) -> list[str | None]:
        """How the job's attempts ended, in the order of their claims."""
        rows = self.system.sql(
            "SELECT end_reason FROM solve_attempts WHERE job_id = %(id)s::uuid ORDER BY token", id=job.job_id
        )
        return [row["end_reason"] for row in rows]

    def running_on(self, job: Submitted) -> str:
        """The name of the solver replica that works on the job."""

        def look() -> str | None:
            rows = self.system.sql(
                "SELECT worker FROM solve_tasks WHERE job_id = %(id)s::uuid AND status = 'running'", id=job.job_id
            )
            found = [s.name for s in self.system.services.solvers for row in rows if row["worker"].endswith(_pid(s))]
            return found[0] if found else None

        return wait_for(f"a solver to work on {job.job_id}", look)

    def checkpoint(self, job: Submitted) -> dict[str, Any]:
        """The score of the job's checkpoint, once there is one that breaks no hard rule.

        Only for a search that does not end first.
        """

        def look() -> dict[str, Any] | None:
            rows = self.system.sql(
                "SELECT checkpoint_score AS score FROM solve_tasks WHERE job_id = %(id)s::uuid "
                "AND checkpoint_zstd IS NOT NULL AND status = 'running'",
                id=job.job_id,
            )
            return rows[0]["score"] if rows and rows[0]["score"]["hard_violations"] == 0 else None

        return wait_for(f"a checkpoint of {job.job_id}", look, tell=self.system.tails)

    def begun(self, job: Submitted, attempts: int = 1) -> None:
        """Returns once the job has been claimed that often. What is asked for never un-happens."""
        wait_for(f"attempt {attempts} at {job.job_id}", lambda: len(self.attempts(job)) >= attempts)


def _pid(service: ServiceProcess) -> str:
    return f"-{service.process.pid}" if service.process.is_running() else "-none"

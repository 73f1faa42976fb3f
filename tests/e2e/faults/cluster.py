"""A whole Horarium that is made to fail: services die at named points and come back as under an orchestrator.

Owns the harm (kill, freeze, stop a server, arm a fault point), the supervisor that starts again what died, and the one
account that every fault test ends with: each job ended as it should, once, with one stored result that the referee
accepts. Speaks only HTTP, Kafka and SQL to what it harms.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg

from deploy.local.server import Server
from deploy.local.services import ServiceProcess
from horarium.client import RefusedError, Submitted
from horarium.commands.topics import apply_topics
from horarium.university import generate_university
from schemas.fold import TERMINAL_STATUSES
from schemas.problem.model import Problem
from schemas.referee import judge
from schemas.timetable import Timetable
from services.runtime.faults import VARIABLE
from tests.e2e.conftest import System, wait_for
from tests.e2e.kafka_reading import everything_on
from tests.e2e.problems import a_department

# So short that a test can wait for what takes minutes in production; the proportions are the real ones.
FAST = {
    "SOLVER_SLOTS": "1",
    "SOLVER_LEASE_S": "3",
    "SOLVER_RENEW_S": "1",
    "SOLVER_CHECKPOINT_S": "1",
    "SOLVER_RETRY_DELAY_S": "0",
    "SOLVER_MAX_ATTEMPTS": "6",
    "REPUBLISH_AFTER_S": "2",
    "SOLVER_REPUBLISH_AFTER_S": "2",
}
# The id, here, of the problem that requests without an upload carry.
INLINE = "inline"
# An attempt that brought its variant to an end, as against one that was lost, handed over or failed.
_CARRIED_OUT = ("finished", "stopped", "timed_out")


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
    _problems: dict[str, tuple[str, Problem]] = field(default_factory=dict)

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
        """The id of a problem that is solved in an instant (the search then uses its time limit up, or proves)."""
        return self._problem("small", lambda: json.dumps(a_department()).encode())

    def long(self) -> str:
        """The id of a problem whose search is never over before its time limit."""

        def university() -> bytes:
            problem = generate_university(courses=40, students=400, faculty=60, seed=7)
            return problem.model_dump_json(exclude_none=True, by_alias=True).encode()

        return self._problem("long", university)

    def carried_inline(self, problem: dict[str, Any]) -> None:
        """Say what problem the requests of outside producers carry, so that their timetables can be judged."""
        self._problems[INLINE] = INLINE, Problem.model_validate(problem)

    def _problem(self, name: str, make: Any) -> str:
        if name not in self._problems:
            content = make()
            uploaded = self.system.client.upload(content, name=name)
            self._problems[name] = str(uploaded["id"]), Problem.model_validate_json(content)
        return self._problems[name][0]

    def submit(self, count: int = 1, *, long: bool = False, seconds: float = 1.0, **options: object) -> list[Submitted]:
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

        return wait_for("a job to be accepted", ask, within_s=60)

    # --- the account --------------------------------------------------------------------------------------------------

    def settle(
        self,
        jobs: Sequence[Submitted],
        status: str | Iterable[str] = "completed",
        *,
        within_s: float = 120.0,
        log_kept: bool = True,
    ) -> list[dict[str, Any]]:
        """Wait for every job to end, and check the account. Returns the jobs as the api tells them.

        `log_kept` is false where the broker lost its log in between: then what it carried cannot be counted.
        """
        allowed = {status} if isinstance(status, str) else set(status)
        ids = [job.job_id for job in jobs]
        wait_for(f"{len(ids)} jobs to end", lambda: self._all_ended(ids), within_s, tell=self.system.tails)
        told = [self.system.client.job(job_id) for job_id in ids]
        assert {job["status"] for job in told} <= allowed, Counter(job["status"] for job in told)
        for job, submitted in zip(told, jobs, strict=True):
            self._check_result(job)
            self._check_progress(submitted, job["status"])
        self._check_once(told)
        if log_kept:
            events: dict[str, set[str]] = {job_id: set() for job_id in ids}
            for record in everything_on(self.system, "solve.completed"):
                if (key := record.key.decode()) in events:
                    events[key].add(dict(record.headers)["ce_id"].decode())
            cancelled = {job["job_id"] for job in told if job["status"] == "cancelled"}
            assert all(len(found) == 1 for key, found in events.items() if key not in cancelled), events
        return told

    def _all_ended(self, ids: list[str]) -> bool:
        try:
            rows = self.system.sql(
                "SELECT count(*) AS n FROM job_states WHERE job_id = ANY(%(ids)s::uuid[]) AND status = ANY(%(ended)s)",
                ids=ids,
                ended=sorted(TERMINAL_STATUSES),
            )
        except psycopg.OperationalError:
            return False
        return bool(rows[0]["n"] == len(ids))

    def _check_result(self, job: dict[str, Any]) -> None:
        """The stored timetables are what the job says, and the referee agrees."""
        if job["status"] in ("cancelled", "failed"):
            assert not job["variants"], job
            return
        problem = next(p for problem_id, p in self._problems.values() if problem_id == (job["problem_id"] or INLINE))
        if job["status"] == "completed":
            assert len(job["variants"]) == job["options"]["variants"], job
        for variant in job["variants"]:
            content = self.system.client.variant(job["job_id"], variant["variant"], format="json")
            verdict = judge(problem, Timetable.model_validate_json(content))
            said = variant["score"]["hard_violations"], variant["score"]["total"]
            assert (verdict.score.hard_violations, verdict.score.total) == said
            # A search that was stopped in its first second keeps what it had, and says what is wrong with it.
            assert verdict.score.hard_violations == 0 or job["status"] == "stopped", verdict.violations[:3]

    def _check_progress(self, job: Submitted, status: str) -> None:
        def same() -> bool:
            told = self.system.client.progress(job.progress_url)
            return bool(told and told["status"] == status)

        wait_for(f"the progress of {job.job_id} to say {status}", same, within_s=60)

    def _check_once(self, jobs: Sequence[dict[str, Any]]) -> None:
        """One stored end per job, and no variant carried out twice."""
        ids = [job["job_id"] for job in jobs]
        stored = self.system.sql("SELECT job_id FROM timetables WHERE job_id = ANY(%(ids)s::uuid[])", ids=ids)
        ended = Counter(str(row["job_id"]) for row in stored)
        assert all(count == 1 for count in ended.values())
        assert {job["job_id"] for job in jobs if job["variants"]} <= set(ended)
        carried_out = self.system.sql(
            "SELECT job_id, variant, count(*) AS n FROM solve_attempts WHERE job_id = ANY(%(ids)s::uuid[]) "
            "AND end_reason = ANY(%(ends)s) GROUP BY job_id, variant HAVING count(*) > 1",
            ids=ids,
            ends=list(_CARRIED_OUT),
        )
        assert not carried_out, "a variant was carried out twice"

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
        """The score of the job's first saved checkpoint, once there is one."""

        def look() -> dict[str, Any] | None:
            rows = self.system.sql(
                "SELECT checkpoint_score AS score FROM solve_tasks WHERE job_id = %(id)s::uuid "
                "AND checkpoint_zstd IS NOT NULL AND status = 'running'",
                id=job.job_id,
            )
            return rows[0]["score"] if rows else None

        return wait_for(f"a checkpoint of {job.job_id}", look)


def _pid(service: ServiceProcess) -> str:
    return f"-{service.process.pid}" if service.process.is_running() else "-none"

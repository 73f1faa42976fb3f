"""Faults of every kind in an order that nobody chose: whatever happens, every accepted job ends as it should, once.

`HORARIUM_FAULT_SEED` repeats a run, `HORARIUM_SOAK_MINUTES` makes it long (`make soak`). The seed and what was done are
in the failure's output.
"""

from __future__ import annotations

import os
import random
import secrets
from collections.abc import Callable, Iterator
from time import monotonic, sleep

import httpx
import pytest
import redis

from horarium.client import RefusedError, Submitted
from schemas.fold import TERMINAL_STATUSES
from schemas.topics import TOPICS
from tests.e2e.conftest import whole_system
from tests.e2e.faults.cluster import FAST, SHORT_LEASE, Cluster
from tests.e2e.faults.test_crash_points import CONTROL_POINT, MINEFIELD
from tests.e2e.kafka_reading import everything_on
from tests.e2e.kafka_writing import Message, publish
from tests.stack import chosen_broker

pytestmark = pytest.mark.faults

STEPS = 16
SOAK_MINUTES = float(os.environ.get("HORARIUM_SOAK_MINUTES", "0"))

# What a job may end as when it was asked to end: the search may have been over first.
ENDS = {"": {"completed"}, "stop": {"stopped", "completed"}, "cancel": {"cancelled", "stopped", "completed"}}


@pytest.fixture(scope="module")
def module_cluster() -> Iterator[Cluster]:
    """Attempts without limit: here a job may lose its worker more often than in a year of production."""
    with whole_system(2, **{**FAST, **SHORT_LEASE, "SOLVER_MAX_ATTEMPTS": "20"}) as system:
        cluster = Cluster(system)
        with cluster.supervised():
            yield cluster


@pytest.mark.timeout(int(SOAK_MINUTES * 60) + 600)
def test_faults_in_random_order_lose_nothing(cluster: Cluster) -> None:
    seed = int(os.environ.get("HORARIUM_FAULT_SEED") or secrets.randbelow(10**6))
    until = monotonic() + SOAK_MINUTES * 60
    while True:
        print(f"HORARIUM_FAULT_SEED={seed}", flush=True)  # noqa: T201  # what repeats this run
        storm = Storm(cluster, random.Random(seed))  # noqa: S311  # a schedule, no secret
        storm.rage(STEPS)
        storm.account()
        if monotonic() >= until:
            return
        seed += 1


class Storm:
    """A schedule of faults, and the jobs that live through it with what was asked of each."""

    def __init__(self, cluster: Cluster, chance: random.Random) -> None:
        self._cluster = cluster
        self._chance = chance
        self._jobs: dict[Submitted, str] = {}
        self._log_kept = True
        self._actions: list[Callable[[], str]] = [
            *[self._submit] * 4,
            *[self._control] * 2,
            *[self._kill] * 3,
            self._restart,
            self._freeze,
            self._arm,
            self._lose_server,
            self._empty_redis,
            self._repeat,
            self._poison,
        ]

    def rage(self, steps: int) -> None:
        # Uploads have no idempotency key to be repeated with: both problems are there before the first fault.
        self._cluster.small()
        self._cluster.long()
        self._tell(self._submit())
        for _ in range(steps):
            self._tell(self._chance.choice(self._actions)())
            sleep(self._chance.uniform(0.0, 1.5))  # the schedule's own pace; nothing is waited for
        self._tell(self._submit())

    def account(self) -> None:
        """Everything is up again: every job ends as it may."""
        self._cluster.heal()
        for asked, allowed in ENDS.items():
            jobs = [job for job, control in self._jobs.items() if control == asked]
            self._cluster.settle(jobs, allowed, within_s=240, log_kept=self._log_kept)

    def _tell(self, what: str) -> None:
        print(f"  {what}", flush=True)  # noqa: T201  # shown with a failure

    def _service(self) -> str:
        return self._chance.choice([service.name for service in self._cluster.services])

    def _submit(self) -> str:
        long, variants = self._chance.random() < 0.5, self._chance.choice([1, 1, 2])
        made = self._cluster.submit(
            self._chance.choice([1, 2]), long=long, seconds=6 if long else 10, variants=variants
        )
        self._jobs |= dict.fromkeys(made, "")
        return f"submitted {len(made)} {'long' if long else 'small'} jobs of {variants} variants"

    def _control(self) -> str:
        job, action = self._chance.choice(list(self._jobs)), self._chance.choice(["stop", "cancel"])
        try:
            status = self._cluster.system.client.control(job.job_id, action)["status"]
        except (httpx.TransportError, RefusedError) as error:
            # Not accepted, or accepted without an answer: the job may end either way.
            status = type(error).__name__
        if status not in TERMINAL_STATUSES and self._jobs[job] != "cancel":
            self._jobs[job] = action
        return f"{action} {job.job_id}: {status}"

    def _kill(self) -> str:
        name = self._service()
        self._cluster.kill(name)
        return f"killed {name}"

    def _restart(self) -> str:
        name = self._service()
        self._cluster.take_down(name, politely=True)
        self._cluster.start(name)
        return f"restarted {name}"

    def _freeze(self) -> str:
        processes = {service.name: service.process for service in self._cluster.services}
        processes |= {name: server.process for name, server in self._cluster.servers.items()}
        name, seconds = self._chance.choice(list(processes)), self._chance.uniform(0.5, 5.0)
        processes[name].pause()
        sleep(seconds)  # how long it is frozen
        processes[name].resume()
        return f"froze {name} for {seconds:.1f} s"

    def _arm(self) -> str:
        name, points = self._chance.choice([*MINEFIELD.items(), ("solver", [CONTROL_POINT])])
        point = self._chance.choice(points)
        self._cluster.arm_quietly(name, point)
        return f"armed {name} with {point}"

    def _lose_server(self) -> str:
        name, seconds = self._chance.choice(list(self._cluster.servers)), self._chance.uniform(0.0, 4.0)
        with self._cluster.without(name, kill=True):
            sleep(seconds)  # how long it is away
        if name == "broker" and chosen_broker() == "embedded":
            self._log_kept = False
        return f"{name} was away for {seconds:.1f} s"

    def _empty_redis(self) -> str:
        with redis.Redis.from_url(self._cluster.system.stack.addresses.redis_url) as connection:
            connection.flushall()
        return "emptied Redis"

    def _repeat(self) -> str:
        topic = self._chance.choice(TOPICS).name
        records = everything_on(self._cluster.system, topic)
        chosen = self._chance.sample(records, min(len(records), 20))
        publish(self._cluster.system, chosen)
        return f"repeated {len(chosen)} messages of {topic}"

    def _poison(self) -> str:
        topic = self._chance.choice(TOPICS).name
        value = self._chance.choice([b"\xff\x00", b"{}", b"[" * 10_000, b'{"job_id": "x"}', b""])
        publish(self._cluster.system, [Message(topic, value, b"poison", (("ce_type", f"{topic}.v1".encode()),))])
        return f"poisoned {topic}"

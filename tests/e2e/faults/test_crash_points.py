"""Services killed between two effects, wherever no transaction joins them: nothing is lost, nothing happens twice."""

from __future__ import annotations

import signal

import pytest

from tests.e2e.conftest import wait_for
from tests.e2e.faults.cluster import Cluster, Death

KILLED = -signal.SIGKILL

# Each row is one job's way through the system, with a crash waiting in every service on it.
MINEFIELDS = [
    {"api": "api.committed", "solver": "intake.stored", "persister": "persister.received"},
    {"api": "relay.published", "solver": "worker.claimed", "progress": "projector.swapped"},
    {"solver": "worker.checkpointed", "persister": "persister.stored", "progress": "projector.settled"},
    {"solver": "worker.solved"},
    {"solver": "worker.finished"},
    {"solver": "publisher.published"},
]


@pytest.mark.parametrize("points", MINEFIELDS, ids=lambda points: "+".join(points.values()))
def test_a_crash_between_two_effects_costs_nothing(cluster: Cluster, points: dict[str, str]) -> None:
    cluster.long()
    cluster.take_down("solver-2", politely=True)  # so that the armed one is met
    cluster.arm(**points)
    job, *_ = cluster.submit(long=True, seconds=3)

    def all_have_died() -> bool:
        return {death.service for death in cluster.deaths} >= set(points)

    wait_for(f"each of {points} to be reached", all_have_died, within_s=90)
    cluster.settle([job])
    assert sorted(cluster.deaths, key=lambda d: d.service) == [Death(name, KILLED) for name in sorted(points)]


@pytest.mark.parametrize("action", ["stop", "cancel"])
def test_a_control_taken_in_by_a_solver_that_dies_then_takes_effect_once(cluster: Cluster, action: str) -> None:
    cluster.long()
    cluster.take_down("solver-2", politely=True)
    cluster.arm(solver="control.stored")
    job, *_ = cluster.submit(long=True, seconds=60)
    cluster.checkpoint(job)
    cluster.system.client.control(job.job_id, action)
    wait_for("the solver to die", lambda: Death("solver", KILLED) in cluster.deaths)
    ended, *_ = cluster.settle([job], "stopped" if action == "stop" else "cancelled")
    assert bool(ended["variants"]) == (action == "stop"), "stop keeps the best, cancel discards it"

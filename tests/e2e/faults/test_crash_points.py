"""Services killed between two effects, wherever no transaction joins them: nothing is lost, nothing happens twice."""

from __future__ import annotations

import signal

import pytest

from services.runtime.faults import FAULT_POINTS
from tests.e2e.conftest import wait_for
from tests.e2e.faults.cluster import Cluster, Death

pytestmark = pytest.mark.faults

KILLED = -signal.SIGKILL

# One job's way through the system, with a crash at every step of it; each service comes back armed with its next one.
MINEFIELD = {
    "api": ["api.committed", "relay.published"],
    "solver": [
        "intake.stored",
        "worker.claimed",
        "worker.checkpointed",
        "worker.solved",
        "worker.finished",
        "publisher.published",
    ],
    "progress": ["projector.swapped", "projector.settled"],
    "persister": ["persister.received", "persister.stored"],
}
CONTROL_POINT = "control.stored"


def test_a_job_survives_a_crash_at_every_step_of_its_way(cluster: Cluster) -> None:
    assert {point for points in MINEFIELD.values() for point in points} | {CONTROL_POINT} == FAULT_POINTS
    cluster.long()
    cluster.take_down("solver-2", politely=True)  # so that every step is the armed one's
    cluster.arm(**MINEFIELD)
    # Long enough for a checkpoint to be saved before the search is over.
    job = cluster.search(seconds=10)
    due = sorted((name, KILLED) for name, points in MINEFIELD.items() for _ in points)

    def all_reached() -> bool:
        cluster.leases_of_the_dead_run_out()
        return len(cluster.deaths) == len(due)

    wait_for("every point to be reached", all_reached, 480, tell=cluster.system.tails)
    cluster.settle([job])
    assert sorted((death.service, death.exit_code) for death in cluster.deaths) == due
    assert cluster.attempts(job) == ["lease_expired", "lease_expired", "lease_expired", "finished"]


@pytest.mark.parametrize("action", ["stop", "cancel"])
def test_a_control_taken_in_by_a_solver_that_dies_then_takes_effect_once(cluster: Cluster, action: str) -> None:
    cluster.long()
    cluster.take_down("solver-2", politely=True)
    cluster.arm(solver=[CONTROL_POINT])
    job = cluster.search()
    cluster.checkpoint(job)
    cluster.system.client.control(job.job_id, action)
    wait_for("the solver to die", lambda: Death("solver", KILLED) in cluster.deaths)
    cluster.leases_of_the_dead_run_out()
    ended, *_ = cluster.settle([job], "stopped" if action == "stop" else "cancelled")
    assert bool(ended["variants"]) == (action == "stop"), "stop keeps the best, cancel discards it"

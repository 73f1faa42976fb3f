"""Operators' everyday work on a loaded system: roll out a version, scale the solvers, freeze and thaw."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import wait_for, whole_system
from tests.e2e.faults.cluster import FAST, Cluster

pytestmark = pytest.mark.faults

# An orderly leave is no failed attempt: the task is handed over with its checkpoint.
ORDERLY = {"released", "finished"}


@pytest.fixture(scope="module")
def module_cluster() -> Iterator[Cluster]:
    """Three solver replicas, of which a test may keep some down."""
    with whole_system(3, **FAST) as system:
        cluster = Cluster(system)
        with cluster.supervised():
            yield cluster


def test_a_rolling_restart_of_everything_under_load_loses_and_repeats_nothing(cluster: Cluster) -> None:
    jobs = [*cluster.submit(2, long=True, seconds=6), *cluster.submit(1, long=True, seconds=4, variants=2)]
    for job in jobs[:2]:
        cluster.checkpoint(job)
    for service in cluster.services:
        cluster.take_down(service.name, politely=True)
        assert service.process.exit_code == 0
        cluster.bring_up(service.name)
        jobs += cluster.submit(1)
    cluster.settle(jobs)
    assert not cluster.deaths
    assert {end for job in jobs for end in cluster.attempts(job)} <= ORDERLY


def test_replicas_scaled_up_and_down_with_jobs_in_flight(cluster: Cluster) -> None:
    cluster.take_down("solver-2", "solver-3", politely=True)
    # So long that none ends by itself, however long the replicas take to start: it is we who end them.
    jobs = cluster.submit(5, long=True, seconds=600)
    cluster.checkpoint(jobs[0])
    cluster.bring_up("solver-2", "solver-3")
    saved = "SELECT count(*) AS n FROM solve_tasks WHERE status = 'running' AND checkpoint_zstd IS NOT NULL"
    wait_for("three jobs at once", lambda: cluster.system.sql(saved)[0]["n"] == 3, tell=cluster.system.tails)
    workers = cluster.system.sql("SELECT count(DISTINCT worker) AS n FROM solve_tasks WHERE status = 'running'")
    assert workers == [{"n": 3}]
    searched = [job for job in jobs if cluster.attempts(job)]
    cluster.take_down("solver-2", "solver-3", politely=True)
    handed_over = cluster.system.sql(
        "SELECT count(*) AS n FROM solve_tasks WHERE status = 'queued' AND checkpoint_zstd IS NOT NULL"
    )
    assert handed_over == [{"n": 2}], "scaling down costs no search"
    for job in jobs:
        cluster.system.client.control(job.job_id, "stop")
    for ended in cluster.settle(jobs, "stopped"):
        assert bool(ended["variants"]) == (ended["job_id"] in {each.job_id for each in searched}), "the best is kept"
    assert {end for job in jobs for end in cluster.attempts(job)} <= ORDERLY | {"stopped"}
    cluster.settle(cluster.submit(2))


def test_a_frozen_solver_that_thaws_after_its_lease_changes_nothing(cluster: Cluster) -> None:
    cluster.take_down("solver-3", politely=True)
    job, *_ = cluster.submit(long=True, seconds=8)
    cluster.checkpoint(job)
    frozen = cluster.service(cluster.running_on(job)).process
    frozen.pause()
    wait_for("the other replica to take over", lambda: len(cluster.attempts(job)) == 2)
    cluster.checkpoint(job)
    frozen.resume()
    wait_for("the thawed one to notice", lambda: "lease_lost" in frozen.log_tail(200))
    cluster.settle([job])
    assert cluster.attempts(job) == ["lease_expired", "finished"]


@pytest.mark.parametrize("name", ["persister", "progress", "api"])
def test_a_frozen_service_catches_up_when_it_thaws(cluster: Cluster, name: str) -> None:
    job, *_ = cluster.submit(long=True, seconds=3)
    cluster.system.running(job)
    process = cluster.service(name).process
    process.pause()
    ended = "SELECT 1 AS x FROM solve_jobs WHERE job_id = %(id)s::uuid AND outcome IS NOT NULL"
    wait_for("the search to end", lambda: cluster.system.sql(ended, id=job.job_id))
    process.resume()
    cluster.settle([job, *cluster.submit(1)])
    assert not cluster.deaths


def test_two_signals_to_leave_are_one(cluster: Cluster) -> None:
    job, *_ = cluster.submit(long=True, seconds=5)
    cluster.checkpoint(job)
    leaving = cluster.service(cluster.running_on(job))
    leaving.process.send_signal(signal.SIGTERM)
    leaving.process.send_signal(signal.SIGTERM)
    wait_for("it to leave", lambda: any(death.service == leaving.name for death in cluster.deaths))
    assert [death.exit_code for death in cluster.deaths] == [0]
    cluster.settle([job])
    assert set(cluster.attempts(job)) <= ORDERLY

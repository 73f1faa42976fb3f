"""Operators' everyday work on a loaded system: roll out a version, scale the solvers, freeze and thaw."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.e2e.conftest import wait_for, whole_system
from tests.e2e.faults.account import all_ended
from tests.e2e.faults.cluster import FAST, Cluster
from tests.e2e.kafka_writing import a_control, publish

pytestmark = pytest.mark.faults

# An orderly leave is no failed attempt: the task is handed over with its checkpoint.
ORDERLY = {"released", "finished", "stopped"}


@pytest.fixture(scope="module")
def module_cluster() -> Iterator[Cluster]:
    """Three solver replicas, of which a test may keep some down."""
    with whole_system(3, **FAST) as system:
        cluster = Cluster(system)
        with cluster.supervised():
            yield cluster


def test_a_rolling_restart_of_everything_under_load_loses_and_repeats_nothing(cluster: Cluster) -> None:
    searches = [cluster.search() for _ in range(2)]
    jobs = cluster.submit(1, long=True, seconds=8, variants=2)
    for job in searches:
        cluster.checkpoint(job)
    for service in cluster.services:
        cluster.take_down(service.name, politely=True)
        assert service.process.exit_code == 0
        cluster.bring_up(service.name)
        jobs += cluster.submit(1)
    cluster.stop(*searches)
    assert all(job["variants"] for job in cluster.settle(searches, "stopped")), "the best is kept"
    cluster.settle(jobs)
    assert not cluster.deaths
    assert {end for job in [*searches, *jobs] for end in cluster.attempts(job)} <= ORDERLY


def test_replicas_scaled_up_and_down_with_jobs_in_flight(cluster: Cluster) -> None:
    cluster.take_down("solver-2", "solver-3", politely=True)
    jobs = [cluster.search() for _ in range(5)]
    # Which one is searched first depends on the order in which partitions are read.
    saved = "SELECT count(*) AS n FROM solve_tasks WHERE status = 'running' AND checkpoint_zstd IS NOT NULL"
    wait_for("one job to be searched", lambda: cluster.system.sql(saved)[0]["n"] == 1, tell=cluster.system.tails)
    cluster.bring_up("solver-2", "solver-3")
    wait_for("three jobs at once", lambda: cluster.system.sql(saved)[0]["n"] == 3, tell=cluster.system.tails)
    workers = cluster.system.sql("SELECT count(DISTINCT worker) AS n FROM solve_tasks WHERE status = 'running'")
    assert workers == [{"n": 3}]
    searched = [job for job in jobs if cluster.attempts(job)]
    cluster.take_down("solver-2", "solver-3", politely=True)
    handed_over = cluster.system.sql(
        "SELECT count(*) AS n FROM solve_tasks WHERE status = 'queued' AND checkpoint_zstd IS NOT NULL"
    )
    assert handed_over == [{"n": 2}], "scaling down costs no search"
    cluster.stop(*jobs)
    for job in cluster.settle(jobs, "stopped"):
        assert bool(job["variants"]) == (job["job_id"] in {each.job_id for each in searched}), "the best is kept"
    assert {end for job in jobs for end in cluster.attempts(job)} <= ORDERLY
    cluster.settle(cluster.submit(2))


def test_a_frozen_solver_that_thaws_after_its_lease_changes_nothing(cluster: Cluster) -> None:
    cluster.take_down("solver-3", politely=True)
    job = cluster.search()
    cluster.checkpoint(job)
    frozen = cluster.service(cluster.running_on(job)).process
    frozen.pause()
    cluster.begun(job, attempts=2)
    cluster.checkpoint(job)
    frozen.resume()
    wait_for("the thawed one to notice", lambda: "lease_lost" in frozen.log_tail(200))
    cluster.stop(job)
    ended, *_ = cluster.settle([job], "stopped")
    assert ended["variants"], "the best is kept"
    assert cluster.attempts(job) == ["lease_expired", "stopped"]


@pytest.mark.parametrize("name", ["persister", "progress", "api"])
def test_a_frozen_service_catches_up_when_it_thaws(cluster: Cluster, name: str) -> None:
    system, job = cluster.system, cluster.search()
    system.running(job)
    cluster.small()
    headers = {"Authorization": f"Bearer {system.client.token}"}
    whoever_asks: dict[str, Callable[[], object]] = {
        "api": cluster.submit,
        "progress": lambda: httpx.get(job.progress_url, headers=headers, timeout=300).raise_for_status(),
        "persister": lambda: wait_for("the end to be recorded", lambda: all_ended(system, [job.job_id]), 300),
    }
    with ThreadPoolExecutor(max_workers=1) as meanwhile:
        cluster.service(name).process.pause()
        asked = meanwhile.submit(whoever_asks[name])
        # Not through api, which may be the frozen one: whoever may publish a request may publish a control.
        publish(system, [a_control(job.job_id, system.organization_id, "stop")])
        published = "SELECT 1 AS x FROM solve_jobs WHERE job_id = %(id)s::uuid AND published_at IS NOT NULL"
        wait_for("the end to be published", lambda: system.sql(published, id=job.job_id), tell=system.tails)
        assert not asked.done(), "it is frozen: nobody is answered, and nothing recorded"
        cluster.service(name).process.resume()
        asked.result(timeout=120)
    cluster.settle([job], "stopped")
    cluster.settle(cluster.submit(1))
    assert not cluster.deaths


def test_two_signals_to_leave_are_one(cluster: Cluster) -> None:
    cluster.take_down("solver-2", "solver-3", politely=True)
    cluster.restart_with({"SOLVER_HANDOVER_S": "15"}, "solver")
    job = cluster.search()
    cluster.checkpoint(job)
    leaving = cluster.service("solver").process
    before = len(cluster.system.log_lines("solver"))
    with cluster.held(job):  # it waits for the search's best, and cannot have left when the second one arrives
        pid = leaving.pid
        leaving.send_signal(signal.SIGTERM)
        wait_for(
            "it to be leaving",
            lambda: "service_stopping" in [line["event"] for line in cluster.system.log_lines("solver")[before:]],
        )
        leaving.send_signal(signal.SIGTERM)
        assert (leaving.pid, leaving.is_running()) == (pid, True), "the second signal met nobody"
    wait_for("it to leave", lambda: any(death.service == "solver" for death in cluster.deaths))
    assert [death.exit_code for death in cluster.deaths] == [0]
    cluster.begun(job, attempts=2)
    cluster.stop(job)
    ended, *_ = cluster.settle([job], "stopped")
    assert ended["variants"], "the best is kept"
    assert cluster.attempts(job) == ["released", "stopped"]

"""A server or every solver is down, at the request or in mid-solve. Every job still ends, once."""

from __future__ import annotations

import json
import logging
from functools import partial
from time import monotonic

import pytest
import redis

from tests.e2e.conftest import wait_for
from tests.e2e.faults.account import all_ended
from tests.e2e.faults.cluster import HOLDABLE_S, Cluster
from tests.e2e.kafka_reading import everything_on

pytestmark = pytest.mark.faults

log = logging.getLogger(__name__)

SOLVERS = ("solver", "solver-2")


def test_jobs_asked_for_while_every_solver_is_down_are_solved_when_one_is_back(cluster: Cluster) -> None:
    cluster.small()
    cluster.take_down(*SOLVERS)
    jobs = cluster.submit(3)
    wait_for("the outbox to be empty", lambda: not cluster.system.sql("SELECT 1 AS x FROM outbox"))
    for job in jobs:
        told = wait_for("progress", partial(cluster.system.client.progress, job.progress_url))
        assert told["status"] == "queued"
    cluster.bring_up("solver")
    cluster.settle(jobs)


def test_a_search_whose_solvers_are_all_killed_goes_on_from_its_checkpoint(cluster: Cluster) -> None:
    job = cluster.search()
    saved = cluster.checkpoint(job)
    cluster.take_down(*SOLVERS)
    cluster.leases_of_the_dead_run_out()
    cluster.bring_up("solver-2")
    first = wait_for("the next attempt's first score", lambda: _first_score(cluster, job.job_id, attempt=2))
    assert (first["hard_violations"], first["total"]) <= (saved["hard_violations"], saved["total"]), "nothing is lost"
    cluster.stop(job)
    ended, *_ = cluster.settle([job], "stopped")
    assert ended["variants"], "the best is kept"
    assert cluster.attempts(job) == ["lease_expired", "stopped"]


def test_a_solver_killed_in_mid_solve_is_replaced_by_the_other_replica(cluster: Cluster) -> None:
    job = cluster.search()
    cluster.checkpoint(job)
    cluster.take_down(cluster.running_on(job))
    killed = monotonic()
    cluster.begun(job, attempts=2)
    log.info("taken over %.1f s after the kill", monotonic() - killed)
    cluster.stop(job)
    ended, *_ = cluster.settle([job], "stopped")
    assert ended["variants"], "the best is kept"
    assert cluster.attempts(job) == ["lease_expired", "stopped"]


def test_solves_go_on_while_redis_is_down_and_the_picture_comes_back_by_itself(cluster: Cluster) -> None:
    running = cluster.search()
    cluster.system.running(running)
    with cluster.without("redis", kill=True):
        asked_meanwhile, *_ = cluster.submit()
        told = wait_for(
            "an answer of the progress service", lambda: cluster.system.client.progress(running.progress_url)
        )
        assert told["status"] == "unknown"
        assert "processing" in told["message"]
        cluster.stop(running)
        wait_for("both to end", lambda: all_ended(cluster.system, [running.job_id, asked_meanwhile.job_id]))
    cluster.settle([running], "stopped")
    cluster.settle([asked_meanwhile])


def test_an_emptied_redis_is_filled_again_from_the_topics(cluster: Cluster) -> None:
    done, *_ = cluster.submit()
    cluster.settle([done])
    running = cluster.search()
    cluster.system.running(running)
    with redis.Redis.from_url(cluster.system.stack.addresses.redis_url) as connection:
        connection.flushall()
    cluster.settle([done])
    cluster.system.running(running)
    cluster.stop(running)
    cluster.settle([running], "stopped")


def test_jobs_asked_for_and_ended_while_the_broker_is_down_are_late_and_not_lost(cluster: Cluster) -> None:
    running = cluster.search(HOLDABLE_S)
    cluster.checkpoint(running)
    with cluster.held(running) as let_go, cluster.without("broker", kill=True):
        accepted, *_ = cluster.submit()
        assert cluster.system.client.job(accepted.job_id)["status"] == "queued"
        let_go()
        ended = "SELECT 1 AS x FROM solve_jobs WHERE job_id = %(id)s::uuid AND outcome IS NOT NULL"
        wait_for("the search to end without the broker", lambda: cluster.system.sql(ended, id=running.job_id))
    cluster.settle([running, accepted])


def test_while_the_database_is_down_nothing_is_created_and_no_search_is_lost(cluster: Cluster) -> None:
    problem_id = cluster.small()
    running = cluster.search(HOLDABLE_S)
    cluster.checkpoint(running)
    before = cluster.system.sql("SELECT count(*) AS n FROM jobs")[0]["n"]
    with cluster.held(running) as let_go, cluster.without("postgres", kill=True):
        answer = cluster.system.client.attempt("POST", "/api/timetables/generate", json={"problem_id": problem_id})
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) >= 1
        let_go()
        # The search has ended, and its result waits for the database.
        _await_log(cluster, "end_waits", job_id=running.job_id)
    assert cluster.system.sql("SELECT count(*) AS n FROM jobs")[0]["n"] == before
    cluster.settle([running, *cluster.submit()])
    assert cluster.attempts(running) == ["finished"], "an outage costs no search"


def test_a_job_that_nobody_can_claim_while_the_database_is_down_is_claimed_when_it_is_back(cluster: Cluster) -> None:
    job = cluster.search()
    cluster.checkpoint(job)
    cluster.take_down(*SOLVERS, politely=True)
    # One that is still there may take over what the other has released, before it leaves, too.
    released = cluster.attempts(job)
    assert set(released) == {"released"}, "it waits to be claimed"
    before = {name: len(cluster.system.log_lines(name)) for name in SOLVERS}
    with cluster.without("postgres", kill=True):
        for name in SOLVERS:
            cluster.start(name)
        for name in SOLVERS:
            _await_log(cluster, "background_loop_waits", name, since=before[name], loop="slot_1")
    cluster.begun(job, attempts=len(released) + 1)
    cluster.stop(job)
    ended, *_ = cluster.settle([job], "stopped")
    assert ended["variants"], "the best is kept"
    assert cluster.attempts(job) == [*released, "stopped"]


def test_a_result_that_arrives_while_the_database_is_down_is_stored_when_it_is_back(cluster: Cluster) -> None:
    cluster.small()
    cluster.take_down("persister")
    job, *_ = cluster.submit()
    published = "SELECT 1 AS x FROM solve_jobs WHERE job_id = %(id)s::uuid AND published_at IS NOT NULL"
    wait_for("the end to be published", lambda: cluster.system.sql(published, id=job.job_id))
    with cluster.without("postgres"):
        cluster.start("persister")
        _await_log(cluster, "message_waits", "persister", job_id=job.job_id, topic="solve.completed")
    cluster.settle([job])


def test_a_search_over_the_hard_limit_ends_timed_out_with_its_best(cluster: Cluster) -> None:
    """In mid-search, too: `tests/integration/solver/test_replicas.py`."""
    job = cluster.search()
    cluster.checkpoint(job)
    # Whoever takes it over finds that its time has been over for long.
    cluster.restart_with({"SOLVER_HARD_LIMIT_S": "1"}, *SOLVERS)
    ended, *_ = cluster.settle([job], "timed_out")
    assert ended["variants"], "the best is kept"


def _first_score(cluster: Cluster, job_id: str, attempt: int) -> dict[str, int] | None:
    for record in everything_on(cluster.system, "solve.progress"):
        if record.key == job_id.encode():
            report = json.loads(record.value)
            if report["attempt"] == attempt and report.get("score"):
                found: dict[str, int] = report["score"]
                return found
    return None


def _await_log(cluster: Cluster, event: str, *services: str, since: int = 0, **fields: str) -> None:
    """Returns once one of the services (solvers unless named) has said this of that, in a line from `since` on."""
    wanted = {"event": event, **fields}

    def told() -> bool:
        lines = [line for name in services or SOLVERS for line in cluster.system.log_lines(name)[since:]]
        return any(wanted.items() <= line.items() for line in lines)

    wait_for(f"{wanted} in the log of {services or SOLVERS}", told, tell=cluster.system.tails)

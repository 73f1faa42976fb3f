"""A server or every solver is down, at the request or in mid-solve. Every job still ends, once."""

from __future__ import annotations

import json
from functools import partial

import psycopg
import pytest
import redis

from tests.e2e.conftest import wait_for
from tests.e2e.faults.cluster import Cluster
from tests.e2e.kafka_reading import everything_on

pytestmark = pytest.mark.faults

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
    job, *_ = cluster.submit(long=True, seconds=8)
    saved = cluster.checkpoint(job)
    cluster.take_down(*SOLVERS)
    cluster.bring_up("solver-2")
    cluster.settle([job])
    assert cluster.attempts(job) == ["lease_expired", "finished"]
    first = _first_score(cluster, job.job_id, attempt=2)
    assert (first["hard_violations"], first["total"]) <= (saved["hard_violations"], saved["total"]), "nothing is lost"


def test_a_solver_killed_in_mid_solve_is_replaced_by_the_other_replica(cluster: Cluster) -> None:
    job, *_ = cluster.submit(long=True, seconds=8)
    cluster.checkpoint(job)
    cluster.take_down(cluster.running_on(job))
    cluster.settle([job])
    assert cluster.attempts(job) == ["lease_expired", "finished"]


def test_solves_go_on_while_redis_is_down_and_the_picture_comes_back_by_itself(cluster: Cluster) -> None:
    running, *_ = cluster.submit(long=True, seconds=6)
    cluster.system.running(running)
    with cluster.without("redis", kill=True):
        asked_meanwhile, *_ = cluster.submit()
        told = wait_for(
            "an answer of the progress service", lambda: cluster.system.client.progress(running.progress_url)
        )
        assert told["status"] == "unknown"
        assert "processing" in told["message"]
        wait_for("both to end in the database", lambda: _ended(cluster, running.job_id, asked_meanwhile.job_id))
    cluster.settle([running, asked_meanwhile])


def test_an_emptied_redis_is_filled_again_from_the_topics(cluster: Cluster) -> None:
    done, *_ = cluster.submit()
    cluster.settle([done])
    running, *_ = cluster.submit(long=True, seconds=5)
    cluster.system.running(running)
    with redis.Redis.from_url(cluster.system.stack.addresses.redis_url) as connection:
        connection.flushall()
    cluster.settle([running, done])


def test_jobs_asked_for_and_ended_while_the_broker_is_down_are_late_and_not_lost(cluster: Cluster) -> None:
    running, *_ = cluster.submit(long=True, seconds=4)
    cluster.system.running(running)
    with cluster.without("broker", kill=True):
        accepted, *_ = cluster.submit()
        assert cluster.system.client.job(accepted.job_id)["status"] == "queued"
        ended = "SELECT 1 AS x FROM solve_jobs WHERE job_id = %(id)s::uuid AND outcome IS NOT NULL"
        wait_for("the search to end without the broker", lambda: cluster.system.sql(ended, id=running.job_id))
    cluster.settle([running, accepted])


def test_while_the_database_is_down_nothing_is_created_and_no_search_is_lost(cluster: Cluster) -> None:
    problem_id = cluster.small()
    running, *_ = cluster.submit(long=True, seconds=4)
    cluster.checkpoint(running)
    before = cluster.system.sql("SELECT count(*) AS n FROM jobs")[0]["n"]
    with cluster.without("postgres", kill=True):
        answer = cluster.system.client.attempt("POST", "/api/timetables/generate", json={"problem_id": problem_id})
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) >= 1
        _await_log(cluster, "end_waits")  # the search has ended, and its result waits for the database
    assert cluster.system.sql("SELECT count(*) AS n FROM jobs")[0]["n"] == before
    cluster.settle([running, *cluster.submit()])
    assert cluster.attempts(running) == ["finished"], "an outage costs no search"


def test_a_result_that_arrives_while_the_database_is_down_is_stored_when_it_is_back(cluster: Cluster) -> None:
    job, *_ = cluster.submit(long=True, seconds=3)
    cluster.checkpoint(job)
    cluster.take_down("persister")
    published = "SELECT 1 AS x FROM solve_jobs WHERE job_id = %(id)s::uuid AND published_at IS NOT NULL"
    wait_for("the end to be published", lambda: cluster.system.sql(published, id=job.job_id))
    with cluster.without("postgres"):
        cluster.start("persister")
        _await_log(cluster, "message_waits", service="persister")
    cluster.settle([job])


def test_a_search_over_the_hard_limit_ends_timed_out_with_its_best(cluster: Cluster) -> None:
    cluster.restart_with({"SOLVER_HARD_LIMIT_S": "4"}, *SOLVERS)
    job, *_ = cluster.submit(long=True, seconds=600)
    ended, *_ = cluster.settle([job], "timed_out")
    assert ended["variants"], "the best is kept"


def _first_score(cluster: Cluster, job_id: str, attempt: int) -> dict[str, int]:
    for record in everything_on(cluster.system, "solve.progress"):
        if record.key == job_id.encode():
            report = json.loads(record.value)
            if report["attempt"] == attempt and report.get("score"):
                found: dict[str, int] = report["score"]
                return found
    raise AssertionError(f"attempt {attempt} of {job_id} has reported no score")


def _ended(cluster: Cluster, *ids: str) -> bool:
    try:
        rows = cluster.system.sql("SELECT 1 AS x FROM timetables WHERE job_id = ANY(%(ids)s::uuid[])", ids=list(ids))
    except psycopg.OperationalError:
        return False
    return len(rows) == len(ids)


def _await_log(cluster: Cluster, event: str, service: str = "") -> None:
    names = [service] if service else list(SOLVERS)
    before = {name: len(cluster.system.log_lines(name)) for name in names}

    def told() -> bool:
        return any(
            line["event"] == event for name in names for line in cluster.system.log_lines(name)[before[name] - 1 :]
        )

    wait_for(f"{event} in the log of {names}", told)

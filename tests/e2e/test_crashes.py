"""Processes and servers that die in the middle: no accepted job is lost, no result is stored twice."""

from __future__ import annotations

import json
from collections.abc import Callable

from horarium.university import generate_university
from tests.e2e.conftest import System
from tests.e2e.kafka_reading import completed_events
from tests.e2e.problems import a_department


def _upload_university(system: System) -> str:
    problem = generate_university(courses=40, students=400, faculty=60, seed=7)
    return str(system.client.upload(problem.model_dump_json(exclude_none=True, by_alias=True).encode())["id"])


def test_a_persister_killed_in_mid_solve_stores_the_result_once_when_it_is_back(
    own_system: Callable[..., System],
) -> None:
    system = own_system()
    job = system.client.generate(_upload_university(system), time_limit_s=4, seed=1)
    system.running(job)
    system.services.persister.process.kill()
    for report in system.client.reports(job.progress_url):
        last = report
    assert last["status"] == "completed", "frontends see the end without the persister"
    system.services.persister.start()
    ended = system.ended(job)
    assert ended["status"] == "completed"
    assert len(ended["variants"]) == 1


def test_a_solver_killed_in_mid_solve_is_replaced_and_the_job_ends_once(own_system: Callable[..., System]) -> None:
    system = own_system(2, SOLVER_SLOTS="1", SOLVER_LEASE_S="3", SOLVER_RENEW_S="1", SOLVER_RETRY_DELAY_S="1")
    job = system.client.generate(_upload_university(system), time_limit_s=12, seed=1)
    report = system.running(job)
    worker = system.sql("SELECT worker FROM solve_tasks WHERE status = 'running'")[0]["worker"]
    victim = next(s for s in system.services.solvers if str(s.process.pid) in worker or f":{s.port}" in worker)
    victim.process.kill(with_children=False)
    ended = system.ended(job)
    assert ended["status"] == "completed"
    assert ended["variants"][0]["score"]["hard_violations"] == 0
    attempts = system.sql("SELECT attempt FROM solve_attempts ORDER BY token")
    assert [a["attempt"] for a in attempts] == [1, 2]
    assert len(completed_events(system, job.job_id)) == 1
    assert report["attempt"] == 1


def test_a_job_posted_while_the_broker_is_down_is_accepted_and_solved_later(own_system: Callable[..., System]) -> None:
    system = own_system()
    uploaded = system.client.upload(json.dumps(a_department()).encode())
    broker = system.stack.broker
    assert broker is not None
    broker.stop()
    job = system.client.generate(uploaded["id"], time_limit_s=1)
    assert system.client.job(job.job_id)["status"] == "queued"
    assert system.sql("SELECT 1 AS x FROM outbox")
    broker.start()
    assert system.ended(job, within_s=120)["status"] == "completed"
    assert not system.sql("SELECT 1 AS x FROM outbox")


def test_a_request_while_the_database_is_down_is_refused_and_creates_nothing(
    own_system: Callable[..., System],
) -> None:
    system = own_system()
    uploaded = system.client.upload(json.dumps(a_department()).encode())
    before = system.sql("SELECT count(*) AS n FROM jobs")[0]["n"]
    postgres = system.stack.postgres
    assert postgres is not None
    postgres.stop()
    answer = system.client.attempt("POST", "/api/timetables/generate", json={"problem_id": uploaded["id"]})
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) >= 1
    postgres.start()
    assert system.sql("SELECT count(*) AS n FROM jobs")[0]["n"] == before
    job = system.client.generate(uploaded["id"], time_limit_s=1)
    assert system.ended(job)["status"] == "completed", "everything goes on by itself"

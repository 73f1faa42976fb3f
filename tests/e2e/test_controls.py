"""Stop and cancel, whatever is down: they take effect once, in the end that was asked for, and cannot get lost.

The bar is two seconds in mid-solve. On a shared machine a test cannot hold anybody to it, so the seconds are logged
(`--log-cli-level=INFO` shows them); what is asserted is that the search did not go on.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import pytest

from deploy.local.services import ServiceProcess
from horarium.client import Submitted
from horarium.university import generate_university
from schemas.problem.model import Problem
from schemas.referee import judge
from schemas.timetable import Score, Timetable
from tests.e2e.conftest import System, wait_for, whole_system
from tests.e2e.kafka_reading import completed_events

log = logging.getLogger(__name__)

# So long that a job which is not ended by its control outlives every wait of these tests.
SEARCH_S = 600


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    with whole_system(
        SOLVER_SLOTS="1",
        SOLVER_LEASE_S="15",
        SOLVER_RENEW_S="1",
        SOLVER_CHECKPOINT_S="1",
        SOLVER_RETRY_DELAY_S="1",
        REPUBLISH_AFTER_S="1",
    ) as running:
        yield running


@pytest.fixture(scope="module")
def university() -> Problem:
    return generate_university(courses=40, students=400, faculty=60, seed=7)


@pytest.fixture(scope="module")
def problem_id(system: System, university: Problem) -> str:
    content = university.model_dump_json(exclude_none=True, by_alias=True).encode()
    return str(system.client.upload(content)["id"])


@pytest.fixture
def solver(system: System) -> Iterator[ServiceProcess]:
    """The only solver, for a test that kills it."""
    only = system.services.solvers[0]
    yield only
    if not only.process.is_running():
        only.start()


@pytest.fixture
def submit(system: System, problem_id: str) -> Iterator[Callable[[], Submitted]]:
    """Asks for jobs that go on until they are told to end; none outlives its test, and the next has the only slot."""
    made: list[Submitted] = []

    def ask() -> Submitted:
        made.append(system.client.generate(problem_id, time_limit_s=SEARCH_S, seed=1))
        return made[-1]

    yield ask
    for job in made:
        system.client.control(job.job_id, "cancel")


def told_in_progress(system: System, job: Submitted, field: str, value: str) -> dict[str, Any]:
    """What frontends are told, once they are told this."""

    def look() -> dict[str, Any] | None:
        found = system.client.progress(job.progress_url)
        return found if found and found[field] == value else None

    return wait_for(f"{field} of {job.job_id} to be {value}", look, tell=system.tails)


def with_checkpoint(system: System, job: Submitted) -> None:
    """Returns once a solver has saved a first timetable of the job."""

    def look() -> bool:
        variants = system.client.attempts(job.job_id)["variants"]
        return bool(variants and variants[0]["checkpoint_age_s"] is not None)

    wait_for(f"a checkpoint of {job.job_id}", look, tell=system.tails)


def ends(system: System, job: Submitted) -> list[str | None]:
    [variant] = system.client.attempts(job.job_id)["variants"]
    assert variant["status"] == "ended"
    return [attempt["end"] for attempt in variant["attempts"]]


def assert_one_end(system: System, job: Submitted, outcome: str) -> None:
    """The solver has published exactly one end, and every view says the same."""
    found = wait_for(f"the end of {job.job_id}", lambda: completed_events(system, job.job_id))
    assert len(found) == 1
    assert json.loads(found[0].value)["outcome"] == outcome
    assert system.client.job(job.job_id)["status"] == outcome
    told_in_progress(system, job, "status", outcome)


def assert_judged(system: System, job: dict[str, Any], university: Problem) -> None:
    """The one timetable that was kept is what its score says, by the referee."""
    [variant] = job["variants"]
    content = system.client.variant(job["job_id"], 1, format="json")
    verdict = judge(university, Timetable.model_validate_json(content))
    assert (verdict.score.hard_violations, verdict.score.total) == (
        variant["score"]["hard_violations"],
        variant["score"]["total"],
    )


@pytest.mark.parametrize(("action", "outcome"), [("stop", "stopped"), ("cancel", "cancelled")])
def test_a_search_ends_when_it_is_asked_to(
    system: System, university: Problem, submit: Callable[[], Submitted], action: str, outcome: str
) -> None:
    job = submit()
    system.running(job)
    behind = submit()
    [variant] = system.client.attempts(job.job_id)["variants"]
    [attempt] = variant["attempts"]
    assert (variant["status"], attempt["attempt"], attempt["end"], attempt["ended_at"]) == ("running", 1, None, None)
    wait_for("the other job to be taken in", lambda: system.client.attempts(behind.job_id)["variants"])

    system.client.control(behind.job_id, action)
    assert system.ended(behind)["status"] == outcome
    assert_one_end(system, behind, outcome)
    assert ends(system, behind) == [], "it waited for the only slot, and was never begun"

    asked = monotonic()
    answers = [system.client.control(job.job_id, action) for _ in range(3)]
    ended = system.ended(job)
    ended_s = monotonic() - asked
    free = "SELECT 1 AS x FROM solve_tasks WHERE status = 'running'"
    wait_for("the slot to be free", lambda: not system.sql(free))
    log.info("%s: %.2f s to the end, %.2f s to a free slot", action, ended_s, monotonic() - asked)
    assert all(answer["action"] == action for answer in answers)
    assert (ended["status"], ended["control"]) == (outcome, action)
    assert_one_end(system, job, outcome)
    assert ends(system, job) == [outcome]
    if action == "stop":
        assert_judged(system, ended, university)
    else:
        assert not ended["variants"]
    again = system.client.control(job.job_id, "stop" if action == "cancel" else "cancel")
    assert again["status"] == outcome, "an ended job stays as it ended"
    assert_one_end(system, job, outcome)


def test_a_control_that_the_broker_lost_is_sent_again(
    system: System, university: Problem, submit: Callable[[], Submitted]
) -> None:
    job = submit()
    with_checkpoint(system, job)
    # What a lost log leaves behind: the control was accepted and published, and nobody has it.
    system.sql(
        "INSERT INTO job_controls (job_id, action, organization_id, correlation_id) "
        "VALUES (%(job)s::uuid, 'stop', %(organization)s::uuid, 'lost') RETURNING job_id",
        job=job.job_id,
        organization=system.organization_id,
    )
    ended = system.ended(job)
    assert ended["status"] == "stopped"
    assert_judged(system, ended, university)
    assert_one_end(system, job, "stopped")


def test_what_was_asked_of_queued_jobs_while_every_solver_was_down_is_what_they_end_as(
    system: System, solver: ServiceProcess, submit: Callable[[], Submitted]
) -> None:
    solver.process.kill()
    stopped, cancelled, both = [submit() for _ in range(3)]
    for job, actions in ((stopped, ["stop"]), (cancelled, ["cancel"]), (both, ["stop", "cancel"])):
        for action in [*actions, *actions]:
            assert system.client.control(job.job_id, action)["action"] == action
    assert system.client.job(stopped.job_id)["control"] == "stop", "told at once"
    for job in (cancelled, both):
        ended = system.ended(job)
        assert (ended["status"], ended["control"]) == ("cancelled", "cancel"), "nobody need be waited for"
        told_in_progress(system, job, "status", "cancelled")
    told = told_in_progress(system, stopped, "control", "stop")
    assert told["status"] == "queued"
    assert told["message"] == "stopping: nothing has been found yet; the job ends as soon as a solver answers"
    assert system.client.attempts(stopped.job_id)["variants"] == []

    solver.start()
    assert system.ended(stopped)["status"] == "stopped"
    assert_one_end(system, stopped, "stopped")
    assert_one_end(system, cancelled, "cancelled")
    assert_one_end(system, both, "cancelled")
    for job in (stopped, cancelled, both):
        assert ends(system, job) == [], "nobody began it"
    assert not system.client.job(cancelled.job_id)["variants"]
    assert not system.client.job(both.job_id)["variants"]


def test_a_stopped_jobs_timetable_is_kept_although_its_solver_died_before_it_heard(
    system: System, solver: ServiceProcess, university: Problem, submit: Callable[[], Submitted]
) -> None:
    job = submit()
    with_checkpoint(system, job)
    solver.process.pause()
    system.client.control(job.job_id, "stop")
    told = told_in_progress(system, job, "control", "stop")
    assert told["message"] == "stopping: the best timetable is kept as soon as a solver answers"
    [row] = system.sql("SELECT checkpoint_score AS s FROM solve_tasks WHERE job_id = %(job)s::uuid", job=job.job_id)
    checkpoint = Score.model_validate(row["s"])
    solver.process.kill()
    # What the length of a lease does, without the wait.
    system.sql(
        "UPDATE solve_tasks SET lease_until = clock_timestamp() - interval '1 s' WHERE job_id = %(job)s::uuid "
        "RETURNING job_id",
        job=job.job_id,
    )
    solver.start()
    ended = system.ended(job)
    assert (ended["status"], ended["control"]) == ("stopped", "stop")
    assert Score.model_validate(ended["variants"][0]["score"]).rank == checkpoint.rank, "nobody searched on"
    assert_judged(system, ended, university)
    assert_one_end(system, job, "stopped")
    assert ends(system, job) == ["lease_expired", "stopped"]

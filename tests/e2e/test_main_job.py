"""The main job: a problem goes in over HTTP, progress is seen, a timetable comes out that the rules accept."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path

import httpx
import icalendar
import pytest

from horarium.client import Client
from horarium.university import generate_university
from schemas.change.baseline import Baseline, KeepWeights
from schemas.change.difference import difference
from schemas.problem.sizes import classes_of
from schemas.referee import judge
from schemas.timetable import Timetable
from tests.benchmark_instances import instance
from tests.e2e.conftest import System, wait_for
from tests.e2e.kafka_reading import completed_events
from tests.e2e.problems import a_department

# Longer than every wait of these tests: such a job ends because it is stopped or cancelled.
SEARCH_S = 600
# Any timetable without violations will do: the search ends with the first, however busy the machine.
ANY_COST = 1_000_000


@pytest.mark.benchmark_instances
def test_a_benchmark_instance_posted_to_the_api_comes_back_accepted_by_its_rules(
    system: System, tmp_path: Path
) -> None:
    problem = instance("itc2007/cbctt/ctt/comp01.ctt")
    uploaded = system.client.upload(problem.read_bytes(), content_type="text/plain", name="comp01")
    job = system.client.generate(uploaded["id"], time_limit_s=60, seed=1, target_cost=10)
    ended = system.ended(job)
    assert ended["status"] == "completed"

    solution = tmp_path / "comp01.sol"
    solution.write_bytes(system.client.variant(job.job_id, 1, format="solution"))
    assert len(solution.read_text().split("\n")[0].split()) == 4, "course, room, day, period"
    command = [sys.executable, "-m", "horarium.cli", "evaluate", str(problem), str(solution)]
    verdict = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr
    assert ended["variants"][0]["score"]["total"] <= 10, "the optimum is 5"


def test_a_university_is_timetabled_and_every_student_sectioned(system: System) -> None:
    problem = generate_university(courses=40, students=400, faculty=60, seed=7)
    uploaded = system.client.upload(problem.model_dump_json(exclude_none=True, by_alias=True).encode())
    correlation_id = f"e2e-{uuid.uuid4()}"
    with Client(system.services.api.url, system.client.token) as traced:
        traced.correlate(correlation_id)
        job = traced.generate(uploaded["id"], time_limit_s=6, seed=3)
        answered_at = datetime.now(UTC)

    reports = list(system.client.reports(job.progress_url))
    assert [r for r in reports if r["status"] == "running"], "progress was seen while it ran"
    assert reports[-1]["status"] == "completed"
    percents = [r["progress"] for r in reports]
    assert percents == sorted(percents), "progress never goes back"

    ended = system.ended(job)
    assert answered_at < datetime.fromisoformat(ended["finished_at"]), "the answer does not wait for the solve"
    provenance = ended["variants"][0]["provenance"]
    assert provenance["method"]
    assert provenance["input_sha256"] == uploaded["sha256"]

    timetable = Timetable.model_validate_json(system.client.variant(job.job_id, 1, format="json"))
    verdict = judge(problem, timetable)
    assert verdict.score.hard_violations == 0, verdict.violations[:5]
    assert verdict.score.total == ended["variants"][0]["score"]["total"]

    room = next(p.room for p in timetable.placements if p.room)
    calendar = icalendar.Calendar.from_ical(system.client.variant(job.job_id, 1, format="ics", room=room))
    assert list(calendar.walk("VEVENT")), "the room's calendar has events"
    assert len(system.client.variant(job.job_id, 1, format="csv").splitlines()) == len(timetable.placements) + 1

    for service in ("api", "solver", "progress", "persister"):

        def tells(service: str = service) -> bool:
            lines = system.log_lines(service)
            return any(x.get("job_id") == job.job_id and x.get("correlation_id") == correlation_id for x in lines)

        wait_for(f"{service} to log the job under its correlation id", tells)


def test_variants_are_different_timetables_of_one_job(system: System) -> None:
    uploaded = system.client.upload(json.dumps(a_department(classes=30, name="variants")).encode())
    job = system.client.generate(uploaded["id"], time_limit_s=60, target_cost=ANY_COST, seed=5, variants=3)
    ended = system.ended(job)
    assert ended["status"] == "completed"
    assert [v["variant"] for v in ended["variants"]] == [1, 2, 3]
    assert [v["provenance"]["seed"] for v in ended["variants"]] == [5, 6, 7]
    found = wait_for("the terminal event", lambda: completed_events(system, job.job_id))
    assert len(found) == 1, "exactly one terminal event per job"


def test_a_search_that_finds_nothing_better_ends_long_before_its_time(system: System) -> None:
    uploaded = system.client.upload(json.dumps(a_department(classes=30, name="patience")).encode())
    job = system.client.generate(uploaded["id"], time_limit_s=1800, no_improvement_s=2)
    ended = system.ended(job)
    assert ended["status"] == "completed"
    assert ended["variants"][0]["score"]["hard_violations"] == 0
    assert ended["options"]["no_improvement_s"] == 2
    assert ended["variants"][0]["provenance"]["search_end"] == "patience"


def test_a_published_timetable_is_changed_little(system: System) -> None:
    problem = generate_university(courses=40, students=400, faculty=60, seed=7)
    uploaded = system.client.upload(problem.model_dump_json(exclude_none=True, by_alias=True).encode())
    first = system.client.generate(uploaded["id"], time_limit_s=60, target_cost=ANY_COST, seed=3)
    assert system.ended(first)["status"] == "completed"
    published = Timetable.model_validate_json(system.client.variant(first.job_id, 1))
    domains = {d.id: [o.time for o in d.options] for d in problem.time_domains}
    classes = {c.id: c for c in classes_of(problem)}
    moved, other = next(
        (p.class_id, time)
        for p in published.placements
        for time in domains[classes[p.class_id].time_domain or ""]
        if time != p.time
    )
    pins = [{"class": moved, "time": other}]
    again = system.client.generate(
        base_job_id=first.job_id, pins=pins, max_changes=8, time_limit_s=20, target_cost=ANY_COST
    )
    ended = system.ended(again)
    assert ended["status"] == "completed"
    counts = ended["variants"][0]["changes"]
    assert (counts["base_job_id"], counts["forced"], counts["over_budget"]) == (first.job_id, 1, 0)
    assert 1 <= counts["classes"] <= 8
    changed = {c["class"]: c for c in system.client.changes(again.job_id, 1)["changed"]}
    assert len(changed) == counts["classes"]
    assert changed[moved]["after"]["time"] == other
    timetable = Timetable.model_validate_json(system.client.variant(again.job_id, 1))
    found = difference(problem, published, timetable)
    assert {c.class_id for c in found.classes} == set(changed)
    baseline = Baseline(published, KeepWeights(), 8)
    assert judge(problem, timetable, baseline).score.total == ended["variants"][0]["score"]["total"]


def test_stop_keeps_the_best_and_cancel_discards(system: System) -> None:
    problem = generate_university(courses=60, students=600, faculty=80, seed=11)
    uploaded = system.client.upload(problem.model_dump_json(exclude_none=True, by_alias=True).encode())
    stopped = system.client.generate(uploaded["id"], time_limit_s=SEARCH_S, seed=1)
    system.running(stopped)
    system.client.control(stopped.job_id, "stop")
    ended = system.ended(stopped)
    assert ended["status"] == "stopped"
    assert ended["variants"], "the best timetable found so far is kept"

    cancelled = system.client.generate(uploaded["id"], time_limit_s=SEARCH_S, seed=2)
    system.running(cancelled)
    system.client.control(cancelled.job_id, "cancel")
    ended = system.ended(cancelled)
    assert ended["status"] == "cancelled"
    assert not ended.get("variants")
    wait_for(
        "the slot to be free again",
        lambda: not system.sql("SELECT 1 AS x FROM solve_tasks WHERE status = 'running'"),
    )


def test_another_organisation_sees_nothing(system: System) -> None:
    uploaded = system.client.upload(json.dumps(a_department(name="secret")).encode())
    job = system.client.generate(uploaded["id"], time_limit_s=1)
    system.ended(job)
    with Client(system.services.api.url) as stranger:
        stranger.sign_in(*system.stranger())
        token = stranger.token
    headers = {"Authorization": f"Bearer {token}"}
    for url in (
        f"{system.services.api.url}/api/problems/{uploaded['id']}",
        f"{system.services.api.url}/api/timetables/{job.job_id}",
        f"{system.services.api.url}/api/timetables/{job.job_id}/variants/1",
        job.progress_url,
        f"{job.progress_url}/events",
    ):
        # A stream waits a while for a job that it does not know: it may have been asked for just now.
        assert httpx.get(url, headers=headers, timeout=30).status_code == 404, url
        assert httpx.get(url).status_code == 401, url


def test_an_impossible_problem_ends_as_failed_or_is_refused_with_the_place(system: System) -> None:
    problem = a_department(name="impossible")
    problem["courses"][2]["configs"][0]["subparts"][0]["classes"][0]["limit"] = 500
    answer = httpx.post(
        f"{system.services.api.url}/api/problems",
        content=json.dumps(problem),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {system.client.token}"},
    )
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()["errors"]
    assert found[0]["pointer"].startswith("/courses/2/")
    assert "500" in found[0]["message"]
    assert not system.sql("SELECT 1 AS x FROM problems WHERE name = 'impossible'")

"""Asking for timetables: one transaction, one job per request, the event on its topic, and the job's life over HTTP."""

from __future__ import annotations

import hashlib
import json
import logging
import statistics
import threading
import time
import uuid
from typing import Any

import httpx
import pytest
import zstandard

from schemas.events import ControlAction, JobControl, JobRequested
from schemas.events.cloudevents import decode
from schemas.formats.itc2019_solution import read_itc2019_solution
from schemas.problem.read import ProblemFormat, read_problem
from schemas.timetable import Enrolment, Placement, Timetable, Unplaced
from tests.integration.api.conftest import (
    CTT,
    RunningApi,
    a_problem,
    messages_of,
    refused,
    requested,
    until,
    uploaded,
)
from tests.integration.api.finished import finished
from tests.unit.schemas.itc2019_files import SMALL, SMALL_SOLUTION

log = logging.getLogger(__name__)


def test_a_request_is_a_job_and_its_event_arrives_on_the_topic(api: RunningApi, planner: httpx.Client) -> None:
    problem_id = uploaded(planner)
    answer = planner.post(
        "/api/timetables/generate",
        json={
            "problem_id": problem_id,
            "variants": 2,
            "time_limit_s": 5,
            "seed": 7,
            "workers": 2,
            "target_cost": 3,
            "target_gap": 0.05,
            "no_improvement_s": 4,
            "weights": {"room": 4},
            "priority": 9,
        },
        headers={"X-Correlation-ID": "trace-me-1"},
    )
    assert answer.status_code == 202
    body = answer.json()
    job_id = body["job_id"]
    assert body["status"] == "queued"
    assert body["status_url"] == answer.headers["location"] == f"/api/timetables/{job_id}"
    assert body["progress_url"] == f"http://progress.example/api/progress/{job_id}"
    assert answer.headers["x-correlation-id"] == "trace-me-1"

    [message] = messages_of(api.addresses.kafka_bootstrap_servers, "job.requested", job_id)
    event = decode(message.value, message.headers, [JobRequested])
    assert (event.job_id, event.organization_id) == (uuid.UUID(job_id), api.organization_id)
    assert event.correlation_id == "trace-me-1"
    assert event.requested_by == "planner@one.example"
    assert event.priority == 9
    assert event.options.model_dump() == {
        "variants": 2,
        "time_limit_s": 5.0,
        "seed": 7,
        "workers": 2,
        "target_cost": 3,
        "target_gap": 0.05,
        "no_improvement_s": 4.0,
        "weights": {"time": None, "room": 4, "distribution": None, "student": None},
        "profiles": [],
        "base_job_id": None,
        "base_variant": None,
        "keep_weights": {"time": 20, "room": 10, "section": 5},
        "max_changes": None,
        "pins": [],
    }
    assert event.problem is None
    assert event.problem_ref is not None
    assert str(event.problem_ref.problem_id) == problem_id
    [(sha256, content)] = api.sql("SELECT sha256, content_zstd FROM problems WHERE id = %s", problem_id)
    assert event.problem_ref.sha256 == sha256 == hashlib.sha256(zstandard.decompress(content)).hexdigest()
    headers = {name: value.decode() for name, value in message.headers}
    assert headers["ce_type"] == "job.requested.v1"
    assert headers["ce_subject"] == job_id
    assert headers["content-type"] == "application/json"
    until(lambda: not api.sql("SELECT 1 FROM outbox WHERE job_id = %s", job_id))


def test_an_inline_problem_is_stored_and_travels_by_reference(api: RunningApi, planner: httpx.Client) -> None:
    problem = a_problem()
    first = planner.post("/api/timetables/generate", json={"problem": problem, "time_limit_s": 5})
    again = planner.post("/api/timetables/generate", json={"problem": problem, "time_limit_s": 5})
    text = planner.post("/api/timetables/generate", json={"problem": CTT, "time_limit_s": 5})
    assert [a.status_code for a in (first, again, text)] == [202, 202, 202]
    jobs = [planner.get(a.json()["status_url"]).json() for a in (first, again, text)]
    assert jobs[0]["job_id"] != jobs[1]["job_id"]
    assert jobs[0]["problem_id"] == jobs[1]["problem_id"]
    assert planner.get(f"/api/problems/{jobs[2]['problem_id']}").json()["format"] == "ctt"
    [message] = messages_of(api.addresses.kafka_bootstrap_servers, "job.requested", jobs[0]["job_id"])
    event = decode(message.value, message.headers, [JobRequested])
    assert event.problem_ref is not None
    assert str(event.problem_ref.problem_id) == jobs[0]["problem_id"]


BAD: dict[str, tuple[bytes, str]] = {
    "malformed": (b'{"problem_id": ', ""),
    "neither problem": (b"{}", ""),
    "both problems": (json.dumps({"problem_id": str(uuid.uuid4()), "problem": "x"}).encode(), ""),
    "unknown field": (json.dumps({"problem_id": str(uuid.uuid4()), "colour": 1}).encode(), "/colour"),
    "unknown weight": (json.dumps({"problem_id": str(uuid.uuid4()), "weights": {"x": 1}}).encode(), "/weights/x"),
    "too many variants": (json.dumps({"problem_id": str(uuid.uuid4()), "variants": 99}).encode(), "/variants"),
    "a text for a number": (json.dumps({"problem_id": str(uuid.uuid4()), "seed": "7"}).encode(), "/seed"),
    "no number": (b'{"problem_id": "%s", "time_limit_s": NaN}' % str(uuid.uuid4()).encode(), "/time_limit_s"),
    "a gap in per cent": (json.dumps({"problem_id": str(uuid.uuid4()), "target_gap": 5}).encode(), "/target_gap"),
    "no patience": (json.dumps({"problem_id": str(uuid.uuid4()), "no_improvement_s": 0}).encode(), "/no_improvement_s"),
    "no id": (json.dumps({"problem_id": "seven"}).encode(), "/problem_id"),
    "an unknown problem": (json.dumps({"problem_id": str(uuid.uuid4())}).encode(), "/problem_id"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_is_refused_with_its_place_and_creates_nothing(
    api: RunningApi, planner: httpx.Client, name: str
) -> None:
    content, pointer = BAD[name]
    before = _counts(api)
    headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
    answer = planner.post("/api/timetables/generate", content=content, headers=headers)
    body = refused(answer, 422, "invalid_request")
    assert body["errors"][0]["pointer"] == pointer, body
    assert _counts(api) == before


def test_a_bad_inline_problem_is_refused_with_its_place_in_the_request(api: RunningApi, planner: httpx.Client) -> None:
    before = _counts(api)
    bad = a_problem(students=500, capacity=5)
    body = refused(planner.post("/api/timetables/generate", json={"problem": bad}), 422, "invalid_problem")
    assert body["errors"][0]["pointer"].startswith("/problem/courses/0/")
    truncated = CTT[: CTT.index("ROOMS:\n")]
    body = refused(planner.post("/api/timetables/generate", json={"problem": truncated}), 422, "invalid_problem")
    assert (body["errors"][0]["pointer"], "line" in body["errors"][0]["message"]) == ("/problem", True)
    refused(planner.post("/api/timetables/generate", content=b"x"), 415, "unsupported_media_type")
    assert _counts(api) == before


def _counts(api: RunningApi) -> list[tuple[Any, ...]]:
    return [
        *api.sql("SELECT count(*) FROM problems"),
        *api.sql("SELECT count(*) FROM jobs"),
        *api.sql("SELECT count(*) FROM idempotency_keys"),
    ]


def test_twenty_equal_requests_at_once_are_one_job(api: RunningApi, planner: httpx.Client) -> None:
    body = {"problem_id": uploaded(planner), "time_limit_s": 5}
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    answers: list[httpx.Response] = []
    ready = threading.Barrier(20)

    def send() -> None:
        ready.wait()
        answers.append(planner.post("/api/timetables/generate", json=body, headers=headers))

    threads = [threading.Thread(target=send) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [a.status_code for a in answers] == [202] * 20
    assert len({a.text for a in answers}) == 1
    assert api.sql("SELECT count(*) FROM jobs WHERE problem_id = %s", body["problem_id"]) == [(1,)]


def test_a_key_belongs_to_one_body_of_one_organisation(planner: httpx.Client, stranger: httpx.Client) -> None:
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    body = {"problem_id": uploaded(planner), "seed": 1}
    first = planner.post("/api/timetables/generate", json=body, headers=headers)
    reordered = planner.post("/api/timetables/generate", json=dict(reversed(body.items())), headers=headers)
    assert reordered.text == first.text
    other = planner.post("/api/timetables/generate", json={**body, "seed": 2}, headers=headers)
    refused(other, 422, "idempotency_key_reused")
    foreign = stranger.post("/api/timetables/generate", json={"problem_id": uploaded(stranger)}, headers=headers)
    assert foreign.status_code == 202
    assert foreign.json()["job_id"] != first.json()["job_id"]
    bad = planner.post("/api/timetables/generate", json=body, headers={"Idempotency-Key": "two words"})
    refused(bad, 422, "invalid_request")


def test_a_job_that_nobody_has_taken_up_is_queued(planner: httpx.Client) -> None:
    job_id = requested(planner, time_limit_s=5)
    body = planner.get(f"/api/timetables/{job_id}").json()
    assert (body["status"], body["percent"], body["variants"], body["error"]) == ("queued", 0.0, [], None)
    listed = planner.get("/api/timetables", params={"status": "queued"}).json()["items"]
    assert job_id in [item["job_id"] for item in listed]
    assert planner.get("/api/timetables", params={"status": "completed", "limit": 200}).status_code == 200
    refused(planner.get("/api/timetables", params={"status": "nonsense"}), 422, "invalid_request")


def test_jobs_come_in_pages_newest_first(stranger: httpx.Client) -> None:
    made = [requested(stranger) for _ in range(5)]
    seen: list[str] = []
    cursor = None
    while True:
        page = stranger.get("/api/timetables", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [item["job_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [i for i in seen if i in made] == made[::-1]
    assert len(seen) == len(set(seen))


def test_stop_and_cancel_reach_the_topic_after_the_request_and_may_be_repeated(
    api: RunningApi, planner: httpx.Client
) -> None:
    job_id = requested(planner, time_limit_s=5)
    for _ in range(2):
        answer = planner.post(f"/api/timetables/{job_id}/stop")
        assert answer.status_code == 202
        assert answer.json()["action"] == "stop"
    assert planner.post(f"/api/timetables/{job_id}/cancel").status_code == 202
    until(lambda: not api.sql("SELECT 1 FROM outbox WHERE job_id = %s", job_id))
    events: list[JobControl] = []
    count = 2
    while {e.action for e in events} != {ControlAction.STOP, ControlAction.CANCEL}:
        messages = messages_of(api.addresses.kafka_bootstrap_servers, "job.control", job_id, count)
        events = [decode(m.value, m.headers, [JobControl]) for m in messages]
        count += 1
    assert events[-1].action is ControlAction.CANCEL
    assert len({e.event_id for e in events}) == 2
    refused(planner.post(f"/api/timetables/{uuid.uuid4()}/stop"), 404, "job_not_found")


def test_ending_an_ended_job_changes_nothing(api: RunningApi, planner: httpx.Client) -> None:
    job_id = finished(api, planner, uploaded(planner))
    answer = planner.post(f"/api/timetables/{job_id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "completed")
    assert api.sql("SELECT count(*) FROM outbox WHERE job_id = %s AND topic = 'job.control'", job_id) == [(0,)]


A_TIMETABLE = Timetable(
    placements=[Placement(class_id="c1", time="mon", room="r1")],
    enrolments=[Enrolment(student="s1", classes=["c1"])],
    unplaced=[Unplaced(class_id="c2", reason="no room")],
)


def test_a_finished_job_shows_its_variants_and_gives_the_timetable(api: RunningApi, planner: httpx.Client) -> None:
    job_id = finished(api, planner, uploaded(planner), A_TIMETABLE)
    job = planner.get(f"/api/timetables/{job_id}").json()
    assert (job["status"], job["percent"], job["best_variant"]) == ("completed", 100.0, 1)
    [variant] = job["variants"]
    assert (variant["score"]["total"], variant["provenance"]["method"]) == (5, "grid-annealing")

    answer = planner.get(variant["url"])
    assert Timetable.model_validate_json(answer.content) == A_TIMETABLE
    etag = answer.headers["etag"]
    assert etag == f'"{hashlib.sha256(answer.content).hexdigest()}"'
    same = planner.get(variant["url"], headers={"If-None-Match": f'"other", W/{etag}'})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
    assert planner.get(variant["url"], headers={"If-None-Match": '"other"'}).status_code == 200
    refused(planner.get(f"/api/timetables/{job_id}/variants/2"), 404, "variant_not_found")
    refused(planner.get(variant["url"], params={"format": "pdf"}), 422, "invalid_request")
    refused(planner.get(variant["url"], params={"format": "solution"}), 406, "no_solution_format")


def test_a_variant_is_seen_from_one_room_course_instructor_or_student(api: RunningApi, planner: httpx.Client) -> None:
    job_id = finished(api, planner, uploaded(planner), A_TIMETABLE)
    url = f"/api/timetables/{job_id}/variants/1"

    def seen(**view: str) -> Timetable:
        answer = planner.get(url, params=view)
        assert answer.status_code == 200, answer.text
        return Timetable.model_validate_json(answer.content)

    assert [p.class_id for p in seen(room="r1").placements] == ["c1"]
    assert seen(room="r1").enrolments == []
    assert [u.class_id for u in seen(instructor="ada").unplaced] == ["c2"]
    assert seen(course="course2").placements == []
    assert seen(student="s1").enrolments == A_TIMETABLE.enrolments
    body = refused(planner.get(url, params={"room": "r9"}), 422, "invalid_request")
    assert body["errors"][0]["pointer"] == "/query/room"
    refused(planner.get(url, params={"room": "r1", "course": "course1"}), 422, "invalid_request")
    refused(planner.get(url, params={"rooms": "r1"}), 422, "invalid_request")


def test_a_variant_is_a_spreadsheet_and_a_calendar(api: RunningApi, planner: httpx.Client) -> None:
    problem = a_problem()
    problem["calendar"]["first_day"] = "2026-09-07"
    url = f"/api/timetables/{finished(api, planner, uploaded(planner, problem), A_TIMETABLE)}/variants/1"
    spreadsheet = planner.get(url, params={"format": "csv"})
    assert spreadsheet.headers["content-type"].startswith("text/csv")
    assert ".csv" in spreadsheet.headers["content-disposition"]
    assert [line.split(",")[2] for line in spreadsheet.text.splitlines()] == ["class", "c1", "c2"]
    calendar = planner.get(url, params={"format": "ics", "room": "r1"})
    assert calendar.headers["content-type"].startswith("text/calendar")
    assert calendar.text.count("BEGIN:VEVENT") == 1
    assert "DTSTART:20260907T090000" in calendar.text
    assert calendar.headers["etag"] != spreadsheet.headers["etag"]
    again = planner.get(
        url, params={"format": "ics", "room": "r1"}, headers={"If-None-Match": calendar.headers["etag"]}
    )
    assert again.status_code == 304

    undated = f"/api/timetables/{finished(api, planner, uploaded(planner), A_TIMETABLE)}/variants/1"
    body = refused(planner.get(undated, params={"format": "ics"}), 422, "invalid_request")
    assert body["errors"][0]["code"] == "no_first_day"


def test_without_its_problem_only_the_whole_timetable_is_left(api: RunningApi, planner: httpx.Client) -> None:
    problem_id = uploaded(planner)
    url = f"/api/timetables/{finished(api, planner, problem_id, A_TIMETABLE)}/variants/1"
    assert planner.delete(f"/api/problems/{problem_id}").status_code == 204
    assert Timetable.model_validate_json(planner.get(url).content) == A_TIMETABLE
    refused(planner.get(url, params={"format": "csv"}), 410, "problem_deleted")


def test_a_ctt_problem_has_a_solution_file(api: RunningApi, planner: httpx.Client) -> None:
    text = CTT.replace("Toy", str(uuid.uuid4()))
    stored = planner.post("/api/problems", content=text, headers={"Content-Type": "text/plain"}).json()
    problem = read_problem(text.encode(), ProblemFormat.CTT)
    placements = [
        Placement(class_id=f"{course}#{n}", time=f"{n}-{p}", room="rB")
        for p, course in enumerate(("SceCosC", "ArcTec"))
        for n in (1, 2, 3)
    ]
    job_id = finished(api, planner, stored["id"], Timetable(placements=placements))
    assert len(problem.courses) == 2
    answer = planner.get(f"/api/timetables/{job_id}/variants/1", params={"format": "solution"})
    assert answer.headers["content-type"].startswith("text/plain")
    assert "SceCosC rB 1 0" in answer.text.splitlines()
    assert len(answer.text.splitlines()) == 6


def test_an_itc_2019_problem_has_a_solution_as_xml(api: RunningApi, planner: httpx.Client) -> None:
    text = SMALL.replace('name="small"', f'name="{uuid.uuid4()}"')
    stored = planner.post("/api/problems", content=text, headers={"Content-Type": "application/xml"}).json()
    problem = read_problem(text.encode(), ProblemFormat.ITC2019)
    timetable = read_itc2019_solution(problem, SMALL_SOLUTION)
    url = f"/api/timetables/{finished(api, planner, stored['id'], timetable)}/variants/1"
    answer = planner.get(url, params={"format": "xml"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/xml")
    assert ".xml" in answer.headers["content-disposition"]
    assert f'<solution name="{problem.name}" runtime=' in answer.text
    assert '<class id="2" days="00001" start="90" weeks="1010" room="2">' in answer.text
    assert read_itc2019_solution(problem, answer.text) == timetable
    again = planner.get(url, params={"format": "xml"}, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    refused(planner.get(url, params={"format": "xml", "room": "1"}), 422, "invalid_request")
    refused(planner.get(url, params={"format": "solution"}), 406, "no_solution_format")


def test_a_native_problem_has_a_solution_as_xml_if_that_can_say_it(api: RunningApi, planner: httpx.Client) -> None:
    url = f"/api/timetables/{finished(api, planner, uploaded(planner), A_TIMETABLE)}/variants/1"
    answer = planner.get(url, params={"format": "xml"})
    assert answer.status_code == 200, answer.text
    assert answer.text.count("<class ") == len(A_TIMETABLE.placements)

    problem = a_problem()
    twin = {**problem["times"][0], "id": "longer", "length": problem["times"][0]["length"] + 1}
    problem["times"].append(twin)
    for course in problem["courses"]:
        for cls in course["configs"][0]["subparts"][0]["classes"]:
            cls["times"].append({"time": "longer"})
    url = f"/api/timetables/{finished(api, planner, uploaded(planner, problem), A_TIMETABLE)}/variants/1"
    body = refused(planner.get(url, params={"format": "xml"}), 422, "invalid_request")
    assert body["errors"][0]["code"] == "not_itc2019"
    assert "different lengths" in body["errors"][0]["message"]


def test_asking_for_a_full_size_problem_by_id_does_not_touch_its_content(
    api: RunningApi, planner: httpx.Client
) -> None:
    """The bar is 500 ms at p99 whatever the size (`benchmarks` measures it): the content is not even read."""
    problem = a_problem()
    problem["students"] = [{"id": f"s{n}", "courses": ["course1", "course2"]} for n in range(20_000)]
    problem_id = uploaded(planner, problem)
    api.sql("UPDATE problems SET content_zstd = 'nothing that can be read' WHERE id = %s", problem_id)
    took = []
    for _ in range(100):
        started = time.monotonic()
        answer = planner.post("/api/timetables/generate", json={"problem_id": problem_id})
        took.append(time.monotonic() - started)
        assert answer.status_code == 202
    log.info("p99 of 100 requests: %.3f s", statistics.quantiles(took, n=100)[98])
    until(lambda: not api.sql("SELECT 1 FROM outbox LIMIT 1"))
    metrics = httpx.get(f"{api.url}/metrics").text
    assert "horarium_outbox_publish_delay_seconds_count" in metrics

"""Uploading problems: what is good is stored once, what is bad is refused with its place and leaves nothing behind."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.integration.api.conftest import CTT, RunningApi, a_problem, refused, requested, uploaded
from tests.unit.schemas.itc2019_files import SMALL

log = logging.getLogger(__name__)


def test_a_problem_is_stored_with_its_counts(planner: httpx.Client) -> None:
    answer = planner.post("/api/problems", json=a_problem(), params={"name": "Autumn"})
    assert answer.status_code == 201
    body = answer.json()
    assert (body["name"], body["format"]) == ("Autumn", "native")
    assert body["summary"]["classes"] == 2
    assert body["summary"]["course_requests"] == 2
    assert answer.headers["location"] == f"/api/problems/{body['id']}"
    assert planner.get(answer.headers["location"]).json() == body
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("media_type", ["text/plain; charset=utf-8", "application/x-ctt"])
def test_a_ctt_file_is_stored(planner: httpx.Client, media_type: str) -> None:
    text = CTT.replace("Toy", media_type[-3:])
    answer = planner.post("/api/problems", content=text, headers={"Content-Type": media_type})
    assert answer.status_code == 201, answer.text
    assert answer.json()["format"] == "ctt"
    assert answer.json()["summary"]["classes"] == 6


@pytest.mark.parametrize("media_type", ["application/xml", "text/xml; charset=utf-8", "application/octet-stream"])
@pytest.mark.parametrize("packed", [False, True])
def test_an_itc_2019_file_is_stored(planner: httpx.Client, media_type: str, packed: bool) -> None:
    content = SMALL.replace("small", f"{media_type[-6:]} {packed}").encode()
    sent = gzip.compress(content, mtime=0) if packed else content
    answer = planner.post("/api/problems", content=sent, headers={"Content-Type": media_type})
    assert answer.status_code == 201, answer.text
    assert answer.json()["format"] == "itc2019"
    assert answer.json()["uploaded_as"] is None
    assert answer.json()["sha256"] == hashlib.sha256(sent).hexdigest()
    assert answer.json()["summary"]["course_requests"] == 3


def test_the_same_content_is_stored_once_per_organisation(
    planner: httpx.Client, stranger: httpx.Client, api: RunningApi
) -> None:
    problem = a_problem()
    first = planner.post("/api/problems", json=problem)
    again = planner.post("/api/problems", json=problem)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    other = stranger.post("/api/problems", json=problem)
    assert other.status_code == 201
    assert other.json()["id"] != first.json()["id"]
    rows = api.sql("SELECT count(*) FROM problems WHERE sha256 = %s", first.json()["sha256"])
    assert rows == [(2,)]


def test_the_same_upload_many_times_at_once_is_stored_once(api: RunningApi, planner: httpx.Client) -> None:
    problem = a_problem()
    answers: list[httpx.Response] = []
    threads = [
        threading.Thread(target=lambda: answers.append(planner.post("/api/problems", json=problem))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted({a.status_code for a in answers}) in ([200, 201], [201])
    assert len({a.json()["id"] for a in answers}) == 1
    assert [a.status_code for a in answers].count(201) == 1


def with_unknown_room() -> bytes:
    return json.dumps(a_problem(room="r9")).encode()


BAD: dict[str, tuple[bytes, str, str, str]] = {
    "malformed JSON": (b'{"format": "horarium.problem/1", "name": ', "application/json", "malformed_json", "line 1"),
    "an unknown reference": (
        with_unknown_room(),
        "application/json",
        "unknown_room",
        "/courses/0/configs/0/subparts/0/classes/0/rooms/0/room",
    ),
    "a class of 500 and a room for 5": (
        json.dumps(a_problem(students=500, capacity=5)).encode(),
        "application/json",
        "",
        "/courses/0/configs/0/subparts/0/classes/0",
    ),
    "an empty body": (b"", "application/json", "empty_file", ""),
    "an empty problem": (b"{}", "application/json", "missing", "/name"),
    "an unknown field": (
        json.dumps({**a_problem(), "colour": "red"}).encode(),
        "application/json",
        "extra_forbidden",
        "/colour",
    ),
    "a truncated .ctt": (CTT[: CTT.index("CURRICULA:")].encode(), "text/plain", "", "line "),
    "a truncated .xml": (SMALL[:2000].encode(), "application/xml", "truncated", "line "),
    "an unknown room in a .xml": (
        SMALL.replace('<room id="2" penalty="4"/>', '<room id="9" penalty="4"/>').encode(),
        "text/xml",
        "unknown_room",
        "line 18",
    ),
    "a file of ours in a .xml": (
        b'<!DOCTYPE problem [<!ENTITY x SYSTEM "file:///etc/passwd">]>\n<problem name="&x;"/>',
        "application/xml",
        "xml_declaration",
        "line 1",
    ),
    "other XML": (b"<HighSchoolTimetableArchive/>", "application/octet-stream", "unknown_format", "line 1"),
    "not UTF-8": (b"Name: \xff\xfe", "text/plain", "not_utf8", "line 1"),
    "JSON nested ten thousand deep": (b"[" * 10_000, "application/json", "", ""),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_problem_is_refused_with_its_place_and_leaves_nothing(
    api: RunningApi, planner: httpx.Client, name: str
) -> None:
    content, media_type, code, pointer = BAD[name]
    before = api.sql("SELECT count(*) FROM problems")
    answer = planner.post("/api/problems", content=content, headers={"Content-Type": media_type})
    body = refused(answer, 422, "invalid_problem")
    assert any(e["code"].startswith(code) and e["pointer"].startswith(pointer) for e in body["errors"]), body["errors"]
    assert all(e["message"] for e in body["errors"])
    assert api.sql("SELECT count(*) FROM problems") == before


def test_all_findings_come_at_once(planner: httpx.Client) -> None:
    problem = a_problem(room="r9")
    problem["students"] = [{"id": "s1", "courses": ["nothing"]}]
    body = refused(planner.post("/api/problems", json=problem), 422, "invalid_problem")
    assert len(body["errors"]) == 3


@pytest.mark.parametrize("media_type", ["application/yaml", "multipart/form-data", ""])
def test_another_media_type_is_refused_and_told_the_accepted_ones(planner: httpx.Client, media_type: str) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    body = refused(planner.post("/api/problems", content=b"x", headers=headers), 415, "unsupported_media_type")
    assert "application/json, text/plain, application/x-ctt" in body["detail"]


def _zeros(size: int) -> Iterator[bytes]:
    for _ in range(size // 65536):
        yield bytes(65536)


@pytest.mark.parametrize("declared", [True, False], ids=["declared length", "chunked"])
def test_200_megabytes_are_refused_without_being_kept(api: RunningApi, planner: httpx.Client, declared: bool) -> None:
    size = 200 * 1024 * 1024
    headers = {"Content-Type": "application/json", **({"Content-Length": str(size)} if declared else {})}
    before = _peak_memory_kib(api)
    answer = planner.post("/api/problems", content=_zeros(size), headers=headers)
    refused(answer, 413, "body_too_large")
    assert _peak_memory_kib(api) - before < 40 * 1024
    assert planner.get("/api/auth/me").status_code == 200


def _peak_memory_kib(api: RunningApi) -> int:
    with open(f"/proc/{api.process.process.pid}/status") as status:  # noqa: PTH123  # procfs
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def test_the_service_stays_alive_and_answers_while_it_reads_a_large_problem(
    api: RunningApi, planner: httpx.Client
) -> None:
    problem = a_problem()
    problem["students"] = [{"id": f"s{n}", "courses": ["course1", "course2"]} for n in range(150_000)]
    content = json.dumps(problem).encode()
    answers: list[httpx.Response] = []

    def send() -> None:
        headers = {"Content-Type": "application/json"}
        answers.append(planner.post("/api/problems", content=content, headers=headers))

    upload = threading.Thread(target=send)
    began = time.monotonic()
    upload.start()
    slowest = 0.0
    while upload.is_alive():
        started = time.monotonic()
        assert httpx.get(f"{api.url}/healthz").status_code == 200
        slowest = max(slowest, time.monotonic() - started)
        time.sleep(0.02)
    assert answers[0].status_code == 201, answers[0].text
    took = time.monotonic() - began
    log.info("uploaded in %.2f s, slowest probe meanwhile %.2f s", took, slowest)
    assert slowest < took / 2, "a probe had to wait until the problem was read"


def test_a_problem_is_deleted_unless_a_job_still_needs_it(api: RunningApi, planner: httpx.Client) -> None:
    unused = uploaded(planner)
    assert planner.delete(f"/api/problems/{unused}").status_code == 204
    refused(planner.get(f"/api/problems/{unused}"), 404, "problem_not_found")
    refused(planner.delete(f"/api/problems/{unused}"), 404, "problem_not_found")

    job_id = requested(planner)
    needed = planner.get(f"/api/timetables/{job_id}").json()["problem_id"]
    refused(planner.delete(f"/api/problems/{needed}"), 409, "problem_in_use")


def test_pages_are_complete_and_in_order(stranger: httpx.Client) -> None:
    made = [uploaded(stranger) for _ in range(5)]
    seen: list[str] = []
    params: dict[str, Any] = {"limit": 2}
    while True:
        page = stranger.get("/api/problems", params=params).json()
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    assert [i for i in seen if i in made] == made[::-1]
    assert len(seen) == len(set(seen))
    refused(stranger.get("/api/problems", params={"cursor": "nonsense"}), 422, "invalid_request")
    refused(stranger.get("/api/problems", params={"limit": "0"}), 422, "invalid_request")
    refused(stranger.get("/api/problems", params={"colour": "red"}), 422, "invalid_request")


def test_ids_that_are_none_and_paths_that_do_not_exist_are_refused_alike(planner: httpx.Client) -> None:
    body = refused(planner.get("/api/problems/nonsense"), 422, "invalid_request")
    assert body["errors"][0]["pointer"] == "/path/problem_id"
    refused(planner.get("/api/nothing"), 404, "not_found")
    answer = planner.put("/api/problems")
    refused(answer, 405, "method_not_allowed")
    assert set(answer.headers["allow"].split(", ")) <= {"GET", "POST"}

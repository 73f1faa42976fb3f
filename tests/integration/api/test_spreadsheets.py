"""Problems uploaded as spreadsheets, templates, and finished timetables as files for people."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from datetime import datetime
from html.parser import HTMLParser
from typing import Any

import httpx
import icalendar
import openpyxl
import pytest

from schemas.problem.read import ProblemFormat, load_problem
from services.api.rendering import decompressed
from tests.integration.api.conftest import RunningApi, a_problem, refused, uploaded
from tests.integration.api.finished import finished
from tests.integration.api.test_timetables import A_TIMETABLE
from tests.unit.schemas.sheets import bundle, some_sheets, workbook

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ZIP = "application/zip"
TEMPLATES = {"problem.xlsx": XLSX, "problem.zip": ZIP}


def sent(client: httpx.Client, content: bytes, media_type: str, **params: str) -> httpx.Response:
    return client.post("/api/problems", content=content, headers={"Content-Type": media_type}, params=params)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_downloaded_and_uploaded_as_it_is(
    api: RunningApi, planner: httpx.Client, viewer: httpx.Client, name: str
) -> None:
    answer = viewer.get(f"/api/problems/templates/{name}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == TEMPLATES[name]
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    etag = answer.headers["etag"]
    again = viewer.get(f"/api/problems/templates/{name}", headers={"If-None-Match": etag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)

    stored = sent(planner, answer.content, TEMPLATES[name])
    assert stored.status_code in (200, 201), stored.text
    body = stored.json()
    assert (body["format"], body["summary"]["classes"]) == ("native", 6)
    ((content,),) = api.sql("SELECT content_zstd FROM problems WHERE id = %s", body["id"])
    assert len(load_problem(decompressed(content), ProblemFormat.NATIVE).classes) == 6
    assert requested_of(planner, body["id"])


def requested_of(client: httpx.Client, problem_id: str) -> str:
    answer = client.post("/api/timetables/generate", json={"problem_id": problem_id})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def test_templates_are_for_members_and_have_two_names(api: RunningApi, viewer: httpx.Client) -> None:
    refused(httpx.get(f"{api.url}/api/problems/templates/problem.xlsx"), 401, "unauthorized")
    body = refused(viewer.get("/api/problems/templates/problem.ods"), 422, "invalid_request")
    assert body["errors"][0]["pointer"] == "/path/name"


def named(name: str) -> list[list[object]]:
    return [["Setting", "Value"], ["Name", name], ["Weeks", 1]]


@pytest.mark.parametrize(
    ("make", "media_type", "kind"),
    [
        (workbook, XLSX, "xlsx"),
        (bundle, ZIP, "csv"),
        (bundle, "application/x-zip-compressed", "csv"),
        (workbook, "application/octet-stream", "xlsx"),
    ],
    ids=["workbook", "bundle", "bundle from Windows", "workbook that the browser does not know"],
)
def test_a_spreadsheet_is_stored_once_as_the_problem_that_it_says(
    planner: httpx.Client, make: Any, media_type: str, kind: str
) -> None:
    content = make(some_sheets(Settings=named(f"{media_type} {kind}")))
    first = sent(planner, content, media_type, name="Autumn")
    assert first.status_code == 201, first.text
    body = first.json()
    assert (body["name"], body["format"], body["uploaded_as"]) == ("Autumn", "native", kind)
    assert "uploaded_as" not in body["summary"]
    assert sent(planner, content, media_type).json() == body
    assert planner.get(first.headers["location"]).json() == body


def test_a_native_problem_that_is_sent_without_its_type_is_told_by_its_content(planner: httpx.Client) -> None:
    answer = sent(planner, json.dumps(a_problem()).encode(), "application/octet-stream")
    assert (answer.status_code, answer.json()["format"], answer.json()["uploaded_as"]) == (201, "native", None)
    refused(sent(planner, b"\x89PNG", "application/octet-stream"), 422, "invalid_problem")


def test_what_is_wrong_in_a_spreadsheet_is_told_by_its_cell_and_nothing_is_stored(
    api: RunningApi, planner: httpx.Client
) -> None:
    before = api.sql("SELECT count(*) FROM problems")
    rooms: list[list[object]] = [["Room", "Capacity"], ["r1", "many"], ["r1", 5]]
    body = refused(sent(planner, workbook(some_sheets(Rooms=rooms)), XLSX), 422, "invalid_problem")
    assert {(e["code"], e["pointer"]) for e in body["errors"]} == {
        ("not_a_number", "Rooms, row 2, column Capacity"),
        ("duplicate_id", "Rooms, row 3, column Room"),
    }
    refused(sent(planner, b"PK\x03\x04 no archive", ZIP), 422, "invalid_problem")
    assert api.sql("SELECT count(*) FROM problems") == before


# -- finished timetables ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def variant(api: RunningApi, planner: httpx.Client) -> str:
    """Where a timetable with hostile names in it is to be had."""
    problem = a_problem(name="=cmd|' /C calc'!A0")
    problem["calendar"]["first_day"] = "2026-09-07"
    problem["instructors"] = [{"id": "ada", "name": "<script>alert(1)</script>"}]
    problem["courses"][0]["name"] = "@SUM(A1)"
    problem["curricula"] = [{"id": "all", "courses": ["course1"]}]
    return f"/api/timetables/{finished(api, planner, uploaded(planner, problem), A_TIMETABLE)}/variants/1"


FILES = {
    "csv": ("text/csv; charset=utf-8", "csv"),
    "xlsx": (XLSX, "xlsx"),
    "ics": ("text/calendar; charset=utf-8", "ics"),
}


@pytest.mark.parametrize("format", FILES)
def test_each_file_has_its_type_a_safe_name_and_an_etag(variant: str, planner: httpx.Client, format: str) -> None:
    media_type, suffix = FILES[format]
    answer = planner.get(variant, params={"format": format, "instructor": "ada"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == media_type
    name = answer.headers["content-disposition"].removeprefix('attachment; filename="').removesuffix('"')
    assert name.endswith(f"-1-instructor-ada.{suffix}")
    assert planner.get(variant, params={"format": format, "instructor": "ada"}).content == answer.content
    again = planner.get(
        variant, params={"format": format, "instructor": "ada"}, headers={"If-None-Match": answer.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    whole = planner.get(variant, params={"format": format})
    assert whole.headers["etag"] != answer.headers["etag"]


def test_the_workbook_has_every_sheet_and_runs_nothing(variant: str, planner: httpx.Client) -> None:
    answer = planner.get(variant, params={"format": "xlsx"})
    book = openpyxl.load_workbook(io.BytesIO(answer.content))
    assert book.sheetnames == ["Meetings", "Rooms", "Instructors", "Students", "Violations"]
    meetings = list(book["Meetings"].iter_rows(values_only=True))
    assert meetings[1][:8] == ("course1", "@SUM(A1)", "c1", "Mon", "09:00", "10:00", "1", "r1")
    assert {cell.data_type for row in book["Meetings"].iter_rows(min_row=2) for cell in row} <= {"s", "n"}
    assert [row[:3] for row in book["Rooms"].iter_rows(min_row=2, values_only=True)] == [
        ("r1", "09:00", "c1 (to 10:00)")
    ]
    students = list(book["Students"].iter_rows(min_row=2, values_only=True))
    assert [row[3] for row in students] == ["c1"]
    rules = [row[0] for row in book["Violations"].iter_rows(min_row=2, values_only=True)]
    assert rules == ["unplaced", "unsectioned"]
    elsewhere = planner.get(variant, params={"format": "xlsx", "room": "r1"})
    assert openpyxl.load_workbook(io.BytesIO(elsewhere.content))["Violations"].max_row == 1


class Page(HTMLParser):
    """Which elements there are, and the texts in them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


def test_the_page_to_print_is_complete_escaped_and_allowed_by_its_own_policy(
    variant: str, planner: httpx.Client
) -> None:
    answer = planner.get(variant, params={"format": "html", "curriculum": "all"})
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    page = Page(answer.text)
    assert "script" not in page.elements
    assert not page.attributes & {"style", "src", "href", "onclick"}
    assert {"Curriculum all", "Mon", "09:00", "@SUM(A1) (c1)", "r1", "<script>alert(1)</script>"} <= set(page.texts)
    style = answer.text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = answer.headers["content-security-policy"]
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "content-disposition" not in answer.headers


def test_a_later_timetable_of_the_same_term_replaces_the_events_of_the_earlier_one(
    api: RunningApi, planner: httpx.Client
) -> None:
    problem = a_problem()
    problem["calendar"]["first_day"] = "2026-09-07"
    problem_id = uploaded(planner, problem)
    events: list[Any] = []
    for _ in range(2):
        job_id = finished(api, planner, problem_id, A_TIMETABLE)
        if events:
            api.sql("UPDATE timetables SET completed_at = completed_at + interval '1 minute' WHERE job_id = %s", job_id)
        answer = planner.get(f"/api/timetables/{job_id}/variants/1", params={"format": "ics"})
        (event,) = icalendar.Calendar.from_ical(answer.content).walk("VEVENT")
        events.append(event)
    earlier, later = events
    assert str(earlier["UID"]) == str(later["UID"])
    assert int(later["SEQUENCE"]) > int(earlier["SEQUENCE"])
    stamp: datetime = later.decoded("DTSTAMP")
    assert stamp.tzinfo is not None


def test_a_curriculum_is_a_view_like_any_other(variant: str, planner: httpx.Client) -> None:
    whole = planner.get(variant, params={"curriculum": "all"}).json()
    assert [p["class"] for p in whole["placements"]] == ["c1"]
    assert whole["unplaced"] == []
    refused(planner.get(variant, params={"curriculum": "none"}), 422, "invalid_request")
    refused(planner.get(variant, params={"curriculum": "all", "room": "r1"}), 422, "invalid_request")


def test_files_of_another_organisation_are_not_found(variant: str, stranger: httpx.Client) -> None:
    for format in (*FILES, "html"):
        refused(stranger.get(variant, params={"format": format}), 404, "variant_not_found")

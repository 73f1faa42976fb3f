"""The web page in a real browser: everything a planner does, from signing in to taking the timetable along.

Speaks to the page as a person does: by labels, names and keys, never by how it is built where a name will do.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from horarium.client import Submitted
from horarium.university import generate_university
from schemas.problem.model import Class, Course, Problem
from schemas.timetable import Timetable
from services.api.seed import seed_demo
from services.runtime.tokens import COOKIE
from tests.e2e.browser import PATIENCE_MS, Scheme, Visit, chromium, visit
from tests.e2e.conftest import EMAIL, PASSWORD, System, wait_for, whole_system
from tests.e2e.kafka_writing import publish_request
from tests.e2e.problems import a_department

pytestmark = pytest.mark.browser

# Longer than every wait of these tests: such a job ends because it is stopped or cancelled.
SEARCH_S = 600
# Playwright's own patience for one expectation, 5 s, is short for two busy cores.
expect.set_options(timeout=PATIENCE_MS)


@dataclass(frozen=True)
class Site:
    """The running system, the browser, and what the tests look at."""

    system: System
    browser: Browser
    problem: Problem
    problem_file: Path
    problem_id: str
    finished: Submitted

    @property
    def url(self) -> str:
        return self.system.services.api.url

    def start(self, **options: object) -> Submitted:
        """A job that searches until somebody ends it."""
        job = self.system.client.generate(self.problem_id, time_limit_s=SEARCH_S, **options)
        self.system.running(job)
        return job


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    """Two variants are searched at once, however few cores there are."""
    with whole_system(SOLVER_SLOTS="2") as running:
        yield running


@pytest.fixture(scope="module")
def site(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    problem = generate_university(courses=30, students=300, faculty=45, seed=7)
    file = tmp_path_factory.mktemp("web") / "university.json"
    file.write_text(problem.model_dump_json(exclude_none=True, by_alias=True))
    with chromium() as browser:
        uploaded = system.client.upload(file.read_bytes())
        finished = system.client.generate(uploaded["id"], time_limit_s=1, variants=2)
        system.ended(finished)
        wait_for("the result to be readable", lambda: len(system.client.job(finished.job_id)["variants"]) == 2)
        yield Site(system, browser, problem, file, uploaded["id"], finished)


def sign_in(page: Page, email: str = EMAIL, password: str = PASSWORD) -> None:
    page.goto("/")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Timetables", level=1)).to_be_visible()


def show(page: Page, address: str) -> None:
    """Another address within the page, as if typed."""
    page.evaluate("address => { location.hash = address }", address)


def test_from_sign_in_to_export(site: Site) -> None:
    with visit(site.browser, site.url) as visitor:
        page = visitor.page
        _a_wrong_password_is_told(visitor)
        sign_in(page)
        page.keyboard.press("n")
        expect(page.get_by_role("heading", name="New timetable")).to_be_visible()
        _a_bad_problem_is_told_with_places(visitor)
        job_id = _a_problem_is_dragged_in_and_generated(page, site)
        _progress_is_live_and_survives_a_reload(page)
        page.get_by_role("button", name="Stop").click()
        page.get_by_role("dialog").get_by_role("button", name="Stop and keep the best").click()
        expect(page.get_by_role("heading", name="Stopped on request")).to_be_visible()
        expect(page.get_by_text(re.compile(r"general-annealing · seed \d+ · .* · stopped$")).first).to_be_visible()
        assert site.system.client.job(job_id)["status"] == "stopped"
        page.get_by_role("link", name="Timetable", exact=True).click()
        _the_week_is_read(page, site.problem)
        _a_room_is_exported(page, site)
        page.get_by_role("link", name="Compare", exact=True).click()
        expect(page.get_by_role("row", name=re.compile("total cost"))).to_be_visible()
        expect(page.get_by_text(re.compile(r"of \d+ classes the same"))).to_be_visible()
        page.get_by_role("link", name="Verdict").click()
        expect(page.get_by_role("heading", name="Every hard rule is kept")).to_be_visible()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in to Horarium")).to_be_visible()
        page.goto("/#/jobs")
        expect(page.get_by_role("heading", name="Sign in to Horarium")).to_be_visible()


def _a_wrong_password_is_told(visitor: Visit) -> None:
    visitor.expect(401)
    page = visitor.page
    page.goto("/")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("wrong")


def _a_bad_problem_is_told_with_places(visitor: Visit) -> None:
    visitor.expect(422)
    bad: dict[str, Any] = a_department()
    bad["courses"][0]["configs"][0]["subparts"][0]["classes"][0]["instructors"] = ["<img src=x onerror=alert(1)>"]
    bad["students"][0]["courses"] = ["no-such-course"]
    page = visitor.page
    _drop(page, "bad.json", json.dumps(bad))
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Nothing was stored")
    expect(alert).to_contain_text("/courses/0/configs/0/subparts/0/classes/0/instructors/0")
    expect(alert).to_contain_text("/students/0/courses/0")
    # What a file says is text, also when it looks like markup.
    expect(alert.get_by_text("<img src=x")).to_be_visible()
    assert page.locator("main img").count() == 0


def _drop(page: Page, name: str, text: str) -> None:
    """A file dragged from elsewhere and let go over the page."""
    dragged = page.evaluate_handle(
        """([name, text]) => {
          const dragged = new DataTransfer();
          dragged.items.add(new File([text], name));
          return dragged;
        }""",
        [name, text],
    )
    page.dispatch_event("main", "dragover", {"dataTransfer": dragged})
    expect(page.locator(".drop.over")).to_be_visible()
    page.dispatch_event("main", "drop", {"dataTransfer": dragged})


def _a_problem_is_dragged_in_and_generated(page: Page, site: Site) -> str:
    _drop(page, "notes.pages", "not a problem")
    expect(page.get_by_role("alert")).to_contain_text("The format cannot be told")
    # By the file dialog this time.
    page.get_by_label("Drag a problem in").set_input_files(site.problem_file)
    expect(page.get_by_text("has been checked and stored")).to_be_visible()
    expect(page.get_by_role("radio", name=re.compile("30 courses"))).to_be_checked()
    page.get_by_role("spinbutton", name="Time limit").fill("0")
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_text("A whole number from 1 to 1800.")).to_be_visible()
    page.get_by_role("spinbutton", name="Time limit").fill(str(SEARCH_S))
    page.get_by_role("spinbutton", name="Variants").fill("2")
    page.get_by_text("When to stop early").click()
    page.get_by_role("spinbutton", name="Patience").fill("1800")
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_enabled()
    found = re.search(r"/jobs/([0-9a-f-]{36})", page.url)
    assert found
    page.get_by_text("What was asked for").click()
    expect(page.get_by_text("30 min 00 s without improvement")).to_be_visible()
    return found[1]


def _progress_is_live_and_survives_a_reload(page: Page) -> None:
    """Both variants have a lane with a score, the curve is drawn, and it is still there after a reload."""

    def is_live() -> None:
        lanes = page.get_by_role("region", name="Variants").get_by_role("listitem")
        expect(lanes).to_have_count(2)
        for lane in lanes.all():
            expect(lane).to_contain_text(re.compile(r"Improving.*cost [\d,]+", re.DOTALL))
        expect(
            page.get_by_role("region", name="Progress").get_by_text(re.compile(r"last report \d+ s ago"))
        ).to_be_visible()

    is_live()
    expect(page.locator(".curve-line").first).to_be_visible()
    words = page.locator(".chart p")
    expect(words).to_contain_text("Variant 1: from cost")
    began = re.search(r"Variant 1: from cost ([\d,]+)", words.inner_text() or "")
    assert began
    page.reload()
    is_live()
    expect(words).to_contain_text(f"Variant 1: from cost {began[1]}")


def _the_week_is_read(page: Page, problem: Problem) -> None:
    """By room at first; by instructor by typing; a class by keyboard alone; back to where one came from."""
    expect(page.get_by_role("button", name="Room", exact=True)).to_have_attribute("aria-pressed", "true")
    teacher = next(i for i in problem.instructors if any(i.id in c.instructors for c in _classes(problem)))
    assert teacher.name
    page.keyboard.press("2")
    page.keyboard.press("/")
    page.keyboard.type(teacher.name)
    expect(page.get_by_role("listbox").get_by_role("option").first).to_contain_text(teacher.name)
    page.keyboard.press("Enter")
    expect(page.get_by_text(f"Instructor {teacher.name} ·")).to_be_visible()
    meeting = page.locator(".meeting").first
    meeting.focus()
    page.keyboard.press("Enter")
    panel = page.get_by_role("complementary", name="Class")
    expect(panel).to_contain_text(teacher.name)
    expect(panel).to_contain_text(re.compile(r"\d+ % of the (room's seats|places)"))
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(meeting).to_be_focused()


def _a_room_is_exported(page: Page, site: Site) -> None:
    """The file that is saved is what the api gives for this room."""
    page.get_by_role("button", name="Room", exact=True).click()
    page.get_by_role("button", name="Export").click()
    dialog = page.get_by_role("dialog", name="Export")
    with page.expect_download() as download:
        dialog.get_by_role("link", name="CSV").first.click()
    text = download.value.path().read_text()
    name = re.search(r"-room-(.+)\.csv$", download.value.suggested_filename)
    assert name
    rows = list(csv.DictReader(text.splitlines()))
    assert rows
    assert {row["room"] for row in rows} == {name[1]}
    dialog.get_by_role("button", name="Close").click()


def _classes(problem: Problem) -> Iterator[Class]:
    for course in problem.courses:
        yield from _classes_of(course)


def _classes_of(course: Course) -> Iterator[Class]:
    for config in course.configs:
        for subpart in config.subparts:
            yield from subpart.classes


def test_a_running_job_is_followed_through_restarts_and_cancelled(site: Site) -> None:
    job = site.start()
    _a_viewer_may_look_and_nothing_else(site, job)
    with visit(site.browser, site.url) as visitor:
        page = visitor.page
        sign_in(page)
        show(page, f"/jobs/{job.job_id}")
        _a_restart_of_the_services_is_outlived(visitor, site)
        page.get_by_role("button", name="Cancel").click()
        page.get_by_role("dialog").get_by_role("button", name="Go back").click()
        assert site.system.client.job(job.job_id)["status"] == "running"
        page.get_by_role("button", name="Cancel").click()
        page.get_by_role("dialog").get_by_role("button", name="Cancel and discard").click()
        expect(page.get_by_role("heading", name="Cancelled")).to_be_visible()
        assert site.system.client.job(job.job_id)["status"] == "cancelled"


def _a_restart_of_the_services_is_outlived(visitor: Visit, site: Site) -> None:
    """The progress service away: the api's word is shown, and the page says so. Both away: it waits, and comes back."""
    visitor.expect(0, 401, 404, 503)
    page = visitor.page
    progress, api = site.system.services.progress, site.system.services.api
    note = page.locator(".connection")
    expect(page.get_by_text("Improving").first).to_be_visible()
    try:
        progress.process.stop()
        expect(note).to_have_text("Live stream unavailable, asking every 2 s")
        api.process.stop()
        expect(note).to_have_text("Reconnecting …")
    finally:
        progress.start()
        api.start()
    expect(note).to_have_text("")
    expect(page.get_by_role("button", name="Cancel")).to_be_enabled()


def _a_viewer_may_look_and_nothing_else(site: Site, job: Submitted) -> None:
    viewer = "viewer@test.example"
    seed_demo(site.system.stack.addresses.database_url, viewer, PASSWORD, "Test University", role="viewer")
    with visit(site.browser, site.url) as visitor:
        page = visitor.page
        sign_in(page, viewer)
        expect(page.get_by_role("link", name="New")).to_have_count(0)
        show(page, f"/jobs/{job.job_id}")
        expect(page.get_by_text("Improving").first).to_be_visible()
        expect(page.get_by_role("button", name=re.compile("Stop|Cancel"))).to_have_count(0)


def test_the_best_other_places_of_a_class_are_told_with_what_they_cost(site: Site) -> None:
    timetable = Timetable.model_validate_json(site.system.client.variant(site.finished.job_id, 1, format="json"))
    chosen = next(p for p in timetable.placements if p.room)
    asked = httpx.get(
        f"{site.url}/api/timetables/{site.finished.job_id}/variants/1/alternatives",
        params={"class": chosen.class_id, "limit": 8},
        headers={"Authorization": f"Bearer {site.system.client.token}"},
        timeout=30,
    )
    assert asked.status_code == 200, asked.text
    answer = asked.json()
    assert answer["alternatives"]
    with visit(site.browser, site.url) as visitor:
        page = visitor.page
        sign_in(page)
        show(page, f"/jobs/{site.finished.job_id}/variants/1?by=room&of={chosen.room}&class={chosen.class_id}")
        panel = page.get_by_role("complementary", name="Class")
        panel.get_by_role("button", name="Other places").click()
        places = panel.locator(".places > li")
        expect(places).to_have_count(len(answer["alternatives"]))
        for place, told in zip(places.all(), answer["alternatives"], strict=True):
            cost = f"cost {'+' if told['total'] > 0 else '−'}{abs(told['total']):,}" if told["total"] else "same cost"
            expect(place).to_contain_text(cost)
            broken = told["hard_violations"]
            expect(place.get_by_text(re.compile("more hard violation"))).to_have_count(1 if broken > 0 else 0)
        first = places.first
        if first.get_by_text("Why").count():
            first.get_by_text("Why").click()
            expect(first.locator(".reasons li").first).to_be_visible()
        visitor.accessible("other places")


def test_the_week_of_everyone_shows_their_classes(site: Site) -> None:
    """Room, instructor, student, curriculum, course: found by typing, with as many classes as the api's export has."""
    content = site.system.client.variant(site.finished.job_id, 1, format="json")
    timetable = Timetable.model_validate_json(content)
    classes = {cls.id: cls for cls in _classes(site.problem)}
    course_of = {cls.id: course for course in site.problem.courses for cls in _classes_of(course)}
    busy = timetable.enrolments[0]
    curriculum = site.problem.curricula[0]
    room = next(p.room for p in timetable.placements if p.room)
    teacher = next(t for cls in classes.values() for t in cls.instructors)
    course = site.problem.courses[0]
    expected = {
        "room": (room, sum(p.room == room for p in timetable.placements)),
        "instructor": (teacher, sum(teacher in cls.instructors for cls in classes.values())),
        "student": (busy.student, len(busy.classes)),
        "curriculum": (curriculum.id, sum(course_of[name].id in curriculum.courses for name in classes)),
        "course": (course.id, len(list(_classes_of(course)))),
    }
    with visit(site.browser, site.url) as visitor:
        page = visitor.page
        sign_in(page)
        show(page, f"/jobs/{site.finished.job_id}/variants/1?as=list")
        for kind, (wanted, count) in expected.items():
            page.get_by_role("group", name="Show by").get_by_role("button", name=kind.capitalize(), exact=True).click()
            page.get_by_role("combobox", name="Find").fill(wanted)
            page.get_by_role("listbox").get_by_role("option").first.click()
            words = re.compile(rf"^{kind.capitalize()} .*· {count} class(es)?\b")
            expect(page.locator(".tt-facts")).to_have_text(words)
            assert f"of={wanted}" in page.url
            expect(page.locator(".agenda-row").first).to_be_visible()


def test_every_end_is_told_with_what_to_do(site: Site) -> None:
    """Infeasible with its proof and failed with the place, as they come; timed out as a job's answer with that end."""
    crowded = a_department(2)
    crowded["rooms"] = crowded["rooms"][:1]
    crowded["time_domains"][0]["options"] = crowded["time_domains"][0]["options"][:1]
    crowded["students"] = []
    uploaded = site.system.client.upload(json.dumps(crowded).encode())
    infeasible = site.system.client.generate(uploaded["id"], time_limit_s=2)
    assert site.system.ended(infeasible)["status"] == "infeasible"
    broken = a_department(2)
    broken["students"][0]["courses"] = ["no-such-course"]
    failed = publish_request(site.system, site.system.organization_id, broken)
    assert site.system.ended(failed)["status"] == "failed"
    with visit(site.browser, site.url) as visitor:
        page = visitor.page
        sign_in(page)
        outcome = page.get_by_role("region", name="Outcome")
        show(page, f"/jobs/{infeasible.job_id}")
        expect(outcome).to_contain_text("No timetable can keep every hard rule")
        expect(outcome.get_by_role("list").first).to_contain_text(re.compile("room|class-"))
        expect(outcome).to_contain_text("What would help")
        expect(outcome.get_by_role("list").last).to_contain_text(
            re.compile("^If class .* hard violations? (are|is) left")
        )
        show(page, f"/jobs/{failed.job_id}")
        expect(outcome).to_contain_text("Failed")
        expect(outcome).to_contain_text("no-such-course")
        expect(outcome).to_contain_text("/students/0/courses/0")
        visitor.accessible("failed")

        def timed_out(route: Route) -> None:
            route.fulfill(json={**site.system.client.job(site.finished.job_id), "status": "timed_out"})

        page.route(f"**/api/timetables/{site.finished.job_id}", timed_out)
        show(page, f"/jobs/{site.finished.job_id}")
        expect(outcome).to_contain_text("The time limit ended the job")
        expect(outcome).to_contain_text("The best timetable found until then is kept.")
        page.unroute_all()


def test_files_are_had_after_a_page_was_read_for_long(site: Site) -> None:
    """The access cookie is gone after a quarter of an hour; an idle page has had no reason to renew it."""
    with visit(site.browser, site.url) as visitor:
        visitor.expect(401)
        page = visitor.page
        sign_in(page)
        show(page, f"/jobs/{site.finished.job_id}/variants/1")
        expect(page.locator(".meeting").first).to_be_visible()
        page.get_by_role("button", name="Export").click()
        dialog = page.get_by_role("dialog", name="Export")
        page.context.clear_cookies(name=COOKIE)
        with page.expect_download() as download:
            dialog.get_by_role("link", name="CSV").first.click()
        assert download.value.path().read_text().startswith("course,")
        page.context.clear_cookies(name=COOKIE)
        with page.context.expect_page() as opened:
            dialog.get_by_role("link", name="Printable page").first.click()
        expect(opened.value.locator("table").first).to_be_visible()
        opened.value.close()
        dialog.get_by_role("button", name="Close").click()
        show(page, "/new")
        expect(page.locator(".choice").first).to_be_visible()
        page.context.clear_cookies(name=COOKIE)
        with page.expect_download() as download:
            page.get_by_role("link", name="CSV templates").click()
        assert download.value.path().read_bytes().startswith(b"PK")
        page.context.clear_cookies()
        page.get_by_role("link", name="CSV templates").click()
        expect(page.get_by_role("heading", name="Sign in to Horarium")).to_be_visible()


def test_a_script_in_the_page_gets_no_token(site: Site) -> None:
    """Not even one that signs in, or renews, as the page does."""
    with visit(site.browser, site.url) as visitor:
        page = visitor.page
        sign_in(page)
        told = page.evaluate(
            """async ([email, password]) => {
              const post = (path, body) => fetch(path, { method: "POST", body: body && JSON.stringify(body),
                headers: { "Content-Type": "application/json", "X-Requested-With": "x" } }).then((a) => a.json());
              const answers = [await post("/api/auth/login", { email, password }), await post("/api/auth/refresh")];
              return [...answers, document.cookie];
            }""",
            [EMAIL, PASSWORD],
        )
    assert [answer["access_token"] for answer in told[:2]] == [None, None]
    assert told[2] == ""


def test_the_arithmetic_of_a_week(site: Site) -> None:
    """Overlapping meetings stand side by side, a clash is one only in a week that both share, weeks read as words."""
    with visit(site.browser, site.url) as visitor:
        visitor.page.goto("/")
        told = visitor.page.evaluate(
            """async () => {
              const { weekWords } = await import("/web/js/timetable/model.js");
              const { meetingsByDay } = await import("/web/js/timetable/meetings.js");
              const cls = (id, from, until, weeks) => ({ id, time: { days: [0], from, until, weeks } });
              const classes = [cls("a", 540, 600, "10"), cls("b", 540, 660, "01"), cls("c", 600, 660, "11"),
                               cls("d", 660, 720, "11")];
              const shown = (week) => meetingsByDay(classes, 1, week)[0]
                .map(({ cls, column, columns, clash }) => [cls.id, column, columns, clash]);
              const words = ["1111", "1111111000", "1010101", "010101", "1001", "1000", "1101110"].map(weekWords);
              return { words, all: shown(null), first: shown(0) };
            }"""
        )
    words = ["", "weeks 1–7", "odd weeks", "even weeks", "weeks 1, 4", "week 1", "weeks 1, 2, 4–6"]
    assert told["words"] == words
    # b lasts from before c begins, in another week than a but in one that c shares.
    assert told["all"] == [["b", 0, 2, True], ["a", 1, 2, False], ["c", 1, 2, True], ["d", 0, 1, False]]
    assert told["first"] == [["a", 0, 1, False], ["c", 0, 1, False], ["d", 0, 1, False]]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_every_view_is_accessible_and_fits(site: Site, scheme: Scheme, width: int) -> None:
    """axe-core finds nothing serious; nothing has to be scrolled sideways, also on the narrowest phone."""
    running = site.start(variants=2)
    with visit(site.browser, site.url, scheme=scheme, width=width) as visitor:
        page = visitor.page
        page.goto("/")
        expect(page.get_by_role("heading", name="Sign in to Horarium")).to_be_visible()
        visitor.accessible("sign-in")
        sign_in(page)
        done = site.finished.job_id
        views = {
            "live": (f"/jobs/{running.job_id}", ".lane .good-text"),
            "jobs": ("/jobs", "table.jobs tbody tr"),
            "new": ("/new", ".choice"),
            "result": (f"/jobs/{done}", ".results"),
            "week": (f"/jobs/{done}/variants/1?as=grid", ".meeting"),
            "list": (f"/jobs/{done}/variants/1?by=student&as=list", ".agenda-row"),
            "compare": (f"/jobs/{done}/compare", ".figures"),
            "verdict": (f"/jobs/{done}/variants/1/violations", ".bars, .outcome"),
        }
        for name, (address, sign) in views.items():
            show(page, address)
            expect(page.locator(sign).first).to_be_visible()
            visitor.fits(name)
            visitor.accessible(name)
            visitor.picture(f"{name}-{scheme}-{width}")
            if name == "live":
                # It would only take the cores from the browser.
                site.system.client.control(running.job_id, "cancel")
        page.keyboard.press("?")
        expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
        visitor.accessible("keyboard help")

"""Workbooks and pages of timetables: what they show is what the timetable says, and nothing in them can run."""

from __future__ import annotations

import io
from html.parser import HTMLParser

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from horarium.university import plan_university
from schemas.formats.html_timetable import write_html
from schemas.formats.placed_classes import placed_classes
from schemas.formats.week_grid import by_room, week_grid
from schemas.formats.xlsx_timetable import write_xlsx
from schemas.problem.findings import InvalidTimetableError
from schemas.problem.model import Instructor, Problem, Room
from schemas.referee import judge
from schemas.timetable import Timetable, Unplaced
from tests.unit.schemas.building import a_class, a_course, a_problem, a_room, a_student, a_timetable, anywhere

WHEN = ["MW 1-3", "M 2-4 w1", "M 4-5", "F 0-1"]


def a_busy_problem(name: str = "Algebra <b>&") -> Problem:
    classes = [a_class(f"c{n}", rooms=anywhere("r"), instructors=["i"]) for n in range(4)]
    courses = [a_course(f"x{n}", [cls]) for n, cls in enumerate(classes)]
    courses[0] = courses[0].model_copy(update={"name": name})
    return a_problem(
        courses,
        WHEN,
        rooms=[Room(id="r", name="Hall", capacity=50), a_room("empty")],
        instructors=[Instructor(id="i", name="Ada Kim")],
        students=[a_student("s", "x0", "x3")],
    )


TIMETABLE = a_timetable(
    {f"c{n}": when for n, when in enumerate(WHEN)}, dict.fromkeys(["c0", "c1", "c2"], "r"), {"s": ["c0", "c3"]}
)


class Table(HTMLParser):
    """Every table of a page as rows of (text, columns, rows) cells, and the tags and attributes of the whole page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[list[list[tuple[str, int, int]]]] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.add(tag)
        self.attributes |= set(values)
        if tag not in ("meta", "col"):
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append(("", int(values.get("colspan") or 1), int(values.get("rowspan") or 1)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open):
            text, columns, rows = self.tables[-1][-1][-1]
            self.tables[-1][-1][-1] = (text + data + "|", columns, rows)


def test_a_room_has_a_grid_with_overlapping_classes_side_by_side() -> None:
    page = Table(write_html(a_busy_problem(), TIMETABLE))
    room, roomless = page.tables
    assert [(text, columns) for text, columns, _ in room[0]] == [
        *(("", 1), ("Mon|", 2), ("Tue|", 1), ("Wed|", 1), ("Thu|", 1), ("Fri|", 1))
    ]
    nine, ten = room[1], room[2]
    assert nine[0][0] == "09:00|"
    assert nine[1] == ("Algebra <b>& (c0)|09:00-11:00|r|Ada Kim|", 1, 2)
    assert ten[1] == ("c1|10:00-12:00|weeks 1|r|Ada Kim|", 1, 2)
    assert "c3|08:00-09:00|Ada Kim|" in [text for row in roomless for text, _, _ in row]
    assert page.tags.isdisjoint({"script", "img", "link", "iframe", "a"})
    assert page.attributes.isdisjoint({"style", "src", "href"})


@given(st.lists(st.sampled_from(["M 0-2", "M 1-3", "MT 0-4", "TRF 2-3", "F 3-9", "M 2-3 w2", "W 0-10"]), max_size=8))
def test_every_row_of_a_grid_is_as_wide_as_its_head(times: list[str]) -> None:
    names = [f"c{n}" for n in range(len(times))]
    problem = a_problem([a_course(name, [a_class(name)]) for name in names or ["c"]], times or ["M 0-2"])
    (grid,) = Table(write_html(problem, a_timetable(dict(zip(names, times, strict=True))), "Room r")).tables or [[[]]]
    width = sum(columns for _, columns, _ in grid[0])
    covered = [0] * len(grid)
    for n, row in enumerate(grid):
        for _, columns, rows in row:
            for below in range(n, n + rows):
                covered[below] += columns
    assert covered == [width] * len(grid)


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '" onmouseover="alert(1)', "</style><script>", "&lt;"])
def test_names_cannot_leave_their_cells(name: str) -> None:
    problem = a_busy_problem(name).model_copy(update={"name": name})
    text = write_html(problem, TIMETABLE, f"Room {name}")
    page = Table(text)
    assert "script" not in page.tags
    assert "onmouseover" not in page.attributes
    assert any(f"{name} (c0)|" in cell for row in page.tables[0] for cell, _, _ in row)


def test_a_view_without_classes_says_so_and_what_is_not_placed_is_listed() -> None:
    assert "No classes." in write_html(a_busy_problem(), Timetable(placements=[]), "Room empty")
    missing = Timetable(placements=[], unplaced=[Unplaced(class_id="c1", reason="no <room>")])
    assert "<li>c1: no &lt;room&gt;</li>" in write_html(a_busy_problem(), missing)


def test_another_problems_timetable_is_refused() -> None:
    with pytest.raises(InvalidTimetableError):
        write_html(a_busy_problem(), a_timetable({"z": "MW 1-3"}))
    with pytest.raises(InvalidTimetableError):
        write_xlsx(a_busy_problem(), a_timetable({"z": "MW 1-3"}), [])


def test_a_workbook_shows_meetings_weeks_students_and_violations() -> None:
    problem = a_busy_problem("=1+1")
    content = write_xlsx(problem, TIMETABLE, judge(problem, TIMETABLE).violations)
    assert content == write_xlsx(problem, TIMETABLE, judge(problem, TIMETABLE).violations)
    book = openpyxl.load_workbook(io.BytesIO(content))
    sheets = {s.title: [list(row) for row in s.iter_rows(values_only=True)] for s in book.worksheets}
    assert [row[2] for row in sheets["Meetings"]] == ["Class", "c0", "c1", "c2", "c3"]
    name = book["Meetings"]["B2"]
    assert (name.value, name.data_type, name.quotePrefix) == ("=1+1", "s", True)
    assert sheets["Rooms"][0] == ["Room", "Start", "Mon", "Tue", "Wed", "Thu", "Fri"]
    assert sheets["Rooms"][1][:3] == ["r, Hall", "09:00", "c0 (to 11:00)"]
    assert sheets["Rooms"][2][:3] == ["r, Hall", "10:00", "c1 (to 12:00, weeks 1)"]
    assert ["i, Ada Kim", "08:00", None, None, None, None, "c3 (to 09:00)"] in sheets["Instructors"]
    assert sheets["Students"][1:] == [
        ["s", None, "x0", "c0", "Mon Wed 09:00-11:00", "r"],
        ["s", None, "x3", "c3", "Fri 08:00-09:00", None],
    ]
    assert {row[0] for row in sheets["Violations"][1:]} >= {"room_conflict"}


def test_a_universitys_grids_hold_every_meeting_once_and_nothing_overlaps_in_a_lane() -> None:
    university = plan_university(40, 200, 30, seed=2)
    placed, _ = placed_classes(university.problem, university.witness)
    grids = by_room(university.problem, placed)
    meetings = [meeting for grid in grids for meeting in grid.meetings]
    assert len(meetings) == sum(item.time.days.count("1") for item in placed)
    everything = week_grid("all", placed, university.problem.calendar.days)
    lanes: dict[tuple[int, int], int] = {}
    for meeting in everything.meetings:
        assert lanes.get((meeting.day, meeting.lane), 0) <= meeting.start
        lanes[meeting.day, meeting.lane] = meeting.end
        assert meeting.lane < everything.lanes[meeting.day]

"""Problems as spreadsheets: what registrars type is understood, and what is wrong is named by sheet, row and column."""

from __future__ import annotations

import datetime as dt
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from schemas.formats.tables.layout import ALL_SETTINGS, SHEETS
from schemas.formats.tables.template import template_bundle, template_workbook
from schemas.problem.check import check
from schemas.problem.findings import InvalidProblemError
from schemas.problem.model import Problem
from schemas.problem.read import ProblemFormat, TableFormat, guess_format, load_problem
from schemas.problem.sizes import classes_of
from tests.unit.schemas.sheets import SETTINGS, Sheets, archive, bundle, read, refused, some_sheets, workbook


@pytest.fixture(params=[bundle, workbook], ids=["bundle", "workbook"])
def made(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_a_small_problem_is_read_from_either_kind_of_file(made: Any) -> None:
    problem = read(made(some_sheets()))
    assert (problem.name, problem.calendar.slots_per_day, problem.calendar.first_slot) == ("Autumn", 20, "08:00")
    (cls,) = classes_of(problem)
    assert (cls.id, cls.limit, cls.room_needs is not None) == ("algebra-1", 20, True)
    (time,) = problem.times
    assert (time.id, time.days, time.weeks, time.start, time.length) == ("Mon 09:00-10:30", "10000", "1111", 2, 3)


def test_both_templates_say_the_same_valid_problem() -> None:
    from_bundle = load_problem(template_bundle(), TableFormat.CSV)
    assert from_bundle.problem == read(template_workbook(), TableFormat.XLSX)
    assert len(from_bundle.classes) == 6
    assert template_workbook() == template_workbook()
    book = openpyxl.load_workbook(io.BytesIO(template_workbook()))
    assert book.sheetnames[0] == "Read me"
    notes = " ".join(str(row[2]) for row in book["Read me"].iter_rows(values_only=True))
    for sheet in book.worksheets[1:]:
        # The example has sections to choose from: with rules for students it could not be solved.
        assert (sheet.max_row > 1) == (sheet.title != "Student rules"), sheet.title
        assert sheet.freeze_panes == "A2"
    assert "Mon Wed 09:00-09:50" in notes


def test_the_format_is_told_by_the_content_whatever_the_name_says() -> None:
    assert guess_format("", workbook(some_sheets())) is TableFormat.XLSX
    assert guess_format("", bundle(some_sheets())) is TableFormat.CSV
    assert guess_format("term.xlsx") is TableFormat.XLSX
    assert read(workbook(some_sheets()), TableFormat.CSV) == read(workbook(some_sheets()), TableFormat.XLSX)
    with pytest.raises(InvalidProblemError, match=r"Save it as \.xlsx"):
        guess_format("", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")


# -- what registrars type ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_any_spreadsheets_csv_is_read(delimiter: str, encoding: str) -> None:
    sheets = some_sheets(Rooms=[["Room", "Name", "Capacity"], ["r1", "Hörsaal; groß, hell", 30]])
    assert read(bundle(sheets, delimiter, encoding)).rooms[0].name == "Hörsaal; groß, hell"


def test_a_line_that_names_the_separator_is_understood() -> None:
    settings = "sep=;\r\nSetting;Value\r\nName;A, B, C, D\r\nWeeks;1\r\n"
    courses = "Course,Expected students,Times,Room needed\r\nx,1,Mon 08:00-09:00,no\r\n"
    assert read(archive({"settings.csv": settings.encode(), "courses.csv": courses.encode()})).name == "A, B, C, D"


def test_numbers_stored_as_floats_and_empty_rows_do_no_harm(made: Any) -> None:
    rows: list[list[object]] = [["Room", "Capacity"], [], ["101", 30.0], ["", ""], ["102", "12.0"], [" ", None], []]
    problem = read(made(some_sheets(Rooms=rows)))
    assert [(room.id, room.capacity) for room in problem.rooms] == [("101", 30), ("102", 12)]


def test_numeric_ids_of_a_workbook_match_however_the_cell_is_stored() -> None:
    sheets = some_sheets(
        Courses=[["Course", "Expected students", "Times", "Room needed"], [101, 5, "Mon 09:00-10:00", False]],
        Requests=[["Student", "Course"], ["007", "101"], [8.0, 101.0]],
    )
    problem = read(workbook(sheets))
    assert [(s.id, s.courses) for s in problem.students] == [("007", ["101"]), ("8", ["101"])]


def test_leading_zeros_that_only_the_number_format_shows_are_kept() -> None:
    book = openpyxl.load_workbook(io.BytesIO(workbook(some_sheets(Rooms=[["Room", "Capacity"], [7, 30]]))))
    book["Rooms"]["A2"].number_format = "000"
    out = io.BytesIO()
    book.save(out)
    assert read(out.getvalue()).rooms[0].id == "007"


def test_clock_times_and_dates_of_a_workbook_are_understood() -> None:
    settings = [
        *SETTINGS[:3],
        ["Day starts", dt.time(8)],
        ["Day ends", dt.time(18)],
        ["First day", dt.date(2026, 9, 8)],
    ]
    times: list[list[object]] = [
        ["Time", "Days", "Start", "End", "Weeks"],
        ["t", "tue - thu", dt.time(9, 30), "11.00 AM", "odd weeks"],
    ]
    courses: list[list[object]] = [["Course", "Expected students", "Times"], ["x", 5, "t"]]
    problem = read(workbook(some_sheets(Settings=settings, Times=times, Courses=courses)))
    assert problem.calendar.first_day == "2026-09-08"
    time = problem.times[0]
    assert (time.days, time.weeks, time.start, time.length) == ("11100", "1010", 18, 18)


@pytest.mark.parametrize(
    ("text", "days", "weeks", "start", "length"),
    [
        ("Fri 08:00-10:00", "00001", None, 0, 4),
        ("08:00 to 9:00", None, None, 0, 2),
        ("Mon, Wed 13:00-14:00, weeks 1-2 4", "10100", "1101", 10, 2),
        ("tuesday", "01000", None, 0, 20),
        ("Thu-Fri even weeks", "00011", "0101", 0, 20),
    ],
)
def test_absences_are_written_as_people_say_them(
    made: Any, text: str, days: str | None, weeks: str | None, start: int, length: int
) -> None:
    rows: list[list[object]] = [["Room", "Capacity", "Unavailable"], ["r1", 30, ""], ["r2", 30, f"{text}; Mon"]]
    block = read(made(some_sheets(Rooms=rows))).rooms[1].unavailable[0]
    assert (block.days, block.weeks, block.start, block.length) == (days, weeks, start, length)


def test_a_course_of_sections_and_meetings_becomes_classes_with_all_their_times(made: Any) -> None:
    courses: list[list[object]] = [
        ["Course", "Expected students", "Sections", "Meetings per week", "Minutes", "Instructors", "Room needed"],
        ["algebra", 50, 3, 2, 90, "ann, bob, cyd", "no"],
        ["logic", 10, "", 2, 90, "ann; bob", "no"],
    ]
    people: list[list[object]] = [["Instructor"], ["ann"], ["bob"], ["cyd"]]
    problem = read(made(some_sheets(Courses=courses, Instructors=people)))
    algebra, logic = problem.courses
    assert [(c.id, c.limit, c.instructors) for c in algebra.configs[0].subparts[0].classes] == [
        ("algebra-1", 17, ["ann"]),
        ("algebra-2", 17, ["bob"]),
        ("algebra-3", 16, ["cyd"]),
    ]
    assert logic.configs[0].subparts[0].classes[0].instructors == ["ann", "bob"]
    (times,) = problem.time_domains
    # Ten pairs of days, starts every hour from 08:00 to 16:00 (a class from 17:00 would not end by 18:00).
    assert len(times.options) == len(problem.times) == 90
    penalties = {o.time: o.penalty for o in times.options}
    assert (penalties["Mon Wed 08:00-09:30"], penalties["Mon Tue 16:00-17:30"]) == (0, 1)


def test_classes_gather_into_configurations_and_parts(made: Any) -> None:
    classes: list[list[object]] = [
        ["Class", "Course", "Configuration", "Part", "Limit", "Parent", "Times", "Rooms"],
        ["lec", "algebra", "on site", "lecture", 30, "", "Mon 08:00-09:00 (2); Tue 08:00-09:00", 'r1 (3); "r,2"'],
        ["online", "algebra", "remote", "", 99, "", "Mon 08:00-09:00", ""],
        ["lab", "algebra", "on site", "lab", 15, "lec", "Wed 08:00-09:00", "r1"],
    ]
    sheets = some_sheets(
        Courses=[["Course"], ["algebra"]],
        Classes=classes,
        Rooms=[["Room", "Capacity"], ["r1", 50], ["r,2", 99]],
    )
    course = read(made(sheets)).courses[0]
    shape = [(k.id, [(s.id, [c.id for c in s.classes]) for s in k.subparts]) for k in course.configs]
    assert shape == [("on site", [("lecture", ["lec"]), ("lab", ["lab"])]), ("remote", [("1", ["online"])])]
    lecture = course.configs[0].subparts[0].classes[0]
    assert [(o.time, o.penalty) for o in lecture.times or ()] == [("Mon 08:00-09:00", 2), ("Tue 08:00-09:00", 0)]
    assert [(o.room, o.penalty) for o in lecture.rooms or ()] == [("r1", 3), ("r,2", 0)]


def test_rules_walks_and_pins(made: Any) -> None:
    sheets = some_sheets(
        Rooms=[["Room", "Capacity", "Building"], ["r1", 30, "A"], ["r2", 30, "B"]],
        Courses=[["Course", "Expected students", "Sections", "Times"], ["x", 20, 2, "Mon 09:00-10:00"]],
        Distributions=[
            ["Type", "Parameters", "Classes", "Penalty"],
            ["max breaks", "1; 90 min", "x-1, x-2", 3],
            ["SameDays", "", "x-1, x-2", "required"],
        ],
        Travel=[["From", "To", "Minutes", "Between"], ["A", "B", 40, ""], ["r1", "r2", 30, "rooms"]],
        Pins=[["Class", "Time", "Room"], ["x-1", "Mon 09:00-10:00", "r2"]],
    )
    problem = read(made(sheets))
    breaks, days = problem.distributions
    assert (breaks.type.value, breaks.parameters, breaks.penalty) == ("MaxBreaks", [1, 3], 3)
    assert (days.required, days.penalty) == (True, None)
    assert (problem.building_travel[0].slots, problem.room_travel[0].slots) == (2, 1)
    assert (problem.pins[0].time, problem.pins[0].room) == ("Mon 09:00-10:00", "r2")


def test_sheets_and_columns_for_people_are_passed_over(made: Any) -> None:
    sheets: Sheets = some_sheets(Rooms=[["Room", "Notes", "capacity", "#old"], ["r1", "leaks", 30, 5]])
    assert read(made(sheets | {"#scratch": [["anything"]], "Notes": [["call Bob"]]})).rooms[0].capacity == 30


# -- what is wrong ----------------------------------------------------------------------------------------------------


def test_every_finding_comes_at_once_with_sheet_row_and_column() -> None:
    sheets = some_sheets(
        Rooms=[["Room", "Capacity", "Unavailable"], ["r1", "many", ""], ["r2", 30, "Fry 08:00-09:00"], ["r2", 30, ""]],
        Courses=[
            ["Course", "Expected students", "Times", "Instructors"],
            ["x", 20, "Mon 09:10-10:30", "nobody"],
            ["y", 20, "Mon 09:00-10:30", "nobody"],
        ],
        Requests=[["Student", "Course"], ["s", "x"], ["s", "z"], ["", "x"]],
    )
    assert sorted(refused(workbook(sheets))) == [
        ("duplicate_id", "Rooms, row 4, column Room"),
        ("empty_cell", "Requests, row 4, column Student"),
        ("malformed_days", "Rooms, row 3, column Unavailable"),
        ("not_a_number", "Rooms, row 2, column Capacity"),
        ("unknown_course", "Requests, row 3, column Course"),
        ("unknown_instructor", "Courses, row 3, column Instructors"),
        ("unknown_time", "Courses, row 2, column Times"),
    ]


BAD: dict[str, tuple[Sheets, str, str]] = {
    "a sheet with a wrong name": (some_sheets(Room=[["Room", "Capacity"]]), "unknown_sheet", "Room"),
    "a necessary sheet is missing": ({"Settings": SETTINGS}, "missing_sheet", "Courses"),
    "an unknown column": (some_sheets(Rooms=[["Room", "Capacty"]]), "unknown_column", "Rooms, row 1, column Capacty"),
    "a missing column": (some_sheets(Rooms=[["Room"], ["r1"]]), "missing_column", "Rooms, row 1, column Capacity"),
    "a column twice": (
        some_sheets(Rooms=[["Room", "Capacity", "room"], ["r1", 1, "r1"]]),
        "duplicate_column",
        "Rooms, row 1, column Room",
    ),
    "a cell without a header": (
        some_sheets(Rooms=[["Room", "Capacity"], ["r1", 30, "?"]]),
        "missing_header",
        "Rooms, row 2, column 3",
    ),
    "a missing setting": (some_sheets(Settings=SETTINGS[:2]), "missing_setting", "Settings, column Weeks"),
    "an unknown setting": (
        some_sheets(Settings=[*SETTINGS, ["Colour", "red"]]),
        "unknown_setting",
        "Settings, row 7, column Setting",
    ),
    "a setting out of range": (
        some_sheets(Settings=[*SETTINGS[:2], ["Weeks", 61]]),
        "out_of_range",
        "Settings, row 3, column Value",
    ),
    "a day that ends before it starts": (
        some_sheets(Settings=[*SETTINGS[:3], ["Day starts", "18:00"], ["Day ends", "08:00"]]),
        "off_the_grid",
        "Settings, column Day ends",
    ),
    "an impossible date": (
        some_sheets(Settings=[*SETTINGS, ["First day", "07.09.2026"]]),
        "not_a_date",
        "Settings, row 7, column Value",
    ),
    "thousands separators": (
        some_sheets(Rooms=[["Room", "Capacity"], ["r1", "1,000"]]),
        "not_a_number",
        "Rooms, row 2, column Capacity",
    ),
    "a negative number": (
        some_sheets(Rooms=[["Room", "Capacity"], ["r1", "-1"]]),
        "not_a_number",
        "Rooms, row 2, column Capacity",
    ),
    "a number beyond all sense": (
        some_sheets(Rooms=[["Room", "Capacity"], ["r1", "9999999999"]]),
        "less_than_equal",
        "Rooms, row 2, column Capacity",
    ),
    "a course without a time": (
        some_sheets(Courses=[["Course", "Expected students"], ["x", 5]]),
        "times_or_time_set",
        "Courses, row 2, column Times",
    ),
    "a course with two kinds of times": (
        some_sheets(
            Courses=[
                ["Course", "Expected students", "Times", "Meetings per week", "Minutes"],
                ["x", 5, "Mon 09:00-10:00", 2, 60],
            ]
        ),
        "times_or_time_set",
        "Courses, row 2, column Times",
    ),
    "meetings off the grid": (
        some_sheets(Courses=[["Course", "Expected students", "Meetings per week", "Minutes"], ["x", 5, 2, 50]]),
        "off_the_grid",
        "Courses, row 2, column Minutes",
    ),
    "more meetings than days": (
        some_sheets(Courses=[["Course", "Expected students", "Meetings per week", "Minutes"], ["x", 5, 6, 60]]),
        "out_of_range",
        "Courses, row 2, column Meetings per week",
    ),
    "a course described twice": (
        some_sheets(
            Classes=[["Class", "Course", "Limit", "Times"], ["a", "algebra", 5, "Mon 09:00-10:00"]],
        ),
        "described_twice",
        "Courses, row 2, column Times",
    ),
    "a class of an unknown course": (
        some_sheets(Classes=[["Class", "Course", "Limit", "Times"], ["a", "z", 5, "Mon 09:00-10:00"]]),
        "unknown_course",
        "Classes, row 2, column Course",
    ),
    "rooms and what rooms must have": (
        some_sheets(
            Courses=[["Course", "Expected students", "Times", "Rooms", "Features"], ["x", 5, "Mon", "r1", "board"]]
        ),
        "rooms_or_needs",
        "Courses, row 2, column Features",
    ),
    "no room is large enough": (
        some_sheets(Courses=[["Course", "Expected students", "Times"], ["x", 500, "Mon 09:00-10:00"]]),
        "class_without_room",
        "Courses, row 2",
    ),
    "an unknown rule": (
        some_sheets(Distributions=[["Type", "Classes", "Penalty"], ["NoFridays", "algebra-1", 1]]),
        "unknown_type",
        "Distributions, row 2, column Type",
    ),
    "a rule without its parameter": (
        some_sheets(Distributions=[["Type", "Classes", "Penalty"], ["MaxDays", "algebra-1", 1]]),
        "parameter_count",
        "Distributions, row 2, column Parameters",
    ),
    "a rule over an unknown class": (
        some_sheets(Distributions=[["Type", "Classes", "Penalty"], ["SameDays", "algebra-9", 1]]),
        "unknown_class",
        "Distributions, row 2, column Classes",
    ),
    "a student that is not listed": (
        some_sheets(Students=[["Student"], ["a"]], Requests=[["Student", "Course"], ["b", "algebra"]]),
        "unknown_student",
        "Requests, row 2, column Student",
    ),
    "an open quote in a list": (
        some_sheets(Rooms=[["Room", "Capacity", "Features"], ["r1", 5, '"a" b']]),
        "malformed_list",
        "Rooms, row 2, column Features",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_named_by_its_place(name: str) -> None:
    sheets, code, place = BAD[name]
    found = refused(workbook(sheets))
    assert any(c.startswith(code) and p.startswith(place) for c, p in found), found
    in_bundle = refused(bundle(sheets))
    assert [c for c, _ in in_bundle] == [c for c, _ in found]


def test_messages_speak_of_sheets_and_not_of_json() -> None:
    sheets = some_sheets(
        Courses=[["Course", "Expected students", "Times", "Rooms"], ["x", 5, "Mon 09:00-10:00", "r9"]],
        Pins=[["Class", "Room"], ["z", "r1"]],
    )
    with pytest.raises(InvalidProblemError) as caught:
        read(workbook(sheets))
    messages = [f.message for f in caught.value.findings]
    assert any("'r9' is not defined in the sheet Rooms" in m for m in messages), messages
    assert any("'z' is not defined in the sheet Classes" in m for m in messages), messages
    assert not any("/" in m for m in messages)


def test_a_date_that_the_spreadsheet_made_is_named_as_such() -> None:
    times: list[list[object]] = [
        ["Time", "Days", "Start", "End", "Weeks"],
        ["t", "Mon", "09:00", "10:00", dt.date(2026, 1, 7)],
    ]
    rooms: list[list[object]] = [["Room", "Capacity"], [dt.datetime(2026, 4, 3), 30]]  # noqa: DTZ001  # as spreadsheets do
    assert refused(workbook(some_sheets(Times=times, Rooms=rooms))) == [
        ("unexpected_date", "Times, row 2, column Weeks"),
        ("unexpected_date", "Rooms, row 2, column Room"),
    ]


def test_a_refused_problem_leaves_the_native_reader_as_it_was() -> None:
    problem = read(bundle(some_sheets()))
    assert isinstance(problem, Problem)
    assert check(problem) == []
    assert load_problem(problem.model_dump_json(by_alias=True).encode(), ProblemFormat.NATIVE).problem == problem


def test_every_sheet_column_and_setting_is_documented() -> None:
    text = (Path(__file__).parents[3] / "docs" / "formats.md").read_text()
    words = {column.header for sheet in SHEETS for column in sheet.columns}
    words |= {sheet.name for sheet in SHEETS} | {setting.name for setting in ALL_SETTINGS}
    assert {word for word in words if word not in text} == set()


def test_contracts_and_templates_need_no_library_for_workbooks() -> None:
    """Solvers read stored problems and have no such library; only reading a workbook takes one."""
    program = (
        "import sys; sys.modules['openpyxl'] = None\n"
        "import schemas.problem.read, schemas.events, schemas.formats.tables.reading\n"
        "from schemas.formats.tables.template import template_bundle, template_workbook\n"
        "from schemas.problem.read import *\n"
        "assert template_workbook()\n"
        "print(read_problem(template_bundle(), TableFormat.CSV).name)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("Autumn term (example)\n", "")


def test_without_the_library_a_workbook_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("schemas.formats.tables.workbook.find_spec", lambda _: None)
    with pytest.raises(InvalidProblemError, match=r"horarium\[api\]"):
        read(workbook(some_sheets()))

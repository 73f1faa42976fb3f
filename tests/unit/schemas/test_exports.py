"""CSV and iCalendar: what is written says what the timetable says, and is safe to open."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from typing import Any

import icalendar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.formats.csv_timetable import COLUMNS, write_csv
from schemas.formats.ical import write_ical
from schemas.problem.findings import InvalidTimetableError
from schemas.problem.model import Calendar, Instructor, Problem, TimeBlock
from schemas.problem.wording import day_names, in_words, weeks_in_words
from schemas.timetable import Timetable, Unplaced
from tests.unit.schemas.building import (
    a_class,
    a_course,
    a_problem,
    a_room,
    a_time,
    a_timetable,
    anywhere,
)


def a_dated_problem(first_day: str | None = "2026-09-07") -> Problem:
    course = a_course("x", [a_class("x1", rooms=anywhere("r"), instructors=["i"]), a_class("x2")])
    problem = a_problem(
        [course.model_copy(update={"name": "Algebra, with care"})],
        ["MW 1-3", "T 0-1 w2"],
        rooms=[a_room("r", building="R")],
        instructors=[Instructor(id="i", name="Ada Kim")],
    )
    return problem.model_copy(update={"calendar": problem.calendar.model_copy(update={"first_day": first_day})})


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_line_has_day_clock_weeks_room_and_people() -> None:
    timetable = a_timetable({"x1": "MW 1-3"}, {"x1": "r"})
    timetable = timetable.model_copy(update={"unplaced": [Unplaced(class_id="x2", reason="no time left")]})
    first, second = rows(write_csv(a_dated_problem(), timetable))
    assert tuple(first) == COLUMNS
    assert list(first.values()) == [
        *("x", "Algebra, with care", "x1", "Mon Wed", "09:00", "11:00", "1-2", "r", "R", "Ada Kim", "10", "")
    ]
    assert (second["class"], second["days"], second["note"]) == ("x2", "", "not placed: no time left")


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0"])
def test_a_name_that_a_spreadsheet_would_run_is_text(name: str) -> None:
    problem = a_problem([a_course(name, [a_class(name)])])
    (row,) = rows(write_csv(problem, a_timetable({name: "M 0-2"})))
    assert (row["course"], row["class"]) == (f"'{name}", f"'{name}")


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20))
def test_no_cell_starts_like_a_formula_and_every_line_has_all_cells(name: str) -> None:
    problem = a_problem([a_course(name, [a_class(name)])])
    text = write_csv(problem, a_timetable({name: "M 0-2"}))
    parsed = list(csv.reader(io.StringIO(text, newline="")))
    assert [len(row) for row in parsed] == [len(COLUMNS)] * 2
    assert parsed[1][0].removeprefix("'") == name.removeprefix("'") or parsed[1][0] == name
    assert not parsed[1][0].startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def dates(content: bytes, cls: str) -> list[datetime]:
    """When an event takes place, read by the rule's own words (weekly, weekdays, count, exceptions)."""
    # Any: the library's types do not tell which property holds what.
    events: list[Any] = icalendar.Calendar.from_ical(content).walk("VEVENT")
    (event,) = [e for e in events if cls in str(e["SUMMARY"])]
    start: datetime = event.decoded("DTSTART")
    if "RRULE" not in event:
        return [start]
    weekdays = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
    days = [weekdays.index(d) for d in event["RRULE"]["BYDAY"]]
    days_on = (start + timedelta(days=n) for n in range(1000))
    repeated = [d for d in days_on if d.weekday() in days][: event["RRULE"]["COUNT"][0]]
    excepted = [d.dt for d in event["EXDATE"].dts] if "EXDATE" in event else []
    return [d for d in repeated if d not in excepted]


def test_a_class_is_one_event_repeated_weekly() -> None:
    timetable = a_timetable({"x1": "MW 1-3", "x2": "T 0-1 w2"}, {"x1": "r"})
    content = write_ical(a_dated_problem(), timetable, "job")
    assert dates(content, "x1") == [datetime(2026, 9, day, 9) for day in (7, 9, 14, 16)]  # noqa: DTZ001  # floating
    assert dates(content, "x2") == [datetime(2026, 9, 15, 8)]  # noqa: DTZ001  # floating
    event = icalendar.Calendar.from_ical(content).walk("VEVENT")[0]
    assert event.decoded("DTEND") - event.decoded("DTSTART") == timedelta(hours=2)
    assert str(event["SUMMARY"]) == "Algebra, with care (x1)"
    assert (str(event["LOCATION"]), str(event["DESCRIPTION"])) == ("r (R)", "Ada Kim")


@given(
    st.lists(st.booleans(), min_size=8, max_size=8).filter(any),
    st.lists(st.booleans(), min_size=5, max_size=5).filter(any),
)
def test_missing_weeks_have_no_meeting(weeks: list[bool], days: list[bool]) -> None:
    time = {"id": "t", "start": 0, "length": 1}
    time |= {"weeks": "".join("01"[w] for w in weeks), "days": "".join("01"[d] for d in days)}
    problem = Problem.model_validate(
        {
            "name": "gaps",
            "calendar": {"weeks": 8, "days": 5, "slots_per_day": 1, "first_day": "2026-03-05"},
            "times": [time],
            "courses": [a_course("a", [a_class("a", time_domain=None, times=[{"time": "t"}])])],
        }
    )
    first = datetime(2026, 3, 5)  # noqa: DTZ001  # floating
    expected = [
        first + timedelta(weeks=w, days=d) for w, meets in enumerate(weeks) for d, on in enumerate(days) if meets and on
    ]
    assert dates(write_ical(problem, a_timetable({"a": "t"}), "job"), "a") == expected


def test_the_same_class_keeps_its_uid_when_it_moves_and_classes_have_their_own() -> None:
    def uids(timetable: Timetable, namespace: str) -> list[str]:
        content = write_ical(a_dated_problem(), timetable, namespace)
        return [str(e["UID"]) for e in icalendar.Calendar.from_ical(content).walk("VEVENT")]

    before = uids(a_timetable({"x1": "MW 1-3", "x2": "T 0-1 w2"}), "job")
    assert uids(a_timetable({"x1": "T 0-1 w2", "x2": "MW 1-3"}), "job") == before
    assert len({*before, *uids(a_timetable({"x1": "MW 1-3", "x2": "T 0-1 w2"}), "other")}) == 4


def test_without_a_first_day_there_are_no_dates() -> None:
    with pytest.raises(InvalidTimetableError, match="no 'first_day'"):
        write_ical(a_dated_problem(None), a_timetable({"x1": "MW 1-3"}), "job")


@pytest.mark.parametrize(
    ("timetable", "code"),
    [
        (a_timetable({"z": "MW 1-3"}), "unknown_class"),
        (a_timetable({"x1": "never"}), "unknown_time"),
        (a_timetable({"x1": "MW 1-3"}, {"x1": "z"}), "unknown_room"),
        (Timetable(placements=[], unplaced=[Unplaced(class_id="z", reason="")]), "unknown_class"),
    ],
)
def test_another_problems_timetable_is_refused(timetable: Timetable, code: str) -> None:
    problem = a_dated_problem()
    with pytest.raises(InvalidTimetableError) as caught:
        write_csv(problem, timetable)
    assert [f.code for f in caught.value.findings] == [code]
    with pytest.raises(InvalidTimetableError, match=caught.value.findings[0].message):
        write_ical(problem, timetable, "job")


def test_weeks_and_days_in_words() -> None:
    calendar = Calendar(weeks=8, days=3, slots_per_day=10, slot_minutes=30, first_slot="13:30", first_day="2026-09-05")
    assert day_names(calendar) == ("Sat", "Sun", "Mon")
    block = TimeBlock(start=1, length=9, days="101", weeks="11101001")
    assert weeks_in_words(calendar, block) == "1-3 5 8"
    assert in_words(calendar, block) == "Sat Mon 14:00-18:30, weeks 1-3 5 8"
    assert in_words(a_problem([a_course("a", [a_class("a")])]).calendar, a_time("TR 0-2")) == "Tue Thu 08:00-10:00"

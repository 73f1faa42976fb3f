"""A timetable as CSV for spreadsheets: one line per class, days, hours and weeks in words.

Owns the columns and the escaping. It writes what the timetable holds: whoever wants one room's or one student's passes
that part of the timetable. Must not know HTTP or files.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from schemas.formats.csv_text import as_text
from schemas.formats.placed_classes import placed_classes
from schemas.problem.model import Problem
from schemas.problem.wording import clock, days_in_words, weeks_in_words
from schemas.timetable import Timetable

COLUMNS = (
    "course",
    "course name",
    "class",
    "days",
    "start",
    "end",
    "weeks",
    "room",
    "building",
    "instructors",
    "seats",
    "note",
)


def write_csv(problem: Problem, timetable: Timetable) -> str:
    """RFC 4180 with a header line; classes without a place have empty cells and the reason as their note.

    A cell that a spreadsheet would run as a formula begins with an apostrophe. Raises `InvalidTimetableError` if the
    timetable is not one of the problem's.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for row in meeting_rows(problem, timetable):
        writer.writerow([as_text(cell) for cell in row])
    return out.getvalue()


def meeting_rows(problem: Problem, timetable: Timetable) -> Iterator[list[str]]:
    """The cells of `COLUMNS` for every class, those without a place last.

    Raises `InvalidTimetableError` if the timetable is not one of the problem's.
    """
    calendar = problem.calendar
    placed, unplaced = placed_classes(problem, timetable)
    for item in placed:
        time, room = item.time, item.room
        yield [
            item.course.id,
            item.course.name or "",
            item.cls.id,
            days_in_words(calendar, time),
            clock(calendar, time.start),
            clock(calendar, time.start + time.length),
            weeks_in_words(calendar, time),
            "" if room is None else room.id,
            "" if room is None else room.building or "",
            "; ".join(item.instructors),
            str(item.cls.limit),
            "",
        ]
    for missing in unplaced:
        course, cls = missing.course, missing.cls
        people = "; ".join(missing.instructors)
        note = f"not placed: {missing.reason}"
        yield [course.id, course.name or "", cls.id, *[""] * 6, people, str(cls.limit), note]

"""A timetable as CSV for spreadsheets: one line per class, days, hours and weeks in words.

Owns the columns and the escaping. It writes what the timetable holds: whoever wants one room's or one student's passes
that part of the timetable. Must not know HTTP or files.
"""

from __future__ import annotations

import csv
import io

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

# A spreadsheet runs a cell that begins so as a formula, which may fetch addresses or start programs on the reader's
# machine; and names come from uploads. An apostrophe in front makes it text (OWASP, "CSV Injection").
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def write_csv(problem: Problem, timetable: Timetable) -> str:
    """RFC 4180 with a header line; classes without a place have empty cells and the reason as their note.

    Raises `InvalidTimetableError` if the timetable is not one of the problem's.
    """
    calendar = problem.calendar
    placed, unplaced = placed_classes(problem, timetable)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for item in placed:
        time, room = item.time, item.room
        writer.writerow(
            _safe(
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
            )
        )
    for missing in unplaced:
        course, cls = missing.course, missing.cls
        nowhere = [""] * 6
        people = "; ".join(missing.instructors)
        note = f"not placed: {missing.reason}"
        writer.writerow(_safe(course.id, course.name or "", cls.id, *nowhere, people, str(cls.limit), note))
    return out.getvalue()


def _safe(*cells: str) -> list[str]:
    return [f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell for cell in cells]

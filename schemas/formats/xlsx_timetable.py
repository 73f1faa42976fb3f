"""A timetable as a workbook: all meetings, the weeks of rooms and instructors, students, what is violated.

Owns the sheets. It writes what the timetable holds: whoever wants one room's or one student's passes that part, and the
violations that concern it. Must not know HTTP or files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from schemas.formats.csv_timetable import COLUMNS, meeting_rows
from schemas.formats.placed_classes import PlacedClass, placed_classes
from schemas.formats.week_grid import WeekGrid, by_instructor, by_room
from schemas.formats.xlsx_writing import Workbook
from schemas.problem.model import Calendar, Problem
from schemas.problem.wording import clock, day_names, in_words, weeks_in_words
from schemas.referee.verdict import Violation
from schemas.timetable import Timetable

# Of the sheet Students: a class of a student each. A university of 100,000 students has as many as this.
MAX_ATTENDANCES = 700_000


def write_xlsx(problem: Problem, timetable: Timetable, violations: Sequence[Violation]) -> bytes:
    """The workbook; the same arguments give the same bytes.

    Raises `InvalidTimetableError` if the timetable is not one of the problem's.
    """
    calendar = problem.calendar
    placed, _ = placed_classes(problem, timetable)
    book = Workbook()
    headers = [column.capitalize() for column in COLUMNS]
    book.add(
        "Meetings", headers, meeting_rows(problem, timetable), widths=(14, 30, 18, 16, 8, 8, 14, 12, 12, 28, 8, 40)
    )
    days = day_names(calendar)
    for name, grids in (("Rooms", by_room(problem, placed)), ("Instructors", by_instructor(problem, placed))):
        rows = (row for grid in grids for row in _week(grid, calendar, with_room=name != "Rooms"))
        book.add(name, (name[:-1], "Start", *days), rows, widths=(24, 8, *[26] * len(days)), wrapped=True)
    students = ("Student", "Name", "Course", "Class", "When", "Room")
    book.add("Students", students, _attendances(problem, timetable, placed), widths=(14, 24, 14, 18, 44, 12))
    book.add(
        "Violations",
        ("Rule", "What", "Room", "When"),
        ((v.rule, v.message, v.where, v.when) for v in violations),
        widths=(22, 110, 14, 36),
    )
    return book.content()


def _week(grid: WeekGrid, calendar: Calendar, with_room: bool) -> Iterator[list[str]]:
    """A row for each hour at which something starts: what starts then, under its day."""
    for start in sorted({meeting.start for meeting in grid.meetings}):
        cells = [""] * calendar.days
        for meeting in grid.meetings:
            if meeting.start == start:
                item = meeting.placed
                room = f", {item.room.id}" if with_room and item.room is not None else ""
                weeks = f", weeks {weeks_in_words(calendar, item.time)}" if "0" in item.time.weeks else ""
                line = f"{item.cls.id} (to {clock(calendar, meeting.end)}{room}{weeks})"
                cells[meeting.day] += f"\n{line}" if cells[meeting.day] else line
        yield [grid.title, clock(calendar, start), *cells]


def _attendances(problem: Problem, timetable: Timetable, placed: Sequence[PlacedClass]) -> Iterator[list[str]]:
    """A row for each class that a student attends."""
    names = {student.id: student.name or "" for student in problem.students}
    where = {
        item.cls.id: [
            item.course.id,
            item.cls.id,
            in_words(problem.calendar, item.time),
            "" if item.room is None else item.room.id,
        ]
        for item in placed
    }
    written = 0
    for enrolment in timetable.enrolments:
        for cls in enrolment.classes:
            if written == MAX_ATTENDANCES:
                yield [f"More than {MAX_ATTENDANCES:,} rows: ask for one student, or for JSON."]
                return
            written += 1
            yield [enrolment.student, names.get(enrolment.student, ""), *where.get(cls, ["", cls, "not placed", ""])]
    for missing in timetable.unsectioned:
        reason = f"no seat: {missing.reason}"
        yield [missing.student, names.get(missing.student, ""), missing.course, "", reason, ""]

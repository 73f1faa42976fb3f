"""Templates: every sheet with its columns, what goes into them, and a small university to type over.

Owns the example. Must not know how workbooks and CSV files are stored.
"""

from __future__ import annotations

from schemas.formats.tables import layout
from schemas.formats.tables.bundle import Cell, write_bundle
from schemas.formats.tables.layout import Sheet
from schemas.formats.tables.workbook import write_workbook

_Row = dict[str, Cell]

_EXAMPLE: dict[Sheet, list[_Row]] = {
    layout.SETTINGS: [
        {"Setting": "Name", "Value": "Autumn term (example)"},
        {"Setting": "Weeks", "Value": 15},
        {"Setting": "Days per week", "Value": 5},
        {"Setting": "Day starts", "Value": "08:00"},
        {"Setting": "Day ends", "Value": "18:00"},
        {"Setting": "Slot minutes", "Value": 5},
        {"Setting": "First day", "Value": "2026-09-07"},
        {"Setting": "Starts every", "Value": 60},
        {"Setting": "Weight of time penalties", "Value": 1},
        {"Setting": "Weight of room penalties", "Value": 1},
        {"Setting": "Weight of distributions", "Value": 1},
        {"Setting": "Weight of student conflicts", "Value": 5},
    ],
    layout.ROOMS: [
        {"Room": "A-101", "Name": "Lecture hall", "Capacity": 60, "Building": "A", "Features": "projector; board"},
        {"Room": "A-102", "Capacity": 30, "Building": "A", "Features": "board", "Unavailable": "Fri 14:00-18:00"},
        {
            "Room": "B-007",
            "Name": "Computer laboratory",
            "Capacity": 25,
            "Building": "B",
            "Features": "computers; projector",
            "Unavailable": "Mon 08:00-10:00 weeks 1-2; Wed 12:00-13:00",
        },
    ],
    layout.INSTRUCTORS: [
        {"Instructor": "noether", "Name": "Emmy Noether", "Unavailable": "Fri; Mon-Thu 08:00-09:00"},
        {"Instructor": "turing", "Name": "Alan Turing"},
        {"Instructor": "hopper", "Name": "Grace Hopper", "Unavailable": "Tue 08:00-12:00 odd weeks"},
    ],
    layout.COURSES: [
        {
            "Course": "ALG-1",
            "Name": "Algebra 1",
            "Expected students": 55,
            "Sections": 1,
            "Meetings per week": 2,
            "Minutes": 90,
            "Instructors": "noether",
            "Features": "projector",
            "Preferred buildings": "A",
            "Elsewhere penalty": 2,
        },
        {
            "Course": "LOG-1",
            "Name": "Logic",
            "Expected students": 50,
            "Sections": 2,
            "Times": "Mon 13:00-15:00; Tue 13:00-15:00; Fri 08:00-10:00 (5)",
            "Instructors": "turing, hopper",
        },
        {"Course": "PRG-1", "Name": "Programming (rows in Classes)"},
    ],
    layout.CLASSES: [
        {
            "Class": "PRG-1-lecture",
            "Course": "PRG-1",
            "Part": "lecture",
            "Limit": 45,
            "Time set": "two hours",
            "Instructors": "hopper",
            "Features": "projector",
        },
        {
            "Class": "PRG-1-lab-1",
            "Course": "PRG-1",
            "Part": "lab",
            "Limit": 25,
            "Time set": "two hours",
            "Instructors": "turing",
            "Rooms": "B-007",
        },
        {
            "Class": "PRG-1-lab-2",
            "Course": "PRG-1",
            "Part": "lab",
            "Limit": 20,
            "Time set": "two hours",
            "Instructors": "turing",
            "Rooms": "B-007; A-102 (10)",
        },
    ],
    layout.TIMES: [
        {"Time": "TUE-10", "Days": "Tue", "Start": "10:00", "End": "12:00"},
        {"Time": "WED-10", "Days": "Wed", "Start": "10:00", "End": "12:00"},
        {"Time": "THU-16", "Days": "Thu", "Start": "16:00", "End": "18:00", "Weeks": "weeks 1-7 9-15"},
    ],
    layout.TIME_SETS: [
        {"Time set": "two hours", "Time": "TUE-10"},
        {"Time set": "two hours", "Time": "WED-10"},
        {"Time set": "two hours", "Time": "THU-16", "Penalty": 3},
        {"Time set": "two hours", "Time": "Thu 10:00-12:00"},
    ],
    layout.STUDENTS: [
        {"Student": "s1001", "Name": "Ada Kim"},
        {"Student": "s1002", "Name": "Ben Okafor"},
        {"Student": "s1003", "Name": "Chi Rossi"},
    ],
    layout.REQUESTS: [
        {"Student": "s1001", "Course": "ALG-1"},
        {"Student": "s1001", "Course": "PRG-1"},
        {"Student": "s1002", "Course": "ALG-1"},
        {"Student": "s1002", "Course": "LOG-1"},
        {"Student": "s1003", "Course": "PRG-1"},
    ],
    layout.CURRICULA: [
        {"Curriculum": "MATH-Y1", "Name": "Mathematics, year 1", "Courses": "ALG-1; LOG-1", "Penalty": 10},
        {"Curriculum": "CS-Y1", "Name": "Computer science, year 1", "Courses": "ALG-1; PRG-1", "Penalty": 10},
    ],
    layout.DISTRIBUTIONS: [
        {"Type": "NotOverlap", "Classes": "PRG-1-lab-1; PRG-1-lab-2", "Penalty": "required"},
        {"Type": "Precedence", "Classes": "PRG-1-lecture; PRG-1-lab-1", "Penalty": 4},
        {"Type": "MaxDayLoad", "Parameters": "4 h", "Classes": "LOG-1-1; PRG-1-lab-1; PRG-1-lab-2", "Penalty": 2},
    ],
    layout.STUDENT_RULES: [],  # the example has sections to choose from, which no search takes beside such rules
    layout.TRAVEL: [{"From": "A", "To": "B", "Minutes": 10}],
    layout.PINS: [{"Class": "ALG-1-1", "Time": "Mon Wed 10:00-11:30", "Room": "A-101"}],
}


def template_workbook() -> bytes:
    """An .xlsx file; always the same bytes."""
    return write_workbook(_sheets(), _notes())


def template_bundle() -> bytes:
    """A .zip of CSV files; always the same bytes."""
    notes = "".join(": ".join(str(cell) for cell in row if cell) + "\r\n" for row in _notes())
    return write_bundle(_sheets(), notes)


def _sheets() -> list[tuple[Sheet, list[tuple[Cell, ...]]]]:
    return [
        (sheet, [tuple(row.get(header) for header in sheet.headers) for row in _EXAMPLE[sheet]])
        for sheet in layout.SHEETS
    ]


def _notes() -> list[tuple[Cell, ...]]:
    """What a person needs to know, then every sheet and column."""
    general = (
        "This file describes a whole problem. Type over the example rows, and remove the rows that you do not need.",
        "Settings and Courses are necessary; every other sheet may be left out. Sheets and columns for yourselves are"
        " passed over if their name begins with '#', or is 'Notes'.",
        "An entry of a list with a comma or semicolon in it stands in double quotes.",
    )
    rows: list[tuple[Cell, ...]] = [("", "", sentence) for sentence in general]
    for sheet in layout.SHEETS:
        rows.append((sheet.name, "", sheet.meaning + (" Necessary." if sheet.required else "")))
        rows += [
            (sheet.name, column.header, column.meaning + (" Necessary." if column.required else ""))
            for column in sheet.columns
        ]
        if sheet is layout.SETTINGS:
            rows += [
                (sheet.name, setting.name, setting.meaning + _default(setting.default))
                for setting in layout.ALL_SETTINGS
            ]
    return rows


def _default(default: str | None) -> str:
    if default is None:
        return " Necessary."
    return f" Empty means {default}." if default else ""

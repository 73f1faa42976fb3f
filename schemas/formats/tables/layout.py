"""The sheets and columns of a problem in a spreadsheet, and what each means.

Owns the words that a registrar reads in headers, templates and documentation. Must not know how cells are parsed, nor
how workbooks and CSV files are stored.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its header, what goes in, and whether a sheet without it is refused."""

    header: str
    meaning: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet (a CSV file of the same name in small letters): one row per thing."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    required: bool = False

    @property
    def headers(self) -> tuple[str, ...]:
        return tuple(column.header for column in self.columns)

    @property
    def file_name(self) -> str:
        """Its name in a bundle of CSV files."""
        return f"{self.name.lower().replace(' ', '_')}.csv"


_BLOCKS = "Times when it cannot be used, separated by ';': 'Fri 08:00-10:00; Mon Wed 13:00-14:00 weeks 1-7; Tue'."
_PENALTY_IN_BRACKETS = "a penalty in brackets after each if it is less welcome"

_WHEN_AND_WHERE = (
    Column("Time set", "A set from the sheet Time sets. Leave empty if Times is filled."),
    Column(
        "Times",
        "Possible times, separated by ';': ids from the sheet Times, or written out as 'Mon Wed 09:00-09:50' or"
        f" 'Tue 14:00-16:00 weeks 1-7'; {_PENALTY_IN_BRACKETS}: 'Fri 16:00-17:30 (5)'.",
    ),
    Column("Instructors", "Ids from the sheet Instructors, separated by ',' or ';'."),
    Column("Room needed", "'no' if it takes place without a room; otherwise leave empty."),
    Column("Rooms", f"Only these rooms, separated by ',' or ';', {_PENALTY_IN_BRACKETS}: 'A-101; B-2 (3)'."),
    Column("Features", "What the room must have, separated by ',' or ';'. Not together with Rooms."),
    Column("Minimum capacity", "Seats that the room must have, if not as many as students may attend."),
    Column("Buildings", "Only rooms in these buildings will do."),
    Column("Preferred buildings", "Rooms elsewhere cost the elsewhere penalty."),
    Column("Elsewhere penalty", "Cost of a room outside the preferred buildings; empty means 0."),
)

SETTINGS = Sheet(
    "Settings",
    "The term: how many weeks and days, and the hours of teaching.",
    (
        Column("Setting", "What is set.", required=True),
        Column("Value", "Its value.", required=True),
    ),
    required=True,
)
ROOMS = Sheet(
    "Rooms",
    "One row per room.",
    (
        Column("Room", "A unique id.", required=True),
        Column("Name", "For people to read."),
        Column("Capacity", "Seats.", required=True),
        Column("Building", "Walking times are between buildings."),
        Column("Features", "What the room has, separated by ',' or ';': 'projector, board'."),
        Column("Unavailable", _BLOCKS),
    ),
)
INSTRUCTORS = Sheet(
    "Instructors",
    "One row per instructor. Nobody teaches two classes at once.",
    (
        Column("Instructor", "A unique id.", required=True),
        Column("Name", "For people to read."),
        Column("Unavailable", _BLOCKS),
    ),
)
COURSES = Sheet(
    "Courses",
    "One row per course. A simple course is described here alone; one with labs or unequal sections has rows in"
    " Classes, and only its id and name here.",
    (
        Column("Course", "A unique id.", required=True),
        Column("Name", "For people to read."),
        Column("Expected students", "Seats wanted over all sections."),
        Column("Sections", "How many sections share the students; empty means 1. Section n is class 'COURSE-n'."),
        Column(
            "Meetings per week",
            "With Minutes, instead of Time set and Times: every combination of that many days, at the same hour.",
        ),
        Column("Minutes", "Length of each of those meetings."),
        *_WHEN_AND_WHERE,
    ),
    required=True,
)
CLASSES = Sheet(
    "Classes",
    "One row per class, for courses that need more than Courses can say. A student attends one class of each part of"
    " one configuration of the course.",
    (
        Column("Class", "A unique id.", required=True),
        Column("Course", "A course from the sheet Courses.", required=True),
        Column("Configuration", "Alternative ways to attend the course; empty means '1'."),
        Column("Part", "'lecture', 'lab', ...; students attend one class of each; empty means '1'."),
        Column("Limit", "Seats for students.", required=True),
        Column("Parent", "A class of another part that students of this one attend too."),
        *_WHEN_AND_WHERE,
    ),
)
TIMES = Sheet(
    "Times",
    "One row per weekly meeting pattern that other sheets name by its id.",
    (
        Column("Time", "A unique id.", required=True),
        Column("Days", "'Mon Wed Fri', 'Mon-Fri', or 'every day'.", required=True),
        Column("Start", "As 09:00.", required=True),
        Column("End", "As 09:50.", required=True),
        Column("Weeks", "'weeks 1-7 9', 'odd weeks' or 'even weeks'; empty means every week."),
    ),
)
TIME_SETS = Sheet(
    "Time sets",
    "Named choices of times that many classes share: one row per set and time.",
    (
        Column("Time set", "The set's id.", required=True),
        Column("Time", "An id from the sheet Times, or a time written out as 'Mon Wed 09:00-09:50'.", required=True),
        Column("Penalty", "What taking this time costs; empty means 0."),
    ),
)
STUDENTS = Sheet(
    "Students",
    "One row per student. May be left out if Requests has them all.",
    (
        Column("Student", "A unique id.", required=True),
        Column("Name", "For people to read."),
    ),
)
REQUESTS = Sheet(
    "Requests",
    "One row per student and course that he or she must attend.",
    (
        Column("Student", "A student.", required=True),
        Column("Course", "A course from the sheet Courses.", required=True),
    ),
)
CURRICULA = Sheet(
    "Curricula",
    "One row per cohort: its courses must not clash.",
    (
        Column("Curriculum", "A unique id.", required=True),
        Column("Name", "For people to read."),
        Column("Courses", "Ids from the sheet Courses, separated by ',' or ';'.", required=True),
        Column("Penalty", "Cost of each clashing pair of classes; empty means that clashes are forbidden."),
    ),
)
DISTRIBUTIONS = Sheet(
    "Distributions",
    "One row per rule over classes: NotOverlap, SameDays, Precedence, MaxDayLoad, ... (all types: docs/formats.md).",
    (
        Column("Type", "The rule.", required=True),
        Column("Parameters", "Numbers that the rule takes, separated by ';'; durations as '90 min' or '4 h'."),
        Column("Classes", "Ids of classes in the rule's order, separated by ',' or ';'.", required=True),
        Column("Penalty", "What breaking the rule costs, or 'required'.", required=True),
    ),
)
STUDENT_RULES = Sheet(
    "Student rules",
    "One row per rule for every student's own week: NoConflict, MaxConsecutive, SingleClassDay, MaxDayLoad"
    " (docs/formats.md).",
    (
        Column("Type", "The rule.", required=True),
        Column("Parameters", "Numbers that the rule takes, separated by ';'; durations as '90 min' or '4 h'."),
        Column("Penalty", "What breaking the rule costs, or 'required'.", required=True),
    ),
)
TRAVEL = Sheet(
    "Travel",
    "Walking times between buildings (or single rooms), both ways; what is not listed takes no time.",
    (
        Column("From", "A building, or a room.", required=True),
        Column("To", "Another one.", required=True),
        Column("Minutes", "Rounded up to whole slots.", required=True),
        Column("Between", "'rooms' if From and To are rooms; empty or 'buildings' otherwise."),
    ),
)
PINS = Sheet(
    "Pins",
    "Classes whose time, room or both are already decided.",
    (
        Column("Class", "The class.", required=True),
        Column("Time", "An id from the sheet Times, or a time written out."),
        Column("Room", "A room."),
    ),
)

SHEETS = (
    SETTINGS,
    ROOMS,
    INSTRUCTORS,
    COURSES,
    CLASSES,
    TIMES,
    TIME_SETS,
    STUDENTS,
    REQUESTS,
    CURRICULA,
    DISTRIBUTIONS,
    STUDENT_RULES,
    TRAVEL,
    PINS,
)


@dataclass(frozen=True, slots=True)
class Setting:
    """A row of the sheet Settings; `default` empty means that the row must be there."""

    name: str
    meaning: str
    default: str | None
    field: str


NAME = Setting("Name", "The problem's name.", None, "/name")
WEEKS = Setting("Weeks", "Weeks of the term.", None, "/calendar/weeks")
DAYS = Setting("Days per week", "From the first day on.", "5", "/calendar/days")
DAY_STARTS = Setting("Day starts", "When the first class may start.", "08:00", "/calendar/first_slot")
DAY_ENDS = Setting("Day ends", "When the last class ends.", "20:00", "/calendar/slots_per_day")
SLOT_MINUTES = Setting(
    "Slot minutes", "All times are multiples of it, counted from the day's start.", "5", "/calendar/slot_minutes"
)
FIRST_DAY = Setting(
    "First day",
    "Date of the term's first day, YYYY-MM-DD; without it days are Mon, Tue, ... and there are no calendar exports.",
    "",
    "/calendar/first_day",
)
STARTS_EVERY = Setting(
    "Starts every", "Minutes between the starts that Meetings per week may use.", "60", "/calendar/starts_every"
)
WEIGHTS = tuple(
    Setting(f"Weight of {what}", meaning, "1", f"/weights/{field}")
    for what, field, meaning in (
        ("time penalties", "time", "In the total cost."),
        ("room penalties", "room", "In the total cost."),
        ("distributions", "distribution", "In the total cost."),
        ("student conflicts", "student", "In the total cost; also that of Student rules."),
    )
)
ALL_SETTINGS = (NAME, WEEKS, DAYS, DAY_STARTS, DAY_ENDS, SLOT_MINUTES, FIRST_DAY, STARTS_EVERY, *WEIGHTS)

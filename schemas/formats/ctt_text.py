"""The text of `.ctt` and `.ectt` files: sections, fields, counts; every line that is wrong is named.

Owns the syntax and the bounds on what a hostile file may announce. Must not know the native problem: what the words
mean there is `schemas.formats.ctt`.

Source: L. Di Gaspero, B. McCollum, A. Schaerf, "The Second International Timetabling Competition (ITC-2007):
Curriculum-based Course Timetabling (Track 3)", 2007; the extended format: A. Bonutti, F. De Cesco, L. Di Gaspero,
A. Schaerf, "Benchmarking curriculum-based course timetabling", Annals of Operations Research 194 (2012).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from schemas.problem.findings import Finding, InvalidProblemError
from schemas.problem.model import MAX_CLASSES, MAX_COURSES, MAX_ROOMS

_MAX_NAME = 120  # the native problem's longest id, less the number that a lecture adds to its course's
_MAX_CURRICULA = 100_000
_MAX_UNAVAILABLE = 2_000_000
_MAX_LECTURES_PER_COURSE = 1000
_MAX_COURSES_PER_CURRICULUM = 2000
_MAX_NUMBER = 1_000_000
_MAX_CHOICES = 10_000_000  # lectures x (rooms + periods): every lecture may use every room and almost every period
_MAX_ATTENDED = 5_000_000  # lectures of a curriculum, summed over the curricula

# The header's keys, and the bounds on their values; the last one differs between the two file kinds.
_HEADER = {
    "Courses": (1, MAX_COURSES),
    "Rooms": (1, MAX_ROOMS),
    "Days": (1, 7),
    "Periods_per_day": (1, 1440),
    "Curricula": (0, _MAX_CURRICULA),
}
_CTT_CONSTRAINTS = "Constraints"
_ECTT_CONSTRAINTS = "UnavailabilityConstraints"
_ECTT_ROOM_CONSTRAINTS = "RoomConstraints"
_ECTT_DAILY_LECTURES = "Min_Max_Daily_Lectures"
_SECTIONS = ("COURSES:", "ROOMS:", "CURRICULA:", "UNAVAILABILITY_CONSTRAINTS:", "ROOM_CONSTRAINTS:")
_END = "END."


@dataclass(frozen=True, slots=True)
class CourseLine:
    line: int
    id: str
    teacher: str
    lectures: int
    min_working_days: int
    students: int


@dataclass(slots=True)
class CttSheet:
    """What the file says, in its own words."""

    name: str = ""
    numbers: dict[str, int] = field(default_factory=dict)
    courses: dict[str, CourseLine] = field(default_factory=dict)
    rooms: dict[str, int] = field(default_factory=dict)
    curricula: dict[str, list[str]] = field(default_factory=dict)
    unavailable: dict[str, set[tuple[int, int]]] = field(default_factory=dict)


class CttLineError(Exception):
    """A line cannot be read; `finding` says why. Reading goes on with the next line."""

    def __init__(self, code: str, line: int, message: str) -> None:
        super().__init__(message)
        self.finding = Finding(code, f"line {line}", message)


def read_sheet(text: str) -> CttSheet:
    """What the text says. Raises `InvalidProblemError` with `line N` pointers, all findings at once."""
    return _Reader(text).sheet()


class _Reader:
    """Reads line by line and collects every finding, so that a garbled file is explained in one go."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._last_line = len(self._lines) if self._lines[-1].strip() else max(1, len(self._lines) - 1)
        self._findings: list[Finding] = []
        self._total = 0
        self._sheet = CttSheet()
        self._section: str | None = None
        self._section_lines: dict[str, int] = {}
        self._counts: dict[str, int] = {}
        self._header_lines: dict[str, int] = {}

    def sheet(self) -> CttSheet:
        ended = False
        readers = self._section_readers()
        for number, fields in self._fields():
            if ended:
                self._report("text_after_end", number, f"there is text after {_END!r}. Remove it.")
                break
            if fields == [_END]:
                ended = True
                continue
            try:
                if fields[0] in _SECTIONS:
                    self._start_section(number, fields)
                elif self._section is None:
                    self._header(number, fields)
                else:
                    self._counts[self._section] = self._counts.get(self._section, 0) + 1
                    readers[self._section](number, fields)
            except CttLineError as broken:
                self._keep(broken.finding)
        self._check_complete(ended)
        if self._findings:
            raise InvalidProblemError(self._findings, total=self._total)
        return self._sheet

    def _fields(self) -> Iterator[tuple[int, list[str]]]:
        for number, line in enumerate(self._lines, start=1):
            fields = line.split()
            if fields:
                yield number, fields

    def _section_readers(self) -> dict[str, Callable[[int, list[str]], None]]:
        return {
            "COURSES:": self._course,
            "ROOMS:": self._room,
            "CURRICULA:": self._curriculum,
            "UNAVAILABILITY_CONSTRAINTS:": self._unavailability,
            "ROOM_CONSTRAINTS:": self._room_constraint,
        }

    def _report(self, code: str, line: int, message: str) -> None:
        self._keep(Finding(code, f"line {line}", _sentence(message)))

    def _keep(self, finding: Finding) -> None:
        self._total += 1
        if len(self._findings) < InvalidProblemError.MAX_FINDINGS:
            self._findings.append(finding)

    # -- the header ---------------------------------------------------------------------------------------------------

    def _header(self, line: int, fields: list[str]) -> None:
        key, colon, first = fields[0].partition(":")
        values = ([first] if first else []) + fields[1:]
        if not colon:
            raise CttLineError(
                "ctt_header",
                line,
                f"{fields[0][:40]!r} is not a header line such as 'Courses: 30'. Is this an ITC-2007 .ctt file?",
            )
        if key in self._header_lines:
            raise CttLineError(
                "ctt_header", line, f"Header {key!r} stands twice (first on line {self._header_lines[key]})."
            )
        self._header_lines[key] = line
        if key == "Name":
            self._sheet.name = "".join(ch for ch in " ".join(values)[:200] if ch.isprintable())
        elif key in _HEADER:
            self._sheet.numbers[key] = self._only_number(line, key, values, *_HEADER[key])
        elif key in (_CTT_CONSTRAINTS, _ECTT_CONSTRAINTS, _ECTT_ROOM_CONSTRAINTS):
            self._sheet.numbers[key] = self._only_number(line, key, values, 0, _MAX_UNAVAILABLE)
        elif key != _ECTT_DAILY_LECTURES:
            raise CttLineError(
                "ctt_header", line, f"Header {key[:40]!r} is unknown. Known are Name, {', '.join(_HEADER)}."
            )

    def _only_number(self, line: int, what: str, values: list[str], low: int, high: int) -> int:
        if len(values) != 1:
            raise CttLineError("ctt_header", line, f"{what} needs one number, and {len(values)} values are given.")
        return read_number(line, what, values[0], low, high)

    # -- the sections -------------------------------------------------------------------------------------------------

    def _start_section(self, line: int, fields: list[str]) -> None:
        section = fields[0]
        if section in self._section_lines:
            first = self._section_lines[section]
            raise CttLineError("ctt_section", line, f"Section {section} stands twice (first on line {first}).")
        if section in ("CURRICULA:", "UNAVAILABILITY_CONSTRAINTS:") and "COURSES:" not in self._section_lines:
            self._report("ctt_section", line, f"section {section} comes before COURSES:. Move it below.")
        self._section = section
        self._section_lines[section] = line

    def _course(self, line: int, fields: list[str]) -> None:
        if len(fields) not in (5, 6):
            raise CttLineError(
                "ctt_fields",
                line,
                "A course needs 5 fields (id, teacher, lectures, working days, students; 6 in .ectt),"
                f" not {len(fields)}.",
            )
        name, teacher = _name(line, "course", fields[0]), _name(line, "teacher", fields[1])
        if name in self._sheet.courses:
            raise CttLineError("duplicate_course", line, f"Course {name!r} is listed twice. Rename or remove one.")
        self._sheet.courses[name] = CourseLine(
            line,
            name,
            teacher,
            read_number(line, "the number of lectures", fields[2], 1, _MAX_LECTURES_PER_COURSE),
            read_number(line, "the number of working days", fields[3], 0, 1000),
            read_number(line, "the number of students", fields[4], 0, _MAX_NUMBER),
        )

    def _room(self, line: int, fields: list[str]) -> None:
        if len(fields) not in (2, 3):
            raise CttLineError(
                "ctt_fields",
                line,
                f"A room needs 2 fields (id, capacity; 3 in .ectt with the site), not {len(fields)}.",
            )
        name = _name(line, "room", fields[0])
        if name in self._sheet.rooms:
            raise CttLineError("duplicate_room", line, f"Room {name!r} is listed twice. Rename or remove one.")
        self._sheet.rooms[name] = read_number(line, "the capacity", fields[1], 0, _MAX_NUMBER)

    def _curriculum(self, line: int, fields: list[str]) -> None:
        if len(fields) < 2:
            raise CttLineError("ctt_fields", line, "A curriculum needs an id, a number of courses and the courses.")
        name, members = _name(line, "curriculum", fields[0]), fields[2:]
        count = read_number(line, "the number of courses", fields[1], 1, _MAX_COURSES_PER_CURRICULUM)
        if count != len(members):
            raise CttLineError(
                "ctt_fields", line, f"Curriculum {name!r} announces {count} courses and lists {len(members)}."
            )
        if name in self._sheet.curricula:
            raise CttLineError(
                "duplicate_curriculum", line, f"Curriculum {name!r} is listed twice. Rename or remove one."
            )
        for member in members:
            self._known_course(line, member)
        if len(set(members)) != len(members):
            raise CttLineError("duplicate_course", line, f"Curriculum {name!r} lists a course twice. Remove one.")
        self._sheet.curricula[name] = members

    def _unavailability(self, line: int, fields: list[str]) -> None:
        if len(fields) != 3:
            raise CttLineError(
                "ctt_fields", line, f"An unavailability needs 3 fields (course, day, period), not {len(fields)}."
            )
        self._known_course(line, fields[0])
        day = read_number(line, "the day", fields[1], 0, self._sheet.numbers.get("Days", 7) - 1)
        period = read_number(line, "the period", fields[2], 0, self._sheet.numbers.get("Periods_per_day", 1440) - 1)
        self._sheet.unavailable.setdefault(fields[0], set()).add((day, period))

    def _room_constraint(self, line: int, fields: list[str]) -> None:
        if len(fields) != 2:
            raise CttLineError(
                "ctt_fields", line, f"A room constraint needs 2 fields (course, room), not {len(fields)}."
            )
        self._known_course(line, fields[0])
        if fields[1] not in self._sheet.rooms:
            raise CttLineError("unknown_room", line, f"Room {fields[1][:40]!r} is not listed under ROOMS:.")

    def _known_course(self, line: int, course: str) -> None:
        if course not in self._sheet.courses:
            raise CttLineError(
                "unknown_course", line, f"Course {course[:40]!r} is not listed under COURSES:. Add or mend it."
            )

    # -- the whole ----------------------------------------------------------------------------------------------------

    def _check_complete(self, ended: bool) -> None:
        if not ended:
            self._report(
                "truncated", self._last_line, f"the file ends without {_END!r}: it is truncated. Send it again, whole."
            )
        missing = [key for key in _HEADER if key not in self._header_lines]
        if missing:
            self._report("ctt_header", 1, f"the header lacks {', '.join(missing)}.")
        for section in _SECTIONS[:3]:
            if section not in self._section_lines:
                self._report("ctt_section", self._last_line, f"section {section} is missing.")
        numbers = self._sheet.numbers
        unavailable = _ECTT_CONSTRAINTS if _ECTT_CONSTRAINTS in numbers else _CTT_CONSTRAINTS
        for key, section in (
            ("Courses", "COURSES:"),
            ("Rooms", "ROOMS:"),
            ("Curricula", "CURRICULA:"),
            (unavailable, "UNAVAILABILITY_CONSTRAINTS:"),
            (_ECTT_ROOM_CONSTRAINTS, "ROOM_CONSTRAINTS:"),
        ):
            listed = self._counts.get(section, 0)
            if key in numbers and numbers[key] != listed:
                self._report(
                    "ctt_count",
                    self._header_lines[key],
                    f"the header announces {numbers[key]} under {key!r}, and {section} lists {listed}.",
                )
        lectures = sum(course.lectures for course in self._sheet.courses.values())
        if lectures > MAX_CLASSES:
            self._report("too_large", 1, f"there are {lectures:,} lectures; at most {MAX_CLASSES:,} are accepted.")
        periods = numbers.get("Days", 0) * numbers.get("Periods_per_day", 0)
        choices = lectures * (len(self._sheet.rooms) + periods)
        if choices > _MAX_CHOICES:
            self._report(
                "too_large",
                1,
                f"lectures times (rooms + periods) make {choices:,}; at most {_MAX_CHOICES:,} are accepted.",
            )
        courses = self._sheet.courses
        attended = sum(courses[c].lectures for members in self._sheet.curricula.values() for c in members)
        if attended > _MAX_ATTENDED:
            self._report(
                "too_large", 1, f"the curricula hold {attended:,} lectures; at most {_MAX_ATTENDED:,} are accepted."
            )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def read_number(line: int, what: str, text: str, low: int, high: int) -> int:
    # isdecimal alone would accept other scripts' digits; the length keeps int() cheap on a hostile line.
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise CttLineError("ctt_number", line, f"{_sentence(what)} must be a whole number, not {text[:40]!r}.")
    value = int(text)
    if not low <= value <= high:
        raise CttLineError("ctt_number", line, f"{_sentence(what)} must be from {low} to {high}, not {value}.")
    return value


def _name(line: int, what: str, text: str) -> str:
    if len(text) > _MAX_NAME or not text.isprintable():
        raise CttLineError(
            "ctt_name", line, f"The {what}'s id must be at most {_MAX_NAME} printable characters, not {text[:40]!r}."
        )
    return text

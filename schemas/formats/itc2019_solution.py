"""ITC-2019: solution XML, as the competition's validator reads it, out of a timetable and back into one.

Owns the `<solution>` document. Any problem's timetable can be written, whatever file the problem came from, as long as
XML can say it. Must not know how problems are read.

Source: the competition's description of its data format (T. Müller, H. Rudová, Z. Müllerová, ITC 2019).
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

from schemas.formats.itc2019_text import Element, ElementError, Findings, Rule, read_elements
from schemas.problem.findings import Finding, InvalidTimetableError
from schemas.problem.model import Class, Problem, TimeOption
from schemas.timetable import Enrolment, Placement, Timetable, Unplaced, Unsectioned

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<!DOCTYPE solution PUBLIC "-//ITC 2019//DTD Problem Format/EN" "http://www.itc2019.org/competition-format.dtd">\n'
)
# What XML 1.0 has no way to write, escaped or not.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Credits:
    """What a solution says about its making; the competition asks for all of it, its validator for none."""

    runtime_s: float | None = None
    cores: int | None = None
    technique: str = "Horarium"
    author: str = ""
    institution: str = ""
    country: str = ""

    @staticmethod
    def of(method: str, seconds: float, cores: int) -> Credits:
        """For what a search of ours made."""
        return Credits(seconds, cores, f"Horarium ({method})")


_TimeKey = tuple[str, int, str]  # days, start, weeks: a solution does not say how long a class is


def write_itc2019_solution(problem: Problem, timetable: Timetable, credits: Credits) -> str:
    """The solution document: one element per placed class in the problem's order, its students inside.

    Raises `InvalidTimetableError` if a placement or an enrolment names what the problem does not have, if the days,
    start and weeks of a class leave open which of its times is meant, or if XML cannot hold a name.
    """
    writer = _Writer(problem, timetable)
    placed = {placement.class_id: placement for placement in timetable.placements}
    lines = [_HEAD, f"<solution{_attributes(_credit_attributes(problem.name, credits))}>\n"]
    for cls in _classes(problem):
        if cls.id in placed:
            lines += writer.lines(cls, placed[cls.id])
    lines.append("</solution>\n")
    text = "".join(lines)
    unwritable = _UNWRITABLE.search(text)
    if unwritable is not None:
        character = f"U+{ord(unwritable[0]):04X}"
        message = f"A name has the character {character}, which XML cannot hold. Write the native format instead."
        writer.findings.append(Finding("not_itc2019", "", message))
    if writer.findings:
        raise InvalidTimetableError(writer.findings)
    return text


def _credit_attributes(name: str, credits: Credits) -> dict[str, str]:
    return {
        "name": name,
        **({} if credits.runtime_s is None else {"runtime": f"{credits.runtime_s:.1f}"}),
        **({} if credits.cores is None else {"cores": str(credits.cores)}),
        "technique": credits.technique,
        "author": credits.author,
        "institution": credits.institution,
        "country": credits.country,
    }


def _attributes(values: dict[str, str]) -> str:
    return "".join(f" {name}={quoteattr(value)}" for name, value in values.items())


def _classes(problem: Problem) -> Iterator[Class]:
    for course in problem.courses:
        for config in course.configs:
            for subpart in config.subparts:
                yield from subpart.classes


class _Times:
    """Every class's times by what a solution says of them."""

    def __init__(self, problem: Problem) -> None:
        self.by_id = {time.id: time for time in problem.times}
        # In each, cheap options first: of two equal times the cheaper one is meant.
        self._domains = {d.id: self._keyed(_cheapest_first(d.options)) for d in problem.time_domains}
        self._all = self._keyed(list(self.by_id))

    def key(self, time: str) -> _TimeKey:
        found = self.by_id[time]
        return found.days, found.start, found.weeks

    def _keyed(self, times: list[str]) -> dict[_TimeKey, list[str]]:
        keyed: dict[_TimeKey, list[str]] = {}
        for time in times:
            keyed.setdefault(self.key(time), []).append(time)
        return keyed

    def meant(self, cls: Class, key: _TimeKey) -> list[str]:
        """The class's own times that `key` describes, the cheapest first; if none, those of the whole problem."""
        if cls.time_domain is not None:
            own = self._domains[cls.time_domain].get(key)
        else:
            own = [time for time in _cheapest_first(cls.times or ()) if self.key(time) == key]
        return own or self._all.get(key, [])

    def lengths(self, times: list[str]) -> set[int]:
        return {self.by_id[time].length for time in times}


def _cheapest_first(options: Iterable[TimeOption]) -> list[str]:
    return [option.time for option in sorted(options, key=lambda option: option.penalty)]


class _Writer:
    """Writes class by class and collects what cannot be written."""

    def __init__(self, problem: Problem, timetable: Timetable) -> None:
        self.findings: list[Finding] = []
        self._times = _Times(problem)
        self._rooms = {room.id for room in problem.rooms}
        self._attending: dict[str, list[str]] = {cls.id: [] for cls in _classes(problem)}
        students = {student.id for student in problem.students}
        for n, placement in enumerate(timetable.placements):
            self._require("class", placement.class_id, self._attending, f"/placements/{n}")
        for n, enrolment in enumerate(timetable.enrolments):
            self._require("student", enrolment.student, students, f"/enrolments/{n}")
            for cls in enrolment.classes:
                if self._require("class", cls, self._attending, f"/enrolments/{n}"):
                    self._attending[cls].append(enrolment.student)

    def _require(self, kind: str, name: str, known: Container[str], pointer: str) -> bool:
        if name in known:
            return True
        message = f"{kind.capitalize()} {name!r} is not in the problem."
        self.findings.append(Finding(f"unknown_{kind}", pointer, message))
        return False

    def lines(self, cls: Class, placement: Placement) -> list[str]:
        """The element of a placed class; empty if it cannot be said."""
        if not self._require("time", placement.time, self._times.by_id, "/placements"):
            return []
        if placement.room is not None and not self._require("room", placement.room, self._rooms, "/placements"):
            return []
        days, start, weeks = key = self._times.key(placement.time)
        meant = self._times.meant(cls, key)
        if self._times.lengths([placement.time, *meant]) != {self._times.by_id[placement.time].length}:
            message = (
                f"Class {cls.id!r} has several times that start so, of different lengths, and an ITC-2019 solution"
                " cannot say which. Write the native format instead."
            )
            self.findings.append(Finding("not_itc2019", "/placements", message))
        room = {} if placement.room is None else {"room": placement.room}
        opening = f"  <class{_attributes({'id': cls.id, 'days': days, 'start': str(start), 'weeks': weeks, **room})}"
        students = self._attending[cls.id]
        if not students:
            return [f"{opening}/>\n"]
        inside = (f"    <student{_attributes({'id': student})}/>\n" for student in students)
        return [f"{opening}>\n", *inside, "  </class>\n"]


def read_itc2019_solution(problem: Problem, text: str) -> Timetable:
    """The timetable of a solution document.

    Classes that it leaves out, or gives no time, are `unplaced`; requests of which it has no class are `unsectioned`.
    Raises `InvalidTimetableError` with `line N` pointers for names and times that the problem does not have, classes
    that stand twice, and whatever is not such a document.
    """
    reader = _Reader(problem)
    read_elements(text, reader.rules(), reader.findings, InvalidTimetableError)
    return reader.timetable()


class _Reader:
    def __init__(self, problem: Problem) -> None:
        self.findings = Findings()
        self._problem = problem
        self._times = _Times(problem)
        self._classes = {cls.id: cls for cls in _classes(problem)}
        self._rooms = {room.id for room in problem.rooms}
        self._attended: dict[str, dict[str, None]] = {student.id: {} for student in problem.students}
        self._placements: dict[str, Placement | None] = {}
        self._class = ""

    def rules(self) -> Rule:
        about = ("name", "runtime", "cores", "technique", "author", "institution", "country")
        students = {"student": Rule(("id",), start=self._student)}
        cls = Rule(("id",), ("days", "start", "weeks", "room"), self._start_class, inside=students)
        return Rule(inside={"solution": Rule((), about, inside={"class": cls})})

    def _start_class(self, element: Element) -> None:
        name = element.attributes["id"]
        cls = self._classes.get(name)
        if cls is None:
            raise ElementError("unknown_class", f"Class {name[:40]!r} is not in the problem.")
        if name in self._placements:
            raise ElementError("duplicate_class", f"Class {name!r} stands twice. Remove one.")
        self._class = name
        self._placements[name] = self._placement(cls, element)

    def _placement(self, cls: Class, element: Element) -> Placement | None:
        given = [name for name in ("days", "start", "weeks") if name in element.attributes]
        room = element.attributes.get("room") or None
        if room is not None and room not in self._rooms:
            raise ElementError("unknown_room", f"Room {room[:40]!r} is not in the problem.")
        if not given:
            return None
        if len(given) < 3:
            raise ElementError(
                "missing_attribute", f"Class {cls.id!r} has {' and '.join(given)} only. Give days, start and weeks."
            )
        calendar = self._problem.calendar
        days = element.bits("days", calendar.days, "days")
        weeks = element.bits("weeks", calendar.weeks, "weeks")
        start = element.number("start", 0, calendar.slots_per_day - 1)
        meant = self._times.meant(cls, (days, start, weeks))
        if not meant:
            raise ElementError(
                "unknown_time",
                f"Class {cls.id!r} starts at slot {start} on days {days} of weeks {weeks}, and the problem has no such"
                " time. Give one of the class's own times.",
            )
        if len(self._times.lengths(meant)) > 1:
            raise ElementError(
                "ambiguous_time",
                f"Class {cls.id!r} has several times that start so, of different lengths. Use the native format.",
            )
        return Placement(class_id=cls.id, time=meant[0], room=room)

    def _student(self, element: Element) -> None:
        name = element.attributes["id"]
        attended = self._attended.get(name)
        if attended is None:
            raise ElementError("unknown_student", f"Student {name[:40]!r} is not in the problem.")
        if self._class in attended:
            raise ElementError("duplicate_student", f"Student {name!r} stands twice in class {self._class!r}.")
        attended[self._class] = None

    def timetable(self) -> Timetable:
        course_of = {
            cls.id: course.id
            for course in self._problem.courses
            for config in course.configs
            for subpart in config.subparts
            for cls in subpart.classes
        }
        enrolments, unsectioned = [], []
        for student in self._problem.students:
            classes = list(self._attended[student.id])
            if classes:
                enrolments.append(Enrolment(student=student.id, classes=classes))
            courses = {course_of[cls] for cls in classes}
            unsectioned += [
                Unsectioned(student=student.id, course=course, reason="the solution file has no class for it")
                for course in student.courses
                if course not in courses
            ]
        return Timetable(
            placements=[placement for placement in self._placements.values() if placement is not None],
            enrolments=enrolments,
            unplaced=[
                Unplaced(class_id=name, reason="the solution file has no time for it")
                for name in self._classes
                if self._placements.get(name) is None
            ],
            unsectioned=unsectioned,
        )

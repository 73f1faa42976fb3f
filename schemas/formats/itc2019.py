"""ITC-2019: problem XML to the native problem. Its total cost is the competition's.

Owns the translation of the competition's words; the native problem took its vocabulary from there, so nearly all is one
to one and every id stays as it is. Two things differ: a time of the native problem has an id and stands once however
many classes list it, and no room travels to another unless it is said.

Must not know the solver, or where a file comes from. Solutions are `schemas.formats.itc2019_solution`'s business, the
elements themselves `schemas.formats.itc2019_text`'s.

Source: T. Müller, H. Rudová, Z. Müllerová, "University course timetabling and International Timetabling Competition
2019", PATAT 2018, and the competition's description of its data format.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from schemas.formats.itc2019_lines import Lines, no_lines
from schemas.formats.itc2019_parts import (
    OpenClass,
    OpenDistribution,
    OpenPart,
    OpenRoom,
    OpenStudent,
    distribution_type,
)
from schemas.formats.itc2019_text import Element, ElementError, Findings, Rule, read_elements
from schemas.problem.check import check
from schemas.problem.expand import ExpandedProblem, expand
from schemas.problem.findings import Finding, InvalidProblemError
from schemas.problem.model import (
    Calendar,
    Class,
    Config,
    Course,
    Distribution,
    Problem,
    Room,
    RoomOption,
    Student,
    Subpart,
    Time,
    TimeBlock,
    TimeOption,
    Travel,
    Weights,
)

# Real files write "no limit" as 2,147,483,647 or not at all. The native problem's largest limit means the same: it has
# room for more students than any problem may have.
NO_LIMIT = 1_000_000
_MAX_LIMIT = 2**31 - 1
_MAX_PENALTY = 1_000_000
_MAX_WEIGHT = 100_000
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class ItcProblem:
    """A checked problem and where its parts stand in the file."""

    problem: Problem
    lines: Lines

    def expanded(self) -> ExpandedProblem:
        """For the solver. Raises `InvalidProblemError` with `line N` pointers."""
        try:
            return expand(self.problem)
        except InvalidProblemError as error:
            raise InvalidProblemError(self.lines.translated(list(error.findings)), error.total) from error


def read_itc2019(text: str) -> ItcProblem:
    """The checked problem in the file. Raises `InvalidProblemError` with `line N` pointers, all findings at once."""
    reader = _Reader()
    read_elements(text, reader.rules(), reader.findings, InvalidProblemError)
    problem = reader.problem()
    findings = check(problem)
    if findings:
        raise InvalidProblemError(reader.lines.translated(findings))
    return ItcProblem(problem, reader.lines)


def time_id(days: str, start: int, length: int, weeks: str) -> str:
    """The native id of a time: it says what it means, so the same time has it in every version of a problem."""
    return f"{days}-{start}-{length}-{weeks}"


class _Reader:
    """Builds the problem while the elements go by; nothing of the file is kept but what the problem needs."""

    def __init__(self) -> None:
        self.findings = Findings()
        self.lines = Lines()
        self._name = "unnamed"
        self._days = self._weeks = self._slots = 0
        self._weights: Weights | None = None
        self._times: dict[str, Time] = {}
        self._time_options: dict[tuple[str, int], TimeOption] = {}
        self._room_options: dict[tuple[str, int], RoomOption] = {}
        self._rooms: list[Room] = []
        self._travel: dict[tuple[str, str], Travel] = {}
        self._travel_lines = self.lines.of["/room_travel"] = no_lines()
        self._courses: list[Course] = []
        self._distributions: list[Distribution] = []
        self._students: list[Student] = []
        self._room: OpenRoom
        self._course: OpenPart
        self._config: OpenPart
        self._subpart: OpenPart
        self._class: OpenClass
        self._distribution: OpenDistribution
        self._student: OpenStudent

    def rules(self) -> Rule:
        stretch = ("days", "start", "length", "weeks")
        in_room = {
            "unavailable": Rule(stretch, start=self._unavailable),
            "travel": Rule(("room", "value"), start=self._travels),
        }
        room = Rule(("id", "capacity"), start=self._start_room, end=self._end_room, inside=in_room)
        options = {
            "time": Rule(stretch, ("penalty",), self._class_time),
            "room": Rule(("id",), ("penalty",), self._class_room),
        }
        cls = Rule(("id",), ("limit", "parent", "room"), self._start_class, self._end_class, options)
        subpart = Rule(("id",), (), self._start_subpart, self._end_subpart, {"class": cls})
        config = Rule(("id",), (), self._start_config, self._end_config, {"subpart": subpart})
        course = Rule(("id",), (), self._start_course, self._end_course, {"config": config})
        members = {"class": Rule(("id",), start=self._distribution_class)}
        distribution = Rule(
            ("type",), ("required", "penalty"), self._start_distribution, self._end_distribution, members
        )
        requests = {"course": Rule(("id",), start=self._student_course)}
        student = Rule(("id",), (), self._start_student, self._end_student, requests)
        sections = {
            "optimization": Rule(("time", "room", "distribution", "student"), start=self._optimization),
            "rooms": Rule(inside={"room": room}),
            "courses": Rule(inside={"course": course}),
            "distributions": Rule(inside={"distribution": distribution}),
            "students": Rule(inside={"student": student}),
        }
        problem = Rule(("nrDays", "nrWeeks", "slotsPerDay"), ("name",), self._start_problem, inside=sections)
        return Rule(inside={"problem": problem})

    def problem(self) -> Problem:
        """What was read, once there is nothing to complain of in any single element."""
        if self._weights is None:
            message = "The file has no <optimization> with the four weights. Add it."
            raise InvalidProblemError([Finding("missing_element", "line 1", message)])
        if not self._courses:
            message = "The file has no courses, so there is nothing to place. Add <course> elements to <courses>."
            raise InvalidProblemError([Finding("missing_element", "line 1", message)])
        travel = list(self._travel.values())
        return self._made(
            Problem,
            1,
            name=self._name,
            calendar=Calendar(
                weeks=self._weeks,
                days=self._days,
                slots_per_day=self._slots,
                slot_minutes=max(1, 1440 // self._slots),
            ),
            weights=self._weights,
            times=list(self._times.values()),
            rooms=self._rooms,
            room_travel=travel,
            courses=self._courses,
            distributions=self._distributions,
            students=self._students,
        )

    def _made(self, model: type[_Model], line: int, **values: Any) -> _Model:
        """The native value; what its bounds refuse becomes a finding (the reader's own bounds leave only lengths)."""
        try:
            return model(**values)
        except ValidationError as error:
            detail = error.errors(include_url=False, include_input=False)[0]
            where = "/".join(str(step) for step in detail["loc"])
            message = f"{model.__name__} {values.get('id', '')!r}: {where}: {detail['msg']}. Split it."
            raise InvalidProblemError([*self.findings.found, Finding("too_large", f"line {line}", message)]) from error

    # -- calendar and weights -----------------------------------------------------------------------------------------

    def _start_problem(self, element: Element) -> None:
        self._name = element.attributes.get("name", "").strip()[:200] or "unnamed"
        self._days = element.number("nrDays", 1, 7)
        self._weeks = element.number("nrWeeks", 1, 60)
        self._slots = element.number("slotsPerDay", 1, 1440)

    def _optimization(self, element: Element) -> None:
        if self._weights is not None:
            raise ElementError("duplicate_element", "<optimization> stands twice. Remove one.")
        self._weights = Weights(
            time=element.number("time", 0, _MAX_WEIGHT),
            room=element.number("room", 0, _MAX_WEIGHT),
            distribution=element.number("distribution", 0, _MAX_WEIGHT),
            student=element.number("student", 0, _MAX_WEIGHT),
        )

    # -- rooms --------------------------------------------------------------------------------------------------------

    def _start_room(self, element: Element) -> None:
        self._room = OpenRoom(element.line, element.text("id"), element.number("capacity", 0, 1_000_000))

    def _unavailable(self, element: Element) -> None:
        days, start, length, weeks = self._stretch(element)
        self._room.lines.append(element.line)
        self._room.unavailable.append(TimeBlock(start=start, length=length, days=days, weeks=weeks))

    def _stretch(self, element: Element) -> tuple[str, int, int, str]:
        days = element.bits("days", self._days, "days")
        weeks = element.bits("weeks", self._weeks, "weeks")
        start = element.number("start", 0, self._slots - 1)
        length = element.number("length", 1, self._slots)
        if start + length > self._slots:
            raise ElementError(
                "beyond_the_day",
                f"<{element.tag}> starts at slot {start} and lasts {length}, beyond the day's {self._slots} slots."
                " Start it earlier or shorten it.",
            )
        return days, start, length, weeks

    def _travels(self, element: Element) -> None:
        """Symmetric and written on one side; the other side may repeat it."""
        a, b = self._room.id, element.text("room")
        slots = element.number("value", 0, 1440)
        if a == b:
            if slots:
                raise ElementError("travel_to_itself", f"Room {a!r} travels to itself. Remove the <travel>.")
            return
        pair = (a, b) if a <= b else (b, a)
        known = self._travel.get(pair)
        if known is None:
            self._travel_lines.append(element.line)
            self._travel[pair] = Travel(a=a, b=b, slots=slots)
        elif known.slots != slots:
            raise ElementError(
                "contradictory_travel",
                f"Rooms {a!r} and {b!r} are {known.slots} slots apart elsewhere in the file, and {slots} here."
                " Travel counts both ways: remove one or make them equal.",
            )

    def _end_room(self) -> None:
        room = self._room
        pointer = f"/rooms/{len(self._rooms)}"
        self.lines.of[pointer] = room.line
        self.lines.of[f"{pointer}/unavailable"] = room.lines
        self._rooms.append(
            self._made(Room, room.line, id=room.id, capacity=room.capacity, unavailable=room.unavailable)
        )

    # -- courses ------------------------------------------------------------------------------------------------------

    def _open(self, element: Element) -> OpenPart:
        return OpenPart(element.line, element.text("id"), len(self.findings.found))

    def _require_parts(self, opened: OpenPart, what: str, part: str) -> None:
        # A part that could not be read has a finding of its own.
        if not opened.parts and len(self.findings.found) == opened.findings_before:
            message = f"The {what} {opened.id!r} has no <{part}>. Add one, or remove the {what}."
            raise ElementError("missing_element", message, opened.line)

    def _start_course(self, element: Element) -> None:
        self._course = self._open(element)
        self.lines.of[self._course_pointer()] = element.line

    def _course_pointer(self) -> str:
        return f"/courses/{len(self._courses)}"

    def _end_course(self) -> None:
        course = self._course
        self._require_parts(course, "course", "config")
        if course.parts:
            self._courses.append(self._made(Course, course.line, id=course.id, configs=course.parts))

    def _start_config(self, element: Element) -> None:
        self._config = self._open(element)
        self.lines.of[self._config_pointer()] = element.line

    def _config_pointer(self) -> str:
        return f"{self._course_pointer()}/configs/{len(self._course.parts)}"

    def _end_config(self) -> None:
        config = self._config
        self._require_parts(config, "configuration", "subpart")
        if config.parts:
            self._course.parts.append(self._made(Config, config.line, id=config.id, subparts=config.parts))

    def _start_subpart(self, element: Element) -> None:
        self._subpart = self._open(element)
        self.lines.of[self._subpart_pointer()] = element.line

    def _subpart_pointer(self) -> str:
        return f"{self._config_pointer()}/subparts/{len(self._config.parts)}"

    def _end_subpart(self) -> None:
        subpart = self._subpart
        self._require_parts(subpart, "subpart", "class")
        if subpart.parts:
            self._config.parts.append(self._made(Subpart, subpart.line, id=subpart.id, classes=subpart.parts))

    def _start_class(self, element: Element) -> None:
        self._class = OpenClass(
            line=element.line,
            id=element.text("id"),
            limit=min(element.number("limit", 0, _MAX_LIMIT, NO_LIMIT), NO_LIMIT),
            parent=element.text("parent") if "parent" in element.attributes else None,
            needs_room=element.truth("room", True),
        )
        self._before_class = len(self.findings.found)

    def _class_time(self, element: Element) -> None:
        days, start, length, weeks = self._stretch(element)
        time, penalty = time_id(days, start, length, weeks), element.number("penalty", 0, _MAX_PENALTY, 0)
        if time not in self._times:
            self.lines.of[f"/times/{len(self._times)}"] = element.line
            self._times[time] = Time(id=time, weeks=weeks, days=days, start=start, length=length)
        option = self._time_options.get((time, penalty))
        if option is None:
            option = self._time_options[time, penalty] = TimeOption(time=time, penalty=penalty)
        self._class.times.append(option)
        self._class.time_lines.append(element.line)

    def _class_room(self, element: Element) -> None:
        room, penalty = element.text("id"), element.number("penalty", 0, _MAX_PENALTY, 0)
        option = self._room_options.get((room, penalty))
        if option is None:
            option = self._room_options[room, penalty] = RoomOption(room=room, penalty=penalty)
        self._class.rooms.append(option)
        self._class.room_lines.append(element.line)

    def _end_class(self) -> None:
        cls = self._class
        complete = len(self.findings.found) == self._before_class
        if complete:
            self._require_options(cls)
        if not complete:
            return
        pointer = f"{self._subpart_pointer()}/classes/{len(self._subpart.parts)}"
        self.lines.of[pointer] = cls.line
        self.lines.of[f"{pointer}/times"] = cls.time_lines
        self.lines.of[f"{pointer}/rooms"] = cls.room_lines
        self._subpart.parts.append(
            self._made(
                Class,
                cls.line,
                id=cls.id,
                limit=cls.limit,
                parent=cls.parent,
                times=cls.times,
                rooms=cls.rooms if cls.needs_room else None,
            )
        )

    def _require_options(self, cls: OpenClass) -> None:
        if not cls.times:
            message = f"Class {cls.id!r} has no <time>. Add the times it may take."
            raise ElementError("class_without_time", message, cls.line)
        if cls.needs_room and not cls.rooms:
            message = f'Class {cls.id!r} has no <room>. Add the rooms it may take, or say room="false".'
            raise ElementError("class_without_room", message, cls.line)
        if not cls.needs_room and cls.rooms:
            message = f'Class {cls.id!r} says room="false" and lists rooms. Remove one or the other.'
            raise ElementError("room_without_need", message, cls.line)

    # -- distributions and students -----------------------------------------------------------------------------------

    def _start_distribution(self, element: Element) -> None:
        kind, parameters = distribution_type(element.attributes["type"])
        required = element.truth("required", False)
        penalty = None if "penalty" not in element.attributes else element.number("penalty", 0, _MAX_PENALTY)
        if required == (penalty is not None):
            given = "both" if required else "neither"
            raise ElementError(
                "required_or_penalty",
                f'This {kind} gives {given} of required="true" and a penalty. Give exactly one.',
            )
        self._distribution = OpenDistribution(element.line, kind, parameters, required, penalty)

    def _distribution_class(self, element: Element) -> None:
        self._distribution.classes.append(element.text("id"))
        self._distribution.lines.append(element.line)

    def _end_distribution(self) -> None:
        given = self._distribution
        if not given.classes:  # a rule over nothing holds
            return
        pointer = f"/distributions/{len(self._distributions)}"
        self.lines.of[pointer] = given.line
        self.lines.of[f"{pointer}/classes"] = given.lines
        self._distributions.append(
            self._made(
                Distribution,
                given.line,
                type=given.type,
                parameters=given.parameters,
                classes=given.classes,
                required=given.required,
                penalty=given.penalty,
            )
        )

    def _start_student(self, element: Element) -> None:
        self._student = OpenStudent(element.line, element.text("id"))

    def _student_course(self, element: Element) -> None:
        self._student.courses.append(element.text("id"))
        self._student.lines.append(element.line)

    def _end_student(self) -> None:
        student = self._student
        pointer = f"/students/{len(self._students)}"
        self.lines.of[pointer] = student.line
        self.lines.of[f"{pointer}/courses"] = student.lines
        self._students.append(self._made(Student, student.line, id=student.id, courses=student.courses))

"""ITC-2007 track 3: `.ctt` and `.ectt` problems in, `course room day period` solutions in and out.

Owns the vocabulary of curriculum-based course timetabling and its translation to the native problem. Both file kinds
describe the same UD2 problem; what `.ectt` adds (daily lecture bounds, double lectures, sites, unsuitable rooms) is
checked for shape and otherwise ignored, because no UD2 rule reads it. How the text is read is `ctt_text`'s business.

Must not know the native JSON, the solver, or where a file comes from.

Source: L. Di Gaspero, B. McCollum, A. Schaerf, "The Second International Timetabling Competition (ITC-2007):
Curriculum-based Course Timetabling (Track 3)", 2007.
"""

from __future__ import annotations

from collections.abc import Iterator

from schemas.formats.ctt_text import CourseLine, CttLineError, CttSheet, read_number, read_sheet
from schemas.problem.findings import Finding, InvalidProblemError, InvalidTimetableError
from schemas.problem.model import (
    Calendar,
    Class,
    Config,
    Course,
    Curriculum,
    Distribution,
    DistributionType,
    Instructor,
    Problem,
    Room,
    RoomOption,
    Subpart,
    Time,
    TimeOption,
)
from schemas.timetable import Placement, Timetable, Unplaced

MIN_WORKING_DAYS_PENALTY = 5
ISOLATED_LECTURE_PENALTY = 2
ROOM_STABILITY_PENALTY = 1


def read_ctt(text: str) -> Problem:
    """The native problem of a `.ctt` or `.ectt` text: its total cost is the UD2 cost of ITC-2007.

    Raises `InvalidProblemError` with `line N` pointers; a file that breaks off is an error at its last line.
    """
    return _problem(read_sheet(text))


def _class_id(course: str, lecture: int) -> str:
    """Lectures of a course are numbered from 1; they are interchangeable."""
    return f"{course}#{lecture}"


def _problem(sheet: CttSheet) -> Problem:
    days, periods = sheet.numbers["Days"], sheet.numbers["Periods_per_day"]
    times = [
        Time(id=f"{d}-{p}", weeks="1", days="".join("1" if i == d else "0" for i in range(days)), start=p, length=1)
        for d in range(days)
        for p in range(periods)
    ]
    rooms_for = _RoomChoices(sheet.rooms)
    courses = [
        _course(line, times, sheet.unavailable.get(line.id, set()), rooms_for) for line in sheet.courses.values()
    ]
    return Problem(
        name=sheet.name or "unnamed",
        calendar=Calendar(weeks=1, days=days, slots_per_day=periods, slot_minutes=60, first_slot="08:00")
        if periods <= 16
        else Calendar(weeks=1, days=days, slots_per_day=periods, slot_minutes=max(1, 1440 // periods)),
        times=times,
        rooms=[Room(id=room, capacity=capacity) for room, capacity in sheet.rooms.items()],
        courses=courses,
        instructors=[Instructor(id=t) for t in dict.fromkeys(line.teacher for line in sheet.courses.values())],
        curricula=[Curriculum(id=name, courses=members) for name, members in sheet.curricula.items()],
        distributions=[*_course_distributions(sheet), *_curriculum_distributions(sheet)],
    )


class _RoomChoices:
    """Every room, at one point per student without a seat; courses of one size share the list."""

    def __init__(self, rooms: dict[str, int]) -> None:
        self._rooms = rooms
        self._seen: dict[int, list[RoomOption]] = {}

    def __call__(self, students: int) -> list[RoomOption]:
        if students not in self._seen:
            self._seen[students] = [
                RoomOption(room=room, penalty=max(0, students - capacity)) for room, capacity in self._rooms.items()
            ]
        return self._seen[students]


def _course(line: CourseLine, times: list[Time], unavailable: set[tuple[int, int]], rooms_for: _RoomChoices) -> Course:
    free = [TimeOption(time=t.id) for t in times if (t.days.index("1"), t.start) not in unavailable]
    if not free:
        raise InvalidProblemError(
            [
                Finding(
                    "class_without_time",
                    f"line {line.line}",
                    f"Course {line.id!r} is unavailable in every period. Free one of them.",
                )
            ]
        )
    subparts = []
    for n in range(1, line.lectures + 1):
        lecture = Class(
            id=_class_id(line.id, n),
            limit=line.students,
            times=free,
            rooms=rooms_for(line.students),
            instructors=[line.teacher],
        )
        subparts.append(Subpart(id=lecture.id, classes=[lecture]))
    return Course(id=line.id, configs=[Config(id=line.id, subparts=subparts)])


def _lectures(line: CourseLine) -> list[str]:
    return [_class_id(line.id, n) for n in range(1, line.lectures + 1)]


def _course_distributions(sheet: CttSheet) -> Iterator[Distribution]:
    for line in sheet.courses.values():
        if line.min_working_days > 1:
            yield Distribution(
                type=DistributionType.MIN_WORKING_DAYS,
                parameters=[line.min_working_days],
                classes=_lectures(line),
                penalty=MIN_WORKING_DAYS_PENALTY,
            )
        if line.lectures > 1:
            yield Distribution(
                type=DistributionType.ROOM_STABILITY, classes=_lectures(line), penalty=ROOM_STABILITY_PENALTY
            )


def _curriculum_distributions(sheet: CttSheet) -> Iterator[Distribution]:
    for members in sheet.curricula.values():
        yield Distribution(
            type=DistributionType.ISOLATED_LECTURES,
            classes=[lecture for course in members for lecture in _lectures(sheet.courses[course])],
            penalty=ISOLATED_LECTURE_PENALTY,
        )


# -- solutions --------------------------------------------------------------------------------------------------------


def write_ctt_solution(problem: Problem, timetable: Timetable) -> str:
    """One `course room day period` line per placed lecture, in the problem's order.

    The problem must have CB-CTT's shape (single-period times on one day); raises `InvalidTimetableError` if a placement
    names an unknown class or time, has no room, or takes a time that is not one period of one day.
    """
    course_of = {
        cls.id: (course.id, order)
        for order, (course, cls) in enumerate(
            (course, cls)
            for course in problem.courses
            for config in course.configs
            for subpart in config.subparts
            for cls in subpart.classes
        )
    }
    times = {time.id: time for time in problem.times}
    lines: list[tuple[int, str]] = []
    findings: list[Finding] = []
    for n, placement in enumerate(timetable.placements):
        pointer = f"/placements/{n}"
        time = times.get(placement.time)
        if placement.class_id not in course_of:
            findings.append(Finding("unknown_class", pointer, f"Class {placement.class_id!r} is not in the problem."))
        elif time is None:
            findings.append(Finding("unknown_time", pointer, f"Time {placement.time!r} is not in the problem."))
        elif placement.room is None or time.length != 1 or time.days.count("1") != 1:
            findings.append(
                Finding(
                    "not_ctt",
                    pointer,
                    f"Class {placement.class_id!r} has no room or not one period on one day, which a .ctt solution"
                    " cannot say. Write the native format instead.",
                )
            )
        else:
            course, order = course_of[placement.class_id]
            lines.append((order, f"{course} {placement.room} {time.days.index('1')} {time.start}\n"))
    if findings:
        raise InvalidTimetableError(findings)
    return "".join(line for _, line in sorted(lines))


def read_ctt_solution(problem: Problem, text: str) -> Timetable:
    """The timetable of `course room day period` lines; the n-th line of a course places its n-th lecture.

    Lectures without a line are `unplaced`. Raises `InvalidTimetableError` with `line N` pointers for unknown names,
    garbled lines, and more lines than a course has lectures.
    """
    lectures = {
        course.id: [cls.id for config in course.configs for subpart in config.subparts for cls in subpart.classes]
        for course in problem.courses
    }
    remaining = {course: iter(ids) for course, ids in lectures.items()}
    rooms = {room.id for room in problem.rooms}
    times = {(t.days.index("1"), t.start): t.id for t in problem.times if t.length == 1 and t.days.count("1") == 1}
    placements: list[Placement] = []
    findings: list[Finding] = []
    for number, line in enumerate(text.split("\n"), start=1):
        fields = line.split()
        if not fields:
            continue
        try:
            placements.append(_placement(number, fields, remaining, rooms, times))
        except CttLineError as broken:
            findings.append(broken.finding)
            if len(findings) == InvalidTimetableError.MAX_FINDINGS:
                break
    if findings:
        raise InvalidTimetableError(findings)
    return Timetable(
        placements=placements,
        unplaced=[
            Unplaced(class_id=cls, reason="the solution file has no line for it")
            for ids in remaining.values()
            for cls in ids
        ],
    )


def _placement(
    number: int,
    fields: list[str],
    remaining: dict[str, Iterator[str]],
    rooms: set[str],
    times: dict[tuple[int, int], str],
) -> Placement:
    if len(fields) != 4:
        raise CttLineError(
            "ctt_fields", number, f"A line needs 4 fields (course, room, day, period), not {len(fields)}."
        )
    course, room = fields[0], fields[1]
    if course not in remaining:
        raise CttLineError("unknown_course", number, f"Course {course[:40]!r} is not in the problem.")
    if room not in rooms:
        raise CttLineError("unknown_room", number, f"Room {room[:40]!r} is not in the problem.")
    day, period = read_number(number, "the day", fields[2], 0, 6), read_number(number, "the period", fields[3], 0, 1439)
    if (day, period) not in times:
        raise CttLineError("unknown_time", number, f"There is no period {period} on day {day} in the problem.")
    lecture = next(remaining[course], None)
    if lecture is None:
        raise CttLineError("duplicate_class", number, f"Course {course!r} has more lines than lectures. Remove one.")
    return Placement(class_id=lecture, time=times[day, period], room=room)

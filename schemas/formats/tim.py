"""ITC-2002 and ITC-2007 track 2: `.tim` problems to the native one.

Owns the vocabulary of post-enrolment course timetabling (events, features, slots) and its translation: an event is a
course of one class whose limit is the number of its students, what it needs of a room are room needs, its slots are
its times, the last slot of a day costs a point per student, precedence is the distribution of that name, and the rest
are rules for students. How the text is read is `tim_text`'s business, solutions are `tim_solution`'s.

Must not know the native JSON, the solver, or where a file comes from.

Source: R. Lewis, B. Paechter, B. McCollum, "Post Enrolment based Course Timetabling: A Description of the Problem Model
used for Track Two of the Second International Timetabling Competition", 2007. ITC-2002 is the same problem in which
every event may take every slot and none must precede another.
"""

from __future__ import annotations

from collections.abc import Iterator

from schemas.formats.tim_text import DAYS, SLOTS, SLOTS_PER_DAY, TimSheet, read_tim_sheet
from schemas.problem.findings import Finding, InvalidProblemError
from schemas.problem.model import (
    Calendar,
    Class,
    Config,
    Course,
    Distribution,
    DistributionType,
    Problem,
    Room,
    RoomNeeds,
    Student,
    StudentRule,
    StudentRuleType,
    Subpart,
    Time,
    TimeOption,
)

# "More than two events in a row": each event beyond the second is a point.
MAX_CONSECUTIVE = 2


def read_tim(text: str) -> Problem:
    """The native problem of a `.tim` text: its total cost is the competitions' soft cost.

    Events, rooms, features and students are called E0, R0, F0 and S0 on, as solution files count them. Raises
    `InvalidProblemError` with `line N` pointers.
    """
    sheet = read_tim_sheet(text)
    findings = list(_without_place(sheet))
    if findings:
        raise InvalidProblemError(findings)
    return _problem(sheet)


def event_id(event: int) -> str:
    return f"E{event}"


def room_id(room: int) -> str:
    return f"R{room}"


def time_id(slot: int) -> str:
    """Day and slot of the day, as in `.ctt` problems."""
    return f"{slot // SLOTS_PER_DAY}-{slot % SLOTS_PER_DAY}"


def _without_place(sheet: TimSheet) -> Iterator[Finding]:
    """Events that no slot or no room will do for."""
    sizes = _sizes(sheet)
    has = [set(features) for features in sheet.room_features]
    for event, needed in enumerate(sheet.event_features):
        suitable = any(
            seats >= sizes[event] and features.issuperset(needed)
            for seats, features in zip(sheet.room_sizes, has, strict=True)
        )
        if not suitable:
            yield Finding(
                "class_without_room",
                f"line {sheet.feature_lines[event]}",
                f"Event {event} has no room: none has its features and seats for its {sizes[event]} students."
                " Change the features or the sizes of rooms.",
            )
        if not sheet.allowed[event]:
            yield Finding(
                "class_without_time",
                f"line {sheet.slot_lines[event]}",
                f"Event {event} may take no slot. Allow it one.",
            )


def _sizes(sheet: TimSheet) -> list[int]:
    sizes = [0] * sheet.events
    for attended in sheet.attends:
        for event in attended:
            sizes[event] += 1
    return sizes


def _problem(sheet: TimSheet) -> Problem:
    return Problem(
        name=f"post-enrolment, {sheet.events} events, {len(sheet.attends)} students",
        calendar=Calendar(weeks=1, days=DAYS, slots_per_day=SLOTS_PER_DAY, slot_minutes=60, first_slot="09:00"),
        times=[
            Time(
                id=time_id(slot),
                weeks="1",
                days="".join("1" if d == slot // SLOTS_PER_DAY else "0" for d in range(DAYS)),
                start=slot % SLOTS_PER_DAY,
                length=1,
            )
            for slot in range(SLOTS)
        ],
        rooms=[
            Room(id=room_id(r), capacity=size, features=[f"F{f}" for f in sheet.room_features[r]])
            for r, size in enumerate(sheet.room_sizes)
        ],
        courses=[_course(sheet, event, size) for event, size in enumerate(_sizes(sheet))],
        students=[
            Student(id=f"S{s}", courses=[event_id(e) for e in attended]) for s, attended in enumerate(sheet.attends)
        ],
        distributions=[
            Distribution(type=DistributionType.PRECEDENCE, classes=[event_id(e), event_id(f)], required=True)
            for e, f in sheet.before
        ],
        student_rules=[
            StudentRule(type=StudentRuleType.NO_CONFLICT, required=True),
            StudentRule(type=StudentRuleType.MAX_CONSECUTIVE, parameters=[MAX_CONSECUTIVE, 0], penalty=1),
            StudentRule(type=StudentRuleType.SINGLE_CLASS_DAY, penalty=1),
        ],
    )


def _course(sheet: TimSheet, event: int, students: int) -> Course:
    """An event in the last slot of a day costs a point per student."""
    name = event_id(event)
    cls = Class(
        id=name,
        limit=students,
        times=[
            TimeOption(time=time_id(slot), penalty=students if slot % SLOTS_PER_DAY == SLOTS_PER_DAY - 1 else 0)
            for slot in sheet.allowed[event]
        ],
        room_needs=RoomNeeds(features=[f"F{f}" for f in sheet.event_features[event]]),
    )
    return Course(id=name, configs=[Config(id=name, subparts=[Subpart(id=name, classes=[cls])])])

"""Checks on a problem that its types cannot express: references, duplicates, widths, either-or rules, sizes.

Owns the sentences that a planner reads when an upload is refused; all findings come at once. Every check is linear in
the size of the problem. Must not know how needs expand to options (`schemas.problem.expand` finds empty domains), nor
what makes a timetable good.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date

from schemas.problem.check_classes import ClassChecks
from schemas.problem.findings import Finding
from schemas.problem.model import (
    PARAMETER_COUNT,
    STUDENT_PARAMETER_COUNT,
    Calendar,
    Class,
    Distribution,
    Pin,
    Problem,
    StudentRule,
    StudentRuleType,
    Time,
    TimeBlock,
    Travel,
)
from schemas.problem.references import located_classes, option_findings, repeated, unknown_reference
from schemas.problem.sizes import size_findings

# Collecting stops here: a file with more is wrong throughout, and a hostile one must not fill memory with sentences.
MAX_COLLECTED = 1000

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def check(problem: Problem) -> list[Finding]:
    """Everything wrong with the problem, in its order; empty if `schemas.problem.expand.expand` may read it."""
    found: list[Finding] = []
    for finding in _findings(problem):
        found.append(finding)
        if len(found) == MAX_COLLECTED:
            break
    return found


def _findings(problem: Problem) -> Iterator[Finding]:
    yield from size_findings(problem)
    yield from _text(problem)
    yield from _calendar(problem.calendar)
    yield from _duplicate_ids(problem)
    yield from _times(problem)
    yield from _time_domains(problem)
    yield from _unavailability(problem)
    yield from _travel(problem)
    yield from ClassChecks(problem).findings()
    yield from _curricula(problem)
    yield from _students(problem)
    yield from _distributions(problem)
    yield from _student_rules(problem)
    yield from _pins(problem)


def _text(problem: Problem) -> Iterator[Finding]:
    """Ids and names hold no control characters: databases and exports cannot carry them."""
    lists: list[tuple[str, Sequence[object]]] = [
        ("times", problem.times),
        ("time_domains", problem.time_domains),
        ("rooms", problem.rooms),
        ("courses", problem.courses),
        ("instructors", problem.instructors),
        ("curricula", problem.curricula),
        ("students", problem.students),
    ]
    if _CONTROL.search(problem.name):
        yield _control_character("/name", problem.name)
    for field, items in lists:
        for n, item in enumerate(items):
            for key in ("id", "name"):
                text = getattr(item, key, None)
                if text is not None and _CONTROL.search(text):
                    yield _control_character(f"/{field}/{n}/{key}", text)
    for n, room in enumerate(problem.rooms):
        for text in (room.building, *room.features):
            if text is not None and _CONTROL.search(text):
                yield _control_character(f"/rooms/{n}", text)
    for pointer, cls in located_classes(problem):
        if _CONTROL.search(cls.id):
            yield _control_character(f"{pointer}/id", cls.id)


def _control_character(pointer: str, text: str) -> Finding:
    return Finding("control_character", pointer, f"{text[:60]!r} contains a control character. Remove it.")


def _calendar(calendar: Calendar) -> Iterator[Finding]:
    if calendar.first_day is not None and not _is_term_date(calendar.first_day):
        yield Finding(
            "invalid_date",
            "/calendar/first_day",
            f"{calendar.first_day!r} is not a date from 1900 to 2200. Give the term's first day as YYYY-MM-DD.",
        )
    hours, minutes = calendar.first_slot.split(":")
    end = int(hours) * 60 + int(minutes) + calendar.slots_per_day * calendar.slot_minutes
    if end > 24 * 60:
        yield Finding(
            "day_too_long",
            "/calendar/slots_per_day",
            f"{calendar.slots_per_day} slots of {calendar.slot_minutes} minutes from {calendar.first_slot} end after"
            " midnight. Give fewer or shorter slots, or start earlier.",
        )


def _is_term_date(text: str) -> bool:
    try:
        return 1900 <= date.fromisoformat(text).year <= 2200
    except ValueError:
        return False


def _duplicate_ids(problem: Problem) -> Iterator[Finding]:
    """Every id is unique among its kind; a configuration's within its course, a subpart's within its configuration."""
    kinds: list[tuple[str, str, list[str]]] = [
        ("time", "/times", [x.id for x in problem.times]),
        ("time domain", "/time_domains", [x.id for x in problem.time_domains]),
        ("room", "/rooms", [x.id for x in problem.rooms]),
        ("course", "/courses", [x.id for x in problem.courses]),
        ("instructor", "/instructors", [x.id for x in problem.instructors]),
        ("curriculum", "/curricula", [x.id for x in problem.curricula]),
        ("student", "/students", [x.id for x in problem.students]),
    ]
    for c, course in enumerate(problem.courses):
        kinds.append(("configuration", f"/courses/{c}/configs", [k.id for k in course.configs]))
        kinds.extend(
            ("subpart", f"/courses/{c}/configs/{k}/subparts", [s.id for s in config.subparts])
            for k, config in enumerate(course.configs)
        )
    for kind, pointer, ids in kinds:
        for n, name in repeated(ids):
            yield Finding(
                "duplicate_id", f"{pointer}/{n}/id", f"There are two {kind}s with the id {name!r}. Rename one of them."
            )
    seen: set[str] = set()
    for pointer, cls in located_classes(problem):
        if cls.id in seen:
            yield Finding(
                "duplicate_id",
                f"{pointer}/id",
                f"There are two classes with the id {cls.id!r}. Rename one (class ids are unique problem-wide).",
            )
        seen.add(cls.id)


# -- times and blocks -------------------------------------------------------------------------------------------------


def _times(problem: Problem) -> Iterator[Finding]:
    if not problem.times:
        yield Finding("no_times", "/times", "The problem has no times, so no class can be placed. Add times.")
    for n, time in enumerate(problem.times):
        yield from _stretch(time, f"/times/{n}", f"Time {time.id!r}", problem.calendar)


def _unavailability(problem: Problem) -> Iterator[Finding]:
    for r, room in enumerate(problem.rooms):
        for n, block in enumerate(room.unavailable):
            what = f"An unavailable block of room {room.id!r}"
            yield from _stretch(block, f"/rooms/{r}/unavailable/{n}", what, problem.calendar)
    for i, instructor in enumerate(problem.instructors):
        for n, block in enumerate(instructor.unavailable):
            what = f"An unavailable block of instructor {instructor.id!r}"
            yield from _stretch(block, f"/instructors/{i}/unavailable/{n}", what, problem.calendar)


def _stretch(stretch: Time | TimeBlock, pointer: str, what: str, calendar: Calendar) -> Iterator[Finding]:
    """A time or block fits the calendar and takes place at least once."""
    for field, bits, width in (("weeks", stretch.weeks, calendar.weeks), ("days", stretch.days, calendar.days)):
        if bits is None:
            continue
        if len(bits) != width:
            yield Finding(
                "wrong_width",
                f"{pointer}/{field}",
                f"{what} has {len(bits)} bits in {field!r}, and the calendar has {width} {field}. Give one bit each.",
            )
        elif "1" not in bits:
            yield Finding(
                "never_meets",
                f"{pointer}/{field}",
                f"{what} has no 1 in {field!r}, so it never takes place. Set a bit.",
            )
    if stretch.start + stretch.length > calendar.slots_per_day:
        yield Finding(
            "beyond_the_day",
            pointer,
            f"{what} starts at slot {stretch.start} and lasts {stretch.length}, beyond the day's"
            f" {calendar.slots_per_day} slots. Start it earlier or shorten it.",
        )


def _time_domains(problem: Problem) -> Iterator[Finding]:
    known = {t.id for t in problem.times}
    for n, domain in enumerate(problem.time_domains):
        what = f"Time domain {domain.id!r}"
        yield from option_findings(what, f"/time_domains/{n}/options", "time", [o.time for o in domain.options], known)


def _travel(problem: Problem) -> Iterator[Finding]:
    buildings = {room.building for room in problem.rooms if room.building is not None}
    rooms = {room.id for room in problem.rooms}
    yield from _travel_list(problem.building_travel, "/building_travel", "building", buildings, "any of /rooms")
    yield from _travel_list(problem.room_travel, "/room_travel", "room", rooms, "/rooms")


def _travel_list(travel: list[Travel], pointer: str, kind: str, known: set[str], defined_in: str) -> Iterator[Finding]:
    seen: set[tuple[str, str]] = set()
    for n, between in enumerate(travel):
        for end, name in (("a", between.a), ("b", between.b)):
            if name not in known:
                yield unknown_reference(kind, f"{pointer}/{n}/{end}", name, defined_in)
        if between.a == between.b:
            yield Finding(
                "travel_to_itself", f"{pointer}/{n}", f"Walking from {kind} {between.a!r} to itself. Remove the line."
            )
        pair = (min(between.a, between.b), max(between.a, between.b))
        if pair in seen:
            yield Finding(
                "duplicate_travel",
                f"{pointer}/{n}",
                f"Walking between {kind}s {pair[0]!r} and {pair[1]!r} is given twice (it counts both ways)."
                " Remove one.",
            )
        seen.add(pair)


# -- sets of courses and classes --------------------------------------------------------------------------------------


def _curricula(problem: Problem) -> Iterator[Finding]:
    known = {course.id for course in problem.courses}
    for q, curriculum in enumerate(problem.curricula):
        what = f"Curriculum {curriculum.id!r}"
        yield from _course_list(what, f"/curricula/{q}/courses", curriculum.courses, known)


def _students(problem: Problem) -> Iterator[Finding]:
    known = {course.id for course in problem.courses}
    for s, student in enumerate(problem.students):
        yield from _course_list(f"Student {student.id!r}", f"/students/{s}/courses", student.courses, known)


def _course_list(what: str, pointer: str, courses: list[str], known: set[str]) -> Iterator[Finding]:
    if not known.issuperset(courses):
        for n, course in enumerate(courses):
            if course not in known:
                yield unknown_reference("course", f"{pointer}/{n}", course, "/courses")
    for n, course in repeated(courses):
        yield Finding("duplicate_course", f"{pointer}/{n}", f"{what} lists course {course!r} twice. Remove one.")


def _distributions(problem: Problem) -> Iterator[Finding]:
    known = {cls.id for _, cls in located_classes(problem)}
    for n, distribution in enumerate(problem.distributions):
        yield from _distribution(distribution, f"/distributions/{n}", known)


def _distribution(distribution: Distribution, pointer: str, known: set[str]) -> Iterator[Finding]:
    yield from _required_or_penalty(distribution, pointer)
    yield from _parameter_count(distribution, pointer, PARAMETER_COUNT.get(distribution.type, 0))
    for n, cls in enumerate(distribution.classes):
        if cls not in known:
            yield unknown_reference("class", f"{pointer}/classes/{n}", cls, "/courses")
    for n, cls in repeated(distribution.classes):
        yield Finding(
            "duplicate_class",
            f"{pointer}/classes/{n}",
            f"This {distribution.type} lists class {cls!r} twice. Remove one.",
        )


def _student_rules(problem: Problem) -> Iterator[Finding]:
    for n, rule in enumerate(problem.student_rules):
        pointer = f"/student_rules/{n}"
        yield from _required_or_penalty(rule, pointer)
        yield from _parameter_count(rule, pointer, STUDENT_PARAMETER_COUNT.get(rule.type, 0))
        if rule.type is StudentRuleType.NO_CONFLICT and rule.penalty is not None:
            yield Finding(
                "no_conflict_penalty",
                f"{pointer}/penalty",
                "NoConflict can only be required. Without it a conflict costs the weight 'student': remove the rule.",
            )
    for n, name in repeated([_name(rule) for rule in problem.student_rules]):
        yield Finding("duplicate_rule", f"/student_rules/{n}", f"{name} is there twice. Remove one.")


def _name(rule: StudentRule) -> str:
    return f"{rule.type}({', '.join(map(str, rule.parameters))})" if rule.parameters else rule.type.value


def _required_or_penalty(rule: Distribution | StudentRule, pointer: str) -> Iterator[Finding]:
    if rule.required == (rule.penalty is not None):
        given = "both" if rule.required else "neither"
        yield Finding(
            "required_or_penalty",
            pointer,
            f"This {rule.type} gives {given} of 'required: true' and 'penalty'. Give exactly one.",
        )


def _parameter_count(rule: Distribution | StudentRule, pointer: str, expected: int) -> Iterator[Finding]:
    if len(rule.parameters) != expected:
        yield Finding(
            "parameter_count",
            f"{pointer}/parameters",
            f"{rule.type} takes {expected} parameters, and {len(rule.parameters)} are given. See docs/formats.md.",
        )


def _pins(problem: Problem) -> Iterator[Finding]:
    classes = {cls.id: cls for _, cls in located_classes(problem)}
    times = {t.id for t in problem.times}
    rooms = {r.id for r in problem.rooms}
    for n, pin in enumerate(problem.pins):
        yield from _pin(pin, f"/pins/{n}", classes, times, rooms)
    for n, name in repeated([pin.class_id for pin in problem.pins]):
        yield Finding("duplicate_pin", f"/pins/{n}/class", f"Class {name!r} is pinned twice. Merge the two pins.")


def _pin(pin: Pin, pointer: str, classes: dict[str, Class], times: set[str], rooms: set[str]) -> Iterator[Finding]:
    cls = classes.get(pin.class_id)
    if cls is None:
        yield unknown_reference("class", f"{pointer}/class", pin.class_id, "/courses")
    if pin.time is None and pin.room is None:
        yield Finding(
            "empty_pin", pointer, f"The pin of class {pin.class_id!r} gives neither a time nor a room. Give one."
        )
    if pin.time is not None and pin.time not in times:
        yield unknown_reference("time", f"{pointer}/time", pin.time, "/times")
    if pin.room is not None and pin.room not in rooms:
        yield unknown_reference("room", f"{pointer}/room", pin.room, "/rooms")
    if cls is not None and pin.room is not None and cls.rooms is None and cls.room_needs is None:
        yield Finding(
            "pin_without_need",
            f"{pointer}/room",
            f"Class {pin.class_id!r} needs no room, and is pinned to {pin.room!r}. Remove the room from the pin.",
        )

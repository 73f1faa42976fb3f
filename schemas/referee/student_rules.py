"""Rules for every student's own week: conflicts, runs of classes, days with one class, hours a day.

Each rule looks at one student's placed classes. What the types mean is defined in `schemas.problem.model.StudentRule`.
Must not know sectioning, domains or rooms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from schemas.problem.model import StudentRule, StudentRuleType
from schemas.referee.reading import Placed, Reading
from schemas.referee.verdict import Tally, Violation

# By how much one student's classes of one day break the rule; they come by start.
DayRule = Callable[[Sequence[Placed], Sequence[int]], int]


def student_conflicts(reading: Reading, tally: Tally) -> None:
    """A student can attend all classes; each pair that overlaps or leaves too little time to walk counts.

    It is a violation if the problem says so (rule NoConflict), and costs otherwise.
    """
    required = any(rule.type is StudentRuleType.NO_CONFLICT for rule in reading.problem.student_rules)
    conflicts = 0
    for student, members in _weeks_of_students(reading):
        for a, b in reading.unattendable_pairs(members):
            conflicts += 1
            if required:
                tally.violate("student_conflict", partial(_conflict, reading, student, a, b))
    if not required:
        tally.charge("student", reading.problem.weights.student * conflicts)


def _weeks_of_students(reading: Reading) -> Iterator[tuple[str, list[Placed]]]:
    for student, classes in reading.attended.items():
        if classes:
            yield student, [reading.placed[name] for name in classes if name in reading.placed]


def _conflict(reading: Reading, student: str, a: Placed, b: Placed) -> Violation:
    why = "overlap" if a.overlaps(b) else f"leave too little of the {reading.travel(a.room, b.room)} slots to walk"
    message = f"{reading.place_and_time(a)} and {reading.place_and_time(b)} of student {student!r} {why}."
    return Violation("student_conflict", (a.id, b.id, student), message, when=reading.when(a))


# -- rules on days ----------------------------------------------------------------------------------------------------


def beyond_the_run(on_day: Sequence[Placed], parameters: Sequence[int]) -> int:
    """MaxConsecutive(n, S): of classes at most S slots from one another, each beyond the n-th counts."""
    longest, apart = parameters
    beyond = run = 0
    end = -1
    for placed in on_day:
        run = run + 1 if run and placed.start <= end + apart else 1
        end = max(end, placed.end) if run > 1 else placed.end
        beyond += run > longest
    return beyond


def single_class(on_day: Sequence[Placed], _: Sequence[int]) -> int:
    """SingleClassDay: a day with exactly one class counts."""
    return int(len(on_day) == 1)


def excess_load(on_day: Sequence[Placed], parameters: Sequence[int]) -> int:
    """MaxDayLoad(S): slots of class beyond S."""
    return max(0, sum(placed.end - placed.start for placed in on_day) - parameters[0])


DAY_RULES: dict[StudentRuleType, DayRule] = {
    StudentRuleType.MAX_CONSECUTIVE: beyond_the_run,
    StudentRuleType.SINGLE_CLASS_DAY: single_class,
    StudentRuleType.MAX_DAY_LOAD: excess_load,
}

_EXCESS = {
    StudentRuleType.MAX_CONSECUTIVE: "classes too many in a row",
    StudentRuleType.SINGLE_CLASS_DAY: "days with a single class",
    StudentRuleType.MAX_DAY_LOAD: "slots of class too many",
}


def student_day_rules(reading: Reading, tally: Tally) -> None:
    """Counts the rules on days: as violations if required, else in parts like `StudentSingleClassDay`."""
    rules = [rule for rule in reading.problem.student_rules if rule.type in DAY_RULES]
    if not rules:
        return
    weeks = reading.problem.calendar.weeks
    for student, members in _weeks_of_students(reading):
        sums = [0] * len(rules)
        for on_day, in_weeks in _days(reading, members):
            for n, rule in enumerate(rules):
                sums[n] += DAY_RULES[rule.type](on_day, rule.parameters) * in_weeks
        for rule, excess in zip(rules, sums, strict=True):
            if rule.penalty is not None:
                cost = reading.problem.weights.student * (rule.penalty * excess // weeks)
                tally.charge(part_name(rule.type), cost)
            elif excess:
                tally.violate(
                    part_name(rule.type), partial(_violation, reading, student, members, rule, excess), excess
                )


def part_name(type_: StudentRuleType) -> str:
    """The rule's name in a score: MaxDayLoad is a distribution too."""
    return f"Student{type_.value}"


def _days(reading: Reading, members: Sequence[Placed]) -> Iterator[tuple[list[Placed], int]]:
    """The classes that meet on a day of some weeks, by start, and in how many weeks it is just these."""
    by_start = sorted(members, key=lambda p: (p.start, p.end))
    for day in range(reading.problem.calendar.days):
        on_day = [placed for placed in by_start if placed.days >> day & 1]
        if on_day:
            yield from _alike_weeks(on_day, (1 << reading.problem.calendar.weeks) - 1)


def _alike_weeks(on_day: Sequence[Placed], weeks: int) -> Iterator[tuple[list[Placed], int]]:
    """The weeks split by which of the classes meet in them; weeks without any are left out."""
    groups: list[tuple[int, list[Placed]]] = [(weeks, [])]
    for placed in on_day:
        split: list[tuple[int, list[Placed]]] = []
        for mask, meeting in groups:
            inside, outside = mask & placed.weeks, mask & ~placed.weeks
            if inside:
                split.append((inside, [*meeting, placed]))
            if outside:
                split.append((outside, meeting))
        groups = split
    for mask, meeting in groups:
        if meeting:
            yield meeting, mask.bit_count()


def _violation(reading: Reading, student: str, members: Sequence[Placed], rule: StudentRule, excess: int) -> Violation:
    """Names the classes of the first day on which the rule is broken."""
    name = f"{rule.type}({', '.join(map(str, rule.parameters))})" if rule.parameters else rule.type.value
    broken = next(on_day for on_day, _ in _days(reading, members) if DAY_RULES[rule.type](on_day, rule.parameters))
    classes = tuple(placed.id for placed in broken)
    message = (
        f"{name} does not hold for student {student!r}: {excess} {_EXCESS[rule.type]} over all days and weeks,"
        f" among them {', '.join(classes[:6])} ({reading.when(broken[0])})."
    )
    return Violation(part_name(rule.type), (*classes[:50], student), message, when=reading.when(broken[0]))

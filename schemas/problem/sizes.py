"""Bounds on what a problem expands to, so that a small hostile file cannot become a large amount of work.

Owns the products and sums of sizes that later steps pay for (travel matrices, option lists, pairs of classes); the
plain list lengths are bounded in `schemas.problem.model`. Every bound is several times the largest university that we
know of. Must not know whether references are right: unknown ones count as nothing here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from schemas.problem.findings import Finding
from schemas.problem.model import MAX_CLASSES, Class, DistributionType, Problem

MAX_OPTIONS = 20_000_000  # time options of all classes, and likewise room options: 8 bytes each in the solver
MAX_ROOM_MATCHES = 10_000_000  # different room needs x rooms: each is compared once
MAX_ABSENCE_CHECKS = 20_000_000  # times x different unavailable blocks of rooms; likewise of each instructor
MAX_ROOM_ABSENCES = 200_000  # unavailable blocks of all rooms, about 300 bytes each
MAX_TRAVEL_PAIRS = 1_000_000  # pairs of rooms with walking time, about 100 bytes each
MAX_CLASH_PAIRS = 5_000_000  # pairs of classes that share an instructor or a curriculum
MAX_DISTRIBUTION_PAIRS = 20_000_000  # pairs of classes in distributions that look at pairs
MAX_REQUESTS = 5_000_000
MAX_STUDENT_PAIRS = 100_000_000  # pairs of classes of one student, summed over the students
MAX_STUDENT_DAYS = 40_000_000  # days x weeks x students x rules for students

WHOLE_SET_TYPES = frozenset(
    {
        DistributionType.MAX_DAYS,
        DistributionType.MAX_DAY_LOAD,
        DistributionType.MAX_BREAKS,
        DistributionType.MAX_BLOCK,
        DistributionType.MIN_WORKING_DAYS,
        DistributionType.ISOLATED_LECTURES,
        DistributionType.ROOM_STABILITY,
    }
)


def classes_of(problem: Problem) -> Iterator[Class]:
    """Every class, in the problem's order."""
    for course in problem.courses:
        for config in course.configs:
            for subpart in config.subparts:
                yield from subpart.classes


def size_findings(problem: Problem) -> Iterator[Finding]:
    """One finding per bound that is passed."""
    for what, pointer, size, limit, mend in _sizes(problem):
        if size > limit:
            yield Finding(
                "too_large", pointer, f"The problem has {size:,} {what}; at most {limit:,} are accepted. {mend}"
            )


def _sizes(problem: Problem) -> Iterator[tuple[str, str, int, int, str]]:
    classes = list(classes_of(problem))
    yield "classes", "/courses", len(classes), MAX_CLASSES, "Split the problem."
    yield "time options over all classes", "/courses", _time_options(problem, classes), MAX_OPTIONS, "List fewer times."
    yield "room options over all classes", "/courses", _room_options(problem, classes), MAX_OPTIONS, "List fewer rooms."
    yield "comparisons of room needs with rooms", "/courses", *_room_matches(problem, classes)
    yield "times to compare with absences", "/rooms", *_absence_checks(problem, classes)
    absences = sum(len(room.unavailable) for room in problem.rooms)
    yield "unavailable blocks of rooms", "/rooms", absences, MAX_ROOM_ABSENCES, "Merge blocks that touch."
    yield "pairs of rooms with walking time", "/building_travel", *_travel_pairs(problem)
    yield "pairs of classes with a common instructor or curriculum", "/curricula", *_clash_pairs(problem, classes)
    yield "pairs of classes in distributions", "/distributions", *_distribution_pairs(problem)
    requests = sum(len(student.courses) for student in problem.students)
    yield "course requests", "/students", requests, MAX_REQUESTS, "Split the problem."
    yield "pairs of classes of one student", "/students", *_student_pairs(problem)
    yield "days of students to look at", "/student_rules", *_student_days(problem)


def _time_options(problem: Problem, classes: list[Class]) -> int:
    domains = {d.id: len(d.options) for d in problem.time_domains}
    return sum(len(c.times or ()) + domains.get(c.time_domain or "", 0) for c in classes)


def _room_options(problem: Problem, classes: list[Class]) -> int:
    return sum(len(problem.rooms) if c.room_needs is not None else len(c.rooms or ()) for c in classes)


def _room_matches(problem: Problem, classes: list[Class]) -> tuple[int, int, str]:
    needs = {
        (
            c.limit if c.room_needs.min_capacity is None else c.room_needs.min_capacity,
            frozenset(c.room_needs.features),
            frozenset(c.room_needs.buildings),
            frozenset(c.room_needs.preferred_buildings),
            c.room_needs.elsewhere_penalty,
        )
        for c in classes
        if c.room_needs is not None
    }
    return len(needs) * len(problem.rooms), MAX_ROOM_MATCHES, "Let more classes share the same needs."


def _absence_checks(problem: Problem, classes: list[Class]) -> tuple[int, int, str]:
    domains = {d.id: len(d.options) for d in problem.time_domains}
    absences = {i.id: len(i.unavailable) for i in problem.instructors}
    of_rooms = len(problem.times) * len(
        {(b.start, b.length, b.days, b.weeks) for room in problem.rooms for b in room.unavailable}
    )
    of_instructors = sum(
        (len(c.times or ()) + domains.get(c.time_domain or "", 0)) * sum(absences.get(i, 0) for i in c.instructors)
        for c in classes
    )
    return of_rooms + of_instructors, MAX_ABSENCE_CHECKS, "Merge unavailable blocks that touch."


def _travel_pairs(problem: Problem) -> tuple[int, int, str]:
    rooms_in = Counter(room.building for room in problem.rooms if room.building is not None)
    by_building = sum(rooms_in[t.a] * rooms_in[t.b] for t in problem.building_travel if t.slots)
    return by_building + len(problem.room_travel), MAX_TRAVEL_PAIRS, "Leave out rooms or walking times of 0."


def _clash_pairs(problem: Problem, classes: list[Class]) -> tuple[int, int, str]:
    taught = Counter(instructor for c in classes for instructor in c.instructors)
    in_course = {
        course.id: sum(len(subpart.classes) for config in course.configs for subpart in config.subparts)
        for course in problem.courses
    }
    attended = [sum(in_course.get(course, 0) for course in q.courses) for q in problem.curricula]
    pairs = sum(n * (n - 1) // 2 for n in [*taught.values(), *attended])
    return pairs, MAX_CLASH_PAIRS, "Split large curricula."


def _distribution_pairs(problem: Problem) -> tuple[int, int, str]:
    pairs = sum(len(d.classes) ** 2 // 2 for d in problem.distributions if d.type not in WHOLE_SET_TYPES)
    return pairs, MAX_DISTRIBUTION_PAIRS, "Split large distributions."


def _student_pairs(problem: Problem) -> tuple[int, int, str]:
    attends = {course.id: max(len(config.subparts) for config in course.configs) for course in problem.courses}
    pairs = sum(sum(attends.get(c, 0) for c in student.courses) ** 2 // 2 for student in problem.students)
    return pairs, MAX_STUDENT_PAIRS, "Check that courses do not have hundreds of subparts."


def _student_days(problem: Problem) -> tuple[int, int, str]:
    calendar = problem.calendar
    days = calendar.weeks * calendar.days * len(problem.students) * len(problem.student_rules)
    return days, MAX_STUDENT_DAYS, "Give fewer rules for students."

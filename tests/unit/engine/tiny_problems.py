"""Tiny random problems with every kind of rule, and every timetable of them: what the exact engine is compared with.

The best timetable is found by enumeration, counted by the referee: it shares no code with any engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from random import Random

from hypothesis import assume
from hypothesis import strategies as st

from schemas.problem.check import check
from schemas.problem.expand import ExpandedProblem, expand
from schemas.problem.findings import InvalidProblemError
from schemas.problem.model import (
    PARAMETER_COUNT,
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
    Student,
    Subpart,
    Time,
    TimeBlock,
    TimeOption,
    Travel,
    Weights,
)
from schemas.referee import judge
from schemas.timetable import Enrolment, Placement, Timetable

NOT_MODELLED = frozenset({DistributionType.MAX_BREAKS, DistributionType.MAX_BLOCK})
TYPES = tuple(t for t in DistributionType if t not in NOT_MODELLED)
MAX_TIMETABLES = 600


@st.composite
def tiny_problems(draw: st.DrawFn, types: tuple[DistributionType, ...] = TYPES) -> ExpandedProblem:
    """A problem of at most five classes, small enough to enumerate."""
    random = Random(draw(st.integers(0, 2**32 - 1)))  # noqa: S311  # a test's dice
    problem = _problem(random, types)
    assume(not check(problem))
    try:
        expanded = expand(problem)
    except InvalidProblemError:
        assume(False)
        raise
    assume(_timetables(expanded) <= MAX_TIMETABLES)
    return expanded


def _problem(random: Random, types: tuple[DistributionType, ...]) -> Problem:
    weeks, days, slots = random.choice([1, 2, 3]), random.choice([2, 3]), 6
    times = [
        Time(
            id=f"t{n}",
            weeks=_bits(random, weeks),
            days=_bits(random, days),
            start=(start := random.randrange(slots - 1)),
            length=random.randint(1, min(3, slots - start)),
        )
        for n in range(random.randint(3, 7))
    ]
    rooms = [
        Room(
            id=f"r{n}",
            capacity=10,
            building=f"b{n}",
            unavailable=[TimeBlock(start=random.randrange(slots), length=1)] if random.random() < 0.3 else [],
        )
        for n in range(2)
    ]
    instructors = [Instructor(id="ann"), Instructor(id="bob")]
    courses: list[Course] = []
    names: list[str] = []
    for c in range(random.randint(2, 3)):
        configs = []
        for k in range(random.choice([1, 1, 2])):
            subparts = []
            for s in range(random.choice([1, 1, 2])):
                classes = []
                for n in range(random.choice([1, 1, 2])):
                    if len(names) == 5:
                        continue
                    name = f"c{c}-{k}-{s}-{n}"
                    names.append(name)
                    classes.append(_class(random, name, times, rooms, instructors))
                if classes:
                    subparts.append(Subpart(id=f"s{c}-{k}-{s}", classes=classes))
            if subparts:
                configs.append(Config(id=f"k{c}-{k}", subparts=subparts))
        if configs:
            courses.append(Course(id=f"c{c}", configs=configs))
    return Problem(
        name="tiny",
        calendar=Calendar(weeks=weeks, days=days, slots_per_day=slots),
        weights=Weights(
            time=random.randint(0, 2), room=1, distribution=random.randint(1, 3), student=random.randint(0, 3)
        ),
        times=times,
        rooms=rooms,
        room_travel=[Travel(a="r0", b="r1", slots=random.randint(0, 3))],
        courses=courses,
        instructors=instructors,
        curricula=[
            Curriculum(
                id=f"q{n}",
                courses=random.sample([c.id for c in courses], random.randint(1, len(courses))),
                penalty=random.choice([None, 1, 4]),
            )
            for n in range(random.randint(0, 2))
        ],
        students=[
            Student(id=f"s{n}", courses=random.sample([c.id for c in courses], random.randint(0, min(2, len(courses)))))
            for n in range(random.choice([0, 1, 2]))
        ],
        distributions=[_distribution(random, types, names) for _ in range(random.randint(0, 3)) if types],
    )


def _bits(random: Random, width: int) -> str:
    bits = [random.choice("01") for _ in range(width)]
    bits[random.randrange(width)] = "1"
    return "".join(bits)


def _class(random: Random, name: str, times: list[Time], rooms: list[Room], instructors: list[Instructor]) -> Class:
    listed = random.sample(times, random.randint(1, min(4, len(times))))
    wanted = random.sample(rooms, random.randint(0, 2))
    return Class(
        id=name,
        limit=random.randint(0, 2),
        times=[TimeOption(time=t.id, penalty=random.choice([0, 0, 1, 3])) for t in listed],
        rooms=[RoomOption(room=r.id, penalty=random.choice([0, 0, 2])) for r in wanted] or None,
        instructors=random.sample([i.id for i in instructors], random.choice([0, 0, 1, 2])),
    )


def _distribution(random: Random, types: tuple[DistributionType, ...], names: list[str]) -> Distribution:
    kind = random.choice(types)
    required = random.random() < 0.3
    return Distribution(
        type=kind,
        parameters=[random.randint(0, 4) for _ in range(PARAMETER_COUNT.get(kind, 0))],
        classes=random.sample(names, random.randint(1, len(names))),
        required=required,
        penalty=None if required else random.randint(0, 5),
    )


def _timetables(expanded: ExpandedProblem) -> int:
    number = 1
    for c in expanded.classes:
        number *= len(c.times) * (1 if c.rooms is None else len(c.rooms))
    for wanted in expanded.requests:
        for course in wanted:
            number *= len(_sectionings(expanded, course))
    return number


def _sectionings(expanded: ExpandedProblem, course: int) -> list[tuple[int, ...]]:
    return [
        chosen
        for config in expanded.courses[course]
        for chosen in product(*(expanded.subparts[s] for s in expanded.configs[config]))
    ]


def every_timetable(expanded: ExpandedProblem) -> Iterator[Timetable]:
    """Every timetable in which each class has one of its times and rooms and each request a complete sectioning."""
    problem = expanded.problem
    placements = [
        [
            Placement(class_id=c.id, time=problem.times[u].id, room=None if k is None else problem.rooms[k].id)
            for u, _ in c.times
            for k in ([None] if c.rooms is None else [k for k, _ in c.rooms])
        ]
        for c in expanded.classes
    ]
    requests = [(s, course) for s, wanted in enumerate(expanded.requests) for course in wanted]
    for enrolled in product(*(_sectionings(expanded, course) for _, course in requests)):
        attended: dict[int, list[str]] = {}
        for (s, _), chosen in zip(requests, enrolled, strict=True):
            attended.setdefault(s, []).extend(expanded.classes[i].id for i in chosen)
        enrolments = [Enrolment(student=problem.students[s].id, classes=classes) for s, classes in attended.items()]
        for placed in product(*placements):
            yield Timetable(placements=list(placed), enrolments=enrolments)


def cheapest(expanded: ExpandedProblem) -> int | None:
    """The smallest cost of a timetable without hard violations, None if every timetable has some."""
    scores = (judge(expanded.problem, timetable).score for timetable in every_timetable(expanded))
    return min((score.total for score in scores if score.hard_violations == 0), default=None)

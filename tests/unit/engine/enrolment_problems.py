"""Small enrolment problems, fixed and random, and timetables of them with whatever faults."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from schemas.problem.expand import ExpandedProblem
from schemas.problem.model import (
    Calendar,
    Class,
    Config,
    Course,
    Curriculum,
    Distribution,
    DistributionType,
    Instructor,
    Pin,
    Problem,
    Room,
    RoomOption,
    Student,
    StudentRule,
    StudentRuleType,
    Subpart,
    Time,
    TimeBlock,
    TimeOption,
    Weights,
)
from services.solver.engine.search import Assignment, Int32s

NO_CONFLICT = StudentRule(type=StudentRuleType.NO_CONFLICT, required=True)
SINGLE = StudentRule(type=StudentRuleType.SINGLE_CLASS_DAY, penalty=1)
IN_A_ROW = StudentRule(type=StudentRuleType.MAX_CONSECUTIVE, parameters=[2, 0], penalty=1)


def slots_of(days: int, slots: int) -> list[Time]:
    return [
        Time(id=f"{d}-{s}", weeks="1", days="".join("1" if d == k else "0" for k in range(days)), start=s, length=1)
        for d in range(days)
        for s in range(slots)
    ]


def an_event(
    name: str, times: Sequence[TimeOption], rooms: Sequence[RoomOption] | None, teachers: Sequence[str] = ()
) -> Course:
    cls = Class(id=name, limit=1_000, times=list(times), rooms=rooms and list(rooms), instructors=list(teachers))
    return Course(id=name, configs=[Config(id=name, subparts=[Subpart(id=name, classes=[cls])])])


def an_enrolment_problem(
    *,
    events: int = 24,
    students: int = 30,
    each: int = 5,
    rooms: int = 3,
    days: int = 3,
    slots: int = 4,
    pins: Sequence[Pin] = (),
    before: Sequence[tuple[str, str]] = (),
) -> Problem:
    """As in ITC-2002: any slot, a point per student in the last slot of a day, students' days; rooms suit by thirds."""
    dice = random.Random(events * 31 + students)  # noqa: S311  # reproducible test data
    taken = [dice.sample(range(events), each) for _ in range(students)]
    size = [sum(e in wanted for wanted in taken) for e in range(events)]
    courses = [
        an_event(
            f"E{e}",
            [
                TimeOption(time=f"{d}-{s}", penalty=size[e] * (s == slots - 1))
                for d in range(days)
                for s in range(slots)
            ],
            [RoomOption(room=f"R{r}") for r in range(rooms) if r >= e % 3 - 1],
        )
        for e in range(events)
    ]
    return Problem(
        name="enrolment",
        calendar=Calendar(weeks=1, days=days, slots_per_day=slots),
        times=slots_of(days, slots),
        rooms=[Room(id=f"R{r}", capacity=99) for r in range(rooms)],
        courses=courses,
        students=[Student(id=f"S{s}", courses=[f"E{e}" for e in wanted]) for s, wanted in enumerate(taken)],
        distributions=[
            Distribution(type=DistributionType.PRECEDENCE, classes=list(pair), required=True) for pair in before
        ],
        student_rules=[NO_CONFLICT, IN_A_ROW, SINGLE],
        pins=list(pins),
    )


def a_random_problem(seed: int) -> Problem:
    """Events with and without rooms and teachers, closed rooms, order, every rule for students, costs of every kind."""
    dice = random.Random(seed)  # noqa: S311  # reproducible test data
    days, slots, events, rooms = dice.randint(1, 4), dice.randint(2, 5), dice.randint(6, 20), dice.randint(1, 4)
    times = slots_of(days, slots)
    names = [f"E{e}" for e in range(events)]
    kinds = (DistributionType.NOT_OVERLAP, DistributionType.SAME_ATTENDEES, DistributionType.PRECEDENCE)
    courses = [
        an_event(
            name,
            [
                TimeOption(time=t.id, penalty=dice.choice((0, 0, 1, 5)))
                for t in dice.sample(times, dice.randint(1, len(times)))
            ],
            [
                RoomOption(room=f"R{r}", penalty=dice.choice((0, 0, 3)))
                for r in sorted(dice.sample(range(rooms), dice.randint(1, rooms)))
            ]
            if dice.random() < 0.85
            else None,
            dice.sample(("i0", "i1", "i2"), dice.choice((0, 0, 1))),
        )
        for name in names
    ]
    return Problem(
        name="enrolment",
        calendar=Calendar(weeks=1, days=days, slots_per_day=slots),
        weights=Weights(time=dice.randint(0, 2), room=dice.randint(0, 2), student=dice.randint(0, 3)),
        times=times,
        # The first room is never closed, so that few events are without any option.
        rooms=[
            Room(
                id=f"R{r}",
                capacity=99,
                unavailable=[TimeBlock(start=dice.randrange(slots), length=1)] if r and dice.random() < 0.4 else [],
            )
            for r in range(rooms)
        ],
        courses=courses,
        instructors=[Instructor(id=f"i{k}") for k in range(3)],
        curricula=[Curriculum(id="q", courses=dice.sample(names, 3))],
        students=[Student(id=f"S{s}", courses=dice.sample(names, dice.randint(0, 5))) for s in range(12)],
        distributions=[
            Distribution(type=kind, classes=dice.sample(names, dice.randint(2, 3)), required=True) for kind in kinds
        ],
        student_rules=[
            NO_CONFLICT,
            SINGLE,
            StudentRule(
                type=StudentRuleType.MAX_CONSECUTIVE, parameters=[dice.randint(1, 3), dice.randint(0, 2)], penalty=2
            ),
            StudentRule(type=StudentRuleType.MAX_DAY_LOAD, parameters=[dice.randint(1, 3)], penalty=3),
        ],
    )


def at_random(expanded: ExpandedProblem, seed: int) -> tuple[Int32s, Int32s]:
    """(times, rooms): each class in any of its options, whoever is there; one in ten nowhere."""
    dice = random.Random(seed)  # noqa: S311  # reproducible test data
    options = [
        (-1, -1) if dice.random() < 0.1 else (dice.choice(c.times)[0], dice.choice(c.rooms or ((-1, 0),))[0])
        for c in expanded.classes
    ]
    times, rooms = (np.array(column, np.int32) for column in zip(*options, strict=True))
    return times, rooms


def attended_by_all(expanded: ExpandedProblem, times: Int32s, rooms: Int32s) -> Assignment:
    """With every student in every class of the courses that they ask for."""
    attended = [[i for i, c in enumerate(expanded.classes) if c.course in set(wanted)] for wanted in expanded.requests]
    start = np.concatenate([[0], np.cumsum([len(classes) for classes in attended])]).astype(np.int32)
    return Assignment(times, rooms, start, np.array([i for classes in attended for i in classes], np.int32))

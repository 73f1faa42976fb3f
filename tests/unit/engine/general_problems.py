"""Random problems of every kind that the general search knows, and timetables of them with whatever faults."""

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
from schemas.timetable import Enrolment, Placement, Timetable
from services.solver.engine.search import Assignment

SLOTS = 24


def a_general_problem(seed: int, *, types: Sequence[DistributionType] = tuple(DistributionType)) -> Problem:
    """Twelve courses with up to two configurations, parents, walks, closed rooms, curricula; two rules of each type."""
    dice = random.Random(seed)  # noqa: S311  # reproducible test data
    weeks, days = dice.choice((1, 2, 5)), dice.choice((3, 5))
    times = [_time(dice, k, weeks, days) for k in range(40)]
    # The first room is never closed and suits every class that needs one, so every class has a place.
    rooms = [
        Room(
            id=f"r{k}",
            capacity=50,
            building=f"b{k % 2}",
            unavailable=[TimeBlock(start=dice.randrange(20), length=3)] if k and dice.random() < 0.4 else [],
        )
        for k in range(5)
    ]
    courses = [_course(dice, c, times, rooms) for c in range(12)]
    classes = [c.id for course in courses for k in course.configs for s in k.subparts for c in s.classes]
    names = [course.id for course in courses]
    return Problem(
        name=f"random {seed}",
        calendar=Calendar(weeks=weeks, days=days, slots_per_day=SLOTS),
        weights=Weights(
            time=dice.randint(0, 3),
            room=dice.randint(0, 3),
            distribution=dice.randint(1, 5),
            student=dice.randint(0, 5),
        ),
        times=times,
        rooms=rooms,
        building_travel=[Travel(a="b0", b="b1", slots=2)],
        courses=courses,
        instructors=[Instructor(id=f"i{k}") for k in range(6)],
        curricula=[
            Curriculum(id=f"q{k}", courses=dice.sample(names, 3), penalty=dice.choice((None, 2, 3))) for k in range(4)
        ],
        students=[Student(id=f"s{k}", courses=dice.sample(names, dice.randint(1, 5))) for k in range(60)],
        distributions=[_distribution(dice, kind, classes) for kind in types for _ in range(2)],
    )


def _time(dice: random.Random, k: int, weeks: int, days: int) -> Time:
    def some(n: int) -> str:
        sure = dice.randrange(n)
        return "".join("1" if i == sure or dice.random() < 0.4 else "0" for i in range(n))

    return Time(
        id=f"t{k}", weeks=some(weeks), days=some(days), start=dice.randrange(SLOTS - 4), length=dice.randint(1, 4)
    )


def _course(dice: random.Random, c: int, times: Sequence[Time], rooms: Sequence[Room]) -> Course:
    configs = []
    for k in range(dice.choice((1, 1, 2))):
        subparts: list[Subpart] = []
        for s in range(dice.choice((1, 1, 2, 3))):
            above = subparts[-1].classes if subparts else []
            classes = [
                Class(
                    id=f"c{c}-{k}-{s}-{n}",
                    limit=dice.randint(8, 30),
                    parent=dice.choice(above).id if above and dice.random() < 0.5 else None,
                    times=[
                        TimeOption(time=t.id, penalty=dice.randint(0, 4))
                        for t in dice.sample(times, dice.randint(1, 15))
                    ],
                    rooms=[
                        RoomOption(room=r.id, penalty=dice.randint(0, 3))
                        for r in (rooms[0], *dice.sample(rooms[1:], dice.randint(0, 4)))
                    ]
                    if dice.random() < 0.85
                    else None,
                    instructors=[f"i{dice.randrange(6)}"] if dice.random() < 0.4 else [],
                )
                for n in range(dice.choice((1, 2, 3)))
            ]
            subparts.append(Subpart(id=f"{c}-{k}-{s}", classes=classes))
        configs.append(Config(id=f"{c}-{k}", subparts=subparts))
    return Course(id=f"course{c}", configs=configs)


def _distribution(dice: random.Random, kind: DistributionType, classes: Sequence[str]) -> Distribution:
    parameters = {
        DistributionType.WORK_DAY: [dice.randint(4, 12)],
        DistributionType.MIN_GAP: [dice.randint(0, 5)],
        DistributionType.MAX_DAYS: [dice.randint(1, 3)],
        DistributionType.MAX_DAY_LOAD: [dice.randint(2, 8)],
        DistributionType.MAX_BREAKS: [dice.randint(0, 1), dice.randint(0, 3)],
        DistributionType.MAX_BLOCK: [dice.randint(3, 8), dice.randint(0, 3)],
        DistributionType.MIN_WORKING_DAYS: [dice.randint(2, 4)],
    }.get(kind, [])
    required = dice.random() < 0.5
    return Distribution(
        type=kind,
        parameters=parameters,
        classes=dice.sample(classes, dice.randint(2, 6)),
        required=required,
        penalty=None if required else dice.randint(0, 5),
    )


def with_faults(expanded: ExpandedProblem, assignment: Assignment, seed: int) -> Assignment:
    """Some classes without a time, some without a room, some students out of a class or all in one."""
    dice = random.Random(seed)  # noqa: S311  # reproducible test data
    times, rooms = assignment.times.copy(), assignment.rooms.copy()
    for i in range(len(times)):
        if dice.random() < 0.1:
            rooms[i] = -1
        if dice.random() < 0.1:
            times[i], rooms[i] = -1, -1
    attended: list[int] = []
    start = [0]
    for s in range(len(assignment.attended_start) - 1):
        kept = assignment.attended[assignment.attended_start[s] : assignment.attended_start[s + 1]].tolist()
        for i in list(kept):
            if dice.random() < 0.1:
                kept.remove(i)
            elif dice.random() < 0.5:
                first = expanded.subparts[expanded.classes[i].subpart][0]  # the same section for many: over its limit
                kept[kept.index(i)] = first
        attended += list(dict.fromkeys(kept))
        start.append(len(attended))
    return Assignment(times, rooms, np.array(start, np.int32), np.array(attended, np.int32))


def timetable_of(expanded: ExpandedProblem, assignment: Assignment) -> Timetable:
    """By name, half-placed classes included (the solver's own translation leaves them out)."""
    problem = expanded.problem
    bounds = assignment.attended_start.tolist()
    attended = assignment.attended.tolist()
    return Timetable(
        placements=[
            Placement(class_id=c.id, time=problem.times[t].id, room=problem.rooms[r].id if r >= 0 else None)
            for c, t, r in zip(expanded.classes, assignment.times.tolist(), assignment.rooms.tolist(), strict=True)
            if t >= 0
        ],
        enrolments=[
            Enrolment(student=student.id, classes=[expanded.classes[i].id for i in attended[bounds[s] : bounds[s + 1]]])
            for s, student in enumerate(problem.students)
        ],
    )

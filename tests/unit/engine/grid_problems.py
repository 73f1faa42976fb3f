"""Small period-grid problems, fixed and random, and their cost counted in plain Python straight from the problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from hypothesis import strategies as st

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
    Subpart,
    Time,
    TimeBlock,
    TimeOption,
    Weights,
)

# (day, slot) and room index of each class, None unplaced.
Places = Sequence[tuple[tuple[int, int], int] | None]


def a_course(course: str, lectures: Sequence[Class]) -> Course:
    subparts = [Subpart(id=c.id, classes=[c]) for c in lectures]
    return Course(id=course, configs=[Config(id=course, subparts=subparts)])


def a_curriculum_problem(
    *,
    courses: int = 12,
    lectures: int = 3,
    rooms: int = 4,
    days: int = 4,
    slots: int = 4,
    pins: Sequence[Pin] = (),
    clashes: bool = True,
) -> Problem:
    """A CB-CTT-shaped problem: course c is taught by instructor c // 2 and is in curriculum c % 4.

    Without `clashes` nobody teaches and there are no curricula.
    """
    times = [TimeOption(time=f"{d}-{s}") for d in range(days) for s in range(slots)]
    ids = {c: [f"c{c}#{n}" for n in range(lectures)] for c in range(courses)}
    options = {c: [RoomOption(room=f"r{r}", penalty=max(0, 7 * (c % 5) - 9 * r)) for r in range(rooms)] for c in ids}
    distributions = [
        Distribution(type=kind, parameters=parameters, classes=ids[c], penalty=penalty)
        for c in ids
        for kind, parameters, penalty in (
            (DistributionType.MIN_WORKING_DAYS, [min(lectures, 3)], 5),
            (DistributionType.ROOM_STABILITY, [], 1),
        )
    ]
    distributions += [
        Distribution(
            type=DistributionType.ISOLATED_LECTURES, classes=[i for c in ids if c % 4 == q for i in ids[c]], penalty=2
        )
        for q in range(min(4, courses))
    ]
    return Problem(
        name="curriculum",
        calendar=Calendar(weeks=1, days=days, slots_per_day=slots),
        times=grid_times(days, slots),
        rooms=[Room(id=f"r{r}", capacity=10 * (r + 1)) for r in range(rooms)],
        courses=[
            a_course(
                f"c{c}",
                [
                    Class(id=i, limit=7, times=times, rooms=options[c], instructors=[f"i{c // 2}"] if clashes else [])
                    for i in ids[c]
                ],
            )
            for c in ids
        ],
        instructors=[Instructor(id=f"i{k}") for k in range((courses + 1) // 2)],
        curricula=[
            Curriculum(id=f"q{q}", courses=[f"c{c}" for c in ids if c % 4 == q])
            for q in range(min(4, courses))
            if clashes
        ],
        distributions=distributions,
        pins=list(pins),
    )


def grid_times(days: int, slots: int) -> list[Time]:
    return [
        Time(id=f"{d}-{s}", weeks="1", days="".join("1" if x == d else "0" for x in range(days)), start=s, length=1)
        for d in range(days)
        for s in range(slots)
    ]


@st.composite
def grid_problems(draw: st.DrawFn) -> Problem:
    """Random small problems of grid shape: tight or loose, with own domains, blocked rooms and uneven weights."""
    days, slots = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    rooms, courses = draw(st.integers(1, 3)), draw(st.integers(1, 5))
    periods = [f"{d}-{s}" for d in range(days) for s in range(slots)]
    penalty = st.integers(0, 6)
    distributions: list[Distribution] = []
    built: list[Course] = []
    every: list[str] = []
    for c in range(courses):
        ids = [f"c{c}#{n}" for n in range(draw(st.integers(1, 3)))]
        every += ids
        instructors = draw(st.lists(st.sampled_from(["i0", "i1", "i2"]), unique=True, max_size=2))
        shared_times = draw(st.lists(st.sampled_from(periods), min_size=1, unique=True))
        shared_rooms = draw(st.lists(st.integers(0, rooms - 1), min_size=1, unique=True))
        lectures = []
        for i in ids:
            own = [draw(st.sampled_from(periods))] if draw(st.integers(0, 5)) == 0 else shared_times
            lectures.append(
                Class(
                    id=i,
                    limit=1,
                    times=[TimeOption(time=t, penalty=draw(penalty)) for t in own],
                    rooms=[RoomOption(room=f"r{r}", penalty=draw(penalty)) for r in shared_rooms],
                    instructors=instructors,
                )
            )
        built.append(a_course(f"c{c}", lectures))
        if draw(st.booleans()):
            days_wanted = [draw(st.integers(0, 4))]
            distributions.append(
                Distribution(
                    type=DistributionType.MIN_WORKING_DAYS, parameters=days_wanted, classes=ids, penalty=draw(penalty)
                )
            )
        if draw(st.booleans()):
            distributions.append(Distribution(type=DistributionType.ROOM_STABILITY, classes=ids, penalty=draw(penalty)))
    names = [course.id for course in built]
    curricula = draw(st.lists(st.lists(st.sampled_from(names), min_size=1, unique=True), max_size=3))
    # On any classes, not only whole courses: a course under two rules is two courses to the grid.
    if all(d.type is not DistributionType.MIN_WORKING_DAYS for d in distributions) and draw(st.booleans()):
        distributions = []
        compact = draw(st.lists(st.lists(st.sampled_from(every), min_size=1, unique=True), max_size=3))
    else:
        compact = [[i for i in every if i.split("#")[0] in members] for members in curricula]
    for members in compact:
        distributions.append(
            Distribution(type=DistributionType.ISOLATED_LECTURES, classes=members, penalty=draw(penalty))
        )
    blocked = draw(st.booleans()) and slots > 1
    return Problem(
        name="random",
        calendar=Calendar(weeks=1, days=days, slots_per_day=slots),
        weights=Weights(
            time=draw(st.integers(0, 3)), room=draw(st.integers(0, 3)), distribution=draw(st.integers(0, 3))
        ),
        times=grid_times(days, slots),
        rooms=[
            Room(id=f"r{r}", capacity=1, unavailable=[TimeBlock(start=slots - 1, length=1)] if blocked and r else [])
            for r in range(rooms)
        ],
        courses=built,
        instructors=[Instructor(id=f"i{k}") for k in range(3)],
        curricula=[Curriculum(id=f"q{q}", courses=members) for q, members in enumerate(curricula)],
        distributions=distributions,
    )


def count_plainly(problem: Problem, places: Places) -> tuple[dict[str, int], dict[str, int]]:
    """Hard violations and weighted cost by part, from the definitions in words; the parts of 0 are left out."""
    courses = [course for course in problem.courses for _ in course.configs[0].subparts]
    classes = [s.classes[0] for course in problem.courses for s in course.configs[0].subparts]
    rooms = [room.id for room in problem.rooms]
    hard = dict.fromkeys(("unplaced", "room_conflict", "class_conflict"), 0)
    soft = dict.fromkeys(("time", "room", "MinWorkingDays", "RoomStability", "IsolatedLectures"), 0)
    at = {c.id: place for c, place in zip(classes, places, strict=True)}
    for c, place in zip(classes, places, strict=True):
        if place is None:
            hard["unplaced"] += 1
            continue
        (day, slot), room = place
        soft["time"] += problem.weights.time * _penalty({o.time: o.penalty for o in c.times or ()}, f"{day}-{slot}")
        soft["room"] += problem.weights.room * _penalty({o.room: o.penalty for o in c.rooms or ()}, _name(rooms, room))
    for (i, a), (j, b) in combinations(enumerate(classes), 2):
        one, two = places[i], places[j]
        if one is None or two is None or one[0] != two[0]:
            continue
        hard["room_conflict"] += one[1] == two[1]
        together = any({courses[i].id, courses[j].id} <= set(q.courses) for q in problem.curricula)
        hard["class_conflict"] += together or bool(set(a.instructors) & set(b.instructors))
    for d in problem.distributions:
        found = [p for p in (at[i] for i in d.classes) if p is not None]
        if d.type is DistributionType.MIN_WORKING_DAYS:
            amount = max(0, d.parameters[0] - len({day for (day, _), _ in found}))
        elif d.type is DistributionType.ROOM_STABILITY:
            amount = max(0, len({room for _, room in found}) - 1)
        else:
            periods = {period for period, _ in found}
            amount = sum((day, s - 1) not in periods and (day, s + 1) not in periods for (day, s), _ in found)
        soft[d.type.value] += problem.weights.distribution * (d.penalty or 0) * amount
    return {k: v for k, v in hard.items() if v}, {k: v for k, v in soft.items() if v}


def _penalty(options: Mapping[str, int], chosen: str) -> int:
    return options.get(chosen, 0)


def _name(rooms: Sequence[str], room: int) -> str:
    """Stand-in rooms have indices past the problem's own."""
    return rooms[room] if room < len(rooms) else "stand-in"

"""From needs to options: every class's explicit times and rooms, every rule by index.

Owns the one reading of the problem that the solver's compilers start from: references become indices, needs become
lists of rooms, instructors' absences and pins shrink the lists, options that can never be used are dropped. A class left
without an option is a named finding here, in milliseconds, instead of a search that cannot succeed.

Must not know arrays, kernels or how anything is searched. The referee does not use this module: it reads the problem
itself, so that a mistake made here is caught there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from schemas.problem.findings import Finding, InvalidProblemError
from schemas.problem.model import Calendar, Class, Distribution, Problem, Time, TimeBlock


@dataclass(frozen=True, slots=True)
class TimeMask:
    """A time or block as integers: bit w of `weeks` is week w, bit d of `days` is day d; slots are [start, end)."""

    weeks: int
    days: int
    start: int
    end: int

    def overlaps(self, other: TimeMask) -> bool:
        """True if the two share a slot on some day of some week."""
        return (
            self.start < other.end
            and other.start < self.end
            and self.days & other.days != 0
            and self.weeks & other.weeks != 0
        )


@dataclass(frozen=True, slots=True)
class ExpandedClass:
    """A class by index. Options are (index, penalty), penalties unweighted, in the problem's order.

    `rooms` is None when the class needs no room. `config` and `subpart` are numbered problem-wide.
    """

    id: str
    course: int
    config: int
    subpart: int
    parent: int | None
    limit: int
    times: tuple[tuple[int, int], ...]
    rooms: tuple[tuple[int, int], ...] | None


@dataclass(frozen=True, slots=True)
class ExpandedProblem:
    """The problem by index; all tuples are in the problem's order.

    `travel` maps (room, room) with the smaller index first to slots, non-zero entries only.
    `room_unavailable[r]` are room r's blocked times. `clash_sets` are the classes of one instructor or one required
    curriculum: any two of a set that are not alternatives (see `alternatives`) must not overlap and leave time to walk;
    a pair that stands in several sets is one violation, not several. `soft_curricula` are (classes, penalty) likewise.
    `configs[k]` are the subparts of configuration k, `subparts[s]` the classes of subpart s, `courses[c]` the
    configurations of course c, `requests[s]` the courses of student s.
    """

    problem: Problem
    times: tuple[TimeMask, ...]
    classes: tuple[ExpandedClass, ...]
    courses: tuple[tuple[int, ...], ...]
    configs: tuple[tuple[int, ...], ...]
    subparts: tuple[tuple[int, ...], ...]
    travel: dict[tuple[int, int], int]
    room_unavailable: tuple[tuple[TimeMask, ...], ...]
    clash_sets: tuple[tuple[int, ...], ...]
    soft_curricula: tuple[tuple[tuple[int, ...], int], ...]
    distributions: tuple[tuple[Distribution, tuple[int, ...]], ...]
    requests: tuple[tuple[int, ...], ...]

    def alternatives(self, i: int, j: int) -> bool:
        """True if no student attends both classes: same course, and another configuration or the same subpart."""
        a, b = self.classes[i], self.classes[j]
        return a.course == b.course and (a.config != b.config or a.subpart == b.subpart)


def _bits(text: str | None, width: int) -> int:
    """A bit string read left to right (first character is bit 0); None is all ones."""
    if text is None:
        return (1 << width) - 1
    return sum(1 << i for i, ch in enumerate(text) if ch == "1")


def mask_of_time(time: Time, calendar: Calendar) -> TimeMask:
    return TimeMask(
        _bits(time.weeks, calendar.weeks), _bits(time.days, calendar.days), time.start, time.start + time.length
    )


def mask_of_block(block: TimeBlock, calendar: Calendar) -> TimeMask:
    return TimeMask(
        _bits(block.weeks, calendar.weeks), _bits(block.days, calendar.days), block.start, block.start + block.length
    )


class _RoomMatcher:
    """Expands room needs to room options; equal needs are expanded once, because a university repeats them."""

    def __init__(self, problem: Problem) -> None:
        self._rooms = [(room, frozenset(room.features)) for room in problem.rooms]
        self._seen: dict[tuple[object, ...], tuple[tuple[int, int], ...]] = {}

    def options(self, cls: Class) -> tuple[tuple[int, int], ...]:
        needs = cls.room_needs
        assert needs is not None
        seats = cls.limit if needs.min_capacity is None else needs.min_capacity
        features, only = frozenset(needs.features), frozenset(needs.buildings)
        preferred = frozenset(needs.preferred_buildings)
        key = (seats, features, only, preferred, needs.elsewhere_penalty)
        if key not in self._seen:
            self._seen[key] = tuple(
                (i, needs.elsewhere_penalty if preferred and room.building not in preferred else 0)
                for i, (room, has) in enumerate(self._rooms)
                if room.capacity >= seats and features <= has and (not only or room.building in only)
            )
        return self._seen[key]

    def explain(self, cls: Class) -> str:
        """Why no room will do, in numbers."""
        needs = cls.room_needs
        assert needs is not None
        seats = cls.limit if needs.min_capacity is None else needs.min_capacity
        fitting = [r for r, has in self._rooms if frozenset(needs.features) <= has]
        within = [r for r in fitting if not needs.buildings or r.building in needs.buildings]
        what = f" with {', '.join(needs.features)}" if needs.features else ""
        where = f" in {', '.join(needs.buildings)}" if needs.buildings else ""
        if not within:
            return f"it needs a room{what}{where}, and there is none"
        largest = max(r.capacity for r in within)
        return f"it needs {seats} seats{what}{where}, and the largest such room has {largest}"


def expand(problem: Problem) -> ExpandedProblem:
    """Expand a problem that passed `check`.

    Raises `InvalidProblemError` with one finding per class that is left without a time or a room.
    """
    calendar = problem.calendar
    times = tuple(mask_of_time(t, calendar) for t in problem.times)
    time_index = {t.id: i for i, t in enumerate(problem.times)}
    room_index = {r.id: i for i, r in enumerate(problem.rooms)}
    domains = {d.id: tuple((time_index[o.time], o.penalty) for o in d.options) for d in problem.time_domains}
    absences = {i.id: [mask_of_block(b, calendar) for b in i.unavailable] for i in problem.instructors}
    room_unavailable = tuple(tuple(mask_of_block(b, calendar) for b in r.unavailable) for r in problem.rooms)
    pins = {p.class_id: p for p in problem.pins}
    matcher = _RoomMatcher(problem)
    findings: list[Finding] = []

    usable_cache: dict[tuple[int, int], bool] = {}

    def usable(time: int, room: int) -> bool:
        if not room_unavailable[room]:
            return True
        key = (time, room)
        if key not in usable_cache:
            usable_cache[key] = not any(times[time].overlaps(block) for block in room_unavailable[room])
        return usable_cache[key]

    classes: list[ExpandedClass] = []
    courses: list[tuple[int, ...]] = []
    configs: list[tuple[int, ...]] = []
    subparts: list[tuple[int, ...]] = []
    class_index: dict[str, int] = {}
    course_classes: dict[str, list[int]] = {}
    instructor_classes: dict[str, list[int]] = {i.id: [] for i in problem.instructors}
    parents: list[str | None] = []
    for c, course in enumerate(problem.courses):
        config_ids: list[int] = []
        course_classes[course.id] = []
        for k, config in enumerate(course.configs):
            config_id = len(configs)
            config_ids.append(config_id)
            subpart_ids: list[int] = []
            for s, subpart in enumerate(config.subparts):
                subpart_id = len(subparts)
                subpart_ids.append(subpart_id)
                members: list[int] = []
                for n, cls in enumerate(subpart.classes):
                    pointer = f"/courses/{c}/configs/{k}/subparts/{s}/classes/{n}"
                    options = (
                        domains[cls.time_domain]
                        if cls.time_domain is not None
                        else tuple((time_index[o.time], o.penalty) for o in cls.times or ())
                    )
                    pin = pins.get(cls.id)
                    if pin is not None and pin.time is not None:
                        options = tuple(o for o in options if o[0] == time_index[pin.time])
                    away = [b for i in cls.instructors for b in absences[i]]
                    if away:
                        options = tuple(o for o in options if not any(times[o[0]].overlaps(b) for b in away))
                    if not options:
                        findings.append(
                            Finding(
                                code="class_without_time",
                                pointer=pointer,
                                message=f"Class {cls.id!r} has no time left: its instructors ({', '.join(cls.instructors) or 'none'})"
                                " are unavailable during every one of its times, or it is pinned to a time that it does not list.",
                            )
                        )
                    rooms: tuple[tuple[int, int], ...] | None = None
                    if cls.rooms is not None:
                        rooms = tuple((room_index[o.room], o.penalty) for o in cls.rooms)
                    elif cls.room_needs is not None:
                        rooms = matcher.options(cls)
                        if not rooms:
                            findings.append(
                                Finding(
                                    code="class_without_room",
                                    pointer=pointer,
                                    message=f"Class {cls.id!r} has no room: {matcher.explain(cls)}.",
                                )
                            )
                    if rooms and pin is not None and pin.room is not None:
                        rooms = tuple(o for o in rooms if o[0] == room_index[pin.room])
                        if not rooms:
                            findings.append(
                                Finding(
                                    code="class_without_room",
                                    pointer=pointer,
                                    message=f"Class {cls.id!r} is pinned to room {pin.room!r}, which it cannot use.",
                                )
                            )
                    if rooms and options:
                        kept_times = tuple(o for o in options if any(usable(o[0], r) for r, _ in rooms))
                        kept_rooms = tuple(o for o in rooms if any(usable(t, o[0]) for t, _ in options))
                        if not kept_times or not kept_rooms:
                            findings.append(
                                Finding(
                                    code="class_without_room",
                                    pointer=pointer,
                                    message=f"Class {cls.id!r}: every one of its rooms is unavailable during every one of its times.",
                                )
                            )
                        options, rooms = kept_times, kept_rooms
                    index = len(classes)
                    class_index[cls.id] = index
                    members.append(index)
                    course_classes[course.id].append(index)
                    for instructor in cls.instructors:
                        instructor_classes[instructor].append(index)
                    parents.append(cls.parent)
                    classes.append(ExpandedClass(cls.id, c, config_id, subpart_id, None, cls.limit, options, rooms))
                subparts.append(tuple(members))
            configs.append(tuple(subpart_ids))
        courses.append(tuple(config_ids))
    if findings:
        raise InvalidProblemError(findings)

    linked = tuple(
        ExpandedClass(x.id, x.course, x.config, x.subpart, class_index[p], x.limit, x.times, x.rooms) if p else x
        for x, p in zip(classes, parents, strict=True)
    )
    course_index = {course.id: c for c, course in enumerate(problem.courses)}
    curriculum_sets = [
        (tuple(sorted({i for course in q.courses for i in course_classes[course]})), q) for q in problem.curricula
    ]
    required = [members for members, q in curriculum_sets if q.required]
    return ExpandedProblem(
        problem=problem,
        times=times,
        classes=linked,
        courses=tuple(courses),
        configs=tuple(configs),
        subparts=tuple(subparts),
        travel=_travel(problem),
        room_unavailable=room_unavailable,
        clash_sets=_distinct_sets([*(tuple(m) for m in instructor_classes.values()), *required]),
        soft_curricula=tuple((members, q.penalty) for members, q in curriculum_sets if q.penalty is not None),
        distributions=tuple((d, tuple(class_index[i] for i in d.classes)) for d in problem.distributions),
        requests=tuple(tuple(course_index[c] for c in student.courses) for student in problem.students),
    )


def _distinct_sets(sets: Iterable[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    """Sets of two or more, each once (an instructor of one class forbids nothing)."""
    return tuple(members for members, _ in groupby(sorted(m for m in sets if len(m) > 1)))


def _travel(problem: Problem) -> dict[tuple[int, int], int]:
    """Slots to walk between rooms: the room pair's own figure if given, else their buildings'."""
    between = {frozenset((t.a, t.b)): t.slots for t in problem.building_travel}
    travel: dict[tuple[int, int], int] = {}
    if between:
        for i, a in enumerate(problem.rooms):
            for j in range(i + 1, len(problem.rooms)):
                b = problem.rooms[j]
                if a.building is None or b.building is None or a.building == b.building:
                    continue
                slots = between.get(frozenset((a.building, b.building)), 0)
                if slots:
                    travel[i, j] = slots
    index = {room.id: i for i, room in enumerate(problem.rooms)}
    for given in problem.room_travel:
        i, j = sorted((index[given.a], index[given.b]))
        travel[i, j] = given.slots
    return travel

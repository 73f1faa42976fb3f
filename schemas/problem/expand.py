"""From needs to options: every class's explicit times and rooms, every rule by index.

Owns the one reading of the problem that the solver's compilers start from: references become indices, needs become
lists of rooms, instructors' absences and pins shrink the lists, options that can never be used are dropped. A class
left without an option is a named finding here, in milliseconds, instead of a search that cannot succeed.

Must not know arrays, kernels or how anything is searched. The referee does not use this module: it reads the problem
itself, so that a mistake made here is caught there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from itertools import combinations, groupby, product
from operator import or_
from typing import TypeAlias

from schemas.change.baseline import Baseline
from schemas.problem.findings import Finding, InvalidProblemError
from schemas.problem.model import (
    Calendar,
    Class,
    Config,
    Distribution,
    Pin,
    Problem,
    RoomNeeds,
    RoomOption,
    Time,
    TimeBlock,
    TimeOption,
)

Options: TypeAlias = tuple[tuple[int, int], ...]  # (index of the time or room, penalty)


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
    times: Options
    rooms: Options | None


@dataclass(frozen=True, slots=True)
class Kept:
    """What a baseline asks of the search that is no option's penalty.

    `sections[s]` are the classes that student s should go on attending, at `section_weight` for each that is left.
    With `max_changes` at most so many of `places`, (class, time, room or None), may be left.
    """

    sections: tuple[tuple[int, ...], ...]
    section_weight: int
    places: tuple[tuple[int, int, int | None], ...]
    max_changes: int | None


@dataclass(frozen=True, slots=True)
class ExpandedProblem:
    """The problem by index; all tuples are in the problem's order.

    `travel` maps (room, room) with the smaller index first to slots, non-zero entries only.
    `room_unavailable[r]` are room r's blocked times. `clash_sets` are the classes of one instructor or one required
    curriculum: any two of a set that are not alternatives (see `alternatives`) must not overlap and leave time to walk;
    a pair that stands in several sets is one violation, not several. `instructor_sets` are those of the clash sets that
    come from an instructor: nobody teaches two sections at once, so in them alternatives clash too. `clash_pairs` reads
    both. `soft_curricula` are (classes, penalty), where alternatives do not clash.
    `configs[k]` are the subparts of configuration k, `subparts[s]` the classes of subpart s, `courses[c]` the
    configurations of course c, `requests[s]` the courses of student s. `baseline` is a timetable to stay close to, if
    there is one; `kept` is what of it the search itself has to know.
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
    instructor_sets: tuple[tuple[int, ...], ...]
    soft_curricula: tuple[tuple[tuple[int, ...], int], ...]
    distributions: tuple[tuple[Distribution, tuple[int, ...]], ...]
    requests: tuple[tuple[int, ...], ...]
    baseline: Baseline | None = None
    kept: Kept | None = None

    def alternatives(self, i: int, j: int) -> bool:
        """True if no student attends both classes: same course, and another configuration or the same subpart."""
        a, b = self.classes[i], self.classes[j]
        return a.course == b.course and (a.config != b.config or a.subpart == b.subpart)

    def clash_pairs(self) -> frozenset[tuple[int, int]]:
        """Every pair (smaller index first) that must neither overlap nor leave too little time to walk, each once.

        These are the pairs of `class_conflict`. Their number is bounded by `check`.
        """
        attended = {p for members in self.clash_sets for p in combinations(members, 2) if not self.alternatives(*p)}
        return frozenset(attended.union(*(combinations(members, 2) for members in self.instructor_sets)))


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


class _References:
    """The problem's named things by index, its times and absences as masks."""

    def __init__(self, problem: Problem) -> None:
        calendar = problem.calendar
        self.times = tuple(mask_of_time(t, calendar) for t in problem.times)
        self.time_index = {t.id: i for i, t in enumerate(problem.times)}
        self.room_index = {r.id: i for i, r in enumerate(problem.rooms)}
        self.course_index = {c.id: i for i, c in enumerate(problem.courses)}
        self.domains = {d.id: self.time_options(d.options) for d in problem.time_domains}
        self.absences = {i.id: tuple(mask_of_block(b, calendar) for b in i.unavailable) for i in problem.instructors}
        self.room_unavailable = tuple(tuple(mask_of_block(b, calendar) for b in r.unavailable) for r in problem.rooms)
        self.pins = {p.class_id: p for p in problem.pins}

    def time_options(self, options: Iterable[TimeOption]) -> Options:
        return tuple((self.time_index[o.time], o.penalty) for o in options)

    def room_options(self, options: Iterable[RoomOption]) -> Options:
        return tuple((self.room_index[o.room], o.penalty) for o in options)


class _RoomMatcher:
    """Expands room needs to room options; equal needs are expanded once, because a university repeats them."""

    def __init__(self, problem: Problem) -> None:
        self._rooms = [(room, frozenset(room.features)) for room in problem.rooms]
        self._suitable: dict[tuple[object, ...], list[tuple[int, tuple[int, int]]]] = {}
        self._seen: dict[tuple[object, ...], Options] = {}

    def options(self, needs: RoomNeeds, limit: int) -> Options:
        seats = limit if needs.min_capacity is None else needs.min_capacity
        features, only = frozenset(needs.features), frozenset(needs.buildings)
        preferred = frozenset(needs.preferred_buildings)
        kind = (features, only, preferred, needs.elsewhere_penalty)
        if (seats, *kind) not in self._seen:
            # Classes of a university differ in seats, hardly in anything else.
            if kind not in self._suitable:
                self._suitable[kind] = [
                    (room.capacity, (i, needs.elsewhere_penalty if preferred and room.building not in preferred else 0))
                    for i, (room, has) in enumerate(self._rooms)
                    if features <= has and (not only or room.building in only)
                ]
            self._seen[seats, *kind] = tuple(option for capacity, option in self._suitable[kind] if capacity >= seats)
        return self._seen[seats, *kind]

    def explain(self, needs: RoomNeeds, limit: int) -> str:
        """Why no room will do, in numbers."""
        seats = limit if needs.min_capacity is None else needs.min_capacity
        fitting = [r for r, has in self._rooms if frozenset(needs.features) <= has]
        within = [r for r in fitting if not needs.buildings or r.building in needs.buildings]
        what = f" with {', '.join(needs.features)}" if needs.features else ""
        where = f" in {', '.join(needs.buildings)}" if needs.buildings else ""
        if not within:
            return f"it needs a room{what}{where}, and there is none"
        largest = max(r.capacity for r in within)
        return f"it needs {seats} seats{what}{where}, and the largest such room has {largest}"


class _BlockedRooms:
    """Which rooms are unavailable during a time, as a bit mask of rooms; each time is worked out once."""

    def __init__(self, references: _References) -> None:
        self._times = references.times
        # Rooms close together (holidays, maintenance): each different block is looked at once.
        self._blocks: dict[TimeMask, int] = {}
        for room, blocks in enumerate(references.room_unavailable):
            for block in blocks:
                self._blocks[block] = self._blocks.get(block, 0) | 1 << room
        self._seen: dict[int, int] = {}

    def during(self, time: int) -> int:
        if not self._blocks:
            return 0
        if time not in self._seen:
            mask, blocked = self._times[time], 0
            for block, rooms in self._blocks.items():
                if mask.overlaps(block):
                    blocked |= rooms
            self._seen[time] = blocked
        return self._seen[time]


class UnionOfMasks:
    """The union of the bit masks of a list's options; each list is worked out once, because classes share them."""

    def __init__(self, mask: Callable[[int], int]) -> None:
        self._mask = mask
        # By identity, which is quick; the lists are kept, so that none can take over another's identity.
        self._seen: dict[int, tuple[Options, int]] = {}

    def of(self, options: Options) -> int:
        if id(options) not in self._seen:
            self._seen[id(options)] = options, reduce(or_, (self._mask(index) for index, _ in options), 0)
        return self._seen[id(options)][1]


class _Domains:
    """Works out one class's usable times and rooms; what leaves none becomes a finding."""

    def __init__(self, problem: Problem, references: _References) -> None:
        self.findings: list[Finding] = []
        self._references = references
        self._matcher = _RoomMatcher(problem)
        self._blocked = _BlockedRooms(references)
        self._rooms_of = UnionOfMasks(lambda room: 1 << room)
        self._ever_blocked = UnionOfMasks(self._blocked.during)

    def of(self, cls: Class, pointer: str) -> tuple[Options, Options | None]:
        pin = self._references.pins.get(cls.id)
        times = self._times(cls, pin, pointer)
        rooms = self._rooms(cls, pin, pointer)
        if times and rooms:
            return self._usable_together(cls, times, rooms, pointer)
        return times, rooms

    def _times(self, cls: Class, pin: Pin | None, pointer: str) -> Options:
        """The listed times (or the pinned one of them) during which every instructor is available."""
        refs = self._references
        listed = refs.domains[cls.time_domain] if cls.time_domain else refs.time_options(cls.times or ())
        if pin is not None and pin.time is not None:
            listed = tuple(o for o in listed if o[0] == refs.time_index[pin.time])
            if not listed:
                self._finding(
                    "class_without_time",
                    pointer,
                    f"Class {cls.id!r} is pinned to time {pin.time!r}, which is not among its times."
                    " Add the time to the class or remove the pin.",
                )
                return ()
        away = [block for instructor in cls.instructors for block in refs.absences[instructor]]
        if not away:
            return listed
        times = tuple(o for o in listed if not any(refs.times[o[0]].overlaps(b) for b in away))
        if not times:
            self._finding(
                "class_without_time",
                pointer,
                f"Class {cls.id!r} has no time left: {' or '.join(cls.instructors)} is unavailable during every one of"
                " its times. Add times, shorten the absences or change the instructor.",
            )
        return times

    def _rooms(self, cls: Class, pin: Pin | None, pointer: str) -> Options | None:
        """The listed rooms, or those that meet the needs (or the pinned one of them); None if the class needs none."""
        if cls.rooms is not None:
            rooms = self._references.room_options(cls.rooms)
        elif cls.room_needs is not None:
            rooms = self._matcher.options(cls.room_needs, cls.limit)
            if not rooms:
                why = self._matcher.explain(cls.room_needs, cls.limit)
                self._finding("class_without_room", pointer, f"Class {cls.id!r} has no room: {why}.")
        else:
            return None
        if rooms and pin is not None and pin.room is not None:
            rooms = tuple(o for o in rooms if o[0] == self._references.room_index[pin.room])
            if not rooms:
                self._finding(
                    "class_without_room",
                    pointer,
                    f"Class {cls.id!r} is pinned to room {pin.room!r}, which it cannot use."
                    " Pin it to a room that meets its needs or remove the pin.",
                )
        return rooms

    def _usable_together(self, cls: Class, times: Options, rooms: Options, pointer: str) -> tuple[Options, Options]:
        """Drops the times without an available room, and the rooms that are unavailable during every time."""
        wanted = self._rooms_of.of(rooms)
        if not wanted & self._ever_blocked.of(times):
            return times, rooms
        blocked_always = wanted
        kept_times = []
        for option in times:
            blocked = self._blocked.during(option[0])
            blocked_always &= blocked
            if wanted & ~blocked:
                kept_times.append(option)
        if not kept_times:
            self._finding(
                "class_without_room",
                pointer,
                f"Class {cls.id!r}: every one of its rooms is unavailable during every one of its times."
                " Add times or rooms, or shorten the rooms' unavailable blocks.",
            )
        kept_rooms = rooms if not blocked_always else tuple(o for o in rooms if not blocked_always >> o[0] & 1)
        return tuple(kept_times), kept_rooms

    def _finding(self, code: str, pointer: str, message: str) -> None:
        self.findings.append(Finding(code, pointer, message))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a class stands in the problem."""

    cls: Class
    pointer: str
    course: int
    config: int
    subpart: int


class _Structure:
    """Courses, configurations, subparts and classes numbered problem-wide, in the problem's order."""

    def __init__(self, problem: Problem) -> None:
        self.courses: list[tuple[int, ...]] = []
        self.configs: list[tuple[int, ...]] = []
        self.subparts: list[tuple[int, ...]] = []
        self.places: list[_Place] = []
        for c, course in enumerate(problem.courses):
            first = len(self.configs)
            for k, config in enumerate(course.configs):
                self._add_config(config, c, f"/courses/{c}/configs/{k}")
            self.courses.append(tuple(range(first, len(self.configs))))

    def _add_config(self, config: Config, course: int, pointer: str) -> None:
        first = len(self.subparts)
        for s, subpart in enumerate(config.subparts):
            start = len(self.places)
            for n, cls in enumerate(subpart.classes):
                where = f"{pointer}/subparts/{s}/classes/{n}"
                self.places.append(_Place(cls, where, course, len(self.configs), len(self.subparts)))
            self.subparts.append(tuple(range(start, len(self.places))))
        self.configs.append(tuple(range(first, len(self.subparts))))


def expand(problem: Problem) -> ExpandedProblem:
    """Expand a problem that passed `check`.

    Raises `InvalidProblemError` with one finding per class that is left without a time or a room.
    """
    references = _References(problem)
    structure = _Structure(problem)
    domains = _Domains(problem, references)
    class_index = {place.cls.id: i for i, place in enumerate(structure.places)}
    classes: list[ExpandedClass] = []
    course_classes: list[list[int]] = [[] for _ in problem.courses]
    instructor_classes: dict[str, list[int]] = {i.id: [] for i in problem.instructors}
    for i, place in enumerate(structure.places):
        cls = place.cls
        times, rooms = domains.of(cls, place.pointer)
        parent = None if cls.parent is None else class_index[cls.parent]
        classes.append(
            ExpandedClass(cls.id, place.course, place.config, place.subpart, parent, cls.limit, times, rooms)
        )
        course_classes[place.course].append(i)
        for instructor in cls.instructors:
            instructor_classes[instructor].append(i)
    if domains.findings:
        raise InvalidProblemError(domains.findings)

    curriculum_sets = [
        (tuple(sorted({i for course in q.courses for i in course_classes[references.course_index[course]]})), q)
        for q in problem.curricula
    ]
    required = [members for members, q in curriculum_sets if q.required]
    taught = [tuple(members) for members in instructor_classes.values()]
    return ExpandedProblem(
        problem=problem,
        times=references.times,
        classes=tuple(classes),
        courses=tuple(structure.courses),
        configs=tuple(structure.configs),
        subparts=tuple(structure.subparts),
        travel=_travel(problem, references.room_index),
        room_unavailable=references.room_unavailable,
        clash_sets=_distinct_sets([*taught, *required]),
        instructor_sets=_distinct_sets(taught),
        soft_curricula=tuple((members, q.penalty) for members, q in curriculum_sets if q.penalty is not None),
        distributions=tuple((d, tuple(class_index[i] for i in d.classes)) for d in problem.distributions),
        requests=tuple(tuple(references.course_index[c] for c in student.courses) for student in problem.students),
    )


def _distinct_sets(sets: Iterable[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    """Sets of two or more, each once (an instructor of one class forbids nothing)."""
    return tuple(members for members, _ in groupby(sorted(m for m in sets if len(m) > 1)))


def _travel(problem: Problem, room_index: dict[str, int]) -> dict[tuple[int, int], int]:
    """Slots to walk between rooms: the room pair's own figure if given (0 included), else their buildings'."""
    rooms_of: dict[str, list[int]] = {}
    for i, room in enumerate(problem.rooms):
        if room.building is not None:
            rooms_of.setdefault(room.building, []).append(i)
    travel: dict[tuple[int, int], int] = {}
    for between in problem.building_travel:
        if between.slots and between.a != between.b:
            for i, j in product(rooms_of.get(between.a, ()), rooms_of.get(between.b, ())):
                travel[(i, j) if i < j else (j, i)] = between.slots
    for given in problem.room_travel:
        i, j = sorted((room_index[given.a], room_index[given.b]))
        if given.slots and i != j:
            travel[i, j] = given.slots
        else:
            travel.pop((i, j), None)
    return travel

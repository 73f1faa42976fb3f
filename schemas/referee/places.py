"""Rules about where and when classes are: placement, domains, rooms, teachers and curricula; and what options cost.

Each function counts one rule into the tally. Must not know distributions or students.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from schemas.problem.model import Class, Room
from schemas.referee.reading import Placed, Reading, Stretch
from schemas.referee.verdict import Tally, Violation


def unplaced_classes(reading: Reading, tally: Tally) -> None:
    """Every class has a time, and a room if it needs one."""
    for name, section in reading.sections.items():
        placed = reading.placed.get(name)
        if placed is None:
            tally.violate("unplaced", partial(Violation, "unplaced", (name,), f"Class {name!r} has no time."))
        elif placed.room is None and needs_room(section.cls):
            tally.violate("unplaced", partial(without_room, reading, placed))


def needs_room(cls: Class) -> bool:
    """True if the class is to have a room at all."""
    return cls.rooms is not None or cls.room_needs is not None


def without_room(reading: Reading, placed: Placed) -> Violation:
    """A class with a time that lacks the room it needs."""
    when = reading.when(placed)
    message = f"Class {placed.id!r} needs a room and has none ({when})."
    return Violation("unplaced", (placed.id,), message, when=when)


def room_conflict(reading: Reading, tally: Tally) -> None:
    """A room holds one class at a time; each overlapping pair counts."""
    by_room: dict[str, list[Placed]] = {}
    for placed in reading.placed.values():
        if placed.room is not None:
            by_room.setdefault(placed.room.id, []).append(placed)
    for members in by_room.values():
        for a, b in _overlapping_pairs(members):
            tally.violate("room_conflict", partial(two_in_a_room, reading, a, b))


def _overlapping_pairs(members: Sequence[Placed]) -> Iterator[tuple[Placed, Placed]]:
    by_start = sorted(members, key=lambda p: p.start)
    for n, earlier in enumerate(by_start):
        for later in by_start[n + 1 :]:
            if later.start >= earlier.end:
                break
            if earlier.meets(later):
                yield earlier, later


def two_in_a_room(reading: Reading, a: Placed, b: Placed) -> Violation:
    """Two classes that overlap in one room."""
    room = "" if a.room is None else a.room.id
    message = f"Room {room!r} holds {a.id!r} ({reading.when(a)}) and {b.id!r} ({reading.when(b)}) at once."
    return Violation("room_conflict", (a.id, b.id), message, where=room, when=reading.when(a))


def room_unavailable(reading: Reading, tally: Tally) -> None:
    """No class is in a room while the room is unavailable; each class counts once."""
    blocked = {room.id: [Stretch.of(b) for b in room.unavailable] for room in reading.problem.rooms if room.unavailable}
    for placed in reading.placed.values():
        if placed.room is not None and is_during(placed, blocked.get(placed.room.id, ())):
            tally.violate("room_unavailable", partial(in_a_closed_room, reading, placed, placed.room))


def is_during(placed: Placed, stretches: Sequence[Stretch]) -> bool:
    """True if a class shares a slot with one of the stretches."""
    return any(
        placed.start < s.end and s.start < placed.end and placed.days & s.days and placed.weeks & s.weeks
        for s in stretches
    )


def in_a_closed_room(reading: Reading, placed: Placed, room: Room) -> Violation:
    """A class in a room that is unavailable then."""
    when = reading.when(placed)
    message = f"Class {placed.id!r} is in room {room.id!r} ({when}) while the room is unavailable."
    return Violation("room_unavailable", (placed.id,), message, where=room.id, when=when)


def class_conflict(reading: Reading, tally: Tally) -> None:
    """Classes with a common instructor or required curriculum neither overlap nor leave too little time to walk.

    In a curriculum, alternatives of one course are exempt: no student attends both. An instructor teaches both. A pair
    counts once, however many instructors and curricula it shares.
    """
    counted: set[tuple[str, str]] = set()
    for instructor, members in _by_instructor(reading).items():
        for a, b in reading.unattendable_pairs(members):
            _count_clash(reading, tally, counted, a, b, f"instructor {instructor!r}")
    for name, _, members in _by_curriculum(reading, required=True):
        for a, b in reading.unattendable_pairs(members):
            if not reading.alternatives(a, b):
                _count_clash(reading, tally, counted, a, b, f"curriculum {name!r}")


def _by_instructor(reading: Reading) -> dict[str, list[Placed]]:
    taught: dict[str, list[Placed]] = {}
    for placed in reading.placed.values():
        for instructor in placed.section.cls.instructors:
            taught.setdefault(instructor, []).append(placed)
    return taught


def _by_curriculum(reading: Reading, required: bool) -> Iterator[tuple[str, int, list[Placed]]]:
    """(id, penalty, placed classes) of the required curricula, or of the others."""
    in_course: dict[str, list[Placed]] = {}
    for placed in reading.placed.values():
        in_course.setdefault(placed.section.course, []).append(placed)
    for curriculum in reading.problem.curricula:
        if (curriculum.penalty is None) == required:
            members = [placed for course in curriculum.courses for placed in in_course.get(course, ())]
            yield curriculum.id, curriculum.penalty or 0, members


def _count_clash(
    reading: Reading, tally: Tally, counted: set[tuple[str, str]], a: Placed, b: Placed, whose: str
) -> None:
    pair = (a.id, b.id) if a.id <= b.id else (b.id, a.id)
    if pair not in counted:
        counted.add(pair)
        tally.violate("class_conflict", partial(unattendable_violation, reading, a, b, whose))


def unattendable_violation(reading: Reading, a: Placed, b: Placed, whose: str) -> Violation:
    """Two classes of an instructor or a curriculum that nobody can attend both of."""
    why = "overlap" if a.overlaps(b) else f"leave too little of the {reading.travel(a.room, b.room)} slots to walk"
    message = f"{reading.place_and_time(a)} and {reading.place_and_time(b)} of {whose} {why}."
    return Violation("class_conflict", (a.id, b.id), message, when=reading.when(a), whose=whose)


def curriculum_cost(reading: Reading, tally: Tally) -> None:
    """A soft curriculum costs its penalty for each pair of its classes that clash (alternatives are exempt)."""
    weight = reading.problem.weights.distribution
    for _, penalty, members in _by_curriculum(reading, required=False):
        clashes = sum(not reading.alternatives(a, b) for a, b in reading.unattendable_pairs(members))
        tally.charge("curriculum", weight * penalty * clashes)


class Domains:
    """A class takes a time and a room of its own options; which are those, and what does each cost?"""

    def __init__(self, reading: Reading) -> None:
        problem = reading.problem
        self._reading = reading
        self._time_domains = {d.id: {o.time: o.penalty for o in d.options} for d in problem.time_domains}
        self._absences = {i.id: [Stretch.of(b) for b in i.unavailable] for i in problem.instructors}
        self._pins = {pin.class_id: pin for pin in problem.pins}

    def count(self, tally: Tally) -> None:
        """Counts rule `domain` once for a class's time and once for its room, and the parts `time` and `room`."""
        weights = self._reading.problem.weights
        for placed in self._reading.placed.values():
            tally.charge("time", weights.time * (self.listed_times(placed.section.cls).get(placed.time.id) or 0))
            if placed.room is not None:
                tally.charge("room", weights.room * (self.room_penalty(placed.section.cls, placed.room) or 0))
            for wrong in (self.wrong_time(placed), self.wrong_room(placed)):
                if wrong is not None:
                    tally.violate("domain", partial(self.violation, placed, wrong))

    def violation(self, placed: Placed, wrong: str) -> Violation:
        """A class at a time or in a room that is none of its own; `wrong` says why."""
        when = self._reading.when(placed)
        where = None if placed.room is None else placed.room.id
        return Violation("domain", (placed.id,), f"Class {placed.id!r} {wrong}.", where=where, when=when)

    def listed_times(self, cls: Class) -> dict[str, int]:
        """The times listed for the class, and what each costs; not all of them need be allowed."""
        if cls.time_domain is not None:
            return self._time_domains[cls.time_domain]
        return {o.time: o.penalty for o in cls.times or ()}

    def wrong_time(self, placed: Placed) -> str | None:
        """Why the class may not take its time, or None."""
        cls = placed.section.cls
        if placed.time.id not in self.listed_times(cls):
            return f"is at time {placed.time.id!r} ({self._reading.when(placed)}), which is not among its times"
        pin = self._pins.get(cls.id)
        if pin is not None and pin.time is not None and pin.time != placed.time.id:
            return f"is pinned to time {pin.time!r}, and is at {placed.time.id!r}"
        for instructor in cls.instructors:
            if self.is_away(instructor, placed):
                return f"is at {self._reading.when(placed)}, while instructor {instructor!r} is unavailable"
        return None

    def is_away(self, instructor: str, placed: Placed) -> bool:
        return is_during(placed, self._absences[instructor])

    def is_off_its_pin(self, placed: Placed) -> bool:
        """True if the class is pinned to another time or room than it has."""
        pin, room = self._pins.get(placed.id), None if placed.room is None else placed.room.id
        return pin is not None and (pin.time not in (None, placed.time.id) or pin.room not in (None, room))

    def wrong_room(self, placed: Placed) -> str | None:
        """Why the class may not take its room, or None."""
        cls, room = placed.section.cls, placed.room
        if room is None:
            return None
        if not needs_room(cls):
            return f"needs no room, and is in {room.id!r}"
        if self.room_penalty(cls, room) is None:
            return f"is in room {room.id!r}, {self._unsuitable(cls, room)}"
        pin = self._pins.get(cls.id)
        if pin is not None and pin.room is not None and pin.room != room.id:
            return f"is pinned to room {pin.room!r}, and is in {room.id!r}"
        return None

    def room_penalty(self, cls: Class, room: Room) -> int | None:
        """What the room costs this class; None if the class may not take it."""
        if cls.rooms is not None:
            return next((o.penalty for o in cls.rooms if o.room == room.id), None)
        needs = cls.room_needs
        if needs is None or self._unsuitable(cls, room):
            return None
        elsewhere = needs.preferred_buildings and room.building not in needs.preferred_buildings
        return needs.elsewhere_penalty if elsewhere else 0

    def _unsuitable(self, cls: Class, room: Room) -> str:
        """What the room lacks of the class's needs; empty if nothing."""
        needs = cls.room_needs
        if needs is None:
            return "which is not among its rooms"
        seats = cls.limit if needs.min_capacity is None else needs.min_capacity
        missing = [feature for feature in needs.features if feature not in room.features]
        if room.capacity < seats:
            return f"which has {room.capacity} seats, and it needs {seats}"
        if missing:
            return f"which lacks {', '.join(missing)}"
        if needs.buildings and room.building not in needs.buildings:
            return f"which is not in {' or '.join(needs.buildings)}"
        return ""

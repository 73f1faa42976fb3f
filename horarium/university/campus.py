"""Buildings on a grid, walking times between them, rooms in a skewed mix of sizes.

Owns how many rooms of which size the sections need. Must not know times beyond weekly minutes.
"""

from __future__ import annotations

from dataclasses import dataclass

from horarium.university.dice import Dice
from horarium.university.patterns import SLOT_MINUTES
from horarium.university.sections import COMPUTER_LAB_SEATS, LAB_SEATS, Kind, SectionDraft

_WALK_MINUTES_PER_BLOCK = 3
_TEACHING_MINUTES_PER_WEEK = 5 * 10 * 60

# Seats of the room sizes, and the share of the teaching week (in percent) that rooms of the size are meant to be used:
# large rooms are the scarce ones everywhere. A 50-minute class fills an hour of the grid, so 83 is the ceiling.
_SIZES = ((20, 46), (30, 50), (45, 54), (60, 56), (90, 58), (130, 60), (200, 64), (280, 66), (420, 68))
_LAB_USE = 56


@dataclass(slots=True)
class RoomDraft:
    """A room; `building` is its position."""

    id: str
    capacity: int
    building: int
    features: frozenset[str]


@dataclass(slots=True)
class Campus:
    """Buildings by position with their walking times in slots, and the rooms."""

    buildings: list[str]
    walking: list[list[int]]
    rooms: list[RoomDraft]
    homes: list[int]  # the building of each department

    def add_room(self, capacity: int, features: frozenset[str], building: int) -> int:
        """Builds one more room and returns its position."""
        floor, door = divmod(sum(room.building == building for room in self.rooms), 12)
        name = f"{self.buildings[building]}-{(floor + 1) * 100 + door + 1}"
        self.rooms.append(RoomDraft(name, capacity, building, features))
        return len(self.rooms) - 1


def make_campus(dice: Dice, sections: list[SectionDraft], minutes: dict[str, int], departments: int) -> Campus:
    """A campus whose rooms suffice for the sections' weekly minutes (by family) at the intended use."""
    count = max(2, min(60, len(sections) // 135))
    width = next(w for w in range(1, count + 1) if w * w >= count)
    grid = [divmod(b, width) for b in range(count)]
    walking = [
        [
            0 if a == b else -(-_WALK_MINUTES_PER_BLOCK * (abs(a[0] - b[0]) + abs(a[1] - b[1])) // SLOT_MINUTES)
            for b in grid
        ]
        for a in grid
    ]
    names = [f"B{b + 1:02}" for b in range(count)]
    campus = Campus(names, walking, [], [d % count for d in range(departments)])
    for capacity, features, needed in _mix(sections, minutes):
        for _ in range(needed):
            seats = capacity - dice.below(max(1, capacity // 12)) if capacity > 45 else capacity
            campus.add_room(seats, features, dice.below(count))
    return campus


def _mix(sections: list[SectionDraft], minutes: dict[str, int]) -> list[tuple[int, frozenset[str], int]]:
    """(capacity, features, number) of the rooms that the sections need."""
    mix = []
    smaller = 0
    lectures = [s for s in sections if s.kind in (Kind.LECTURE, Kind.DISCUSSION)]
    for capacity, use in _SIZES:
        load = sum(minutes[s.family] for s in lectures if smaller < s.limit <= capacity - capacity // 12)
        mix.append((capacity, lecture_room_features(capacity), _rooms_for(load, use)))
        smaller = capacity - capacity // 12
    for kind, seats, feature in (
        (Kind.LAB, LAB_SEATS, "laboratory"),
        (Kind.COMPUTER_LAB, COMPUTER_LAB_SEATS, "computers"),
    ):
        load = sum(minutes[s.family] for s in sections if s.kind is kind)
        mix.append((seats, frozenset((feature, "projector")), _rooms_for(load, _LAB_USE)))
    return mix


def _rooms_for(minutes: int, use_percent: int) -> int:
    return -(-minutes * 100 // (_TEACHING_MINUTES_PER_WEEK * use_percent))


def lecture_room_features(capacity: int) -> frozenset[str]:
    """Small rooms have a board, larger ones a projector, the largest tiered seating as well."""
    features = {"board"}
    if capacity > 20:
        features.add("projector")
    if capacity > 110:
        features.add("tiered seating")
    return frozenset(features)

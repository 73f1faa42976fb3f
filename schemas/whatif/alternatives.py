"""The best other places of one class: every allowed time with every allowed room, ranked by (violations, cost).

Owns the ranking. What each of the best changes is evaluated like any move. Must not know who asks.

Most of what a place costs hangs on the time alone, or on the room alone. Only walking times tie the two, and those only
for classes that are close in time; rooms that are equally far from them share the count.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import TypeAlias

from schemas.problem.findings import Finding
from schemas.problem.model import DistributionType, Room, Time
from schemas.referee.places import is_during, needs_room
from schemas.referee.reading import Placed
from schemas.whatif.answers import Alternatives, Evaluation
from schemas.whatif.board import Board, Tie
from schemas.whatif.evaluate import (
    InvalidMoveError,
    count,
    count_distributions,
    difference_of,
    place_of,
    put,
    require_countable,
)

MAX_ALTERNATIVES = 50
# An option list of a hostile problem: what is beyond is not looked at.
MAX_TIMES, MAX_ROOMS = 2_000, 2_000

# Whose measure changes with the room alone, with the time and the walk, and (all others) with the time alone.
_BY_ROOM = frozenset({DistributionType.SAME_ROOM, DistributionType.DIFFERENT_ROOM, DistributionType.ROOM_STABILITY})
_BY_WALK = frozenset({DistributionType.SAME_ATTENDEES})


def alternatives(board: Board, name: str, limit: int = 10) -> Alternatives:
    """At most `limit` other places. Raises `InvalidMoveError` for a class that the problem does not have."""
    require_countable(board)
    cls = board.cls(name)
    if cls is None:
        raise InvalidMoveError([Finding("unknown_class", "/class", f"The problem has no class {name!r}.")])
    scan = _Scan(board, name)
    best = scan.best(max(1, min(limit, MAX_ALTERNATIVES)))
    old = board.placed.get(name)
    before = count(board, name, old)
    found = [difference_of(board, old, placed, before, count(board, name, placed)) for placed in best]
    return Alternatives(
        class_id=name,
        before=None if old is None else place_of(old),
        considered=scan.considered,
        alternatives=sorted(found, key=_order),
    )


def _order(found: Evaluation) -> tuple[tuple[int, int], int]:
    """Equally good places: first those that leave more as it is."""
    before, after = found.before, found.after
    kept = 0 if before is None else (before.time == after.time) + (before.room == after.room)
    return (found.rank, -kept)


# Violations, cost, how much of the present place is given up, and the order in which places are listed.
_Rank: TypeAlias = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class _AtTime:
    """What a time counts whatever the room; `near` classes count if the way to them is too long.

    `walks` keeps what they count by how far a room is from the others.
    """

    seed: Placed
    violations: int
    cost: int
    near: Sequence[Tie]
    walks: dict[Hashable, tuple[int, int]] = field(default_factory=dict)


class _Scan:
    """Goes through the places of one class."""

    def __init__(self, board: Board, name: str) -> None:
        self._board = board
        self._name = name
        self._cls = board.reading.sections[name].cls
        self._old = board.placed.get(name)
        self._neighbours = board.neighbours(name)
        self._student = board.problem.weights.student
        self.considered = 0

    def best(self, wanted: int) -> list[Placed]:
        """The best places but the present one, best first.

        Nothing counts less than nothing: a place is looked at in full only when what its time and its room count, each
        alone, is less than the worst of the best so far.
        """
        rooms = list(self._rooms())
        by_room = [self._of_room(room) for room in rooms]
        times = [self._at(time) for time in self._times()]
        waiting = [
            (self._rank(at, by_room[r], rooms[r], len(rooms) * t + r), at, r)
            for t, at in enumerate(times)
            for r in range(len(rooms))
            if not self._is_present(at, rooms[r])
        ]
        self.considered = len(waiting)
        waiting.sort(key=itemgetter(0))
        found: list[tuple[_Rank, Placed]] = []
        for rank, at, r in waiting:
            if len(found) == wanted and rank > found[-1][0]:
                break
            placed = replace(at.seed, room=rooms[r])
            hard, soft = self._walk(at, placed)
            full = (rank[0] + hard + self._in_the_room(placed), rank[1] + soft, *rank[2:])
            insort(found, (full, placed), key=itemgetter(0))
            del found[wanted:]
        return [placed for _, placed in found]

    def _rank(self, at: _AtTime, of_room: tuple[int, int], room: Room | None, order: int) -> _Rank:
        """The least that the place can come to."""
        given_up = 0 if self._old is None else (self._old.time is not at.seed.time) + (self._old.room is not room)
        return (at.violations + of_room[0], at.cost + of_room[1], given_up, order)

    def _is_present(self, at: _AtTime, room: Room | None) -> bool:
        return self._old is not None and self._old.time is at.seed.time and self._old.room is room

    def _at(self, time: Time) -> _AtTime:
        seed = put(self._board, self._name, time, None)
        violations, cost = self._of_time(seed)
        (hard, soft), near = self._clashes(seed)
        return _AtTime(seed, violations + hard, cost + soft, near)

    def _walk(self, at: _AtTime, placed: Placed) -> tuple[int, int]:
        key = self._distance_class(placed.room)
        if key not in at.walks:
            at.walks[key] = self._walking(placed, at.near)
        return at.walks[key]

    # -- options ------------------------------------------------------------------------------------------------------

    def _times(self) -> Iterator[Time]:
        """Listed times that pins and instructors allow."""
        board = self._board
        for name in list(board.domains.listed_times(self._cls))[:MAX_TIMES]:
            time = board.reading.times[name]
            if board.domains.wrong_time(put(board, self._name, time, None)) is None:
                yield time

    def _rooms(self) -> Iterator[Room | None]:
        board = self._board
        if not needs_room(self._cls):
            yield None
            return
        listed = [o.room for o in self._cls.rooms] if self._cls.rooms is not None else list(board.reading.rooms)
        time = next(iter(board.reading.times.values()))  # whether a room is allowed does not hang on the time
        found = 0
        for name in listed:
            room = board.reading.rooms[name]
            if board.domains.wrong_room(put(board, self._name, time, room)) is None:
                yield room
                found += 1
                if found == MAX_ROOMS:
                    return

    # -- the parts of a place -----------------------------------------------------------------------------------------

    def _of_room(self, room: Room | None) -> tuple[int, int]:
        """What hangs on the room alone."""
        board = self._board
        anywhen = put(board, self._name, next(iter(board.reading.times.values())), room)
        hard, soft = self._distributions(anywhen, _BY_ROOM)
        if room is not None:
            soft += board.problem.weights.room * (board.domains.room_penalty(self._cls, room) or 0)
        return hard, soft

    def _of_time(self, seed: Placed) -> tuple[int, int]:
        """What hangs on the time alone."""
        hard, soft = self._distributions(seed, frozenset(DistributionType) - _BY_ROOM - _BY_WALK)
        listed = self._board.domains.listed_times(self._cls)
        return hard, soft + self._board.problem.weights.time * (listed.get(seed.time.id) or 0)

    def _clashes(self, seed: Placed) -> tuple[tuple[int, int], Sequence[Tie]]:
        """What certain clashes count, wherever the class is, and those that hang on the walk."""
        reach = self._board.reading.longest_travel
        hard = soft = 0
        near = []
        for tie in self._neighbours.ties:
            other = tie.other
            if not seed.meets(other):
                continue
            if seed.start < other.end and other.start < seed.end:
                hard += tie.whose is not None
                soft += tie.curricula + self._student * tie.students
            elif seed.start < other.end + reach and other.start < seed.end + reach:
                near.append(tie)
        return (hard, soft), near

    def _walking(self, placed: Placed, near: Sequence[Tie]) -> tuple[int, int]:
        hard, soft = self._distributions(placed, _BY_WALK)
        for tie in near:
            if self._board.reading.unattendable(placed, tie.other):
                hard += tie.whose is not None
                soft += tie.curricula + self._student * tie.students
        return hard, soft

    def _distance_class(self, room: Room | None) -> Hashable:
        """Rooms of one class are equally far from every other room."""
        if room is None or not self._board.reading.longest_travel:
            return None
        return room.id if self._board.problem.room_travel else room.building

    def _in_the_room(self, placed: Placed) -> int:
        room = placed.room
        if room is None:
            return 0
        others = self._board.in_room.get(room.id, ())
        taken = sum(1 for other in others if other.id != self._name and placed.overlaps(other))
        return taken + is_during(placed, self._board.closed.get(room.id, ()))

    def _distributions(self, placed: Placed, types: frozenset[DistributionType]) -> tuple[int, int]:
        concerned = [d for d in self._neighbours.distributions if d.type in types]
        return count_distributions(self._board, concerned, self._name, placed)

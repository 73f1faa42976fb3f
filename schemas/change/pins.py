"""Pins in a request: classes that must stay where they are, or go where somebody says.

Owns what a request's pins mean for the problem's own. Must not know how a class is placed otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from schemas.problem.findings import Finding, InvalidProblemError
from schemas.problem.model import Class, Id, Pin, Problem
from schemas.problem.sizes import classes_of
from schemas.timetable import Timetable

MAX_PINS = 5_000


class Keep(StrEnum):
    """What of its place in the base timetable a pinned class keeps."""

    BOTH = "both"
    TIME = "time"
    ROOM = "room"


class PinnedClass(BaseModel):
    """A class that is fixed for this solve: to `time` and `room` by their ids, or to what it has in the base timetable.

    `keep` says what it keeps of the base beside `time` and `room`; a pin that says nothing keeps both. The pin replaces
    the problem's own pin of this class, if any.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    class_id: Id = Field(alias="class")
    time: Id | None = None
    room: Id | None = None
    keep: Keep | None = None

    @property
    def kept(self) -> frozenset[Keep]:
        """TIME and ROOM, as far as they are those of the base."""
        keep = self.keep
        if keep is None and self.time is None and self.room is None:
            keep = Keep.BOTH
        kept = {Keep.TIME, Keep.ROOM} if keep is Keep.BOTH else {keep}
        given = {Keep.TIME: self.time, Keep.ROOM: self.room}
        return frozenset(what for what, explicit in given.items() if what in kept and explicit is None)


def with_pins(problem: Problem, pins: Sequence[PinnedClass], base: Timetable | None) -> Problem:
    """The problem with the request's pins. Raises `InvalidProblemError`, with pointers to the pins that are wrong."""
    if not pins:
        return problem
    reader = _PinReader(problem, base)
    read = [reader.read(pin, f"/pins/{n}") for n, pin in enumerate(pins)]
    if reader.findings:
        raise InvalidProblemError(reader.findings)
    replaced = {pin.class_id for pin in pins}
    kept = [pin for pin in problem.pins if pin.class_id not in replaced]
    return problem.model_copy(update={"pins": [*kept, *(pin for pin in read if pin is not None)]})


class _PinReader:
    """Reads pins against a problem; what is wrong with them is collected in `findings`."""

    def __init__(self, problem: Problem, base: Timetable | None) -> None:
        self.findings: list[Finding] = []
        self._classes = {cls.id: cls for cls in classes_of(problem)}
        self._times = {time.id for time in problem.times}
        self._rooms = {room.id for room in problem.rooms}
        self._base = None if base is None else {p.class_id: p for p in base.placements}
        self._seen: set[str] = set()

    def read(self, pin: PinnedClass, pointer: str) -> Pin | None:
        found = list(self._unknown(pin, pointer)) or list(self._unkeepable(pin, pointer))
        self.findings += found
        if found:
            return None
        placed = None if self._base is None else self._base.get(pin.class_id)
        time = placed.time if placed is not None and Keep.TIME in pin.kept else pin.time
        room = placed.room if placed is not None and Keep.ROOM in pin.kept else pin.room
        return Pin(class_id=pin.class_id, time=time, room=room if _needs_room(self._classes[pin.class_id]) else None)

    def _unknown(self, pin: PinnedClass, pointer: str) -> Iterator[Finding]:
        cls = self._classes.get(pin.class_id)
        if cls is None:
            message = f"The problem has no class {pin.class_id!r}. Correct the id or leave the pin out."
            yield Finding("unknown_class", f"{pointer}/class", message)
            return
        if pin.class_id in self._seen:
            message = f"Class {pin.class_id!r} is pinned twice. Merge the two pins."
            yield Finding("duplicate_pin", f"{pointer}/class", message)
        self._seen.add(pin.class_id)
        if pin.time is not None and pin.time not in self._times:
            message = f"The problem has no time {pin.time!r}. Give the id of one of the class's times."
            yield Finding("unknown_time", f"{pointer}/time", message)
        if pin.room is not None and pin.room not in self._rooms:
            message = f"The problem has no room {pin.room!r}. Give the id of one of the class's rooms."
            yield Finding("unknown_room", f"{pointer}/room", message)
        elif pin.room is not None and not _needs_room(cls):
            message = f"Class {pin.class_id!r} needs no room. Pin its time only."
            yield Finding("pin_without_need", f"{pointer}/room", message)

    def _unkeepable(self, pin: PinnedClass, pointer: str) -> Iterator[Finding]:
        """Why the class cannot keep what it has in the base timetable."""
        if not pin.kept:
            return
        mend = "Give a time or a room."
        if self._base is None:
            message = f"The pin of class {pin.class_id!r} names no place, and there is no base timetable. {mend}"
            yield Finding("pin_without_place", pointer, message)
            return
        placed = self._base.get(pin.class_id)
        what = ""
        if placed is None:
            what = "is not placed"
        elif Keep.TIME in pin.kept and placed.time not in self._times:
            what = f"is at time {placed.time!r}, which the problem does not have"
        elif Keep.ROOM in pin.kept and _needs_room(self._classes[pin.class_id]):
            if placed.room is None:
                what = "has no room"
            elif placed.room not in self._rooms:
                what = f"is in room {placed.room!r}, which the problem does not have"
        elif pin.kept == {Keep.ROOM} and pin.time is None:
            what = "needs no room"
        if what:
            message = f"In the base timetable class {pin.class_id!r} {what}. {mend}"
            yield Finding("pin_without_place", pointer, message)


def _needs_room(cls: Class) -> bool:
    return cls.rooms is not None or cls.room_needs is not None

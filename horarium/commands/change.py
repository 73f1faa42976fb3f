"""Staying close to an earlier timetable on the command line: what the options mean, and how changes are printed.

Owns the syntax of pins and keep weights, and the wording of changes. Must not know how a timetable is searched.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from horarium.commands.terminal import say

if TYPE_CHECKING:
    from schemas.change.difference import ChangedClass, Place
    from schemas.change.pins import PinnedClass
    from schemas.change.report import Changes

MAX_LISTED = 20

KeepWeight = Annotated[
    str | None,
    typer.Option(
        metavar="N or TIME,ROOM,SECTION",
        help="What a class at another time, a class in another room, and a student in another section cost."
        " One number N is N, N/2, N/4 (default: 20).",
    ),
]
MaxChanges = Annotated[
    int | None, typer.Option(min=0, help="At most so many classes may change; needs a base timetable.")
]
PinBoth = Annotated[
    list[str] | None, typer.Option("--pin", metavar="CLASS", help="Keep this class's time and room; may be repeated.")
]
PinTime = Annotated[
    list[str] | None, typer.Option(metavar="CLASS[=TIME]", help="Fix its time: to that one, or to the base's.")
]
PinRoom = Annotated[
    list[str] | None, typer.Option(metavar="CLASS[=ROOM]", help="Fix its room: to that one, or to the base's.")
]
Base = Annotated[
    Path | None, typer.Option(help="A published timetable: start from it and change as little as is worth it.")
]


def read_keep_weights(text: str | None) -> dict[str, int]:
    """Weights by name. What is left out is a half and a quarter of the first, rounded up."""
    if text is None:
        return {}
    try:
        given = [int(word) for word in text.split(",")]
    except ValueError:
        given = []
    names = ("time", "room", "section")
    if not 1 <= len(given) <= len(names) or not 0 <= min(given) <= max(given) <= 100_000:
        hint = "Give a number up to 100000, or TIME,ROOM,SECTION such as 20,10,5."
        raise typer.BadParameter(hint, param_hint="--keep-weight")
    shares = (1, 2, 4)
    return {name: given[n] if n < len(given) else -(-given[0] // shares[n]) for n, name in enumerate(names)}


def read_pins(both: Sequence[str] | None, time: Sequence[str] | None, room: Sequence[str] | None) -> list[PinnedClass]:
    """The pins of `--pin`, `--pin-time` and `--pin-room`, one per class; after the last `=` comes the time or room."""
    from schemas.change.pins import Keep, PinnedClass

    times, rooms = dict(map(_split, time or ())), dict(map(_split, room or ()))
    found = []
    for name in dict.fromkeys([*(both or ()), *times, *rooms]):
        keeps_time = name in (both or ()) or (name in times and times[name] is None)
        keeps_room = name in (both or ()) or (name in rooms and rooms[name] is None)
        keep = (
            Keep.BOTH if keeps_time and keeps_room else Keep.TIME if keeps_time else Keep.ROOM if keeps_room else None
        )
        found.append(PinnedClass(class_id=name, time=times.get(name), room=rooms.get(name), keep=keep))
    return found


def _split(text: str) -> tuple[str, str | None]:
    name, separator, wanted = text.rpartition("=")
    return (name, wanted) if separator else (text, None)


def print_changes(changes: Changes) -> None:
    """How many classes and students changed, which, and whether the budget was kept."""
    classes = "1 class" if changes.classes == 1 else f"{changes.classes:,} classes"
    forced = f", of which {changes.forced:,} had to" if changes.forced else ""
    say(
        f"Changed: {classes} of {changes.compared:,}{forced}; {changes.times:,} times, {changes.rooms:,} rooms,"
        f" {changes.sections:,} sections of {changes.students:,} students."
    )
    if changes.new or changes.gone:
        say(f"Not compared: {changes.new:,} new classes, {changes.gone:,} that the problem does not have any more.")
    for changed in changes.changed[:MAX_LISTED]:
        say(f"  - {changed.class_id}: {move_in_words(changed)}")
    if len(changes.changed) > MAX_LISTED:
        say(f"  … and {len(changes.changed) - MAX_LISTED:,} more.")
    if changes.over_budget:
        why = " More than that must change (proven)." if changes.budget_impossible else ""
        say(
            f"The budget of {changes.max_changes:,} changed classes is not kept: {changes.over_budget:,} too many.{why}"
        )


def move_in_words(changed: ChangedClass) -> str:
    before, after = _words(changed.before), _words(changed.after)
    return f"{before} -> {after}"


def _words(place: Place | None) -> str:
    if place is None:
        return "nowhere"
    return place.time if place.room is None else f"{place.time} in {place.room}"

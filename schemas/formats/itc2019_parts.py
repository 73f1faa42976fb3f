"""The parts of an ITC-2019 file while they are being read, and the words for its distribution types.

Owns what is known of a part before its element ends. Must not know the order of the elements, nor what becomes of a
part: that is `schemas.formats.itc2019`.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass, field
from typing import Any

from schemas.formats.itc2019_lines import no_lines
from schemas.formats.itc2019_text import ElementError
from schemas.problem.model import PARAMETER_COUNT, DistributionType, RoomOption, TimeBlock, TimeOption

_TYPES = {
    kind.value: kind
    for kind in DistributionType
    if kind
    not in (DistributionType.MIN_WORKING_DAYS, DistributionType.ISOLATED_LECTURES, DistributionType.ROOM_STABILITY)
}
_TYPE = re.compile(r"([A-Za-z]{1,40})(?:\(([0-9, ]{1,40})\))?")


@dataclass(slots=True)
class OpenRoom:
    """A room, its unavailable blocks so far, and the line of each."""

    line: int
    id: str
    capacity: int
    unavailable: list[TimeBlock] = field(default_factory=list)
    lines: array[int] = field(default_factory=no_lines)


@dataclass(slots=True)
class OpenClass:
    """A class, its times and rooms so far, and the line of each."""

    line: int
    id: str
    limit: int
    parent: str | None
    needs_room: bool
    times: list[TimeOption] = field(default_factory=list)
    time_lines: array[int] = field(default_factory=no_lines)
    rooms: list[RoomOption] = field(default_factory=list)
    room_lines: array[int] = field(default_factory=no_lines)


@dataclass(slots=True)
class OpenPart:
    """A course, configuration or subpart that is being read: its id, its line, its parts so far."""

    line: int
    id: str
    findings_before: int
    parts: list[Any] = field(default_factory=list)


@dataclass(slots=True)
class OpenDistribution:
    """A distribution constraint, its classes so far, and the line of each."""

    line: int
    type: DistributionType
    parameters: list[int]
    required: bool
    penalty: int | None
    classes: list[str] = field(default_factory=list)
    lines: array[int] = field(default_factory=no_lines)


@dataclass(slots=True)
class OpenStudent:
    """A student, the courses asked for so far, and the line of each."""

    line: int
    id: str
    courses: list[str] = field(default_factory=list)
    lines: array[int] = field(default_factory=no_lines)


def distribution_type(text: str) -> tuple[DistributionType, list[int]]:
    """`MaxBreaks(1,6)` as a type and its parameters. Raises ElementError."""
    match = _TYPE.fullmatch(text.strip())
    kind = _TYPES.get(match[1]) if match else None
    if match is None or kind is None:
        raise ElementError(
            "unknown_type", f"{text[:60]!r} is not a distribution type; there are {', '.join(sorted(_TYPES))}."
        )
    parameters = [part.strip() for part in match[2].split(",")] if match[2] else []
    expected = PARAMETER_COUNT.get(kind, 0)
    if len(parameters) != expected or not all(part.isdecimal() and int(part) <= 100_000 for part in parameters):
        example = f"{kind}({', '.join('RS'[:expected])})" if expected else kind.value
        raise ElementError(
            "parameter_count",
            f"{text[:60]!r} should be {example}, with {expected} whole numbers from 0 to 100,000. Mend it.",
        )
    return kind, [int(part) for part in parameters]

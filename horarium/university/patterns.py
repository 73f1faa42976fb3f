"""The standard weekly meeting patterns, and what meeting at an unpopular hour costs.

Owns calendar, times and time domains. Must not know courses or rooms.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from schemas.problem.model import Calendar, Time, TimeDomain, TimeOption

WEEKS = 15
DAYS = 5
SLOT_MINUTES = 5
FIRST_HOUR = 8
LAST_HOUR = 21
ALL_WEEKS = "1" * WEEKS
FIRST_HALF = "1" * 7 + "0" * 8
SECOND_HALF = "0" * 8 + "1" * 7

CALENDAR = Calendar(
    weeks=WEEKS,
    days=DAYS,
    slots_per_day=(LAST_HOUR - FIRST_HOUR) * 60 // SLOT_MINUTES,
    slot_minutes=SLOT_MINUTES,
    first_slot=f"{FIRST_HOUR:02}:00",
    first_day="2026-09-07",  # a Monday
)

# Starts as minutes after 08:00. The hourly grid leaves ten minutes to walk, the 75-minute one fifteen.
_HOURLY = tuple(range(0, 600, 60))
_SEVENTY_FIVE = tuple(range(0, 660, 90))
_TWO_HOURLY = tuple(range(0, 660, 120))
_LONG = (0, 180, 300, 480, 600)

_MWF, _MTR, _TRF = "10101", "11010", "01011"
_TR, _MW, _WF = "01010", "10100", "00101"
_ONE_DAY = tuple("0" * d + "1" + "0" * (DAYS - 1 - d) for d in range(DAYS))


@dataclass(frozen=True, slots=True)
class Family:
    """Times that a class of one kind may take: day sets with their extra penalty, starts, and the length in minutes."""

    id: str
    day_sets: tuple[tuple[str, int], ...]
    starts: tuple[int, ...]
    minutes: int
    weeks: tuple[str, ...] = (ALL_WEEKS,)


FAMILIES = (
    Family("3x50", ((_MWF, 0), (_MTR, 3), (_TRF, 4)), _HOURLY, 50),
    Family("2x75", ((_TR, 0), (_MW, 1), (_WF, 3)), _SEVENTY_FIVE, 75),
    Family("1x150", tuple((d, 2 if d == _ONE_DAY[4] else 0) for d in _ONE_DAY), _LONG, 150),
    Family("lab-110", tuple((d, 1 if d == _ONE_DAY[4] else 0) for d in _ONE_DAY), _TWO_HOURLY, 110),
    Family("1x50", tuple((d, 0) for d in _ONE_DAY), _HOURLY, 50),
    Family("half-term", ((_MW, 0), (_TR, 0)), _TWO_HOURLY[:4], 110, (FIRST_HALF, SECOND_HALF)),
)


def _hour_penalty(start: int, minutes: int) -> int:
    """Early mornings, late afternoons and evenings are unpopular."""
    if start < 60:
        return 3
    end = start + minutes
    if end > 600:
        return 8
    return 2 if end > 540 else 0


class Patterns:
    """All times, and per family the domain of options; times are numbered in order."""

    def __init__(self) -> None:
        self.times: list[Time] = []
        self.minutes: list[int] = []
        self.options: dict[str, list[tuple[int, int]]] = {}  # family: (time, penalty)
        for family in FAMILIES:
            options = self.options[family.id] = []
            for half, weeks in enumerate(family.weeks):
                for days, extra in family.day_sets:
                    for start in family.starts:
                        options.append((len(self.times), extra + _hour_penalty(start, family.minutes)))
                        self._add(family, half, weeks, days, start)

    def _add(self, family: Family, half: int, weeks: str, days: str, start: int) -> None:
        hour = f"{FIRST_HOUR + start // 60:02}{start % 60:02}"
        letters = "".join(letter for letter, bit in zip("MTWRF", days, strict=True) if bit == "1")
        part = "" if weeks == ALL_WEEKS else f"-h{half + 1}"
        self.times.append(
            Time(
                id=f"{letters}-{hour}-{family.minutes}{part}",
                weeks=weeks,
                days=days,
                start=start // SLOT_MINUTES,
                length=family.minutes // SLOT_MINUTES,
            )
        )
        self.minutes.append(family.minutes * days.count("1"))

    def domains(self) -> list[TimeDomain]:
        return [
            TimeDomain(
                id=family, options=[TimeOption(time=self.times[t].id, penalty=penalty) for t, penalty in options]
            )
            for family, options in self.options.items()
        ]

    @cached_property
    def meeting(self) -> list[int]:
        """For each time, the bit mask of times that share a day and a week with it."""
        return [sum(1 << j for j, b in enumerate(self.times) if _meet(a, b)) for a in self.times]

    @cached_property
    def overlapping(self) -> list[int]:
        """For each time, the bit mask of times that overlap it (itself included)."""
        return [sum(1 << j for j, b in enumerate(self.times) if _meet(a, b) and gap(a, b) < 0) for a in self.times]


def _meet(a: Time, b: Time) -> bool:
    return any(x == y == "1" for x, y in zip(a.days, b.days, strict=True)) and any(
        x == y == "1" for x, y in zip(a.weeks, b.weeks, strict=True)
    )


def gap(a: Time, b: Time) -> int:
    """Slots between two times of day; negative if they overlap."""
    return max(a.start, b.start) - min(a.start + a.length, b.start + b.length)

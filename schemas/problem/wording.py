"""Times in words: "Mon Wed 09:00-09:50, weeks 1-7 9-15".

Owns how days, clock times, weeks and long lists of names are written in violations and exports. Must not know any one
export.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from schemas.problem.model import Calendar, Time, TimeBlock

_DAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def day_names(calendar: Calendar) -> tuple[str, ...]:
    """Names of the calendar's days: they start with the weekday of `first_day` if given, else with Monday."""
    first = 0 if calendar.first_day is None else date.fromisoformat(calendar.first_day).weekday()
    return tuple(_DAY_NAMES[(first + d) % 7] for d in range(calendar.days))


def clock(calendar: Calendar, slot: int) -> str:
    """The wall-clock time at which a slot starts, HH:MM; "24:00" at midnight after the last one."""
    hours, minutes = calendar.first_slot.split(":")
    total = int(hours) * 60 + int(minutes) + slot * calendar.slot_minutes
    return f"{total // 60:02}:{total % 60:02}"


def days_in_words(calendar: Calendar, time: Time | TimeBlock) -> str:
    names = day_names(calendar)
    return " ".join(names if time.days is None else (n for n, bit in zip(names, time.days, strict=True) if bit == "1"))


def weeks_in_words(calendar: Calendar, time: Time | TimeBlock) -> str:
    """Week numbers from 1, runs shortened: "1-7 9"."""
    bits = "1" * calendar.weeks if time.weeks is None else time.weeks
    runs: list[str] = []
    start = 0
    for week in range(len(bits) + 1):
        inside = week < len(bits) and bits[week] == "1"
        if inside and (week == 0 or bits[week - 1] == "0"):
            start = week + 1
        elif not inside and week > 0 and bits[week - 1] == "1":
            runs.append(str(start) if start == week else f"{start}-{week}")
    return " ".join(runs)


def in_words(calendar: Calendar, time: Time | TimeBlock) -> str:
    """Days, from and to; the weeks only where not every week is meant."""
    hours = f"{clock(calendar, time.start)}-{clock(calendar, time.start + time.length)}"
    words = f"{days_in_words(calendar, time)} {hours}"
    if time.weeks is None or "0" not in time.weeks:
        return words
    return f"{words}, weeks {weeks_in_words(calendar, time)}"


def first_of(names: Sequence[str], limit: int) -> str:
    """At most `limit` of the names, and how many more there are: "a, b and 3 more"."""
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more} more" if more > 0 else "")

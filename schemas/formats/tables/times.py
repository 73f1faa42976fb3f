"""The times of a spreadsheet's problem: those with a row of their own, those written out, those made of a count.

Owns ids of times that the spreadsheet does not name. Must not know courses.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

from schemas.formats.tables import cells
from schemas.formats.tables.cells import CellError, Item
from schemas.formats.tables.rows import Reader
from schemas.problem.model import MAX_TIMES, Calendar, Time
from schemas.problem.wording import in_words


class Times:
    """Times by id and by what they say; one that is written out twice is one time."""

    def __init__(self, calendar: Calendar, starts_every: int) -> None:
        self._calendar = calendar
        self._starts_every = starts_every
        self.times: list[dict[str, Any]] = []
        self.generated_sets: list[dict[str, Any]] = []
        self._ids: set[str] = set()
        self._by_meaning: dict[tuple[str, str, int, int], str] = {}
        self._set_by_meetings: dict[tuple[int, int], str] = {}

    def define(self, row: Reader) -> None:
        """A row of the sheet Times."""
        calendar = self._calendar
        time = row.need("Time", cells.plain, "?")
        days = row.need("Days", lambda text: cells.days(calendar, text), "1" * calendar.days)
        weeks = row.get("Weeks", lambda text: cells.weeks(calendar, text), "1" * calendar.weeks)
        start = row.need("Start", lambda text: text, "")
        end = row.need("End", lambda text: text, "")
        first, length = 0, 1
        if start and end:
            # Each by itself first, so that the finding names the right column.
            row.get("Start", lambda text: cells.slot(calendar, cells.clock(text)), 0)
            row.get("End", lambda text: cells.slot(calendar, cells.clock(text) or 24 * 60), 0)
            try:
                first, length = cells.stretch(calendar, start, end)
            except CellError as error:
                if error.code == "ends_before_it_starts":
                    row.complain(error.code, str(error), "End")
        self._add(time, weeks, days, first, length)

    def resolved(self, text: str) -> str:
        """The id of the time that a cell names or writes out."""
        return self._resolved(Item(text))

    def options(self, text: str) -> list[dict[str, Any]]:
        """A class's own times with their penalties."""
        return [
            {"time": self._resolved(item), "penalty": item.penalty} for item in cells.items(text, ";\n", priced=True)
        ]

    def _resolved(self, item: Item) -> str:
        text = cells.plain(item.text)
        if item.quoted or text in self._ids:
            return text
        try:
            found = cells.block(self._calendar, text)
        except CellError as error:
            raise CellError(
                "unknown_time",
                f"{cells.shown(text)} is no id of the sheet Times, and cannot be read as a time: {error}",
            ) from error
        if found.days is None:
            raise CellError("malformed_time", f"{cells.shown(text)} names no day. Write 'Mon Wed 09:00-09:50'.")
        weeks = found.weeks or "1" * self._calendar.weeks
        return self._meaning(weeks, found.days, found.start, found.length)

    def set_of(self, meetings: int, minutes: int) -> str:
        """The set of all times with so many meetings a week of so many minutes, all at the same hour.

        Meetings on neighbouring days cost 1 for each such pair. Raises `CellError`.
        """
        known = self._set_by_meetings.get((meetings, minutes))
        if known is not None:
            return known
        calendar = self._calendar
        if not 1 <= meetings <= calendar.days:
            raise CellError("out_of_range", f"{meetings} meetings a week are not from 1 to {calendar.days}, the days.")
        length, rest = divmod(minutes, calendar.slot_minutes)
        if rest or not 1 <= length <= calendar.slots_per_day:
            raise CellError(
                "off_the_grid",
                f"{minutes} minutes are not a multiple of {calendar.slot_minutes} (a slot) that fits in a day.",
            )
        starts = range(0, calendar.slots_per_day - length + 1, self._starts_every // calendar.slot_minutes)
        options = []
        for days in combinations(range(calendar.days), meetings):
            bits = "".join("1" if day in days else "0" for day in range(calendar.days))
            penalty = sum(day + 1 in days for day in days)
            for start in starts:
                if len(self.times) >= MAX_TIMES:
                    raise CellError("too_large", "There are too many times. Raise 'Starts every' in Settings.")
                time = self._meaning("1" * calendar.weeks, bits, start, length)
                options.append({"time": time, "penalty": penalty})
        name = f"{meetings} x {minutes} minutes (any)"
        self.generated_sets.append({"id": name, "options": options})
        self._set_by_meetings[meetings, minutes] = name
        return name

    def _meaning(self, weeks: str, days: str, start: int, length: int) -> str:
        known = self._by_meaning.get((weeks, days, start, length))
        if known is not None:
            return known
        name = in_words(self._calendar, Time(id="?", weeks=weeks, days=days, start=start, length=length))
        # Weeks in words can be long (alternating ones), and somebody may have called another time so.
        name = name if len(name) <= 100 else f"{name[:97]}..."
        unique, n = name, 1
        while unique in self._ids:
            n += 1
            unique = f"{name} ({n})"
        self._add(unique, weeks, days, start, length)
        return unique

    def _add(self, name: str, weeks: str, days: str, start: int, length: int) -> None:
        self.times.append({"id": name, "weeks": weeks, "days": days, "start": start, "length": length})
        self._ids.add(name)
        self._by_meaning.setdefault((weeks, days, start, length), name)

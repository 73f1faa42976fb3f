"""A timetable as one HTML page to print: a weekly grid, for the whole one of each room.

Owns the page. It is complete in itself: no script, nothing loaded, one <style> element whose hash a server can allow.
Everything that came from an upload is escaped. It writes what the timetable holds: whoever wants one room's or one
student's passes that part. Must not know HTTP or files.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from html import escape

from schemas.formats.placed_classes import PlacedClass, UnplacedClass, placed_classes
from schemas.formats.week_grid import Meeting, WeekGrid, by_room, week_grid
from schemas.problem.model import Calendar, Problem
from schemas.problem.wording import clock, day_names, in_words, weeks_in_words
from schemas.timetable import Timetable

_STYLE = """
:root { color-scheme: light; }
body { font: 10pt/1.35 system-ui, sans-serif; color: #111; background: #fff; margin: 1.5rem; }
h1 { font-size: 16pt; margin: 0 0 .2rem; }
h2 { font-size: 12pt; margin: 1.4rem 0 .4rem; }
p { margin: .2rem 0; color: #444; }
table { border-collapse: collapse; width: 100%; table-layout: fixed; }
th, td { border: 1px solid #aaa; padding: 2px 4px; vertical-align: top; text-align: left; overflow-wrap: anywhere; }
th { background: #eef1f5; font-weight: 600; }
thead th { text-align: center; }
tbody th { width: 3.6rem; font-variant-numeric: tabular-nums; }
col.hours { width: 3.6rem; }
td.class { background: #f6f8fb; }
td.class b { display: block; }
td.class span { display: block; font-size: 8.5pt; color: #333; }
@page { size: A4 landscape; margin: 12mm; }
@media print {
  body { margin: 0; }
  section { break-inside: avoid; }
  section + section { break-before: page; }
  th, td.class { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""

STYLE_HASH = f"sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}"


def write_html(problem: Problem, timetable: Timetable, title: str = "") -> str:
    """The page. With a `title` ("Room A-101") it is one grid, of everything that the timetable holds.

    Raises `InvalidTimetableError` if the timetable is not one of the problem's.
    """
    placed, unplaced = placed_classes(problem, timetable)
    return "".join(_page(problem, placed, unplaced, title))


def _page(problem: Problem, placed: list[PlacedClass], unplaced: list[UnplacedClass], title: str) -> Iterator[str]:
    heading = f"{title} - {problem.name}" if title else problem.name
    yield (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(heading)}</title><style>{_STYLE}</style></head><body>\n"
        f"<h1>{escape(title or problem.name)}</h1>\n<p>{escape(_term(problem, title))}</p>\n"
    )
    if title:
        if placed:
            yield from _grid(week_grid("", placed, problem.calendar.days), problem.calendar)
        else:
            yield "<p>No classes.</p>\n"
    else:
        for grid in by_room(problem, placed):
            yield from _grid(grid, problem.calendar)
        roomless = [item for item in placed if item.room is None]
        if roomless:
            yield from _grid(week_grid("Without a room", roomless, problem.calendar.days), problem.calendar)
    if unplaced:
        yield "<section><h2>Not placed</h2><ul>\n"
        for missing in unplaced:
            yield f"<li>{escape(_name(missing))}: {escape(missing.reason)}</li>\n"
        yield "</ul></section>\n"
    yield "</body></html>\n"


def _term(problem: Problem, title: str) -> str:
    calendar = problem.calendar
    begins = f", from {calendar.first_day}" if calendar.first_day else ""
    return f"{problem.name + ', ' if title else ''}{calendar.weeks} weeks{begins}"


def _grid(grid: WeekGrid, calendar: Calendar) -> Iterator[str]:
    heading = f"<h2>{escape(grid.title)}</h2>" if grid.title else ""
    columns = sum(grid.lanes)
    yield f'<section>{heading}<table><colgroup><col class="hours"><col span="{columns}"></colgroup><thead><tr><th></th>'
    for name, lanes in zip(day_names(calendar), grid.lanes, strict=True):
        yield f'<th scope="col" colspan="{lanes}">{name}</th>'
    yield "</tr></thead><tbody>\n"
    rows = {slot: n for n, slot in enumerate(grid.boundaries)}
    cells = {(m.day, m.lane, rows[m.start]): m for m in grid.meetings}
    taken = {
        (m.day, m.lane, row) for m in grid.meetings for row in range(rows[m.start] + 1, rows[m.end])
    }  # covered from above
    for row, slot in enumerate(grid.boundaries[:-1]):
        yield f'<tr><th scope="row">{clock(calendar, slot)}</th>'
        for day, lanes in enumerate(grid.lanes):
            for lane in range(lanes):
                meeting = cells.get((day, lane, row))
                if meeting is not None:
                    yield _cell(meeting, calendar, rows[meeting.end] - row)
                elif (day, lane, row) not in taken:
                    yield "<td></td>"
        yield "</tr>\n"
    yield "</tbody></table></section>\n"


def _cell(meeting: Meeting, calendar: Calendar, rows: int) -> str:
    item = meeting.placed
    lines = [f"{clock(calendar, meeting.start)}-{clock(calendar, meeting.end)}"]
    if "0" in item.time.weeks:
        lines.append(f"weeks {weeks_in_words(calendar, item.time)}")
    if item.room is not None:
        lines.append(item.room.id)
    if item.instructors:
        lines.append(", ".join(item.instructors))
    details = "".join(f"<span>{escape(line)}</span>" for line in lines)
    hint = f"{_name(item)}: {in_words(calendar, item.time)}"
    return f'<td class="class" rowspan="{rows}" title="{escape(hint)}"><b>{escape(_name(item))}</b>{details}</td>'


def _name(item: PlacedClass | UnplacedClass) -> str:
    return item.cls.id if item.course.name is None else f"{item.course.name} ({item.cls.id})"

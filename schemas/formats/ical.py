"""A timetable as iCalendar (RFC 5545): one event per class, repeated weekly, missing weeks excepted.

Owns dates: the calendar's weeks and days counted from its first day. Hours are "floating" (no time zone): a problem
says what the clock on campus shows, not where the campus is. It writes what the timetable holds: whoever wants one
room's passes that part. Must not know HTTP or files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

import icalendar

from schemas.formats.placed_classes import PlacedClass, placed_classes
from schemas.problem.findings import Finding, InvalidTimetableError
from schemas.problem.model import Calendar, Problem, Time
from schemas.timetable import Timetable

_LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)
_DAY_CODES = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def write_ical(problem: Problem, timetable: Timetable, namespace: str, written_at: datetime = _LONG_AGO) -> bytes:
    """The placed classes as a calendar; classes without a place are not in it.

    `namespace` (whose term it is) and a class's id make up an event's UID, so a calendar program that reads a later
    version replaces the events instead of doubling them; `written_at` (of the timetable, with a time zone) says which
    version is the later one, as SEQUENCE and DTSTAMP. The same arguments give the same bytes.

    Raises `InvalidTimetableError` if the problem's calendar has no `first_day`, or the timetable is not one of the
    problem's.
    """
    first_day = problem.calendar.first_day
    if first_day is None:
        message = "The calendar has no 'first_day', so its weeks have no dates. Add the first day of the first week."
        raise InvalidTimetableError([Finding("no_first_day", "/calendar/first_day", message)])
    first = date.fromisoformat(first_day)
    placed, _ = placed_classes(problem, timetable)
    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//Horarium//Timetable//EN")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", problem.name)
    for item in placed:
        calendar.add_component(_event(item, problem.calendar, first, namespace, written_at))
    content: bytes = calendar.to_ical()
    return content


def _event(item: PlacedClass, calendar: Calendar, first: date, namespace: str, written_at: datetime) -> icalendar.Event:
    meetings = _meetings(item.time, calendar, first)
    length = timedelta(minutes=item.time.length * calendar.slot_minutes)
    event = icalendar.Event()
    event.add("uid", _uid(namespace, item.cls.id))
    event.add("dtstamp", written_at.astimezone(UTC).replace(microsecond=0))
    # Grows with every later timetable, without anybody counting them; it must fit 31 bits, and does until 2092.
    event.add("sequence", max(0, int((written_at - _LONG_AGO).total_seconds())))
    event.add("dtstart", meetings[0])
    event.add("dtend", meetings[0] + length)
    event.add("summary", _title(item))
    if item.room is not None:
        event.add("location", item.room.id if item.room.building is None else f"{item.room.id} ({item.room.building})")
    if item.instructors:
        event.add("description", ", ".join(item.instructors))
    _repeat(event, meetings)
    return event


def _uid(namespace: str, cls: str) -> str:
    return f"{hashlib.sha256(json.dumps([namespace, cls]).encode()).hexdigest()[:32]}@horarium"


def _title(item: PlacedClass) -> str:
    return item.cls.id if item.course.name is None else f"{item.course.name} ({item.cls.id})"


def _meetings(when: Time, calendar: Calendar, first: date) -> list[datetime]:
    """Start of every meeting, in order."""
    hours, minutes = calendar.first_slot.split(":")
    start = timedelta(hours=int(hours), minutes=int(minutes) + when.start * calendar.slot_minutes)
    return [
        datetime.combine(first + timedelta(weeks=w, days=d), time()) + start
        for w in range(calendar.weeks)
        for d in range(calendar.days)
        if when.weeks[w] == "1" and when.days[d] == "1"
    ]


def _repeat(event: icalendar.Event, meetings: Sequence[datetime]) -> None:
    """Weekly on the meetings' weekdays from the first to the last, without the dates in between that are none."""
    if len(meetings) == 1:
        return
    weekdays = sorted({m.weekday() for m in meetings})
    span = (meetings[-1] - meetings[0]).days
    rule_dates = [day for n in range(span + 1) if (day := meetings[0] + timedelta(days=n)).weekday() in weekdays]
    event.add("rrule", {"freq": "weekly", "byday": [_DAY_CODES[d] for d in weekdays], "count": len(rule_dates)})
    missing = sorted(set(rule_dates) - set(meetings))
    if missing:
        event.add("exdate", missing)

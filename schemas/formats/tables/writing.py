"""A native problem as rows of a spreadsheet.

Owns which cells say what a problem says; reading them gives an equal problem. What cells cannot hold is
refused by name. Must not know workbooks or CSV files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from schemas.formats.tables import layout
from schemas.formats.tables.bundle import Cell
from schemas.formats.tables.cells import MAX_CELL_CHARACTERS
from schemas.formats.tables.layout import Sheet
from schemas.problem.findings import MAX_FINDINGS, Finding, InvalidProblemError
from schemas.problem.model import (
    Calendar,
    Class,
    Course,
    Distribution,
    DistributionType,
    Problem,
    RoomNeeds,
    StudentRule,
    StudentRuleType,
    TimeBlock,
)
from schemas.problem.wording import clock, days_in_words, weeks_in_words

Rows = list[tuple[Cell, ...]]

# Parameters that are durations, by position: they are written in minutes.
_DURATIONS: dict[DistributionType | StudentRuleType, tuple[int, ...]] = {
    DistributionType.WORK_DAY: (0,),
    DistributionType.MIN_GAP: (0,),
    DistributionType.MAX_DAY_LOAD: (0,),
    DistributionType.MAX_BREAKS: (1,),
    DistributionType.MAX_BLOCK: (0, 1),
    StudentRuleType.MAX_CONSECUTIVE: (1,),
    StudentRuleType.MAX_DAY_LOAD: (0,),
}
_UNWRITABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def write_sheets(problem: Problem) -> list[tuple[Sheet, Rows]]:
    """The checked problem's sheets; those without a row are left out, but for the necessary ones.

    Raises `InvalidProblemError`, naming what a spreadsheet cannot hold.
    """
    calendar = problem.calendar
    sheets: list[tuple[Sheet, Rows]] = [
        (layout.SETTINGS, _settings(problem)),
        (
            layout.ROOMS,
            [
                (r.id, r.name, r.capacity, r.building, _list(r.features), _blocks(calendar, r.unavailable))
                for r in problem.rooms
            ],
        ),
        (layout.INSTRUCTORS, [(i.id, i.name, _blocks(calendar, i.unavailable)) for i in problem.instructors]),
        (layout.COURSES, [_padded(layout.COURSES, c.id, c.name) for c in problem.courses]),
        (layout.CLASSES, [row for course in problem.courses for row in _classes(course)]),
        (
            layout.TIMES,
            [
                (
                    t.id,
                    days_in_words(calendar, t),
                    clock(calendar, t.start),
                    clock(calendar, t.start + t.length),
                    f"weeks {weeks_in_words(calendar, t)}" if "0" in t.weeks else None,
                )
                for t in problem.times
            ],
        ),
        (
            layout.TIME_SETS,
            [(d.id, o.time, o.penalty or None) for d in problem.time_domains for o in d.options],
        ),
        (layout.STUDENTS, [(s.id, s.name) for s in problem.students]),
        (layout.REQUESTS, [(s.id, course) for s in problem.students for course in s.courses]),
        (layout.CURRICULA, [(q.id, q.name, _list(q.courses), q.penalty) for q in problem.curricula]),
        (
            layout.DISTRIBUTIONS,
            [
                (d.type.value, _parameters(calendar, d), _list(d.classes), _penalty_or_required(d))
                for d in problem.distributions
            ],
        ),
        (
            layout.STUDENT_RULES,
            [(r.type.value, _parameters(calendar, r), _penalty_or_required(r)) for r in problem.student_rules],
        ),
        (
            layout.TRAVEL,
            [
                (t.a, t.b, t.slots * calendar.slot_minutes, between)
                for between, travel in ((None, problem.building_travel), ("rooms", problem.room_travel))
                for t in travel
            ],
        ),
        (layout.PINS, [(p.class_id, p.time, p.room) for p in problem.pins]),
    ]
    kept = [(sheet, rows) for sheet, rows in sheets if rows or sheet.required]
    findings = [finding for sheet, rows in kept for finding in _unwritable(sheet, rows)]
    if findings:
        raise InvalidProblemError(findings[:MAX_FINDINGS], len(findings))
    return kept


def _settings(problem: Problem) -> Rows:
    calendar, weights = problem.calendar, problem.weights
    return [
        (layout.NAME.name, problem.name),
        (layout.WEEKS.name, calendar.weeks),
        (layout.DAYS.name, calendar.days),
        (layout.DAY_STARTS.name, calendar.first_slot),
        (layout.DAY_ENDS.name, clock(calendar, calendar.slots_per_day)),
        (layout.SLOT_MINUTES.name, calendar.slot_minutes),
        (layout.FIRST_DAY.name, calendar.first_day),
        (layout.STARTS_EVERY.name, calendar.slot_minutes * max(1, 60 // calendar.slot_minutes)),
        *((s.name, getattr(weights, s.field.rpartition("/")[2])) for s in layout.WEIGHTS),
    ]


def _padded(sheet: Sheet, *cells: Cell) -> tuple[Cell, ...]:
    return (*cells, *[None] * (len(sheet.columns) - len(cells)))


def _classes(course: Course) -> Iterator[tuple[Cell, ...]]:
    for config in course.configs:
        for subpart in config.subparts:
            for cls in subpart.classes:
                yield (cls.id, course.id, config.id, subpart.id, cls.limit, cls.parent, *_when_and_where(cls))


def _when_and_where(cls: Class) -> tuple[Cell, ...]:
    times = None if cls.times is None else "; ".join(_priced(o.time, o.penalty) for o in cls.times)
    rooms = None if cls.rooms is None else "; ".join(_priced(o.room, o.penalty) for o in cls.rooms)
    needs = cls.room_needs or RoomNeeds()
    return (
        cls.time_domain,
        times,
        _list(cls.instructors),
        "no" if cls.rooms is None and cls.room_needs is None else None,
        rooms,
        _list(needs.features),
        needs.min_capacity,
        _list(needs.buildings),
        _list(needs.preferred_buildings),
        needs.elsewhere_penalty or None,
    )


def _parameters(calendar: Calendar, rule: Distribution | StudentRule) -> str | None:
    durations = _DURATIONS.get(rule.type, ())
    written = [
        f"{value * calendar.slot_minutes} min" if n in durations else str(value)
        for n, value in enumerate(rule.parameters)
    ]
    return "; ".join(written) or None


def _penalty_or_required(rule: Distribution | StudentRule) -> int | str:
    return "required" if rule.penalty is None else rule.penalty


def _blocks(calendar: Calendar, blocks: Sequence[TimeBlock]) -> str | None:
    return "; ".join(_block(calendar, block) for block in blocks) or None


def _block(calendar: Calendar, block: TimeBlock) -> str:
    hours = f"{clock(calendar, block.start)}-{clock(calendar, block.start + block.length)}"
    days = "" if block.days is None else f"{days_in_words(calendar, block)} "
    return f"{days}{hours}" + ("" if block.weeks is None else f" weeks {weeks_in_words(calendar, block)}")


def _list(names: Iterable[str]) -> str | None:
    return "; ".join(_quoted(name) for name in names) or None


def _quoted(name: str) -> str:
    """The id as an entry of a list: in quotes where it would otherwise fall apart."""
    if re.search(r'[,;"]|\)$', name) or name != name.strip():
        return '"' + name.replace('"', '""') + '"'
    return name


def _priced(name: str, penalty: int) -> str:
    return f"{_quoted(name)} ({penalty})" if penalty else _quoted(name)


def _unwritable(sheet: Sheet, rows: Rows) -> Iterator[Finding]:
    """Texts that would come back changed, or that no spreadsheet opens."""
    for n, row in enumerate(rows, start=2):
        for column, cell in zip(sheet.headers, row, strict=False):
            if not isinstance(cell, str):
                continue
            why = ""
            if len(cell) > MAX_CELL_CHARACTERS:
                why = f"would take {len(cell):,} characters, and a cell holds {MAX_CELL_CHARACTERS:,}"
            elif cell != cell.strip():
                why = "begins or ends with a space"
            elif _UNWRITABLE.search(cell):
                why = "holds a character that spreadsheets cannot hold"
            if why:
                message = f"{column} of {str(row[0])[:60]!r} {why}. Change it, or keep the problem as native JSON."
                yield Finding("not_for_spreadsheets", f"{sheet.name}, row {n}, column {column}", message)

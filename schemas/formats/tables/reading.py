"""Rows of a spreadsheet to a native problem.

Owns what each sheet contributes, and settings. Must not know workbooks or CSV files, nor what makes a problem right:
`schemas.problem.check` says that, and its findings come back as places in the spreadsheet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

from pydantic import ValidationError

from schemas.formats.json_text import findings_of
from schemas.formats.tables import cells, layout
from schemas.formats.tables.cells import CellError
from schemas.formats.tables.offers import Offers
from schemas.formats.tables.origins import Origins
from schemas.formats.tables.rows import Findings, RawSheet, Reader, Table, tables_of
from schemas.formats.tables.times import Times
from schemas.problem.check import check
from schemas.problem.expand import ExpandedProblem, expand
from schemas.problem.findings import Finding, InvalidProblemError
from schemas.problem.model import (
    PARAMETER_COUNT,
    STUDENT_PARAMETER_COUNT,
    Calendar,
    DistributionType,
    Problem,
    StudentRuleType,
)

Type = TypeVar("Type", DistributionType, StudentRuleType)


@dataclass(frozen=True, slots=True)
class TableProblem:
    """A checked problem and where its parts come from."""

    problem: Problem
    origins: Origins

    def expanded(self) -> ExpandedProblem:
        """For the solver. Raises `InvalidProblemError` with places in the spreadsheet."""
        try:
            return expand(self.problem)
        except InvalidProblemError as error:
            raise self.origins.refusal(error) from error


def read_sheets(sheets: Iterable[RawSheet]) -> TableProblem:
    """The checked problem in the sheets. Raises `InvalidProblemError` with places in the spreadsheet."""
    findings = Findings()
    tables = tables_of(sheets, findings)
    calendar, starts_every, values = _settings(tables, findings)
    if findings.found or calendar is None:
        raise InvalidProblemError(findings.found)
    origins = Origins(tables)
    reading = _Reading(tables, origins, findings, calendar, starts_every)
    values |= reading.values()
    try:
        problem = Problem.model_validate(values)
    except ValidationError as error:
        _add(findings, origins, findings_of(error))
        raise InvalidProblemError(findings.found) from error
    _add(findings, origins, check(problem))
    if findings.found:
        raise InvalidProblemError(findings.found)
    return TableProblem(problem, origins)


def _add(findings: Findings, origins: Origins, found: list[Finding]) -> None:
    """Findings about the problem, but for rows that already have one: theirs would be about our neutral values."""
    told = set(findings.places)
    fresh = [f for f in found if origins.cell(f.pointer)[:2] not in told]
    findings.found += origins.translated(fresh)


def _settings(tables: dict[str, Table], findings: Findings) -> tuple[Calendar | None, int, dict[str, Any]]:
    """The calendar (None if it is wrong), minutes between generated starts, and the problem's name and weights."""
    table = tables.get(layout.SETTINGS.name)
    if table is None:
        return None, 0, {}
    known = {setting.name.lower(): setting for setting in layout.ALL_SETTINGS}
    rows: dict[str, Reader] = {}
    for row in table.rows:
        reader = Reader(table, row, findings)
        name = reader.need("Setting", cells.plain, "").rstrip(":").lower()
        if name not in known:
            names = ", ".join(setting.name for setting in layout.ALL_SETTINGS)
            reader.complain("unknown_setting", f"There is no setting {name[:60]!r}; there are {names}.", "Setting")
        elif name in rows:
            reader.complain("duplicate_setting", "The setting is there twice. Remove one.", "Setting")
        else:
            rows[name] = reader
    for setting in layout.ALL_SETTINGS:
        if setting.default is None and not (setting.name.lower() in rows and rows[setting.name.lower()].has("Value")):
            message = f"The setting {setting.name!r} is missing. {setting.meaning} Add it with its value."
            findings.add("missing_setting", message, table.label, 0, setting.name)

    def number(setting: layout.Setting, low: int, high: int) -> int:
        def parse(text: str) -> int:
            value = cells.whole(text)
            if not low <= value <= high:
                raise CellError("out_of_range", f"{setting.name} must be from {low} to {high:,}, not {value}.")
            return value

        default = int(setting.default or low)
        reader = rows.get(setting.name.lower())
        return default if reader is None else reader.get("Value", parse, default)

    def time_of_day(setting: layout.Setting) -> int:
        reader = rows.get(setting.name.lower())
        default = cells.clock(setting.default or "")
        return default if reader is None else reader.get("Value", cells.clock, default)

    name = rows[layout.NAME.name.lower()].get("Value", cells.plain, "") if layout.NAME.name.lower() in rows else ""
    first_day = None
    if layout.FIRST_DAY.name.lower() in rows:
        first_day = rows[layout.FIRST_DAY.name.lower()].get("Value", _date, None)
    begins, ends = time_of_day(layout.DAY_STARTS), time_of_day(layout.DAY_ENDS)
    slot_minutes = number(layout.SLOT_MINUTES, 1, 1440)
    starts_every = number(layout.STARTS_EVERY, 1, 1440)
    values: dict[str, Any] = {
        "name": name,
        "weights": {setting.field.rpartition("/")[2]: number(setting, 0, 100_000) for setting in layout.WEIGHTS},
    }
    weeks, days = number(layout.WEEKS, 1, 60), number(layout.DAYS, 1, 7)
    length = ends - begins
    if length <= 0 or length % slot_minutes or begins == 24 * 60:
        message = f"From 'Day starts' to 'Day ends' must be a multiple of 'Slot minutes' ({slot_minutes}). Change one."
        findings.add("off_the_grid", message, table.label, 0, "Day ends")
        return None, 0, values
    if starts_every % slot_minutes:
        message = f"'Starts every' must be a multiple of 'Slot minutes' ({slot_minutes}). Change one."
        findings.add("off_the_grid", message, table.label, 0, "Starts every")
    calendar = Calendar(
        weeks=weeks,
        days=days,
        slots_per_day=length // slot_minutes,
        slot_minutes=slot_minutes,
        first_slot=f"{begins // 60:02}:{begins % 60:02}",
        first_day=first_day,
    )
    # A wrong date would also break the names of the days, which every other sheet is read by.
    return calendar, starts_every, values | {"calendar": calendar.model_dump()}


def _date(text: str) -> str:
    try:
        if 1900 <= date.fromisoformat(str(text)).year <= 2200 and len(text) == len("2026-09-07"):
            return str(text)
    except ValueError:
        pass
    raise CellError("not_a_date", f"{cells.shown(text)} is no date from 1900 to 2200. Write it as 2026-09-07.")


class _Reading:
    """What each sheet contributes to the problem."""

    def __init__(
        self,
        tables: dict[str, Table],
        origins: Origins,
        findings: Findings,
        calendar: Calendar,
        starts_every: int,
    ) -> None:
        self._tables = tables
        self._origins = origins
        self._findings = findings
        self._calendar = calendar
        self._times = Times(calendar, starts_every)

    def values(self) -> dict[str, Any]:
        """The lists of the problem. Times come first, because others name them, and last, because others add some."""
        for row in self._rows(layout.TIMES):
            self._origins.put(f"/times/{len(self._times.times)}", layout.TIMES, row.number)
            self._times.define(row)
        domains = self._time_sets()
        offers = Offers(self._tables, self._origins, self._findings, self._times)
        travel: dict[str, list[dict[str, Any]]] = {"building_travel": [], "room_travel": []}
        for row in self._rows(layout.TRAVEL):
            self._travel(row, travel)
        values = {
            "rooms": self._list(layout.ROOMS, self._room),
            "instructors": self._list(layout.INSTRUCTORS, self._instructor),
            "courses": offers.courses(),
            "students": self._students(),
            "curricula": self._list(layout.CURRICULA, self._curriculum),
            "distributions": self._list(layout.DISTRIBUTIONS, self._distribution),
            "student_rules": self._list(layout.STUDENT_RULES, self._student_rule),
            "pins": self._list(layout.PINS, self._pin),
            **travel,
        }
        return values | {"times": self._times.times, "time_domains": domains + self._times.generated_sets}

    def _rows(self, sheet: layout.Sheet) -> Iterable[Reader]:
        table = self._tables.get(sheet.name)
        return () if table is None else (Reader(table, row, self._findings) for row in table.rows)

    def _list(self, sheet: layout.Sheet, read: Callable[[Reader], dict[str, Any]]) -> list[dict[str, Any]]:
        values: list[dict[str, Any]] = []
        for row in self._rows(sheet):
            field = sheet.name.lower().replace(" ", "_")
            self._origins.put(f"/{field}/{len(values)}", sheet, row.number)
            values.append(read(row))
        return values

    def _room(self, row: Reader) -> dict[str, Any]:
        return {
            "id": row.need("Room", cells.plain, "?"),
            "name": row.get("Name", cells.plain, None),
            "capacity": row.need("Capacity", cells.whole, 0),
            "building": row.get("Building", cells.plain, None),
            "features": row.get("Features", cells.names, []),
            "unavailable": self._unavailable(row),
        }

    def _instructor(self, row: Reader) -> dict[str, Any]:
        return {
            "id": row.need("Instructor", cells.plain, "?"),
            "name": row.get("Name", cells.plain, None),
            "unavailable": self._unavailable(row),
        }

    def _unavailable(self, row: Reader) -> list[dict[str, Any]]:
        def parse(text: str) -> list[dict[str, Any]]:
            blocks = [cells.block(self._calendar, item.text) for item in cells.items(text, ";\n")]
            return [{"start": b.start, "length": b.length, "days": b.days, "weeks": b.weeks} for b in blocks]

        return row.get("Unavailable", parse, [])

    def _time_sets(self) -> list[dict[str, Any]]:
        sets: dict[str, tuple[int, list[dict[str, Any]]]] = {}
        for row in self._rows(layout.TIME_SETS):
            position, options = sets.setdefault(row.need("Time set", cells.plain, "?"), (len(sets), []))
            # A time that cannot be read keeps its place: the set must not become another one, or empty.
            time = row.need("Time", self._times.resolved, "?")
            self._origins.put(f"/time_domains/{position}/options/{len(options)}", layout.TIME_SETS, row.number)
            options.append({"time": time, "penalty": row.get("Penalty", cells.whole, 0)})
        return [{"id": name, "options": options} for name, (_, options) in sets.items()]

    def _students(self) -> list[dict[str, Any]]:
        """Those of Students with their requests; without the sheet, whoever requests."""
        students: dict[str, dict[str, Any]] = {}
        listed = layout.STUDENTS.name in self._tables
        values: list[dict[str, Any]] = []
        for row in self._rows(layout.STUDENTS):
            name = row.need("Student", cells.plain, "?")
            self._origins.put(f"/students/{len(values)}", layout.STUDENTS, row.number)
            values.append({"id": name, "name": row.get("Name", cells.plain, None), "courses": []})
            students.setdefault(name, values[-1])
        for row in self._rows(layout.REQUESTS):
            name, course = row.need("Student", cells.plain, ""), row.need("Course", cells.plain, "")
            if not name or not course:
                continue
            if name not in students:
                if listed:
                    message = f"Student {name[:128]!r} is not in the sheet Students. Add a row there or correct the id."
                    row.complain("unknown_student", message, "Student")
                    continue
                self._origins.put(f"/students/{len(values)}", layout.REQUESTS, row.number)
                values.append({"id": name, "courses": []})
                students[name] = values[-1]
            students[name]["courses"].append(course)
        self._origins.students = [str(student["id"]) for student in values]
        return values

    def _curriculum(self, row: Reader) -> dict[str, Any]:
        return {
            "id": row.need("Curriculum", cells.plain, "?"),
            "name": row.get("Name", cells.plain, None),
            "courses": row.need("Courses", cells.names, []),
            "penalty": row.get("Penalty", _penalty, None),
        }

    def _distribution(self, row: Reader) -> dict[str, Any]:
        type_ = row.need("Type", _distribution_type, DistributionType.NOT_OVERLAP)
        return {
            **self._rule(row, type_, PARAMETER_COUNT.get(type_, 0)),
            "classes": row.need("Classes", cells.names, ["?"]),
        }

    def _student_rule(self, row: Reader) -> dict[str, Any]:
        type_ = row.need("Type", _student_rule_type, StudentRuleType.SINGLE_CLASS_DAY)
        return self._rule(row, type_, STUDENT_PARAMETER_COUNT.get(type_, 0))

    def _rule(self, row: Reader, type_: str, parameter_count: int) -> dict[str, Any]:
        penalty = row.need("Penalty", _penalty, None)
        parameters: list[int] = row.get("Parameters", self._parameters, [])
        return {
            "type": type_,
            "parameters": parameters[: 2 + parameter_count],
            "required": penalty is None,
            "penalty": penalty,
        }

    def _parameters(self, text: str) -> list[int]:
        return [cells.parameter(self._calendar, item.text) for item in cells.items(text)]

    def _travel(self, row: Reader, travel: dict[str, list[dict[str, Any]]]) -> None:
        rooms = row.get("Between", _between_rooms, False)
        kind = "room_travel" if rooms else "building_travel"
        self._origins.put(f"/{kind}/{len(travel[kind])}", layout.TRAVEL, row.number)
        minutes = row.need("Minutes", cells.whole, 0)
        travel[kind].append(
            {
                "a": row.need("From", cells.plain, "?"),
                "b": row.need("To", cells.plain, "?"),
                "slots": -(-minutes // self._calendar.slot_minutes),
            }
        )

    def _pin(self, row: Reader) -> dict[str, Any]:
        return {
            "class": row.need("Class", cells.plain, "?"),
            "time": row.get("Time", self._times.resolved, None),
            "room": row.get("Room", cells.plain, None),
        }


def _distribution_type(text: str) -> DistributionType:
    return _type(text, DistributionType)


def _student_rule_type(text: str) -> StudentRuleType:
    return _type(text, StudentRuleType)


def _type(text: str, types: type[Type]) -> Type:
    word = cells.plain(text).replace(" ", "").lower()
    for type_ in types:
        if type_.value.lower() == word:
            return type_
    raise CellError("unknown_type", f"{cells.shown(text)} is none of {', '.join(types)}.")


def _penalty(text: str) -> int | None:
    """A number, or None for 'required'."""
    return None if cells.plain(text).lower() == "required" else cells.whole(text)


def _between_rooms(text: str) -> bool:
    word = cells.plain(text).lower()
    if word not in ("rooms", "room", "buildings", "building"):
        raise CellError("not_rooms_or_buildings", f"{cells.shown(text)} is neither 'rooms' nor 'buildings'.")
    return word.startswith("room")

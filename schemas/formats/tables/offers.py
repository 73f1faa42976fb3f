"""What is taught: the sheets Courses and Classes.

Owns the classes that a row of Courses stands for, and how classes gather into configurations and parts. Must not know
the other sheets.
"""

from __future__ import annotations

from typing import Any

from schemas.formats.tables import cells, layout
from schemas.formats.tables.cells import CellError
from schemas.formats.tables.origins import Origins
from schemas.formats.tables.rows import Findings, Reader, Table
from schemas.formats.tables.times import Times
from schemas.problem.model import MAX_CLASSES

_SHORTHAND = tuple(c.header for c in layout.COURSES.columns if c.header not in ("Course", "Name", "Expected students"))
_NEEDS = ("Features", "Minimum capacity", "Buildings", "Preferred buildings", "Elsewhere penalty")


class Offers:
    """Courses with their classes."""

    def __init__(self, tables: dict[str, Table], origins: Origins, findings: Findings, times: Times) -> None:
        self._tables = tables
        self._origins = origins
        self._findings = findings
        self._times = times
        self._classes = 0

    def courses(self) -> list[dict[str, Any]]:
        """The problem's courses, in the sheet's order; classes in the order of their rows."""
        by_course: dict[str, list[Reader]] = {}
        known = {row.cells.get("Course") for row in self._tables[layout.COURSES.name].rows}
        for row in self._rows(layout.CLASSES):
            name = row.need("Course", cells.plain, "")
            if name and name not in known:
                message = f"Course {name[:128]!r} is not in the sheet Courses. Add a row there or correct the id."
                row.complain("unknown_course", message, "Course")
            by_course.setdefault(name, []).append(row)
        courses: list[dict[str, Any]] = []
        for row in self._rows(layout.COURSES):
            at = len(courses)
            self._origins.put(f"/courses/{at}", layout.COURSES, row.number)
            name = row.need("Course", cells.plain, "?")
            # A second row of the same course is an error that the checks name; it must not repeat the classes, too.
            own = by_course.pop(name, [])
            configs = self._configs(at, row, own) if own else self._sections(at, name, row)
            courses.append({"id": name, "name": row.get("Name", cells.plain, None), "configs": configs})
        for orphans in by_course.values():  # read all the same, for what else is wrong with them
            for row in orphans:
                self._class(row, "Class", row.need("Limit", cells.whole, 0))
        return courses

    def _rows(self, sheet: layout.Sheet) -> list[Reader]:
        table = self._tables.get(sheet.name)
        return [] if table is None else [Reader(table, row, self._findings) for row in table.rows]

    def _configs(self, course: int, row: Reader, own: list[Reader]) -> list[dict[str, Any]]:
        """Configurations and parts in the order in which they first appear."""
        superfluous = [header for header in _SHORTHAND if row.has(header)]
        if superfluous:
            message = (
                f"The course has rows in Classes, so {', '.join(superfluous)} must be empty here."
                " Empty them, or remove the rows from Classes."
            )
            row.complain("described_twice", message, superfluous[0])
        configs: dict[str, dict[str, list[tuple[int, dict[str, Any]]]]] = {}
        for cls in own:
            parts = configs.setdefault(cls.get("Configuration", cells.plain, "1"), {})
            limit = cls.need("Limit", cells.whole, 0)
            value = self._class(cls, "Class", limit) | {"parent": cls.get("Parent", cells.plain, None)}
            parts.setdefault(cls.get("Part", cells.plain, "1"), []).append((cls.number, value))
        for k, parts in enumerate(configs.values()):
            for s, members in enumerate(parts.values()):
                for n, (number, _) in enumerate(members):
                    pointer = f"/courses/{course}/configs/{k}/subparts/{s}/classes/{n}"
                    self._origins.put(pointer, layout.CLASSES, number)
        return [
            {"id": config, "subparts": [{"id": p, "classes": [c for _, c in members]} for p, members in parts.items()]}
            for config, parts in configs.items()
        ]

    def _sections(self, course: int, name: str, row: Reader) -> list[dict[str, Any]]:
        """The classes of a course that has no rows in Classes: equal sections of one part."""
        expected = row.need("Expected students", cells.whole, 0)
        sections = row.get("Sections", _sections, 1)
        if self._classes + sections > MAX_CLASSES:
            row.complain("too_large", f"There are more than {MAX_CLASSES:,} classes. Split the problem.", "Sections")
            sections = 1
        self._classes += sections
        first = self._class(row, None, -(-expected // sections))
        teachers: list[str] = first["instructors"]
        if sections > 1 and len(teachers) > 1 and len(teachers) != sections:
            message = (
                f"{len(teachers)} instructors cannot be shared out to {sections} sections."
                " Name one for all, or one for each section; or give every section a row in Classes."
            )
            row.complain("instructors_and_sections", message, "Instructors")
            teachers = []
        one_each = sections > 1 and len(teachers) == sections
        classes = [
            {
                **first,
                "id": f"{name}-{n + 1}",
                # What does not divide goes to the first sections.
                "limit": expected // sections + (n < expected % sections),
                "instructors": [teachers[n]] if one_each else teachers,
            }
            for n in range(sections)
        ]
        return [{"id": "1", "subparts": [{"id": "1", "classes": classes}]}]

    def _class(self, row: Reader, id_column: str | None, limit: int) -> dict[str, Any]:
        """Everything but the parent."""
        value: dict[str, Any] = {
            "id": row.need(id_column, cells.plain, "?") if id_column else "?",
            "limit": limit,
            "instructors": row.get("Instructors", cells.names, []),
        }
        return value | self._when(row) | self._where(row)

    def _when(self, row: Reader) -> dict[str, Any]:
        ways = [column for column in ("Time set", "Times", "Meetings per week") if row.has(column)]
        if len(ways) != 1:
            given = f"both {' and '.join(ways)}" if ways else "no time"
            choices = "Time set, Times" + (", or Meetings per week and Minutes" if self._is_course(row) else "")
            row.complain("times_or_time_set", f"The row gives {given}. Fill exactly one of {choices}.", "Times")
        elif row.has("Times"):
            return {"times": row.get("Times", self._times.options, None) or [{"time": "?"}]}
        elif row.has("Time set"):
            return {"time_domain": row.get("Time set", cells.plain, "?")}
        else:
            meetings = row.get("Meetings per week", cells.whole, 0)
            minutes = row.need("Minutes", cells.whole, 0)
            if meetings and minutes:
                try:
                    return {"time_domain": self._times.set_of(meetings, minutes)}
                except CellError as error:
                    row.complain(error.code, str(error), "Minutes" if error.code == "off_the_grid" else ways[0])
            else:
                row.complain("out_of_range", "Meetings per week and Minutes must be at least 1.", ways[0])
        return {"time_domain": "?"}

    def _is_course(self, row: Reader) -> bool:
        return row.label == self._tables[layout.COURSES.name].label

    def _where(self, row: Reader) -> dict[str, Any]:
        needed = row.get("Room needed", cells.yes_or_no, True)
        needs = [column for column in _NEEDS if row.has(column)]
        clashing = ([*(["Rooms"] if row.has("Rooms") else []), *needs]) if not needed else needs
        if clashing and (not needed or row.has("Rooms")):
            because = "No room is needed" if not needed else "Rooms lists the rooms"
            row.complain("rooms_or_needs", f"{because}, so {', '.join(clashing)} must be empty.", clashing[0])
        if not needed:
            return {}
        if row.has("Rooms"):
            options = row.get("Rooms", lambda text: cells.items(text, priced=True), [])
            return {"rooms": [{"room": item.text, "penalty": item.penalty} for item in options] or [{"room": "?"}]}
        return {
            "room_needs": {
                "features": row.get("Features", cells.names, []),
                "min_capacity": row.get("Minimum capacity", cells.whole, None),
                "buildings": row.get("Buildings", cells.names, []),
                "preferred_buildings": row.get("Preferred buildings", cells.names, []),
                "elsewhere_penalty": row.get("Elsewhere penalty", cells.whole, 0),
            }
        }


def _sections(text: str) -> int:
    count = cells.whole(text)
    if not 1 <= count <= 1000:
        raise CellError("out_of_range", f"{count} sections are not from 1 to 1,000.")
    return count

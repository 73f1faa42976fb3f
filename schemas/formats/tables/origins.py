"""Where each part of a problem stands in the spreadsheet that it was read from.

Owns the way back from a JSON pointer into the problem to a sheet, row and column, so that checks written for problems
speak of spreadsheets. Must not know how cells are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from schemas.formats.tables.layout import ALL_SETTINGS, REQUESTS, Sheet
from schemas.formats.tables.rows import Table, place
from schemas.problem.findings import Finding, InvalidProblemError

# The words of the native problem, as columns. A field that is not here is a header in small letters.
_COLUMNS = {
    "building": "Building",
    "min_capacity": "Minimum capacity",
    "preferred_buildings": "Preferred buildings",
    "elsewhere_penalty": "Elsewhere penalty",
    "time_domain": "Time set",
    "type": "Type",
    "a": "From",
    "b": "To",
    "slots": "Minutes",
}
# Where an id of each kind would have to be defined, as messages of the checks put it.
_SHEET_OF_LIST = {
    "rooms": "Rooms",
    "instructors": "Instructors",
    "times": "Times",
    "time_domains": "Time sets",
    "courses": "Courses",
    "curricula": "Curricula",
    "students": "Students",
}


@dataclass(slots=True)
class Origins:
    """Sheet and row by JSON pointer, for all parts of the problem but the requests (they are looked up when asked)."""

    tables: dict[str, Table]
    rows: dict[str, tuple[Sheet, str, int]] = field(default_factory=dict)
    students: list[str] = field(default_factory=list)

    def put(self, pointer: str, sheet: Sheet, row: int) -> None:
        self.rows[pointer] = (sheet, self.tables[sheet.name].label, row)

    def place(self, pointer: str) -> str:
        """The place in the spreadsheet, or the pointer itself where there is none."""
        return place(*self.cell(pointer)) or pointer

    def cell(self, pointer: str) -> tuple[str, int, str]:
        """Label, row and column; empty and 0 where they are not known."""
        steps = pointer.split("/")
        if len(steps) > 4 and steps[1] == "students" and steps[3] == "courses":
            return self._request(self.students[int(steps[2])], int(steps[4]))
        for known in range(len(steps), 1, -1):
            found = self.rows.get("/".join(steps[:known]))
            if found is not None:
                sheet, label, row = found
                return label, row, _column(sheet, steps[known:])
        setting = next((s for s in ALL_SETTINGS if s.field == pointer), None)
        if setting is not None:
            return self._setting(setting.name)
        sheet_name = _SHEET_OF_LIST.get(steps[1]) if len(steps) > 1 else None
        return (self.tables[sheet_name].label if sheet_name in self.tables else sheet_name or "", 0, "")

    def _request(self, student: str, nth: int) -> tuple[str, int, str]:
        table = self.tables[REQUESTS.name]
        own = (row.number for row in table.rows if row.cells.get("Student") == student)
        return table.label, next((number for n, number in enumerate(own) if n == nth), 0), "Course"

    def _setting(self, name: str) -> tuple[str, int, str]:
        table = self.tables["Settings"]
        rows = [row.number for row in table.rows if row.cells.get("Setting", "").lower() == name.lower()]
        return table.label, rows[0] if rows else 0, "Value" if rows else name

    def translated(self, findings: Iterable[Finding]) -> list[Finding]:
        """The findings with places in the spreadsheet, in its words."""
        return [Finding(f.code, self.place(f.pointer), self._words(f)) for f in findings]

    def refusal(self, error: InvalidProblemError) -> InvalidProblemError:
        return InvalidProblemError(self.translated(error.findings), error.total)

    def _words(self, finding: Finding) -> str:
        def sheet(found: re.Match[str]) -> str:
            name = _SHEET_OF_LIST[found[1]]
            if finding.code == "unknown_class":
                name = "Classes"
            return f" the sheet {name}"

        return re.sub(rf" /({'|'.join(_SHEET_OF_LIST)})\b", sheet, finding.message)


def _column(sheet: Sheet, steps: list[str]) -> str:
    """The column that a field of the row's thing stands in; the first one for the id."""
    for step in reversed(steps):
        if step == "id":
            return sheet.headers[0]
        header = _COLUMNS.get(step, step.replace("_", " ").capitalize())
        for name in (header, step.capitalize(), f"{step.capitalize()}s"):
            if name in sheet.headers:
                return name
    return ""

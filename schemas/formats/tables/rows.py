"""Rows of known sheets with known columns, whatever file they stand in, and findings that name their place.

Owns the matching of sheets and headers, and how a place in a spreadsheet is written. Must not know what cells mean, nor
workbooks or CSV files.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from schemas.formats.tables.cells import MAX_CELL_CHARACTERS, CellError
from schemas.formats.tables.layout import SHEETS, Sheet
from schemas.problem.findings import Finding

MAX_ROWS = 1_048_576  # of one sheet: as many as spreadsheets have
MAX_COLUMNS = 64  # wider sheets are not ours
MAX_SHEETS = 64
# Collecting stops here: a file with more is wrong throughout, and a hostile one must not fill memory with sentences.
MAX_COLLECTED = 1000

T = TypeVar("T")
D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class RawSheet:
    """A sheet as a file holds it: its name there, and rows of texts from row 1 on; empty cells are empty texts."""

    label: str
    rows: Iterable[list[str]]


@dataclass(frozen=True, slots=True)
class Row:
    """A row by headers; `number` is the spreadsheet's own. Empty cells are not in it."""

    number: int
    cells: dict[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """A known sheet: what it is, what the file calls it, its rows that are not empty."""

    sheet: Sheet
    label: str
    rows: list[Row]


@dataclass(slots=True)
class Findings:
    """Collects findings by their place in the spreadsheet, up to a bound."""

    found: list[Finding] = field(default_factory=list)
    places: set[tuple[str, int]] = field(default_factory=set)

    def add(self, code: str, message: str, label: str = "", row: int = 0, column: str = "") -> None:
        if len(self.found) < MAX_COLLECTED:
            self.found.append(Finding(code, place(label, row, column), message))
        self.places.add((label, row))


def place(label: str, row: int = 0, column: str = "") -> str:
    """'Rooms, row 3, column Capacity'."""
    parts = (label, f"row {row}" if row else "", f"column {column}" if column else "")
    return ", ".join(part for part in parts if part)


class Reader:
    """One row, read cell by cell: what cannot be understood becomes a finding, and a neutral value."""

    def __init__(self, table: Table, row: Row, findings: Findings) -> None:
        self.label = table.label
        self.number = row.number
        self._cells = row.cells
        self._findings = findings

    def has(self, column: str) -> bool:
        return column in self._cells

    def get(self, column: str, parse: Callable[[str], T], otherwise: D) -> T | D:
        """The cell's value; `otherwise` if it is empty, or cannot be understood (a finding says so)."""
        text = self._cells.get(column)
        if text is None:
            return otherwise
        try:
            return parse(text)
        except CellError as error:
            self.complain(error.code, str(error), column)
            return otherwise

    def need(self, column: str, parse: Callable[[str], T], otherwise: D) -> T | D:
        """As `get`; an empty cell is a finding."""
        if column not in self._cells:
            self.complain("empty_cell", f"{column} is empty. Fill it in, or remove the row.", column)
            return otherwise
        return self.get(column, parse, otherwise)

    def complain(self, code: str, message: str, column: str = "") -> None:
        self._findings.add(code, message, self.label, self.number, column)


def tables_of(sheets: Iterable[RawSheet], findings: Findings) -> dict[str, Table]:
    """The known sheets by name. Unknown sheets and columns, and missing ones, become findings.

    Sheets called 'Notes' or 'Read me' and columns called 'Notes' or 'Comment', or beginning with '#', are for people.
    """
    by_name = {_key(sheet.name): sheet for sheet in SHEETS}
    tables: dict[str, Table] = {}
    for raw in sheets:
        stem = re.sub(r"\.csv$", "", raw.label, flags=re.IGNORECASE)
        if _for_people(stem):
            continue
        sheet = by_name.get(_key(stem))
        if sheet is None:
            findings.add(
                "unknown_sheet",
                f"There is no sheet {stem[:60]!r}{_perhaps(stem, [s.name for s in SHEETS])}."
                " Correct its name, or begin it with '#' to have it passed over.",
                raw.label[:100],
            )
        elif sheet.name in tables:
            findings.add("duplicate_sheet", f"The sheet {sheet.name} is there twice. Remove one.", raw.label)
        else:
            tables[sheet.name] = _table(sheet, raw, findings)
    for sheet in SHEETS:
        if sheet.required and sheet.name not in tables:
            findings.add("missing_sheet", f"The sheet {sheet.name} is missing. {sheet.meaning} Add it.", sheet.name)
    return tables


def _table(sheet: Sheet, raw: RawSheet, findings: Findings) -> Table:
    rows = _numbered(raw, findings)
    header = next(((n, cells) for n, cells in rows if any(cells)), None)
    table = Table(sheet, raw.label, [])
    names = header[1] if header else []
    columns = _columns(sheet, raw.label, header[0] if header else 1, names, findings)
    nameless = {at for at in range(MAX_COLUMNS) if at >= len(names) or not names[at]}
    for number, cells in rows:
        lost = next((at for at in sorted(nameless) if at < len(cells) and cells[at]), None)
        if lost is not None and columns:
            nameless.clear()  # once is enough
            message = "The cell stands in a column without a header. Give the column a header, or empty the cell."
            findings.add("missing_header", message, raw.label, number, str(lost + 1))
        values = {column: text for at, column in columns if at < len(cells) and (text := cells[at])}
        if values:
            table.rows.append(Row(number, values))
    return table


def _numbered(raw: RawSheet, findings: Findings) -> Iterator[tuple[int, list[str]]]:
    """Rows with their numbers and trimmed cells, bounded."""
    for number, cells in enumerate(raw.rows, start=1):
        if number > MAX_ROWS:
            findings.add("too_large", f"There are more than {MAX_ROWS:,} rows. Split the problem.", raw.label)
            return
        for at, text in enumerate(cells):
            if len(text) > MAX_CELL_CHARACTERS:
                message = f"The cell has more than {MAX_CELL_CHARACTERS:,} characters. Shorten it."
                findings.add("too_large", message, raw.label, number, f"{at + 1}")
                cells = []  # the row is not looked at
                break
        yield number, cells


def _columns(sheet: Sheet, label: str, number: int, header: list[str], findings: Findings) -> list[tuple[int, str]]:
    """Positions of known columns. Headers are compared without regard to case, spaces and underscores."""
    by_key = {_key(name): name for name in sheet.headers}
    found: dict[str, int] = {}
    for at, text in enumerate(header):
        if not text or _for_people(text):
            continue
        name = by_key.get(_key(text))
        if name is None:
            findings.add(
                "unknown_column",
                f"The sheet {sheet.name} has no column {text[:60]!r}{_perhaps(text, sheet.headers)}."
                " Correct the header, or begin it with '#' to have the column passed over.",
                label,
                number,
                text[:60],
            )
        elif name in found:
            findings.add("duplicate_column", f"The column {name} is there twice. Remove one.", label, number, name)
        else:
            found[name] = at
    for column in sheet.columns:
        if column.required and column.header not in found:
            message = f"The column {column.header} is missing. {column.meaning} Add it to the first row."
            findings.add("missing_column", message, label, number, column.header)
    return [(at, name) for name, at in found.items()]


def _key(text: str) -> str:
    return re.sub(r"[\s_-]+", "", text).lower()


def _for_people(text: str) -> bool:
    return text.startswith("#") or _key(text) in ("notes", "note", "comment", "comments", "readme")


def _perhaps(text: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(text[:60].title(), names, 1)
    return f"; perhaps {close[0]!r} is meant" if close else f"; there are {', '.join(names)}"

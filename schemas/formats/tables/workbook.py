"""A problem as an .xlsx workbook: sheets of texts in and out.

Owns what of a workbook is trusted, and how dates, numbers and formulas become texts. Must not know what sheets mean.
The library that reads workbooks is loaded when one is read, because most of our processes never do.
"""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from schemas.formats.tables.archives import opened, refusal, refuse_entities
from schemas.formats.tables.bundle import Cell
from schemas.formats.tables.cells import DateText
from schemas.formats.tables.layout import Sheet
from schemas.formats.tables.rows import MAX_COLUMNS, MAX_ROWS, MAX_SHEETS, RawSheet, place
from schemas.formats.xlsx_writing import Workbook
from schemas.problem.findings import MAX_FINDINGS, Finding, InvalidProblemError

if TYPE_CHECKING:
    from openpyxl.cell.read_only import ReadOnlyCell

_ZEROS = re.compile(r"0{2,15}")  # the number format that shows 7 as 007
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s>/]")


def read_workbook(content: bytes) -> list[RawSheet]:
    """The sheets of an .xlsx file; formulas by the value that the spreadsheet program has stored with them.

    Raises `InvalidProblemError`.
    """
    with opened(content) as archive:
        refuse_entities(archive)
        formulas = _has_formulas(archive)
    if find_spec("openpyxl") is None:
        raise refusal(
            "no_workbook_reader",
            "Workbooks cannot be read here: the package openpyxl is missing. Install it with horarium[api], or save the"
            " sheets as CSV files in a .zip.",
        )
    sheets: list[RawSheet] = []
    findings: list[Finding] = []
    try:
        for label, rows in _sheets(content, data_only=True):
            sheets.append(RawSheet(label, _texts(label, rows, findings)))
        if formulas:
            _find_uncounted(content, sheets, findings)
    except (InvalidProblemError, MemoryError):
        raise
    except Exception as error:  # the library raises whatever a wrong file makes its innards raise
        raise refusal(
            "malformed_workbook",
            f"The workbook cannot be read ({type(error).__name__}). Open it with a spreadsheet program and save it.",
        ) from error
    if findings:
        raise InvalidProblemError(findings[:MAX_FINDINGS], len(findings))
    return sheets


def _has_formulas(archive: zipfile.ZipFile) -> bool:
    return any(_FORMULA.search(archive.read(name)) for name in archive.namelist() if name.startswith("xl/worksheets/"))


def _sheets(content: bytes, data_only: bool) -> Iterator[tuple[str, Iterator[tuple[ReadOnlyCell, ...]]]]:
    """Name and rows of each sheet that is a table, bounded: what a sheet says of its own size is not believed."""
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=data_only, keep_links=False)
    try:
        if len(book.sheetnames) > MAX_SHEETS:
            raise refusal("too_large", f"The workbook has more than {MAX_SHEETS} sheets. Remove some.")
        for sheet in book.worksheets:
            sheet.reset_dimensions()
            rows: Any = sheet.iter_rows(max_col=MAX_COLUMNS, max_row=MAX_ROWS)  # the stub has no read-only sheets
            yield sheet.title, rows
    finally:
        book.close()


def _texts(label: str, rows: Iterator[tuple[ReadOnlyCell, ...]], findings: list[Finding]) -> list[list[str]]:
    """All rows up to the last one with anything in it."""
    from openpyxl.cell.read_only import EMPTY_CELL

    empty: object = EMPTY_CELL
    before: tuple[ReadOnlyCell, ...] = ()
    texts: list[list[str]] = []
    last = 0
    for number, row in enumerate(rows, start=1):
        if row is before:  # rows that the file does not have: a million, if somebody typed into the last one
            texts.append([])
            continue
        before = row
        width = len(row)
        while width and row[width - 1] is empty:
            width -= 1
        cells = [_text(cell) for cell in row[:width]]
        while cells and not cells[-1]:
            cells.pop()
        texts.append(cells)
        if not cells:
            continue
        last = number
        for at, cell in enumerate(row[: len(cells)]):
            if cell.data_type == "e":
                where = place(label, number, _column(texts, at))
                message = f"The cell shows the error {cells[at]}. Correct its formula, or type the value."
                findings.append(Finding("error_value", where, message))
    return texts[:last]


def _find_uncounted(content: bytes, sheets: list[RawSheet], findings: list[Finding]) -> None:
    """Formulas without a stored value would be read as empty cells; whoever wrote the file never counted them."""
    for sheet, (label, rows) in zip(sheets, _sheets(content, data_only=False), strict=True):
        texts: list[list[str]] = list(sheet.rows)
        for number, row in enumerate(rows, start=1):
            for at, cell in enumerate(row):
                known = number <= len(texts) and at < len(texts[number - 1]) and texts[number - 1][at]
                if cell.data_type == "f" and not known:
                    message = "The formula has no stored value. Open and save the workbook in a spreadsheet program."
                    where = place(label, number, _column(texts, at))
                    findings.append(Finding("formula_without_value", where, message))


def _column(texts: list[list[str]], at: int) -> str:
    header = next((cells for cells in texts if cells), [])
    return header[at] if at < len(header) and header[at] else str(at + 1)


def _text(cell: ReadOnlyCell) -> str:
    value: Any = cell.value
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _number(value, str(cell.number_format))
    if isinstance(value, dt.time):
        return f"{value.hour:02}:{value.minute:02}" + (f":{value.second:02}" if value.second else "")
    if isinstance(value, dt.datetime):
        # A time of day in a column of dates counts from the year 1900.
        return f"{value.hour:02}:{value.minute:02}" if value.year <= 1900 else DateText(value.date().isoformat())
    if isinstance(value, dt.timedelta):
        minutes = round(value.total_seconds() / 60)
        return f"{minutes // 60:02}:{minutes % 60:02}"
    return str(value)


def _number(value: float, number_format: str) -> str:
    if value != value or value in (float("inf"), float("-inf")) or value != int(value):
        return repr(value)
    text = str(int(value))
    return text.zfill(len(number_format)) if _ZEROS.fullmatch(number_format) else text


def write_workbook(
    sheets: Iterable[tuple[Sheet, Iterable[Sequence[Cell]]]], notes: Sequence[Sequence[Cell]] = ()
) -> bytes:
    """An .xlsx file; `notes` become the sheet 'Read me'. The same sheets give the same bytes."""
    book = Workbook()
    if notes:
        book.add("Read me", ("Sheet", "Column", "What goes in"), notes, widths=(18, 22, 110))
    for sheet, rows in sheets:
        book.add(sheet.name, sheet.headers, rows)
    return book.content()

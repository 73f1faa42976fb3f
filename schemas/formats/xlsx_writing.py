"""Workbooks out: sheets with a header row, safe to open, the same bytes for the same content.

Owns the few parts of the .xlsx format (ECMA-376) that a plain table needs, written row by row: a general library takes
ten times as long for a university's requests, and stamps every file with the clock. Must not know problems or
timetables.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from itertools import islice
from xml.sax.saxutils import escape, quoteattr

from schemas.formats.csv_text import FORMULA_STARTS

# The earliest that an archive can hold: equal timetables are equal bytes, so there is no clock in them.
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")
_MAX_CHARACTERS = 32_767  # of a cell, by the format

_ROWS_AT_ONCE = 500

_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"

# Positions in `cellXfs` below. 49 is the built-in format "@": what is typed into such a cell stays as it was typed.
_TEXT, _HEADER, _QUOTED, _WRAPPED, _WRAPPED_QUOTED = 1, 2, 3, 4, 5
_WRAP = '<alignment wrapText="1" vertical="top"/>'
_STYLES = f"""{_XML}<styleSheet xmlns="{_MAIN}">\
<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>\
<font><b/><sz val="11"/><name val="Calibri"/></font></fonts>\
<fills count="3"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill>\
<fill><patternFill patternType="solid"><fgColor rgb="FFE8EDF3"/></patternFill></fill></fills>\
<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>\
<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>\
<cellXfs count="6"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>\
<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>\
<xf numFmtId="49" fontId="1" fillId="2" borderId="0" xfId="0" applyNumberFormat="1" applyFont="1" applyFill="1"/>\
<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" quotePrefix="1"/>\
<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyAlignment="1">{_WRAP}</xf>\
<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyAlignment="1" quotePrefix="1">\
{_WRAP}</xf></cellXfs>\
<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>"""


class Workbook:
    """A workbook that is written sheet by sheet, row by row."""

    def __init__(self) -> None:
        self._out = io.BytesIO()
        self._archive = zipfile.ZipFile(self._out, "w", zipfile.ZIP_DEFLATED)
        self._names: list[str] = []
        # The shared strings: position, and whether a spreadsheet might take the text for a formula.
        self._texts: dict[str, tuple[int, bool]] = {}

    def add(
        self,
        name: str,
        headers: Sequence[str],
        rows: Iterable[Sequence[str | int | None]],
        widths: Sequence[int] = (),
        wrapped: bool = False,
    ) -> None:
        """A sheet. Texts stay texts: no formulas, no dates. `wrapped` breaks the lines of long cells."""
        self._names.append(name)
        widths = [widths[n] if n < len(widths) else max(12, len(h) + 4) for n, h in enumerate(headers)]
        columns = "".join(
            f'<col min="{n}" max="{n}" width="{width}" style="{_TEXT}" customWidth="1"/>'
            for n, width in enumerate(widths, start=1)
        )
        letters = [_letters(n) for n in range(len(headers))]
        styles = (_WRAPPED, _WRAPPED_QUOTED) if wrapped else (_TEXT, _QUOTED)
        with self._archive.open(_member(f"xl/worksheets/sheet{len(self._names)}.xml"), "w") as part:
            # A dimension that says too little does no harm; without one, readers go through the sheet twice.
            part.write(
                f'{_XML}<worksheet xmlns="{_MAIN}"><dimension ref="A1:{letters[-1]}1"/>'
                '<sheetViews><sheetView workbookViewId="0">'
                '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
                f"<cols>{columns}</cols><sheetData>{self._row(1, headers, letters, (_HEADER, _HEADER))}".encode()
            )
            numbered = enumerate(rows, start=2)
            while some := [self._row(number, row, letters, styles) for number, row in islice(numbered, _ROWS_AT_ONCE)]:
                part.write("".join(some).encode())
            part.write(b"</sheetData></worksheet>")

    def content(self) -> bytes:
        """The file; nothing can be added after it."""
        numbered = list(enumerate(self._names, start=1))
        sheets = "".join(f'<sheet name={quoteattr(name)} sheetId="{n}" r:id="rId{n}"/>' for n, name in numbered)
        workbook = f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets>{sheets}</sheets></workbook>'
        relations = [(f"rId{n}", "worksheet", f"worksheets/sheet{n}.xml") for n, _ in numbered]
        parts = "".join(
            f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_TYPES}.worksheet+xml"/>'
            for n, _ in numbered
        )
        types = (
            f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
            f'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPES}.sheet.main+xml"/>'
            f'<Override PartName="/xl/styles.xml" ContentType="{_TYPES}.styles+xml"/>'
            f'<Override PartName="/xl/sharedStrings.xml" ContentType="{_TYPES}.sharedStrings+xml"/>{parts}</Types>'
        )
        relations += [("rIdStyles", "styles", "styles.xml"), ("rIdStrings", "sharedStrings", "sharedStrings.xml")]
        strings = "".join(f'<si><t xml:space="preserve">{_printable(text)}</t></si>' for text in self._texts)
        for name, text in (
            ("[Content_Types].xml", types),
            ("_rels/.rels", _relations([("rId1", "officeDocument", "xl/workbook.xml")])),
            ("xl/workbook.xml", workbook),
            ("xl/_rels/workbook.xml.rels", _relations(relations)),
            ("xl/styles.xml", _STYLES),
            ("xl/sharedStrings.xml", f'{_XML}<sst xmlns="{_MAIN}">{strings}</sst>'),
        ):
            self._archive.writestr(_member(name), text)
        self._archive.close()
        return self._out.getvalue()

    def _row(
        self, number: int, row: Sequence[str | int | None], letters: Sequence[str], styles: tuple[int, int]
    ) -> str:
        cells = []
        for letter, value in zip(letters, row, strict=False):
            if value is None or value == "":
                continue
            if isinstance(value, int):
                cells.append(f'<c r="{letter}{number}"><v>{value}</v></c>')
            else:
                known = self._texts.get(value)
                if known is None:
                    known = self._texts[value] = len(self._texts), value.startswith(FORMULA_STARTS)
                # A text cell is never run; a suspicious one is also marked as text for whoever edits it later.
                cells.append(f'<c r="{letter}{number}" s="{styles[known[1]]}" t="s"><v>{known[0]}</v></c>')
        return f'<row r="{number}">{"".join(cells)}</row>'


def _printable(text: str) -> str:
    return escape(_UNPRINTABLE.sub("\ufffd", text[:_MAX_CHARACTERS]))


def _letters(column: int) -> str:
    """A, B, ..., Z, AA, ..."""
    name = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


def _relations(relations: Iterable[tuple[str, str, str]]) -> str:
    inner = "".join(
        f'<Relationship Id="{name}" Type="{_RELATIONS}/{kind}" Target="{target}"/>' for name, kind, target in relations
    )
    return f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{inner}</Relationships>'


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, _TIMESTAMP)
    member.compress_type = zipfile.ZIP_DEFLATED
    return member

"""A problem as CSV files in a .zip: one file for each sheet.

Owns delimiters, encoding and file names. Must not know what sheets mean.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence

from schemas.formats.csv_text import as_text, as_typed
from schemas.formats.json_text import utf8_text
from schemas.formats.tables.archives import opened, refusal
from schemas.formats.tables.layout import Sheet
from schemas.formats.tables.rows import MAX_COLUMNS, RawSheet
from schemas.problem.findings import Finding, InvalidProblemError

_DELIMITERS = ",;\t"
_MACINTOSH = "__MACOSX/"  # what its Finder adds to every archive
_FOR_PEOPLE = (".txt", ".md")
# Equal problems are equal bytes: no clock in the archive.
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)

Cell = str | int | None


def read_bundle(content: bytes) -> list[RawSheet]:
    """The CSV files of the archive. Raises `InvalidProblemError`."""
    sheets: list[RawSheet] = []
    findings: list[Finding] = []
    with opened(content) as archive:
        for member in archive.infolist():
            name = member.filename
            if name.startswith(_MACINTOSH) or name in (".DS_Store", "Thumbs.db"):
                continue
            if "/" in name or "\\" in name:
                message = f"{name[:100]!r} is in a folder. Put the CSV files themselves into the archive."
                findings.append(Finding("folder_in_zip", name[:100], message))
            elif name.lower().endswith(".csv"):
                try:
                    sheets.append(RawSheet(name, _rows(archive.read(member), name)))
                except InvalidProblemError as error:
                    findings += error.findings
            elif not name.lower().endswith(_FOR_PEOPLE):
                message = f"{name[:100]!r} is no CSV file. Save it as CSV UTF-8, or take it out of the archive."
                findings.append(Finding("unknown_file", name[:100], message))
    if findings:
        raise InvalidProblemError(findings)
    if not sheets:
        raise refusal("no_csv_files", "The archive has no CSV files. Begin with the template.")
    return sheets


def _rows(content: bytes, name: str) -> list[list[str]]:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise refusal("not_utf8", "The file is UTF-16 text. Save it as 'CSV UTF-8'.", name)
    try:
        text = utf8_text(content, InvalidProblemError)
    except InvalidProblemError as error:
        where = f"{name}, {error.findings[0].pointer}"
        raise refusal("not_utf8", "The file is not UTF-8 text. Save it as 'CSV UTF-8'.", where) from error
    if "\x00" in text:
        raise refusal("not_text", "The file holds zero bytes, so it is no text. Save it as 'CSV UTF-8'.", name)
    delimiter, text = _delimiter(text)
    rows: list[list[str]] = []
    try:
        for cells in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True):
            # Cells beyond are cut; but for a separator at each line's end nothing of ours is so wide.
            rows.append([as_typed(cell.strip()) for cell in cells[:MAX_COLUMNS]])
    except csv.Error as error:
        raise refusal(
            "malformed_csv", f"The row is malformed ({error}). Check its quotes.", f"{name}, row {len(rows) + 1}"
        ) from error
    return rows


def _delimiter(text: str) -> tuple[str, str]:
    """What separates the header's cells most often, or what a 'sep=;' line says; and the text without that line."""
    first, _, rest = text.partition("\n")
    if first.lower().startswith("sep=") and len(first.rstrip("\r")) == 5 and first[4] in _DELIMITERS:
        return first[4], rest
    return max(_DELIMITERS, key=first.count), text


def write_bundle(sheets: Iterable[tuple[Sheet, Iterable[Sequence[Cell]]]], notes: str = "") -> bytes:
    """A .zip with a CSV file for each sheet, and `notes` as a text file. The same sheets give the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        if notes:
            archive.writestr(_member("read_me.txt"), notes)
        for sheet, rows in sheets:
            with archive.open(_member(sheet.file_name), "w", force_zip64=False) as member:
                # The mark tells spreadsheet programs that the file is UTF-8.
                text = io.TextIOWrapper(member, encoding="utf-8-sig", newline="")
                writer = csv.writer(text)
                writer.writerow(sheet.headers)
                writer.writerows(_texts(rows))
                text.flush()
                text.detach()
    return out.getvalue()


def _texts(rows: Iterable[Sequence[Cell]]) -> Iterator[list[str]]:
    for row in rows:
        yield ["" if cell is None else str(cell) if isinstance(cell, int) else as_text(cell) for cell in row]


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, _TIMESTAMP)
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = 0o644 << 16
    return member

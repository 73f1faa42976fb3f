"""From bytes to a problem that can be solved in principle: format, size, syntax, checks, expansion.

Owns the order of the steps and the bounds on the bytes themselves. Every refusal is an `InvalidProblemError` whose
findings name the place. Must not know files, HTTP, or how anything is solved.

Spreadsheets (`TableFormat`) can be read but are not what events carry and solvers load: whoever takes one in keeps the
native problem that it says. So a solver needs no library for workbooks; their readers are imported when one arrives.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

from schemas.formats.ctt import read_ctt
from schemas.formats.itc2019 import ItcProblem, read_itc2019
from schemas.formats.json_text import read_json, utf8_text
from schemas.formats.tim import read_tim
from schemas.problem.check import check
from schemas.problem.expand import ExpandedProblem, expand
from schemas.problem.findings import Finding, InvalidProblemError
from schemas.problem.model import Problem

if TYPE_CHECKING:
    from schemas.formats.tables.reading import TableProblem

MAX_PROBLEM_BYTES = 64 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_SPREADSHEETS = (b"PK", b"\xd0\xcf\x11\xe0")  # a zip archive; what .xls files and locked workbooks are


class ProblemFormat(StrEnum):
    """The formats in which a problem may arrive."""

    NATIVE = "native"  # JSON, horarium.problem/1
    CTT = "ctt"  # ITC-2007 track 3, .ctt or .ectt
    TIM = "tim"  # ITC-2002 and ITC-2007 track 2
    ITC2019 = "itc2019"  # .xml


class TableFormat(StrEnum):
    """The spreadsheets in which a problem may be uploaded or converted; never stored, and never in an event."""

    CSV = "csv"  # a .zip of CSV files, one for each sheet
    XLSX = "xlsx"


AnyFormat = ProblemFormat | TableFormat


def guess_format(filename: str = "", content: bytes = b"") -> AnyFormat:
    """The format by the file's name (`.gz` aside), else by how its content begins.

    Raises `InvalidProblemError` if neither tells.
    """
    name = filename.lower().removesuffix(".gz")
    if name.endswith((".ctt", ".ectt")):
        return ProblemFormat.CTT
    if name.endswith(".tim"):
        return ProblemFormat.TIM
    if name.endswith(".json"):
        return ProblemFormat.NATIVE
    if name.endswith(".xml"):
        return ProblemFormat.ITC2019
    if name.endswith(".xlsx"):
        return TableFormat.XLSX
    if name.endswith(".zip"):
        return TableFormat.CSV
    if content.startswith(_SPREADSHEETS):
        return _spreadsheet(content)
    start = _beginning(content).removeprefix(_BOM).lstrip()
    if start.startswith((b"{", b"[")):
        return ProblemFormat.NATIVE
    if start.startswith(b"<"):
        return ProblemFormat.ITC2019
    if re.match(rb"(Name|Courses|Rooms):", start):
        return ProblemFormat.CTT
    if re.match(rb"\d+\s+\d+\s+\d+\s+\d+\s", start):
        return ProblemFormat.TIM
    raise _refusal(
        "unknown_format",
        "",
        "The format cannot be told from the name or the content. Send native JSON (.json), ITC-2007 (.ctt, .ectt,"
        " .tim), ITC-2019 (.xml), a workbook (.xlsx) or CSV files in a .zip.",
    )


def _beginning(content: bytes) -> bytes:
    """The first bytes, unpacked if they are gzipped; what is damaged begins with nothing."""
    if not content.startswith(_GZIP):
        return content[:4096]
    try:
        return zlib.decompressobj(wbits=31).decompress(content[:4096], 4096)
    except zlib.error:
        return b""


def _spreadsheet(content: bytes) -> TableFormat:
    from schemas.formats.tables.archives import is_old_workbook, is_workbook

    if is_old_workbook(content):
        raise _refusal("old_workbook", "", "This is an .xls file, or has a password. Save it as .xlsx without one.")
    return TableFormat.XLSX if is_workbook(content) else TableFormat.CSV


def read_problem(content: bytes, format: AnyFormat) -> Problem:
    """The problem in `content`, checked and solvable in principle: every class has a time and the room it needs.

    Raises `InvalidProblemError`.
    """
    return load_problem(content, format).problem


def load_problem(content: bytes, format: AnyFormat) -> ExpandedProblem:
    """As `read_problem`, and expanded for the solver."""
    if isinstance(format, TableFormat):
        return _read_table(content).expanded()
    if format is ProblemFormat.ITC2019:
        return _read_itc2019(content).expanded()
    return expand(parse_problem(content, format))


def parse_problem(content: bytes, format: AnyFormat) -> Problem:
    """The problem in `content`, checked but not expanded. Raises `InvalidProblemError`. Gzip is unpacked, bounded."""
    if isinstance(format, TableFormat):
        return _read_table(content).problem
    if format is ProblemFormat.ITC2019:
        return _read_itc2019(content).problem
    content = _plain(content)
    if format is ProblemFormat.NATIVE:
        problem = read_json(Problem, content, InvalidProblemError)
    else:
        problem = _TEXTS[format](utf8_text(content, InvalidProblemError))
    findings = check(problem)
    if findings:
        raise InvalidProblemError(findings)
    return problem


_TEXTS: dict[ProblemFormat, Callable[[str], Problem]] = {ProblemFormat.CTT: read_ctt, ProblemFormat.TIM: read_tim}


def _read_itc2019(content: bytes) -> ItcProblem:
    return read_itc2019(utf8_text(_plain(content), InvalidProblemError))


def _read_table(content: bytes) -> TableProblem:
    """A spreadsheet, as which of the two it is; a wrong name or media type does no harm."""
    from schemas.formats.tables.bundle import read_bundle
    from schemas.formats.tables.reading import read_sheets
    from schemas.formats.tables.workbook import read_workbook

    if len(content) > MAX_PROBLEM_BYTES:
        raise _too_many_bytes()
    if not content:
        raise _refusal("empty_file", "", "The file is empty. Send a problem.")
    sheets = read_workbook(content) if _spreadsheet(content) is TableFormat.XLSX else read_bundle(content)
    return read_sheets(sheets)


def _refusal(code: str, pointer: str, message: str) -> InvalidProblemError:
    return InvalidProblemError([Finding(code, pointer, message)])


def _too_many_bytes() -> InvalidProblemError:
    return _refusal("too_large", "", f"The problem is larger than {MAX_PROBLEM_BYTES // 2**20} MiB. Split it.")


def _plain(content: bytes) -> bytes:
    """The content unpacked, neither too large nor empty."""
    content = _unpacked(content)
    if len(content) > MAX_PROBLEM_BYTES:
        raise _too_many_bytes()
    if not content.strip():
        raise _refusal("empty_file", "", "The file is empty. Send a problem.")
    return content


def _unpacked(content: bytes) -> bytes:
    """Gzipped content unpacked, at most one byte past the limit (a few kilobytes can unpack to gigabytes)."""
    if not content.startswith(_GZIP):
        return content
    gzip = zlib.decompressobj(wbits=31)
    try:
        unpacked = gzip.decompress(content, MAX_PROBLEM_BYTES + 1)
    except zlib.error as error:
        raise _refusal("malformed_gzip", "", f"The gzip file is damaged ({error}). Send it again.") from error
    if len(unpacked) <= MAX_PROBLEM_BYTES and not gzip.eof:
        raise _refusal("malformed_gzip", "", "The gzip file breaks off. Send it again, whole.")
    return unpacked

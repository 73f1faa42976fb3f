"""Spreadsheets made to harm: refused with a sentence, in bounded time and memory."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.formats.tables import archives
from schemas.problem.findings import InvalidProblemError
from schemas.problem.read import TableFormat, load_problem
from tests.unit.schemas.sheets import archive, bundle, refused, some_sheets, workbook

BOOK = workbook(some_sheets())
BUNDLE = bundle(some_sheets())


def with_part(book: bytes, name: str, content: bytes) -> bytes:
    """The workbook with one of its parts replaced or added."""
    with zipfile.ZipFile(io.BytesIO(book)) as old:
        return archive({**{n: old.read(n) for n in old.namelist()}, name: content})


def sheet_xml(rows: str) -> bytes:
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return f'<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>'.encode()


def encrypted(content: bytes) -> bytes:
    """Every member marked as having a password, in the archive's directory."""
    marked = bytearray(content)
    at = marked.find(b"PK\x01\x02")
    while at >= 0:
        marked[at + 8] |= 1
        at = marked.find(b"PK\x01\x02", at + 4)
    return bytes(marked)


# Made when they are needed: some are large.
HOSTILE: dict[str, Callable[[], tuple[bytes, str]]] = {
    "a bomb of zeros": lambda: (archive({"rooms.csv": bytes(300 * 2**20)}), "too_large"),
    "a bomb below the size": lambda: (archive({"rooms.csv": bytes(64 * 2**20)}), "too_large"),
    "a workbook that is a bomb": lambda: (with_part(BOOK, "xl/worksheets/sheet9.xml", bytes(64 * 2**20)), "too_large"),
    "thousands of files": lambda: (archive({f"{n}.csv": b"" for n in range(archives.MAX_MEMBERS + 1)}), "too_large"),
    "a path out of the folder": lambda: (archive({"../../etc/rooms.csv": b"Room"}), "folder_in_zip"),
    "an absolute path": lambda: (archive({"/etc/passwd": b"x"}), "folder_in_zip"),
    "a path of another system": lambda: (archive({"..\\rooms.csv": b"Room"}), "folder_in_zip"),
    "a program": lambda: (archive({"rooms.exe": b"MZ"}), "unknown_file"),
    "no CSV file at all": lambda: (archive({"notes.txt": b"hello"}), "no_csv_files"),
    "a zip in a zip": lambda: (archive({"inner.zip": BUNDLE}), "unknown_file"),
    "half an archive": lambda: (BUNDLE[: len(BUNDLE) // 2], "malformed_zip"),
    "a password": lambda: (encrypted(BUNDLE), "password"),
    "nothing": lambda: (b"", "empty_file"),
    "not a zip": lambda: (b"PK but not really", "malformed_zip"),
    "UTF-16": lambda: (archive({"rooms.csv": "Room\tCapacity".encode("utf-16")}), "not_utf8"),
    "Latin-1": lambda: (archive({"rooms.csv": "Room,Capacity\nGroß,5".encode("latin-1")}), "not_utf8"),
    "zero bytes": lambda: (archive({"rooms.csv": b"Room,Cap\x00acity"}), "not_text"),
    "an open quote": lambda: (archive({"rooms.csv": b'Room,Capacity\n"r1,5\n'}), "malformed_csv"),
    "a cell without end": lambda: (
        archive({"rooms.csv": b"Room,Capacity\n" + b"x" * 200_000 + b",5\n"}),
        "malformed_csv",
    ),
    "growing entities": lambda: (
        with_part(
            BOOK,
            "xl/sharedStrings.xml",
            b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><sst><si><t>&b;</t></si></sst>',
        ),
        "malformed_workbook",
    ),
    "growing entities in UTF-16": lambda: (
        with_part(BOOK, "xl/sharedStrings.xml", '<!DOCTYPE x [<!ENTITY a "a">]><sst/>'.encode("utf-16")),
        "malformed_workbook",
    ),
    "no XML": lambda: (with_part(BOOK, "xl/worksheets/sheet1.xml", b"\x00\x01\x02"), "malformed_workbook"),
    "a workbook that lacks its sheets": lambda: (archive({"xl/workbook.xml": b"<workbook/>"}), "malformed_workbook"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_at_once(name: str) -> None:
    content, code = HOSTILE[name]()
    assert len(content) < 2 * 2**20
    started = time.process_time()
    assert code in [found for found, _ in refused(content)]
    assert time.process_time() - started < 10


def test_a_cell_in_the_last_row_and_column_costs_nothing() -> None:
    far = sheet_xml('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row><row r="999999999"><c r="A999999999"/></row>')
    started = time.process_time()
    assert refused(with_part(BOOK, "xl/worksheets/sheet2.xml", far))[0][0] == "missing_column"
    assert time.process_time() - started < 30


def test_a_list_of_brackets_and_spaces_is_read_in_linear_time() -> None:
    for text in ("(" * 32_000, "( " * 16_000 + ")", "1" + " " * 32_000, '"' * 31_999, "08:00 " * 5_000):
        sheets = some_sheets(
            Rooms=[["Room", "Capacity", "Features", "Unavailable"], ["r1", text, text, text]],
            Courses=[["Course", "Expected students", "Times", "Rooms"], ["x", 5, text, text]],
        )
        started = time.process_time()
        assert refused(workbook(sheets))
        assert time.process_time() - started < 5


def test_formulas_count_by_their_stored_value_and_are_refused_without_one() -> None:
    book = openpyxl.load_workbook(io.BytesIO(BOOK))
    book["Rooms"]["B2"] = "=15*2"
    out = io.BytesIO()
    book.save(out)
    assert refused(out.getvalue()) == [("formula_without_value", "Rooms, row 2, column Capacity")]
    rooms = sheet_xml(
        '<row r="1"><c r="A1" t="inlineStr"><is><t>Room</t></is></c>'
        '<c r="B1" t="inlineStr"><is><t>Capacity</t></is></c></row>'
        '<row r="2"><c r="A2" t="inlineStr"><is><t>r1</t></is></c><c r="B2"><f>15*2</f><v>30</v></c></row>'
    )
    problem = load_problem(with_part(BOOK, "xl/worksheets/sheet2.xml", rooms), TableFormat.XLSX).problem
    assert problem.rooms[0].capacity == 30
    broken = rooms.replace(b'<c r="B2"><f>15*2</f><v>30</v></c>', b'<c r="B2" t="e"><v>#REF!</v></c>')
    assert refused(with_part(BOOK, "xl/worksheets/sheet2.xml", broken)) == [
        ("error_value", "Rooms, row 2, column Capacity")
    ]


def test_what_finders_and_folders_leave_behind_is_passed_over() -> None:
    with zipfile.ZipFile(io.BytesIO(BUNDLE)) as made:
        files = {name: made.read(name) for name in made.namelist()}
    litter = {"__MACOSX/._rooms.csv": b"\x00\x05", ".DS_Store": b"\x00", "read_me.txt": b"\xff"}
    assert load_problem(archive({**files, **litter}), TableFormat.CSV).problem.name == "Autumn"


@given(st.binary(max_size=60), st.integers(0, max(len(BOOK), len(BUNDLE))), st.sampled_from([BOOK, BUNDLE]))
def test_damage_anywhere_is_a_problem_or_a_refusal(noise: bytes, at: int, content: bytes) -> None:
    for damaged in (content[:at] + noise + content[at + len(noise) :], content[:at] + noise):
        with suppress(InvalidProblemError):
            assert load_problem(damaged, TableFormat.XLSX).problem.courses

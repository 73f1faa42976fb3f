"""Small spreadsheets for tests: sheets as lists of rows, as a bundle of CSV files or as a workbook."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence

import openpyxl

from schemas.problem.findings import InvalidProblemError
from schemas.problem.model import Problem
from schemas.problem.read import TableFormat, load_problem

Sheets = dict[str, list[list[object]]]

SETTINGS: list[list[object]] = [
    ["Setting", "Value"],
    ["Name", "Autumn"],
    ["Weeks", 4],
    ["Day starts", "08:00"],
    ["Day ends", "18:00"],
    ["Slot minutes", 30],
]


def some_sheets(**sheets: list[list[object]]) -> Sheets:
    """A valid problem of one course, but for the given sheets (underscores are spaces)."""
    made: Sheets = {
        "Settings": SETTINGS,
        "Rooms": [["Room", "Capacity"], ["r1", 30]],
        "Courses": [["Course", "Expected students", "Times"], ["algebra", 20, "Mon 09:00-10:30"]],
    }
    return made | {name.replace("_", " "): rows for name, rows in sheets.items()}


def bundle(sheets: Mapping[str, Sequence[Sequence[object]]], delimiter: str = ",", encoding: str = "utf-8") -> bytes:
    files = {}
    for name, rows in sheets.items():
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=delimiter).writerows(rows)
        files[f"{name.lower().replace(' ', '_')}.csv"] = text.getvalue().encode(encoding)
    return archive(files)


def archive(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return out.getvalue()


def workbook(sheets: Mapping[str, Sequence[Sequence[object]]]) -> bytes:
    """Made by the library that others make theirs with, not by ours."""
    book = openpyxl.Workbook()
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    book.remove(book.worksheets[0])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def read(content: bytes, format: TableFormat = TableFormat.CSV) -> Problem:
    return load_problem(content, format).problem


def refused(content: bytes) -> list[tuple[str, str]]:
    """Code and place of everything that is wrong."""
    try:
        read(content)
    except InvalidProblemError as error:
        return [(finding.code, finding.pointer) for finding in error.findings if finding.message]
    raise AssertionError("the spreadsheet was accepted")

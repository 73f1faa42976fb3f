"""Problems and solutions as files: which format a name means, reading and writing them for a command.

Owns the choice of format by name and content. Must not know solving or judging.
"""

from __future__ import annotations

import gzip
from pathlib import Path

from horarium.commands.terminal import read_file, refuse, refuse_findings, write_file
from schemas.formats.ctt import read_ctt_solution
from schemas.formats.itc2019_solution import Credits, read_itc2019_solution, write_itc2019_solution
from schemas.formats.solutions import solution_format
from schemas.problem.expand import ExpandedProblem, expand
from schemas.problem.findings import Finding, InvalidProblemError, InvalidTimetableError
from schemas.problem.model import Problem
from schemas.problem.read import (
    MAX_PROBLEM_BYTES,
    AnyFormat,
    ProblemFormat,
    TableFormat,
    guess_format,
    load_problem,
    parse_problem,
)
from schemas.timetable import Timetable

MAX_SOLUTION_BYTES = 256 * 1024 * 1024


def read_problem_file(path: Path) -> tuple[Problem, AnyFormat]:
    """The checked problem in the file and its format; ends the command with every finding if it cannot be used."""
    content = read_file(path, MAX_PROBLEM_BYTES)
    try:
        kind = guess_format(path.name, content)
        # Whatever is wrong has to be said while its row or line is known.
        if isinstance(kind, TableFormat) or kind is ProblemFormat.ITC2019:
            return load_problem(content, kind).problem, kind
        return parse_problem(content, kind), kind
    except InvalidProblemError as error:
        refuse_findings(path, error)


def expand_file(path: Path, problem: Problem) -> ExpandedProblem:
    """The problem for the solver; ends the command if a class has no time or room."""
    try:
        return expand(problem)
    except InvalidProblemError as error:
        refuse_findings(path, error)


def read_solution_file(path: Path, problem: Problem, kind: AnyFormat) -> Timetable:
    """A timetable in native JSON or in the problem's solution format; ends the command if it cannot be read.

    Problems whose format has no solutions of its own are read `course room day period` lines.
    """
    content = read_file(path, MAX_SOLUTION_BYTES)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        refuse(f"{path}: line {line}: The file is not UTF-8 text.")
    try:
        if text.lstrip().startswith(("{", "[")):
            return _native(text)
        if text.lstrip().startswith("<"):
            return read_itc2019_solution(problem, text)
        own = solution_format(kind)
        return read_ctt_solution(problem, text) if own is None else own.read(problem, text)
    except InvalidTimetableError as error:
        refuse_findings(path, error)


def _native(text: str) -> Timetable:
    from pydantic import ValidationError

    try:
        return Timetable.model_validate_json(text)
    except ValidationError as error:
        findings = [
            Finding("invalid_timetable", "".join(f"/{step}" for step in e["loc"]), f"{e['msg']}.")
            for e in error.errors(include_url=False, include_input=False)
        ]
        raise InvalidTimetableError(findings) from error


def write_solution_file(path: Path, problem: Problem, kind: AnyFormat, timetable: Timetable, credits: Credits) -> None:
    """As the competition's validator reads it, if the problem is of one; JSON otherwise, or if the name says so.

    The name's ending decides: `.xml` is ITC-2019, `.json` native; any other is the problem's own format.
    """
    try:
        own = solution_format(kind)
        if path.suffix == ".xml" or (kind is ProblemFormat.ITC2019 and path.suffix != ".json"):
            text = write_itc2019_solution(problem, timetable, credits)
        elif own is None or path.suffix == ".json":
            text = timetable.model_dump_json(by_alias=True, exclude_none=True, indent=1) + "\n"
        else:
            text = own.write(problem, timetable)
        write_file(path, text.encode())
    except InvalidTimetableError as error:
        refuse_findings(path, error)


def write_problem_file(path: Path, problem: Problem) -> None:
    """A workbook if the name ends in `.xlsx`, CSV files if in `.zip`, else native JSON, gzipped if in `.gz`.

    The same problem gives the same bytes. Ends the command if a spreadsheet cannot hold the problem, and for the name
    of a format that is only read.
    """
    if path.name.lower().removesuffix(".gz").endswith((".xml", ".ctt", ".ectt")):
        refuse(f"{path}: problems of this format are read, not written; the name must end in .json, .xlsx or .zip.")
    if path.suffix in (".xlsx", ".zip"):
        write_file(path, _spreadsheet(path, problem))
        return
    content = problem.model_dump_json(by_alias=True, exclude_none=True, exclude_defaults=True).encode() + b"\n"
    write_file(path, gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def _spreadsheet(path: Path, problem: Problem) -> bytes:
    from schemas.formats.tables.bundle import write_bundle
    from schemas.formats.tables.workbook import write_workbook
    from schemas.formats.tables.writing import write_sheets

    try:
        sheets = write_sheets(problem)
    except InvalidProblemError as error:
        refuse_findings(path, error)
    return write_workbook(sheets) if path.suffix == ".xlsx" else write_bundle(sheets)

"""Problems and solutions as files: which format a name means, reading and writing them for a command.

Owns the choice of format by name and content. Must not know solving or judging.
"""

from __future__ import annotations

import gzip
from pathlib import Path

from horarium.commands.terminal import read_file, refuse, refuse_findings, write_file
from schemas.formats.ctt import read_ctt_solution, write_ctt_solution
from schemas.problem.expand import ExpandedProblem, expand
from schemas.problem.findings import Finding, InvalidProblemError, InvalidTimetableError
from schemas.problem.model import Problem
from schemas.problem.read import MAX_PROBLEM_BYTES, ProblemFormat, guess_format, parse_problem
from schemas.timetable import Timetable

MAX_SOLUTION_BYTES = 256 * 1024 * 1024


def read_problem_file(path: Path) -> tuple[Problem, ProblemFormat]:
    """The checked problem in the file and its format; ends the command with every finding if it cannot be used."""
    content = read_file(path, MAX_PROBLEM_BYTES)
    try:
        kind = guess_format(path.name, content)
        return parse_problem(content, kind), kind
    except InvalidProblemError as error:
        refuse_findings(path, error)


def expand_file(path: Path, problem: Problem) -> ExpandedProblem:
    """The problem for the solver; ends the command if a class has no time or room."""
    try:
        return expand(problem)
    except InvalidProblemError as error:
        refuse_findings(path, error)


def read_solution_file(path: Path, problem: Problem) -> Timetable:
    """A timetable in native JSON or in `course room day period` lines; ends the command if it cannot be read."""
    content = read_file(path, MAX_SOLUTION_BYTES)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        refuse(f"{path}: line {line}: The file is not UTF-8 text.")
    try:
        if text.lstrip().startswith(("{", "[")):
            return _native(text)
        return read_ctt_solution(problem, text)
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


def write_solution_file(path: Path, problem: Problem, kind: ProblemFormat, timetable: Timetable) -> None:
    """Native JSON for a native problem or a name that ends in `.json`, else the lines that ITC-2007 validators read."""
    if kind is ProblemFormat.NATIVE or path.suffix == ".json":
        write_file(path, timetable.model_dump_json(by_alias=True, exclude_none=True, indent=1).encode() + b"\n")
        return
    try:
        write_file(path, write_ctt_solution(problem, timetable).encode())
    except InvalidTimetableError as error:
        refuse_findings(path, error)


def write_problem_file(path: Path, problem: Problem) -> None:
    """Native JSON, gzipped if the name ends in `.gz` (byte for byte the same each time)."""
    content = problem.model_dump_json(by_alias=True, exclude_none=True, exclude_defaults=True).encode() + b"\n"
    write_file(path, gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)

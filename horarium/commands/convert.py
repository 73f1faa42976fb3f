"""`horarium convert`: a problem from one format to another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from horarium.commands.terminal import note, refuse

_WRITTEN = (".json", ".gz", ".xlsx", ".zip")


def convert(
    file: Annotated[
        Path, typer.Argument(help="The problem: .ctt, .ectt, .tim, .xml, native .json, .xlsx or a .zip of CSVs.")
    ],
    out: Annotated[Path, typer.Argument(help="File to write: native .json (or .json.gz), .xlsx, or a .zip of CSVs.")],
) -> None:
    """Check a problem and write it in another format. What the other format cannot hold is refused by name."""
    from horarium.commands.files import expand_file, read_problem_file, write_problem_file

    if out.suffix not in _WRITTEN:
        refuse(f"{out}: the name must end in .json, .json.gz, .xlsx or .zip; it says which format is meant.")
    problem, _ = read_problem_file(file)
    expanded = expand_file(file, problem)
    write_problem_file(out, problem)
    note(
        f"{problem.name}: {len(problem.courses):,} courses, {len(expanded.classes):,} classes, {len(problem.rooms):,}"
        f" rooms, {len(problem.students):,} students, written to {out}"
    )

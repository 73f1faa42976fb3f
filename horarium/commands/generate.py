"""`horarium generate-university`: a realistic problem of any size, the same for the same seed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from horarium.commands.terminal import note, refuse


def generate_university(
    out: Annotated[
        Path, typer.Option(help="File to write: native .json (or .json.gz), .xlsx, or a .zip of CSV files.")
    ],
    courses: Annotated[int, typer.Option(min=1, max=20_000)] = 1800,
    students: Annotated[int, typer.Option(min=0, max=200_000)] = 19_000,
    faculty: Annotated[int, typer.Option(min=1, max=50_000)] = 2320,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1)] = 1,
) -> None:
    """Write the problem of a made-up university: programmes, curricula, instructors, rooms, students' requests."""
    from horarium import university
    from horarium.commands.files import write_problem_file

    try:
        problem = university.generate_university(courses=courses, students=students, faculty=faculty, seed=seed)
    except ValueError as error:
        refuse(f"{error}")
    write_problem_file(out, problem)
    note(
        f"{problem.name}: {len(problem.courses):,} courses, {len(problem.rooms):,} rooms,"
        f" {len(problem.students):,} students, written to {out}"
    )

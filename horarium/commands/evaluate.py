"""`horarium evaluate`: the referee alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from horarium.commands.terminal import EXIT_VIOLATIONS


def evaluate(
    file: Annotated[Path, typer.Argument(help="The problem: .ctt, .tim, native .json, .xlsx or a .zip of CSVs.")],
    solution: Annotated[Path, typer.Argument(help="The benchmark's solution file, or native JSON.")],
) -> None:
    """Count a solution anew with an independent referee: cost by part, violations in words."""
    from horarium.commands.files import read_problem_file, read_solution_file
    from horarium.commands.verdict import print_distance, print_verdict
    from schemas.referee import judge

    problem, kind = read_problem_file(file)
    timetable = read_solution_file(solution, problem, kind)
    verdict = judge(problem, timetable)
    print_verdict(verdict)
    print_distance(problem, kind, timetable)
    if not verdict.feasible:
        raise typer.Exit(EXIT_VIOLATIONS)

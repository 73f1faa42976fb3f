"""`horarium evaluate`: the referee alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from horarium.commands import change
from horarium.commands.terminal import EXIT_VIOLATIONS


def evaluate(
    file: Annotated[
        Path, typer.Argument(help="The problem: .ctt, .ectt, .tim, .xml, native .json, .xlsx or a .zip of CSVs.")
    ],
    solution: Annotated[
        Path, typer.Argument(help="ITC-2019 XML, the solution file of the problem's benchmark, or native JSON.")
    ],
    base: Annotated[Path | None, typer.Option(help="Also count what departs from this timetable.")] = None,
    keep_weight: change.KeepWeight = None,
) -> None:
    """Count a solution anew with an independent referee: cost by part, violations in words."""
    from horarium.commands.files import read_problem_file, read_solution_file
    from horarium.commands.verdict import print_distance, print_verdict
    from schemas.change.baseline import Baseline, KeepWeights
    from schemas.change.difference import difference
    from schemas.change.report import report_changes
    from schemas.referee import judge

    keep = KeepWeights(**change.read_keep_weights(keep_weight))
    problem, kind = read_problem_file(file)
    timetable = read_solution_file(solution, problem, kind)
    baseline = None if base is None else Baseline(read_solution_file(base, problem, kind), keep)
    verdict = judge(problem, timetable, baseline)
    print_verdict(verdict)
    print_distance(problem, kind, timetable)
    if baseline is not None:
        change.print_changes(report_changes(difference(problem, baseline.timetable, timetable)))
    if not verdict.feasible:
        raise typer.Exit(EXIT_VIOLATIONS)

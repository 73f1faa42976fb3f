"""`horarium compare`: two or more timetables of one problem side by side.

Owns what is printed. Must not know how timetables are compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from horarium.commands.change import MAX_LISTED, move_in_words
from horarium.commands.terminal import refuse, say

if TYPE_CHECKING:
    from schemas.timetable import Score
    from schemas.variants.comparison import Comparison, Diversity


def compare(
    file: Annotated[
        Path, typer.Argument(help="The problem: .ctt, .ectt, .tim, .xml, native .json, .xlsx or a .zip of CSVs.")
    ],
    solutions: Annotated[
        list[Path], typer.Argument(metavar="A B ...", help="Timetables of it, as `horarium evaluate` reads them.")
    ],
) -> None:
    """Compare timetables of one problem: cost by part, how many classes and students differ, and of two also which."""
    from horarium.commands.files import read_problem_file, read_solution_file
    from schemas.referee import judge
    from schemas.variants.comparison import compare as compared

    if len(solutions) < 2:
        refuse("There is nothing to compare: name two timetables or more.")
    problem, kind = read_problem_file(file)
    timetables = {n: read_solution_file(path, problem, kind) for n, path in enumerate(solutions, start=1)}
    scores = {n: judge(problem, timetable).score for n, timetable in timetables.items()}
    for n, path in enumerate(solutions, start=1):
        say(f"{n}: {path}")
    print_scores(scores)
    print_comparison(compared(problem, timetables))


def print_scores(scores: Mapping[int, Score]) -> None:
    """A row for each part of the cost, a column for each timetable."""
    parts = sorted({part for score in scores.values() for part in score.cost})
    rows: list[tuple[str, Sequence[int]]] = [
        ("hard violations", [score.hard_violations for score in scores.values()]),
        *((part, [score.cost.get(part, 0) for score in scores.values()]) for part in parts),
        ("total", [score.total for score in scores.values()]),
    ]
    width = max(len(name) for name, _ in rows)
    say(f"{'':<{width}}" + "".join(f"  {n:>12}" for n in scores))
    for name, figures in rows:
        say(f"{name:<{width}}" + "".join(f"  {figure:>12,}" for figure in figures))


def print_comparison(found: Comparison) -> None:
    """Each pair, the diversity, and the differences if there is one pair."""
    for pair in found.pairs:
        say(
            f"{pair.a} and {pair.b}: {pair.classes:,} of {found.classes:,} classes differ ({pair.times:,} in time,"
            f" {pair.rooms:,} in room); {pair.students:,} students attend other classes."
        )
    for changed in found.changed[:MAX_LISTED]:
        say(f"  - {changed.class_id}: {move_in_words(changed)}")
    if len(found.changed) > MAX_LISTED:
        say(f"  … and {len(found.changed) - MAX_LISTED:,} more.")
    print_diversity(found.diversity)


def print_diversity(diversity: Diversity) -> None:
    say(
        f"Diversity: {diversity.classes:.0%} of the classes differ on average ({diversity.times:.0%} in time,"
        f" {diversity.rooms:.0%} in room)."
    )

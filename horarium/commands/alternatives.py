"""`horarium alternatives`: where else a class could go.

Owns what is printed. Must not know how alternatives are found.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from horarium.commands.terminal import refuse_findings, say
from schemas.whatif.alternatives import MAX_ALTERNATIVES

if TYPE_CHECKING:
    from schemas.change.difference import Place
    from schemas.problem.model import Problem
    from schemas.whatif.answers import Evaluation


def alternatives(
    file: Annotated[
        Path, typer.Argument(help="The problem: .ctt, .ectt, .xml, native .json, .xlsx or a .zip of CSVs.")
    ],
    solution: Annotated[Path, typer.Argument(help="A timetable of it, as `horarium evaluate` reads it.")],
    class_id: Annotated[str, typer.Argument(metavar="CLASS", help="The class to move.")],
    limit: Annotated[int, typer.Option(min=1, max=MAX_ALTERNATIVES, help="How many places to show.")] = 10,
) -> None:
    """Rank the other places of a class by what moving it there would break and cost, with whom it would disturb."""
    from horarium.commands.files import read_problem_file, read_solution_file
    from schemas.whatif.alternatives import alternatives as ranked
    from schemas.whatif.board import Board
    from schemas.whatif.evaluate import InvalidMoveError

    problem, kind = read_problem_file(file)
    board = Board(problem, read_solution_file(solution, problem, kind))
    try:
        found = ranked(board, class_id, limit)
    except InvalidMoveError as error:
        refuse_findings(file, error)
    say(f"{class_id} is {_words(problem, found.before) if found.before else 'nowhere'}.")
    if not found.alternatives:
        say("There is no other place for it.")
    for number, one in enumerate(found.alternatives, start=1):
        say(f"{number:>3}. {_words(problem, one.after)}: {_consequences(one)}")
        for conflict in one.new:
            say(f"       - {conflict.rule}: {conflict.message}")


def _words(problem: Problem, place: Place) -> str:
    from schemas.problem.wording import in_words

    time = next((t for t in problem.times if t.id == place.time), None)
    when = place.time if time is None else f"{place.time} ({in_words(problem.calendar, time)})"
    return f"{when} in {place.room}" if place.room else when


def _consequences(found: Evaluation) -> str:
    parts = ", ".join(f"{part} {amount:+,}" for part, amount in found.cost.items())
    cost = f"cost {found.total:+,}" + (f" ({parts})" if parts else "")
    hard = f"{found.hard_violations:+,} hard violations, " if found.hard_violations else ""
    students = f"; {found.student_conflicts:+,} conflicts of its {found.students:,} students" if found.students else ""
    return f"{hard}{cost}{students}"

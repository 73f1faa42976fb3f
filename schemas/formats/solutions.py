"""Solution files of the benchmarks: which format belongs to which problem.

Owns the choice. Must not know any format's words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from schemas.formats.ctt import read_ctt_solution, write_ctt_solution
from schemas.formats.tim_solution import read_tim_solution, write_tim_solution
from schemas.problem.model import Problem
from schemas.problem.read import AnyFormat, ProblemFormat
from schemas.timetable import Timetable


@dataclass(frozen=True, slots=True)
class SolutionFormat:
    """`write` and `read` raise `InvalidTimetableError` for what the format cannot say, and for what is no solution."""

    write: Callable[[Problem, Timetable], str]
    read: Callable[[Problem, str], Timetable]


_FORMATS: dict[AnyFormat, SolutionFormat] = {
    ProblemFormat.CTT: SolutionFormat(write_ctt_solution, read_ctt_solution),
    ProblemFormat.TIM: SolutionFormat(write_tim_solution, read_tim_solution),
}


def solution_format(kind: AnyFormat) -> SolutionFormat | None:
    """The solution format of a problem that came in this format; None if it has none of its own."""
    return _FORMATS.get(kind)

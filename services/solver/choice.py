"""Which methods a problem gets, decided from its shape and size before the search.

Owns the sizes at which CP-SAT is worth its time, and the sentence that tells people. Must not know how methods run.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from schemas.problem.expand import ExpandedProblem
from services.solver.compile.exact import exact_size, times_size

# Literals of the exact model. Measured on one shared core: below `FIRST` CP-SAT proves the optimum in about a second,
# before a cold kernel is even compiled; below `PROVE` usually within a minute, given the kernel's timetable; comp01
# (5,929) gets a bound in a minute (3 of 5), comp02 (26,129) none.
FIRST_SIZE = 1_500
PROVE_SIZE = 5_000
BESIDE_SIZE = 12_000
# Without the objective: the largest model that is built to look for any timetable, on a core that is to spare.
RESCUE_SIZE = 150_000
# Without rooms and students: the largest model that a lower bound is asked of. Measured on one busy core: comp08 gets
# its 37 (the optimum) in 2 s, tg-fal17 (18,343 literals) 3,662 of 4,215 in 40 s, with 190 MB; bet-fal17 (20,869) takes
# 350 MB, more than a search of a whole university.
BOUND_SIZE = 20_000


class ExactRole(StrEnum):
    """What CP-SAT does in a solve."""

    NONE = "none"
    FIRST = "first"  # the main engine; a kernel follows only if it does not get through
    PROVE = "prove"  # a kernel first, then the proof on the same core
    BESIDE = "beside"  # the proof on a second core
    RESCUE = "rescue"  # a timetable without violations, on a second core, if the kernel has none after a third


@dataclass(frozen=True, slots=True)
class Choice:
    """CP-SAT's part, and why. `bound`: on a second core it first looks for a lower bound by times alone."""

    exact: ExactRole
    reason: str
    bound: bool = False


def choose(expanded: ExpandedProblem, *, workers: int, moves: int | None) -> Choice:
    """Decide from the size of the exact model, the cores, and whether the search must be repeatable."""
    if moves is not None:
        return Choice(ExactRole.NONE, "a move budget asks for a repeatable search, so CP-SAT is left out")
    if expanded.problem.student_rules and any(expanded.requests):
        return Choice(ExactRole.NONE, "CP-SAT's model has no rules for students, so it is left out")
    size = exact_size(expanded)
    literals = f"the exact model has about {size:,} literals"
    if size <= FIRST_SIZE:
        return Choice(ExactRole.FIRST, f"{literals}, few enough for CP-SAT to solve the problem to proven optimality")
    if workers == 1:
        if size <= PROVE_SIZE:
            return Choice(ExactRole.PROVE, f"{literals}, so CP-SAT tries to prove the result optimal")
        return Choice(ExactRole.NONE, f"{literals}, too many for CP-SAT to help on one core")
    if size <= BESIDE_SIZE:
        return Choice(ExactRole.BESIDE, f"{literals}, so CP-SAT works on a proof on a second core")
    bound = times_size(expanded) <= BOUND_SIZE
    looks = ", but first looks for a lower bound by times alone" if bound else ""
    if size <= RESCUE_SIZE:
        help_ = f"{literals}, so CP-SAT takes over a core only while hard violations are left{looks}"
        return Choice(ExactRole.RESCUE, help_, bound)
    return Choice(ExactRole.NONE, f"{literals}, too many for CP-SAT{looks}", bound)

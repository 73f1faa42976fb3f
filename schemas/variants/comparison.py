"""Several timetables of one problem side by side: how far apart they are, and what two of them place differently.

Owns the comparison's shape and its measure of diversity. Must not know costs (scores say them), nor where timetables
come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

from pydantic import Field

from schemas.change.difference import ChangedClass, Difference, ResectionedStudent, difference
from schemas.problem.model import Problem
from schemas.problem.sizes import classes_of
from schemas.timetable import Part, Timetable
from schemas.variants.alike import renamed

MAX_LISTED = 10_000


class PairDifference(Part):
    """How much two variants differ; classes placed by only one of them differ in time."""

    a: int
    b: int
    classes: int = Field(description="At another time, in another room, or placed by only one of the two.")
    times: int
    rooms: int
    students: int = Field(description="Students who attend other classes.")
    sections: int = Field(description="Pairs of a student and a class that he or she attends in the first only.")


class Diversity(Part):
    """How different the variants are: means over all pairs of them, as shares of the problem's classes, 0 to 1.

    0: all are the same timetable; 1: no class is alike in any two of them.
    """

    classes: float = Field(ge=0, le=1, description="Another time or another room.")
    times: float = Field(ge=0, le=1)
    rooms: float = Field(ge=0, le=1)


class Comparison(Part):
    """Every pair, the diversity of all, and, if there are two, which classes and students differ."""

    classes: int = Field(description="Classes of the problem.")
    pairs: list[PairDifference]
    diversity: Diversity
    changed: list[ChangedClass] = Field(
        default_factory=list, description=f"Of exactly two variants, `before` and `after`; at most {MAX_LISTED:,}."
    )
    resectioned: list[ResectionedStudent] = Field(
        default_factory=list, description=f"Of exactly two variants; at most {MAX_LISTED:,}."
    )


def compare(problem: Problem, timetables: Mapping[int, Timetable]) -> Comparison:
    """Compare timetables by their numbers. Classes that nobody can tell apart are matched before they are compared."""
    found = {(a, b): _between(problem, timetables[a], timetables[b]) for a, b in combinations(sorted(timetables), 2)}
    pairs = [_pair(a, b, of_pair) for (a, b), of_pair in found.items()]
    total = sum(1 for _ in classes_of(problem))
    only = next(iter(found.values())) if len(found) == 1 else None
    return Comparison(
        classes=total,
        pairs=pairs,
        diversity=_diversity(pairs, total),
        changed=[] if only is None else list(only.classes[:MAX_LISTED]),
        resectioned=[] if only is None else list(only.students[:MAX_LISTED]),
    )


def _between(problem: Problem, a: Timetable, b: Timetable) -> Difference:
    return difference(problem, a, renamed(problem, a, b))


def _pair(a: int, b: int, found: Difference) -> PairDifference:
    return PairDifference(
        a=a,
        b=b,
        classes=len(found.classes) + found.new,
        times=found.times + found.new,
        rooms=found.rooms,
        students=len(found.students),
        sections=found.sections,
    )


def _diversity(pairs: list[PairDifference], classes: int) -> Diversity:
    possible = max(1, len(pairs) * classes)

    def share(count: int) -> float:
        return round(count / possible, 4)

    return Diversity(
        classes=share(sum(pair.classes for pair in pairs)),
        times=share(sum(pair.times for pair in pairs)),
        rooms=share(sum(pair.rooms for pair in pairs)),
    )

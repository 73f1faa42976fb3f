"""Weight profiles: whom a variant is good for first.

Owns which parts of the cost a profile puts first, and by how much. Must not know how timetables are found or compared.

A profile multiplies the penalties of the parts that it puts first; everything else stays as the problem (and the
request) weighs it. So a profile works on every problem, whatever its own weights are, and needs nothing of the search.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from schemas.problem.model import Curriculum, Distribution, DistributionType, Problem

# One point of what comes first is worth this many of the rest: enough to turn every close decision, not all of them.
FACTOR = 4


class Profile(StrEnum):
    """Who or what comes first; `balanced`: the weights as they are."""

    BALANCED = "balanced"
    STUDENTS_FIRST = "students_first"
    INSTRUCTORS_FIRST = "instructors_first"
    ROOMS_FIRST = "rooms_first"


# The parts of the cost, by their names in a score, that a profile puts first.
FIRST: Mapping[Profile, frozenset[str]] = {
    Profile.BALANCED: frozenset(),
    # Conflicts of students, clashes and idle hours of cohorts.
    Profile.STUDENTS_FIRST: frozenset(
        {"student", "curriculum", DistributionType.ISOLATED_LECTURES, DistributionType.SAME_ATTENDEES}
    ),
    # Wished-for times, and the shape of days and weeks.
    Profile.INSTRUCTORS_FIRST: frozenset(
        {
            "time",
            DistributionType.WORK_DAY,
            DistributionType.MIN_GAP,
            DistributionType.MAX_DAYS,
            DistributionType.MAX_DAY_LOAD,
            DistributionType.MAX_BREAKS,
            DistributionType.MAX_BLOCK,
            DistributionType.MIN_WORKING_DAYS,
        }
    ),
    # Wished-for rooms, seats, and classes that keep a room.
    Profile.ROOMS_FIRST: frozenset(
        {"room", DistributionType.ROOM_STABILITY, DistributionType.SAME_ROOM, DistributionType.DIFFERENT_ROOM}
    ),
}


def with_profile(problem: Problem, profile: Profile) -> Problem:
    """The problem as the profile weighs it; the very same for `balanced`.

    A sum whose weight is 0 counts once it comes first: who asks for it wants it to.
    """
    first = FIRST[profile]
    if not first:
        return problem
    sums = {part: FACTOR * max(1, getattr(problem.weights, part)) for part in first & {"time", "room", "student"}}
    return problem.model_copy(
        update={
            "weights": problem.weights.model_copy(update=sums),
            "distributions": [_distribution(d, first) for d in problem.distributions],
            "curricula": [_curriculum(q, first) for q in problem.curricula],
        }
    )


def factors(problem: Problem, profile: Profile) -> dict[str, int]:
    """What the profile multiplied, by part: only parts that the problem has penalties for, the weighted sums apart."""
    first = FIRST[profile]
    found = {d.type.value for d in problem.distributions if d.penalty and d.type in first}
    if "curriculum" in first and any(q.penalty for q in problem.curricula):
        found.add("curriculum")
    return dict.fromkeys(sorted(found), FACTOR)


def _distribution(distribution: Distribution, first: frozenset[str]) -> Distribution:
    if not distribution.penalty or distribution.type not in first:
        return distribution
    return distribution.model_copy(update={"penalty": FACTOR * distribution.penalty})


def _curriculum(curriculum: Curriculum, first: frozenset[str]) -> Curriculum:
    if not curriculum.penalty or "curriculum" not in first:
        return curriculum
    return curriculum.model_copy(update={"penalty": FACTOR * curriculum.penalty})

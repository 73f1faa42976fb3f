"""Curricula and distribution constraints: what should hold between classes, and what must.

Owns how many there are and of which types. A rule is made required only if the referee finds that the witness complies
with it. Must not know how the witness was made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations, islice, pairwise

from horarium.university.catalogue import Catalogue
from horarium.university.dice import Dice
from horarium.university.people import instructor_id
from horarium.university.sections import Sections
from schemas.problem.model import Curriculum, Distribution, DistributionType, Penalty
from schemas.referee.distributions import violation_count
from schemas.referee.reading import Reading

_RULES_PER_100_COURSES = 78

# (type, parameters, classes by position, soft penalty, percent that become required where the witness complies)
Candidate = tuple[DistributionType, list[int], list[int], Penalty, int]


def make_curricula(catalogue: Catalogue, sections: Sections, clash: Callable[[int, int], bool]) -> list[Curriculum]:
    """A curriculum per cohort over those core courses that have few sections.

    Every third programme's are required, if all their courses have one section only and the witness has no clash.
    """
    curricula = []
    for c, cohort in enumerate(catalogue.cohorts):
        single = [course for course in cohort.core if _most_classes(sections, course) == 1]
        members = [s for course in single for subpart in sections.subparts[course] for s in subpart]
        wanted = c // 4 % 3 == 0 and len(single) > 1
        if wanted and not any(clash(a, b) for a, b in combinations(members, 2)):
            courses, penalty = single, None
        else:
            courses, penalty = [course for course in cohort.core if _most_classes(sections, course) <= 2], 2
        if len(courses) > 1:
            curricula.append(
                Curriculum(
                    id=cohort.id,
                    name=cohort.name,
                    courses=[catalogue.courses[course].id for course in courses],
                    penalty=penalty,
                )
            )
    return curricula


def _most_classes(sections: Sections, course: int) -> int:
    return max(len(subpart) for subpart in sections.subparts[course])


def make_distributions(
    dice: Dice, catalogue: Catalogue, sections: Sections, taught: dict[int, list[int]], witness: Reading
) -> list[Distribution]:
    """Rules of a dozen types, in the proportion of 78 to 100 courses (fewer if the university offers too few pairs)."""
    sources = [
        _sections_of_one_course(dice, sections),
        _lecture_and_practical(dice, sections),
        _courses_of_one_level(dice, catalogue, sections),
        _classes_of_one_instructor(dice, taught),
        _half_terms(dice, catalogue, sections),
    ]
    target = len(catalogue.courses) * _RULES_PER_100_COURSES // 100
    distributions: list[Distribution] = []
    while sources and len(distributions) < target:
        source = dice.pick(sources)
        drawn = list(islice(source, 4))
        if not drawn:
            sources.remove(source)
        for type_, parameters, members, penalty, percent in drawn[: target - len(distributions)]:
            classes = [sections.all[s].id for s in members]
            required = Distribution(type=type_, parameters=parameters, classes=classes, required=True)
            if dice.chance(percent) and violation_count(witness, required) == 0:
                distributions.append(required)
            else:
                distributions.append(Distribution(type=type_, parameters=parameters, classes=classes, penalty=penalty))
    return distributions


def _sections_of_one_course(dice: Dice, sections: Sections) -> Iterator[Candidate]:
    """Parallel sections: at different times for those who must choose, or alike in days, hour or room."""
    pairs = [(a, b) for subparts in sections.subparts for lectures in subparts[:1] for a, b in pairwise(lectures)]
    for a, b in dice.shuffled(pairs):
        same_instructor = sections.all[a].instructor is not None and (
            sections.all[a].instructor == sections.all[b].instructor
        )
        roll = dice.below(10)
        if same_instructor and roll < 6:
            yield DistributionType.SAME_ROOM, [], [a, b], 3, 50
        elif roll < 5:
            yield DistributionType.DIFFERENT_TIME, [], [a, b], 2, 30
        elif roll < 7:
            yield DistributionType.SAME_DAYS, [], [a, b], 2, 30
        elif roll < 9:
            yield DistributionType.DIFFERENT_ROOM, [], [a, b], 1, 10
        else:
            yield DistributionType.SAME_START, [], [a, b], 1, 20


def _lecture_and_practical(dice: Dice, sections: Sections) -> Iterator[Candidate]:
    """The week's first lecture comes before the lab, or they are on different days, or not too far apart."""
    pairs = [
        (subparts[0][0] if sections.all[s].parent is None else sections.all[s].parent or 0, s)
        for subparts in sections.subparts
        for practicals in subparts[1:]
        for s in practicals
    ]
    for lecture, practical in dice.shuffled(pairs):
        roll = dice.below(10)
        if roll < 5:
            yield DistributionType.PRECEDENCE, [], [lecture, practical], 2, 40
        elif roll < 8:
            yield DistributionType.DIFFERENT_DAYS, [], [lecture, practical], 1, 20
        else:
            yield DistributionType.SAME_ATTENDEES, [], [lecture, practical], 5, 50


def _courses_of_one_level(dice: Dice, catalogue: Catalogue, sections: Sections) -> Iterator[Candidate]:
    """Upper-level courses of a department that the same students choose from do not overlap."""
    levels: dict[tuple[int, int], list[int]] = {}
    for n, course in enumerate(catalogue.courses):
        if course.level >= 3 and _most_classes(sections, n) == 1:
            levels.setdefault((course.department, course.level), []).append(sections.subparts[n][0][0])
    groups = []
    for _, lectures in sorted(levels.items()):
        mixed = dice.shuffled(lectures)
        groups += [mixed[at : at + size] for at, size in ((0, 3), (3, 2), (5, 2))]
    for group in dice.shuffled(groups):
        if len(group) > 1:
            yield DistributionType.NOT_OVERLAP, [], group, 3, 30


def _classes_of_one_instructor(dice: Dice, taught: dict[int, list[int]]) -> Iterator[Candidate]:
    """Working conditions: hours a day, days a week, breaks, length of the day."""
    slots_per_hour = 12
    for _, members in dice.shuffled([(instructor_id(i), own) for i, own in taught.items() if len(own) > 1]):
        roll = dice.below(10)
        if roll < 3:
            yield DistributionType.MAX_DAY_LOAD, [4 * slots_per_hour], members, 3, 30
        elif roll < 5:
            yield DistributionType.MAX_DAYS, [3], members, 2, 30
        elif roll < 7:
            yield DistributionType.WORK_DAY, [7 * slots_per_hour], members, 2, 30
        elif roll < 8:
            yield DistributionType.MIN_GAP, [2], members, 1, 30
        elif roll < 9:
            yield DistributionType.MAX_BREAKS, [1, slots_per_hour], members, 2, 20
        else:
            yield DistributionType.MAX_BLOCK, [4 * slots_per_hour, 3], members, 2, 20


def _half_terms(dice: Dice, catalogue: Catalogue, sections: Sections) -> Iterator[Candidate]:
    """Two half-term courses of a department follow one another."""
    by_department: dict[int, list[int]] = {}
    for s, section in enumerate(sections.all):
        if section.family == "half-term":
            by_department.setdefault(catalogue.courses[section.course].department, []).append(s)
    for _, members in sorted(by_department.items()):
        mixed = dice.shuffled(members)
        for a, b in zip(mixed[::2], mixed[1::2], strict=False):
            yield DistributionType.DIFFERENT_WEEKS, [], [a, b], 2, 40

"""From the expanded problem to the exact method's model, and the size that decides whether to try it.

Owns the translation, which classes are interchangeable, and the recount of what CP-SAT finds. Must not know how the
model is searched.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations

from schemas.problem.expand import ExpandedProblem
from schemas.problem.model import Distribution, DistributionType
from schemas.problem.wording import first_of
from schemas.referee import judge
from services.solver.compile.assignment import to_timetable
from services.solver.engine.exact.model import (
    ClashSet,
    Count,
    Counter,
    Course,
    ExactModel,
    KeptUnits,
    Rule,
    SoftPair,
    Span,
    Unit,
)
from services.solver.engine.search import Assignment

# The distributions under which equal classes stay interchangeable: they look at the set of classes only.
_SYMMETRIC = frozenset(
    {
        DistributionType.MAX_DAYS,
        DistributionType.MAX_DAY_LOAD,
        DistributionType.MIN_WORKING_DAYS,
        DistributionType.ISOLATED_LECTURES,
        DistributionType.ROOM_STABILITY,
    }
)
_NOT_MODELLED = frozenset({DistributionType.MAX_BREAKS, DistributionType.MAX_BLOCK})
_NAMED = 4


def exact_size(expanded: ExpandedProblem) -> int:
    """About how many booleans the model has: a product literal per unit, time and room, and the students' literals."""
    first = [expanded.classes[classes[0]] for classes in interchangeable(expanded)]
    size = sum(len(c.times) * (1 + len(c.rooms or ())) for c in first)
    classes_of = [
        sum(len(expanded.subparts[s]) for k in configs for s in expanded.configs[k]) for configs in expanded.courses
    ]
    for wanted in expanded.requests:
        attended = sum(classes_of[c] for c in set(wanted))
        size += attended + attended * attended // 2
    return size


def times_size(expanded: ExpandedProblem) -> int:
    """How many booleans the model has without rooms and students (see `engine.exact.bound`), auxiliary ones apart."""
    return sum(len(expanded.classes[classes[0]].times) for classes in interchangeable(expanded))


def counter(expanded: ExpandedProblem) -> Counter:
    """Counts an assignment by the referee's rules, departures from a baseline included."""

    def count(assignment: Assignment) -> Count:
        score = judge(expanded.problem, to_timetable(expanded, assignment), expanded.baseline).score
        return Count(score.hard, score.cost)

    return count


def compile_exact(expanded: ExpandedProblem) -> ExactModel:
    """The model of the problem; `left_out` names the distribution types that it does not contain."""
    weights = expanded.problem.weights
    units = interchangeable(expanded)
    unit_of = {i: g for g, classes in enumerate(units) for i in classes}
    spans = tuple(Span(t.weeks, t.days, t.start, t.end) for t in expanded.times)
    first = [expanded.classes[classes[0]] for classes in units]
    rules = tuple(_rules(expanded, unit_of))
    return ExactModel(
        classes=len(expanded.classes),
        weeks=expanded.problem.calendar.weeks,
        days=expanded.problem.calendar.days,
        spans=spans,
        room_labels=tuple(f"room {room.id!r}" for room in expanded.problem.rooms),
        units=tuple(
            Unit(
                classes,
                tuple((u, weights.time * penalty) for u, penalty in c.times),
                None if c.rooms is None else tuple((k, weights.room * penalty) for k, penalty in c.rooms),
            )
            for classes, c in zip(units, first, strict=True)
        ),
        blocked=frozenset(
            (k, u)
            for k, blocks in enumerate(expanded.room_unavailable)
            if blocks
            for u, mask in enumerate(expanded.times)
            if any(mask.overlaps(block) for block in blocks)
        ),
        walks=expanded.travel,
        clash_sets=(*_clash_sets(expanded, unit_of), *_required_clashes(rules)),
        rules=tuple(rule for rule in rules if not (rule.kind in _CLASH_RULES and rule.cost is None)),
        soft_pairs=tuple(_soft_pairs(expanded, unit_of)),
        courses=tuple(_courses(expanded, unit_of)),
        requests=tuple(tuple(dict.fromkeys(wanted)) for wanted in expanded.requests),
        limits=tuple(c.limit for c in first),
        parents=tuple(None if c.parent is None else unit_of[c.parent] for c in first),
        student_cost=weights.student,
        kept=_kept(expanded, unit_of),
        left_out=tuple(sorted({d.type.value for d, _ in expanded.distributions if d.type in _NOT_MODELLED})),
    )


# -- interchangeable classes ------------------------------------------------------------------------------------------


def interchangeable(expanded: ExpandedProblem) -> list[tuple[int, ...]]:
    """Classes grouped where they are interchangeable and must not overlap, in the order of their first classes."""
    apart: list[list[int]] = [[] for _ in expanded.classes]  # the clash sets of each class
    rules: list[list[int]] = [[] for _ in expanded.classes]  # and its distributions
    alone = {i for members, _ in expanded.soft_curricula for i in members}
    for number, clash_set in enumerate(expanded.clash_sets):
        for i in clash_set:
            apart[i].append(number)
    for number, (distribution, members) in enumerate(expanded.distributions):
        for i in members:
            rules[i].append(number)
        if distribution.type not in _SYMMETRIC:
            alone.update(members)
    requested = {course for wanted in expanded.requests for course in wanted}
    instructor_sets = set(expanded.instructor_sets)
    taught = [members in instructor_sets for members in expanded.clash_sets]
    groups: dict[object, list[int]] = {}
    for i, c in enumerate(expanded.classes):
        key: object = i
        if apart[i] and i not in alone and c.course not in requested:
            same = (c.times, c.rooms, tuple(apart[i]), tuple(rules[i]))
            if len(expanded.subparts[c.subpart]) == 1:
                key = (c.course, c.config, *same)
            elif all(taught[n] for n in apart[i]):
                key = (c.course, *same)
            # Else it has alternatives in a curriculum, which the others of its course do not have in common with it.
        groups.setdefault(key, []).append(i)
    return [tuple(members) for members in groups.values()]


# -- rules ------------------------------------------------------------------------------------------------------------

# Required, these are clash sets: cliques are stronger than pairs.
_CLASH_RULES = frozenset({"SameAttendees", "NotOverlap"})


def _clash_sets(expanded: ExpandedProblem, unit_of: dict[int, int]) -> Iterator[ClashSet]:
    """Those of instructors and of required curricula, by name."""
    taught: dict[str, list[int]] = defaultdict(list)
    of_course: dict[str, list[int]] = defaultdict(list)
    number = 0
    for course in expanded.problem.courses:
        for config in course.configs:
            for subpart in config.subparts:
                for cls in subpart.classes:
                    of_course[course.id].append(number)
                    for instructor in dict.fromkeys(cls.instructors):
                        taught[instructor].append(number)
                    number += 1
    for instructor, members in taught.items():
        if len(members) > 1:
            yield ClashSet(f"instructor {instructor!r}", _distinct(members, unit_of))
    seen: set[tuple[int, ...]] = set()
    for curriculum in expanded.problem.curricula:
        units = _distinct([i for c in dict.fromkeys(curriculum.courses) for i in of_course[c]], unit_of)
        if curriculum.required and units not in seen:
            seen.add(units)
            places = [expanded.classes[i] for i in _first_classes(units, unit_of)]
            alternatives = tuple((c.course, c.config, c.subpart) for c in places)
            clash_set = ClashSet(f"curriculum {curriculum.id!r}", units, alternatives)
            if not _has_alternatives(alternatives):
                clash_set = ClashSet(clash_set.label, units)
            yield clash_set


def _distinct(members: list[int], unit_of: dict[int, int]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(unit_of[i] for i in members))


def _first_classes(units: tuple[int, ...], unit_of: dict[int, int]) -> list[int]:
    first: dict[int, int] = {}
    for i, g in unit_of.items():
        first.setdefault(g, i)
    return [first[g] for g in units]


def _has_alternatives(places: tuple[tuple[int, int, int], ...]) -> bool:
    """True if a course stands there with two configurations, or two units in one subpart."""
    configs = {(course, config) for course, config, _ in places}
    return len(configs) > len({course for course, _, _ in places}) or len(set(places)) < len(places)


def _required_clashes(rules: tuple[Rule, ...]) -> Iterator[ClashSet]:
    for rule in rules:
        if rule.kind in _CLASH_RULES and rule.cost is None:
            yield ClashSet(rule.label, rule.units, walking=rule.kind == "SameAttendees")


def _rules(expanded: ExpandedProblem, unit_of: dict[int, int]) -> Iterator[Rule]:
    weight = expanded.problem.weights.distribution
    for distribution, members in expanded.distributions:
        kind, parameters = distribution.type.value, tuple(distribution.parameters)
        cost = None if distribution.required else weight * (distribution.penalty or 0)
        if kind == "MaxDayLoad":
            # Only the penalty is divided by the weeks, so the rule keeps the two factors of its cost apart.
            parameters = (parameters[0], weight, distribution.penalty or 0)
        yield Rule(_label(distribution, members, expanded), kind, parameters, _distinct(list(members), unit_of), cost)


def _label(distribution: Distribution, members: tuple[int, ...], expanded: ExpandedProblem) -> str:
    names = first_of([expanded.classes[i].id for i in members], _NAMED)
    numbers = f"({', '.join(map(str, distribution.parameters))})" if distribution.parameters else ""
    return f"{distribution.type.value}{numbers} of {names}"


def _soft_pairs(expanded: ExpandedProblem, unit_of: dict[int, int]) -> Iterator[SoftPair]:
    """Pairs of soft curricula; a pair that stands in several pays for each."""
    weight = expanded.problem.weights.distribution
    costs: dict[tuple[int, int], int] = defaultdict(int)
    for members, penalty in expanded.soft_curricula:
        for i, j in combinations(members, 2):
            if not expanded.alternatives(i, j):
                costs[unit_of[i], unit_of[j]] += weight * penalty
    for (a, b), cost in costs.items():
        if cost:
            yield SoftPair(a, b, cost)


def _kept(expanded: ExpandedProblem, unit_of: dict[int, int]) -> KeptUnits | None:
    kept = expanded.kept
    if kept is None:
        return None
    return KeptUnits(
        sections=tuple(tuple(unit_of[i] for i in classes) for classes in kept.sections),
        section_cost=kept.section_weight,
        places=tuple((unit_of[i], u, k) for i, u, k in kept.places),
        max_changes=kept.max_changes,
    )


def _courses(expanded: ExpandedProblem, unit_of: dict[int, int]) -> Iterator[Course]:
    for course, configs in zip(expanded.problem.courses, expanded.courses, strict=True):
        yield Course(
            f"course {course.id!r}",
            tuple(tuple(tuple(unit_of[i] for i in expanded.subparts[s]) for s in expanded.configs[k]) for k in configs),
        )

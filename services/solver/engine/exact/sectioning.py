"""Students: one class of each subpart of one configuration, seats, and what a student's clashes cost.

For small numbers of students only: the model has a literal per student and class. Must not know distributions or how
the model is searched.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations

from services.solver.engine.exact.places import Literal, Places

Attends = dict[tuple[int, int], Literal]  # (student, unit)


def add_students(places: Places, *, soft: bool = True) -> Attends:
    """Section every request, with `soft` at the cost of clashes; returns who attends what."""
    model = places.model
    attends: Attends = {}
    seats: dict[int, list[Literal]] = defaultdict(list)
    label_of: dict[int, str] = {}
    for student, wanted in enumerate(model.requests):
        for course in wanted:
            _request(places, attends, student, course)
            for config in model.courses[course].configs:
                for subpart in config:
                    for g in subpart:
                        seats[g].append(attends[student, g])
                        label_of[g] = f"the seats of {model.courses[course].label}"
    for g, taken in seats.items():
        if len(taken) > model.limits[g]:
            places.require(label_of[g], sum(taken) <= model.limits[g])
    if soft and model.student_cost:
        _clashes(places, attends)
    if soft and model.kept is not None and model.kept.section_cost:
        for student, units in enumerate(model.kept.sections):
            places.costs.extend(
                (model.kept.section_cost, ~attends[student, g]) for g in units if (student, g) in attends
            )
    return attends


def _request(places: Places, attends: Attends, student: int, course: int) -> None:
    model = places.model
    chosen = [places.new_bool() for _ in model.courses[course].configs]
    places.cp.add_exactly_one(chosen)
    for config, of_config in zip(model.courses[course].configs, chosen, strict=True):
        for subpart in config:
            for g in subpart:
                attends[student, g] = places.new_bool()
            places.cp.add(sum(attends[student, g] for g in subpart) == of_config)
    for config in model.courses[course].configs:
        for subpart in config:
            for g in subpart:
                parent = model.parents[g]
                if parent is not None:
                    places.cp.add_implication(attends[student, g], attends[student, parent])


def _clashes(places: Places, attends: Attends) -> None:
    """A pair of a student's classes that overlap or leave too little time to walk costs, once per student."""
    of_student: dict[int, list[int]] = defaultdict(list)
    for student, g in attends:
        of_student[student].append(g)
    clash: dict[tuple[int, int], Literal] = {}
    for student, units in of_student.items():
        for g, h in combinations(sorted(units), 2):
            if (g, h) not in clash:
                clash[g, h] = places.clash_literal(g, h, walking=True)
            conflict = places.new_bool()
            places.cp.add(conflict >= attends[student, g] + attends[student, h] + clash[g, h] - 2)
            places.costs.append((places.model.student_cost, conflict))

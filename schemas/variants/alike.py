"""Classes that nobody can tell apart, and names for them under which two timetables differ least.

Owns which classes are alike. Must not know how timetables are compared otherwise.

The lectures of one course in a curriculum-based problem are such classes: which of them is called #1 says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from schemas.problem.model import Class, Config, Problem
from schemas.timetable import Placement, Timetable


def alike(problem: Problem) -> Iterator[tuple[str, ...]]:
    """Groups of two or more classes of one configuration with the same needs, of a course that no student asks for."""
    requested = {course for student in problem.students for course in student.courses}
    parents = {cls.parent for course in problem.courses for config in course.configs for cls in _classes(config)}
    for course in problem.courses:
        if course.id in requested:
            continue
        for config in course.configs:
            groups: dict[str, list[str]] = {}
            for cls in _classes(config):
                if cls.parent is None and cls.id not in parents:
                    groups.setdefault(cls.model_dump_json(exclude={"id"}), []).append(cls.id)
            yield from (tuple(names) for names in groups.values() if len(names) > 1)


def _classes(config: Config) -> Iterator[Class]:
    for subpart in config.subparts:
        yield from subpart.classes


def renamed(problem: Problem, before: Timetable, after: Timetable) -> Timetable:
    """The second timetable with classes that are alike named so that it differs from the first one as little as can be.

    For comparing only: which of them are listed as unplaced is not renamed.
    """
    was = {p.class_id: p for p in before.placements}
    now = {p.class_id: p for p in after.placements}
    for group in alike(problem):
        places = [now.pop(name) for name in group if name in now]
        for name, place in _dealt(group, places, was).items():
            now[name] = place.model_copy(update={"class_id": name})
    return after.model_copy(update={"placements": list(now.values())})


def _dealt(group: Sequence[str], places: list[Placement], was: Mapping[str, Placement]) -> dict[str, Placement]:
    """The places by new names: the very same place first, then the same time, then the same room, then any."""
    dealt: dict[str, Placement] = {}
    known = [name for name in group if name in was]
    for by_time, by_room in ((True, True), (True, False), (False, True), (False, False)):
        for name in known:
            if name in dealt:
                continue
            for place in places:
                if (not by_time or place.time == was[name].time) and (not by_room or place.room == was[name].room):
                    dealt[name] = place
                    places.remove(place)
                    break
    for name, place in zip([n for n in group if n not in was], places, strict=False):
        dealt[name] = place
    return dealt

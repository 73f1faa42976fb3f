"""From an assignment by index to a timetable by name, and back.

Owns the translation both ways, and the words that say why a class has no place or a request no section. Must not know
how the assignment was found, nor count costs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from schemas.problem.expand import ExpandedProblem
from schemas.problem.wording import first_of
from schemas.timetable import Enrolment, Placement, Timetable, Unplaced, Unsectioned
from services.solver.engine.search import Assignment, Int32s

# Explaining one class compares it with every class in its rooms; beyond this many the sentence stays general.
MAX_EXPLAINED = 200
_NAMED = 3


def to_timetable(expanded: ExpandedProblem, assignment: Assignment) -> Timetable:
    """The timetable with every class placed or unplaced with a reason, every request enrolled or unsectioned."""
    problem = expanded.problem
    times, rooms = assignment.times.tolist(), assignment.rooms.tolist()
    placements: list[Placement] = []
    missing: list[int] = []
    for i, c in enumerate(expanded.classes):
        if times[i] < 0 or (c.rooms is not None and rooms[i] < 0):
            missing.append(i)
            continue
        room = None if c.rooms is None else problem.rooms[rooms[i]].id
        placements.append(Placement(class_id=c.id, time=problem.times[times[i]].id, room=room))
    return Timetable(
        placements=placements,
        enrolments=[
            Enrolment(student=problem.students[s].id, classes=[expanded.classes[i].id for i in attended])
            for s, attended in enumerate(_attended(assignment))
            if attended
        ],
        unplaced=_unplaced(expanded, missing, times, rooms),
        unsectioned=_unsectioned(expanded, list(_attended(assignment))),
    )


def to_assignment(expanded: ExpandedProblem, timetable: Timetable) -> Assignment:
    """The part of the timetable that the problem still knows and allows; other classes are unplaced (-1).

    A timetable from an earlier version of the problem may name classes, times or rooms that are gone.
    """
    problem = expanded.problem
    class_index = {c.id: i for i, c in enumerate(expanded.classes)}
    time_index = {t.id: i for i, t in enumerate(problem.times)}
    room_index = {r.id: i for i, r in enumerate(problem.rooms)}
    student_index = {s.id: i for i, s in enumerate(problem.students)}
    times = np.full(len(expanded.classes), -1, np.int32)
    rooms = np.full(len(expanded.classes), -1, np.int32)
    for placement in timetable.placements:
        i = class_index.get(placement.class_id)
        if i is None:
            continue
        c = expanded.classes[i]
        time = time_index.get(placement.time, -1)
        if any(u == time for u, _ in c.times):
            times[i] = time
        room = -1 if placement.room is None else room_index.get(placement.room, -1)
        if c.rooms is not None and any(r == room for r, _ in c.rooms):
            rooms[i] = room
    attended: list[list[int]] = [[] for _ in problem.students]
    for enrolment in timetable.enrolments:
        s = student_index.get(enrolment.student)
        if s is None:
            continue
        wanted = set(expanded.requests[s])
        known = (class_index.get(name) for name in dict.fromkeys(enrolment.classes))
        attended[s] = sorted(i for i in known if i is not None and expanded.classes[i].course in wanted)
    return Assignment(times, rooms, *_flat(attended))


def _flat(lists: Sequence[Sequence[int]]) -> tuple[Int32s, Int32s]:
    start = np.zeros(len(lists) + 1, np.int32)
    np.cumsum([len(x) for x in lists], out=start[1:])
    return start, np.array([i for x in lists for i in x], np.int32)


def _attended(assignment: Assignment) -> Iterable[list[int]]:
    start, attended = assignment.attended_start.tolist(), assignment.attended.tolist()
    return (attended[a:b] for a, b in pairwise(start))


# -- classes without a place ------------------------------------------------------------------------------------------


def _unplaced(expanded: ExpandedProblem, missing: list[int], times: list[int], rooms: list[int]) -> list[Unplaced]:
    if not missing:
        return []
    in_room: dict[int, list[int]] = {}
    for j, room in enumerate(rooms):
        if room >= 0 and times[j] >= 0:
            in_room.setdefault(room, []).append(j)
    wanted = set(missing[:MAX_EXPLAINED])
    rivals: dict[int, set[int]] = {i: set() for i in wanted}
    for number, members in enumerate((*expanded.clash_sets, *expanded.instructor_sets)):
        taught = number >= len(expanded.clash_sets)
        for i in wanted.intersection(members):
            rivals[i].update(j for j in members if j != i and (taught or not expanded.alternatives(i, j)))
    found = []
    for i in missing:
        reason = "no place was found for it in the time given"
        if i in wanted:
            reason = _why_unplaced(expanded, i, times, in_room, rivals[i]) or reason
        found.append(Unplaced(class_id=expanded.classes[i].id, reason=reason))
    return found


def _why_unplaced(
    expanded: ExpandedProblem, i: int, times: list[int], in_room: dict[int, list[int]], rivals: set[int]
) -> str | None:
    """What stands in the way of each of the class's times, summed up; None if some time and room are free."""
    c = expanded.classes[i]
    clashing: Counter[int] = Counter()
    holding: Counter[int] = Counter()
    clashes = full = 0
    for u, _ in c.times:
        mask = expanded.times[u]
        in_way = [j for j in rivals if times[j] >= 0 and mask.overlaps(expanded.times[times[j]])]
        if in_way:
            clashes += 1
            clashing.update(in_way)
            continue
        if c.rooms is None:
            return None
        taken = True
        for r, _ in c.rooms:
            if any(mask.overlaps(block) for block in expanded.room_unavailable[r]):
                continue
            occupants = [j for j in in_room.get(r, ()) if mask.overlaps(expanded.times[times[j]])]
            holding.update(occupants)
            taken = taken and bool(occupants)
        if not taken:
            return None
        full += 1
    phrases = []
    if clashes:
        names = _names(expanded, clashing)
        phrases.append(f"{clashes} clash with classes of the same instructor or curriculum ({names})")
    if full:
        every = "its room is" if c.rooms is not None and len(c.rooms) == 1 else "all its rooms are"
        names = f" (by {_names(expanded, holding)})" if holding else ""
        phrases.append(f"during {full} {every} taken{names}")
    return f"none of its {len(c.times)} times is free: {'; '.join(phrases)}"


def _names(expanded: ExpandedProblem, counted: Counter[int]) -> str:
    return first_of([expanded.classes[j].id for j, _ in counted.most_common()], _NAMED)


# -- requests without a section ---------------------------------------------------------------------------------------


def _unsectioned(expanded: ExpandedProblem, attended: list[list[int]]) -> list[Unsectioned]:
    problem = expanded.problem
    seats_taken = Counter(i for classes in attended for i in classes)
    found = []
    for s, wanted in enumerate(expanded.requests):
        classes = attended[s] if s < len(attended) else []
        by_course: dict[int, set[int]] = {}
        for i in classes:
            by_course.setdefault(expanded.classes[i].course, set()).add(i)
        for course in dict.fromkeys(wanted):
            if not _is_sectioned(expanded, course, by_course.get(course, set())):
                reason = _why_unsectioned(expanded, course, seats_taken)
                found.append(
                    Unsectioned(student=problem.students[s].id, course=problem.courses[course].id, reason=reason)
                )
    return found


def _is_sectioned(expanded: ExpandedProblem, course: int, chosen: set[int]) -> bool:
    """True if `chosen` is one class of each subpart of one configuration, with every parent."""
    configs = {expanded.classes[i].config for i in chosen}
    if len(configs) != 1:
        return False
    subparts = Counter(expanded.classes[i].subpart for i in chosen)
    if dict(subparts) != dict.fromkeys(expanded.configs[configs.pop()], 1):
        return False
    return all(p is None or p in chosen for p in (expanded.classes[i].parent for i in chosen))


def _why_unsectioned(expanded: ExpandedProblem, course: int, seats_taken: Counter[int]) -> str:
    """A full subpart in each configuration, or else the combinations."""
    seats = []
    for config in expanded.courses[course]:
        full = [
            sum(expanded.classes[i].limit for i in expanded.subparts[s])
            for s in expanded.configs[config]
            if all(seats_taken[i] >= expanded.classes[i].limit for i in expanded.subparts[s])
        ]
        if not full:
            return "no combination of its classes was found that has a free seat in each and keeps parents together"
        seats.append(min(full))
    return "its only seat is taken" if sum(seats) == 1 else f"all its {sum(seats)} seats are taken"

"""What every timetable needs, counted: reasons in numbers why there is none, in milliseconds and before any search.

Owns the necessary conditions: what clashes must fit into the week, what needs certain rooms must fit into them. Each is
sound (it fires only if there really is no timetable) and none is complete. Must not know the search.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt

from schemas.problem.expand import ExpandedProblem, Options, TimeMask, UnionOfMasks
from schemas.problem.wording import first_of
from services.solver.engine.exact.instants import start_instants
from services.solver.engine.exact.model import Span

MAX_REASONS = 20
# Distinct lists of rooms that are looked at, the shortest first.
MAX_ROOM_LISTS = 400
MAX_SLOTS = 200_000_000  # flags: slots of the calendar x distinct lists of times
_NAMED = 5

Slots = npt.NDArray[np.bool_]


def necessary_reasons(expanded: ExpandedProblem) -> list[str]:
    """Sentences, each of which alone proves that there is no timetable without hard violations; often none."""
    return list(islice(_reasons(expanded), MAX_REASONS))


def _reasons(expanded: ExpandedProblem) -> Iterator[str]:
    yield from _crowded_weeks(expanded)
    yield from _crowded_rooms(expanded)
    yield from _missing_seats(expanded)


# -- instructors and curricula ----------------------------------------------------------------------------------------


def _crowded_weeks(expanded: ExpandedProblem) -> Iterator[str]:
    seen: set[tuple[int, ...]] = set()
    for label, members in _clashing_sets(expanded):
        if members in seen or _first_fit(expanded, members):
            continue
        seen.add(members)
        crowded = _too_many(expanded, members)
        if crowded is not None:
            classes, places = crowded
            names = _names(expanded, classes)
            yield (
                f"{label}: {len(classes)} classes that must not overlap ({names}) have times for only {places} of them."
                " Give them more times, or fewer classes."
            )


def _clashing_sets(expanded: ExpandedProblem) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Classes of which every two must not overlap: an instructor's; of a curriculum those without the alternatives."""
    taught: dict[str, list[int]] = defaultdict(list)
    classes = (
        cls
        for course in expanded.problem.courses
        for config in course.configs
        for subpart in config.subparts
        for cls in subpart.classes
    )
    for i, cls in enumerate(classes):
        for instructor in dict.fromkeys(cls.instructors):
            taught[instructor].append(i)
    for instructor, members in taught.items():
        if len(members) > 1:
            yield f"Instructor {instructor!r}", tuple(members)
    index = {course.id: c for c, course in enumerate(expanded.problem.courses)}
    for curriculum in expanded.problem.curricula:
        if not curriculum.required:
            continue
        chosen: list[int] = []
        for course in dict.fromkeys(curriculum.courses):
            configs = expanded.courses[index[course]]
            largest = max(configs, key=lambda k: len(expanded.configs[k]))
            chosen.extend(expanded.subparts[s][0] for s in expanded.configs[largest])
        if len(chosen) > 1:
            yield f"Curriculum {curriculum.id!r}", tuple(chosen)


def _first_fit(expanded: ExpandedProblem, members: Sequence[int]) -> bool:
    """True if putting each class into its first free time works, those with the fewest times first."""
    taken: list[TimeMask] = []
    for i in sorted(members, key=lambda i: len(expanded.classes[i].times)):
        free = (expanded.times[u] for u, _ in expanded.classes[i].times)
        time = next((t for t in free if not any(t.overlaps(other) for other in taken)), None)
        if time is None:
            return False
        taken.append(time)
    return True


def _too_many(expanded: ExpandedProblem, members: Sequence[int]) -> tuple[list[int], int] | None:
    """Classes with fewer places than classes, and how many places (P. Hall's condition); None if all may fit.

    Times that overlap at one instant are one place. Each time is given to one such instant, so a matching that leaves a
    class out proves that they do not all fit.
    """
    used = sorted({u for i in members for u, _ in expanded.classes[i].times})
    place_of = _places(expanded, used)
    options = {i: sorted({place_of[u] for u, _ in expanded.classes[i].times}) for i in members}
    holder: dict[int, int] = {}
    for i in members:
        reached: dict[int, int] = {}  # place -> the class from which it was reached
        if not _augment(i, options, holder, reached):
            return [j for j in members if all(p in reached for p in options[j])], len(reached)
    return None


def _augment(i: int, options: dict[int, list[int]], holder: dict[int, int], reached: dict[int, int]) -> bool:
    """Find a place for class i, moving others along (breadth first, so that long chains need no recursion)."""
    queue = [i]
    for j in queue:
        for p in options[j]:
            if p in reached:
                continue
            reached[p] = j
            if p in holder:
                queue.append(holder[p])
                continue
            while True:
                mover = reached[p]
                before = next((q for q, k in holder.items() if k == mover), None)
                holder[p] = mover
                if mover == i or before is None:
                    return True
                p = before
    return False


def _places(expanded: ExpandedProblem, times: Sequence[int]) -> dict[int, int]:
    """Each time's instant, with as few instants as a greedy cover finds."""
    calendar = expanded.problem.calendar
    masks = [expanded.times[u] for u in times]
    instants = start_instants([Span(m.weeks, m.days, m.start, m.end) for m in masks], calendar.weeks, calendar.days)
    left, place_of = set(range(len(times))), {}
    for number, instant in enumerate(sorted(instants, key=len, reverse=True)):
        for n in instant & left:
            place_of[times[n]] = number
        left -= instant
    return place_of


# -- rooms ------------------------------------------------------------------------------------------------------------


def _crowded_rooms(expanded: ExpandedProblem) -> Iterator[str]:
    """More hours of classes that need one of some rooms than these rooms have."""
    calendar = expanded.problem.calendar
    domains = len({c.times for c in expanded.classes})
    if calendar.weeks * calendar.days * calendar.slots_per_day * domains > MAX_SLOTS:
        return
    by_rooms: dict[int, list[int]] = defaultdict(list)
    mask_of = UnionOfMasks(lambda room: 1 << room)
    for i, c in enumerate(expanded.classes):
        if c.rooms is not None:
            by_rooms[mask_of.of(c.rooms)].append(i)
    week = _Week(expanded)
    found: list[int] = []
    for rooms in sorted(by_rooms, key=lambda mask: (mask.bit_count(), mask))[:MAX_ROOM_LISTS]:
        if any(smaller & ~rooms == 0 for smaller in found):
            continue  # the smaller list says it already
        inside = [i for mask, classes in by_rooms.items() if mask & ~rooms == 0 for i in classes]
        demand = sum(week.least[i] for i in inside)
        supply = week.supply(rooms, inside)
        if demand > supply:
            found.append(rooms)
            listed = [r for r in range(rooms.bit_length()) if rooms >> r & 1]
            yield (
                f"{len(inside)} classes ({_names(expanded, inside)}) can only use {_rooms(expanded, listed)}: they need"
                f" {demand} slots, and there are {supply} during their times. Add rooms, times, or lower the needs."
            )


class _Week:
    """The slots of the whole calendar as flags, and what times and rooms take of them."""

    def __init__(self, expanded: ExpandedProblem) -> None:
        calendar = expanded.problem.calendar
        self._shape = (calendar.weeks, calendar.days, calendar.slots_per_day)
        self._slots_of: dict[TimeMask, tuple[npt.NDArray[np.intp], ...]] = {}  # where a time is in the flags
        self._closed = {r: self._flags(blocks) for r, blocks in enumerate(expanded.room_unavailable) if blocks}
        # Classes share their lists of times, and hashing a list costs more than what is done with it: hash once.
        rows: dict[Options, int] = {}
        self._row = [rows.setdefault(c.times, len(rows)) for c in expanded.classes]
        masks = [[expanded.times[u] for u, _ in domain] for domain in rows]
        self._covered = [self._flags(domain) for domain in masks]
        shortest = [min((m.end - m.start) * m.days.bit_count() * m.weeks.bit_count() for m in d) for d in masks]
        self.least = [shortest[row] for row in self._row]  # slots that each class needs, over all days and weeks

    def _flags(self, masks: Sequence[TimeMask]) -> Slots:
        weeks, days, slots = self._shape
        flags = np.zeros(self._shape, np.bool_)
        for m in masks:
            if m not in self._slots_of:
                in_weeks = [w for w in range(weeks) if m.weeks >> w & 1]
                on_days = [d for d in range(days) if m.days >> d & 1]
                self._slots_of[m] = np.ix_(in_weeks, on_days, range(m.start, min(m.end, slots)))
            flags[self._slots_of[m]] = True
        return flags

    def supply(self, rooms: int, classes: Sequence[int]) -> int:
        """Slots of the rooms that lie in some time of the classes and are not closed."""
        covered = np.zeros(self._shape, np.bool_)
        for row in {self._row[i] for i in classes}:
            covered |= self._covered[row]
        closed = sum(int((flags & covered).sum()) for r, flags in self._closed.items() if rooms >> r & 1)
        return rooms.bit_count() * int(covered.sum()) - closed


# -- seats ------------------------------------------------------------------------------------------------------------


def _missing_seats(expanded: ExpandedProblem) -> Iterator[str]:
    """More students ask for a course than it has seats."""
    wanted: dict[int, int] = defaultdict(int)
    for courses in expanded.requests:
        for course in dict.fromkeys(courses):
            wanted[course] += 1
    for course, students in sorted(wanted.items()):
        seats = sum(
            min(sum(expanded.classes[i].limit for i in expanded.subparts[s]) for s in expanded.configs[k])
            for k in expanded.courses[course]
        )
        if students > seats:
            name = expanded.problem.courses[course].id
            ask = "student asks" if students == 1 else "students ask"
            has = "1 seat" if seats == 1 else f"{seats} seats"
            yield f"{students} {ask} for course {name!r}, which has {has}. Add classes or raise limits."


def _names(expanded: ExpandedProblem, classes: Sequence[int]) -> str:
    return first_of([expanded.classes[i].id for i in classes], _NAMED)


def _rooms(expanded: ExpandedProblem, rooms: Sequence[int]) -> str:
    noun = "room" if len(rooms) == 1 else "rooms"
    return f"{noun} {first_of([expanded.problem.rooms[r].id for r in rooms], _NAMED)}"

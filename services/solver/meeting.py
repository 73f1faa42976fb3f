"""Where the annealings of one solve compare how they stand, and the worse go on from the better.

Owns what members post at each mark of their cooling, and who takes over from whom. Must not know how they search.

Two annealings of one problem differ by several per cent, and by what they settle while hot: large classes, whole days.
Whoever has settled badly does not get out again, so at every mark the worse half goes on from the best timetable there
("go with the winners": D. Aldous, U. Vazirani 1994). Nobody waits: who comes first learns of the others' later.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from services.solver.engine.search import Assignment, Meeting

# Energies compare only at nearly the same temperature, and below this share of difference it is not worth a copy.
SIMILAR = 1.25
MARGIN = 0.001


@dataclass(frozen=True, slots=True)
class _Post:
    temperature: float
    energy: float
    assignment: Assignment


class MeetingPlace:
    """What the members of one solve have posted; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._posts: dict[int, dict[int, _Post]] = {}  # by mark, then by member
        self._served: set[tuple[int, int]] = set()

    def seat(self, member: int) -> Meeting:
        """The meeting as a member sees it."""
        return _Seat(self, member)

    def compare(
        self, member: int, mark: int, temperature: float, energy: float, read: Callable[[], Assignment]
    ) -> Assignment | None:
        """See `engine.search.Meeting`."""
        with self._lock:
            posts = self._posts.setdefault(mark, {})
            if member not in posts:
                posts[member] = _Post(temperature, energy, read())
                for passed in [m for m in self._posts if m < mark - 1]:
                    del self._posts[passed]
            if (member, mark) in self._served:
                return None
            mine = posts[member]
            alike = [p for p in posts.values() if 1 / SIMILAR <= p.temperature / mine.temperature <= SIMILAR]
            best = min(alike, key=lambda p: p.energy)
            better = sum(p.energy < mine.energy for p in alike)
            if 2 * better < len(alike) or best.energy > mine.energy * (1 - MARGIN):
                return None
            self._served.add((member, mark))
            return best.assignment


class _Seat:
    def __init__(self, place: MeetingPlace, member: int) -> None:
        self._place, self._member = place, member

    def compare(
        self, mark: int, temperature: float, energy: float, read: Callable[[], Assignment]
    ) -> Assignment | None:
        return self._place.compare(self._member, mark, temperature, energy, read)

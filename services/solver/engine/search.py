"""What every search method shares: its limits, what it reports, what it returns.

Owns the engine's vocabulary (assignment, progress, outcome). Must not know any one method.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

Int32s = npt.NDArray[np.int32]


class Stage(StrEnum):
    """Where a search is. The order is the order in which stages normally follow one another."""

    COMPILING = "compiling"  # problem to arrays, kernels loaded or compiled
    CONSTRUCTING = "constructing"  # no timetable without hard violation yet
    IMPROVING = "improving"  # hard violations gone, cost falling
    PROVING = "proving"  # exact search: closing the gap between cost and bound
    VERIFYING = "verifying"  # referee


@dataclass(frozen=True, slots=True)
class Limits:
    """When to stop. `seconds` is wall-clock time from the call on; `target` stops at (0 violations, cost <= target).

    With `moves` the search is driven by a move budget instead of the clock: the same seed then gives the same
    assignment on every machine (with one worker), and `seconds` is only a safety stop.
    """

    seconds: float
    seed: int = 0
    moves: int | None = None
    target: int = 0


@dataclass(frozen=True, slots=True)
class Assignment:
    """A timetable by index into the expanded problem.

    times: int32[classes], index of the time, -1 unplaced. rooms: int32[classes], index of the room, -1 none.
    attended: int32[any], the classes of student s are attended[attended_start[s]:attended_start[s + 1]].
    """

    times: Int32s
    rooms: Int32s
    attended_start: Int32s
    attended: Int32s


@dataclass(frozen=True, slots=True)
class Progress:
    """One report. `share` of the budget used, 0..1; `cost` is weighted; `bound` is a proven lower bound."""

    stage: Stage
    share: float
    hard_violations: int
    cost: int
    parts: Mapping[str, int] = field(default_factory=dict)
    bound: int | None = None
    moves: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The best assignment found and the engine's own count of it (the referee recounts).

    `optimal` is claimed only when `bound == cost` with no hard violation; `infeasible` only when proven.
    """

    assignment: Assignment
    hard_violations: int
    cost: int
    parts: Mapping[str, int]
    hard: Mapping[str, int]
    method: str
    moves: int = 0
    bound: int | None = None
    proven_infeasible: bool = False

    @property
    def optimal(self) -> bool:
        return self.hard_violations == 0 and self.bound is not None and self.bound >= self.cost

    @property
    def rank(self) -> tuple[int, int]:
        """Smaller is better."""
        return (self.hard_violations, self.cost)


# Called at slice boundaries (4 to 10 times a second) with a way to read the best assignment so far: reading copies, so
# the receiver asks for it only when it wants to keep one.
OnProgress = Callable[[Progress, Callable[[], Assignment]], None]
ShouldStop = Callable[[], bool]


class Meeting(Protocol):
    """Where searches of one problem compare how they stand at the same marks of their cooling."""

    def compare(
        self, mark: int, temperature: float, energy: float, read: Callable[[], Assignment]
    ) -> Assignment | None:
        """Say how this search stands at a mark (`energy`: weighted violations and cost, on average since the mark
        before), and get the timetable of another that stands better there, at most once a mark.

        Called at every slice boundary, with the last mark passed; `read` copies the present timetable.
        """
        ...

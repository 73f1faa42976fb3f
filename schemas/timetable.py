"""A timetable and its score: what a solve produces, whatever produced it.

Owns the native JSON timetable (`horarium.timetable/1`). Must not know how it was found, nor any other format.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

FORMAT = "horarium.timetable/1"


class Part(BaseModel):
    """An event part: ignores fields it does not know, because a newer producer may add optional ones."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Placement(Part):
    """A class in its time (the id of a `Time` of the problem) and room (None: it needs none)."""

    class_id: str = Field(alias="class")
    time: str
    room: str | None = None


class Enrolment(Part):
    """The classes that a student attends, over all of his or her courses."""

    student: str
    classes: list[str]


class Unplaced(Part):
    """A class without a place, and why."""

    class_id: str = Field(alias="class")
    reason: str


class Unsectioned(Part):
    """A course request that could not be met, and why."""

    student: str
    course: str
    reason: str


class Timetable(Part):
    """One variant: every class is in `placements` or in `unplaced`, every request in `enrolments` or `unsectioned`."""

    format: Literal["horarium.timetable/1"] = "horarium.timetable/1"
    placements: list[Placement]
    enrolments: list[Enrolment] = Field(default_factory=list)
    unplaced: list[Unplaced] = Field(default_factory=list)
    unsectioned: list[Unsectioned] = Field(default_factory=list)


class Score(Part):
    """Hard violations and cost, each by part.

    `hard` counts violations by rule (only rules that are violated appear); `hard_violations` is their sum. `cost` is
    the weighted soft cost by part: "time", "room", "student", and one part per distribution type with a cost (plus
    "curriculum" for soft curricula, "change" for departures from a baseline, and "StudentMaxConsecutive" and the like
    for rules for students); parts of cost 0 may be left out. `total` is their sum. Compare scores by
    (hard_violations, total).
    """

    hard_violations: int = Field(ge=0)
    total: int = Field(ge=0)
    hard: dict[str, int] = Field(default_factory=dict)
    cost: dict[str, int] = Field(default_factory=dict)

    @property
    def rank(self) -> tuple[int, int]:
        """Smaller is better."""
        return (self.hard_violations, self.total)

"""What is asked and what is answered when a planner tries a move.

Owns the shapes. Must not know how consequences are counted.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from schemas.change.difference import Place
from schemas.problem.model import Id
from schemas.timetable import Part


class Move(BaseModel):
    """A class to another time, another room, or both; what is left out stays as it is."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    class_id: Id = Field(alias="class")
    time: Id | None = None
    room: Id | None = None


class Conflict(Part):
    """A hard rule that is broken: who is concerned (classes, then students), where and when, and a sentence."""

    rule: str
    who: list[str]
    message: str
    where: str | None = None
    when: str | None = None


class Evaluation(Part):
    """What a move changes. `hard` and `cost` have only what differs, by rule and by part, signed; weights are applied.

    `new` and `mended` list at most a hundred hard violations per rule; the counts are of all. `students` attend the
    class; `student_conflicts` is by how much the number of their conflicts changes.
    """

    class_id: str = Field(alias="class")
    before: Place | None = None
    after: Place
    hard_violations: int
    total: int
    hard: dict[str, int] = Field(default_factory=dict)
    cost: dict[str, int] = Field(default_factory=dict)
    new: list[Conflict] = Field(default_factory=list)
    mended: list[Conflict] = Field(default_factory=list)
    students: int = 0
    student_conflicts: int = 0

    @property
    def rank(self) -> tuple[int, int]:
        """(violations, cost) more than now; smaller is better."""
        return (self.hard_violations, self.total)


class Alternatives(Part):
    """The best other places of a class, best first, of the `considered` pairs of an allowed time and room."""

    class_id: str = Field(alias="class")
    before: Place | None = None
    considered: int
    alternatives: list[Evaluation]

"""The baseline: a published timetable that a new one shall stay close to, and what each departure from it costs.

Owns the words for it, and when a class, a room or a section counts as changed (`docs/engine.md` says it for people).
Must not know how a timetable is found, stored or sent.

Staying close to a given timetable is the minimal perturbation problem: R. Barták, T. Müller, H. Rudová, "A new approach
to modeling and solving minimal perturbation problems", Recent Advances in Constraints 2003.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from schemas.timetable import Timetable

MAX_KEEP_WEIGHT = 100_000


class KeepWeights(BaseModel):
    """What a departure from the base timetable costs, in points of cost beside the problem's own.

    `time` and `room` count once per class; `section` once per student and class that the student leaves.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    time: int = Field(default=20, ge=0, le=MAX_KEEP_WEIGHT, description="Per class at another time.")
    room: int = Field(default=10, ge=0, le=MAX_KEEP_WEIGHT, description="Per class in another room.")
    section: int = Field(
        default=5, ge=0, le=MAX_KEEP_WEIGHT, description="Per student and class that the student leaves for another."
    )


@dataclass(frozen=True, slots=True)
class Baseline:
    """A timetable to stay close to. With `max_changes` at most so many classes may change their time or room.

    A class has changed if the baseline places it, the problem still has it, and it is now at another time, or in
    another room although it had one and needs one. A section has changed if a student has left a class of the baseline
    whose course he or she still asks for. Times, rooms, classes and students are compared by their ids. What the
    baseline does not know is new and costs nothing.
    """

    timetable: Timetable
    weights: KeepWeights
    max_changes: int | None = None

"""What a result says of its departures from the timetable that it started from.

Owns the report's shape, as it travels in events and is stored. Must not know how departures are found or priced.
"""

from __future__ import annotations

from uuid import UUID

from pydantic import Field

from schemas.change.difference import ChangedClass, Difference
from schemas.timetable import Part


class ChangeCounts(Part):
    """How much has changed. `sections` are pairs of a student and a class left, `students` those who have left any."""

    base_job_id: UUID | None = Field(default=None, description="The job whose timetable is the base.")
    base_variant: int | None = None
    compared: int = Field(ge=0, description="Classes that the base places and the problem still has.")
    classes: int = Field(ge=0, description="Of these, at another time, in another room, or not placed any more.")
    times: int = Field(ge=0)
    rooms: int = Field(ge=0)
    sections: int = Field(ge=0)
    students: int = Field(ge=0)
    new: int = Field(default=0, ge=0, description="Classes placed that the base does not place.")
    gone: int = Field(default=0, ge=0, description="Classes of the base that the problem does not have.")
    forced: int = Field(
        default=0, ge=0, description="Classes whose place in the base is no option any more: they had to change."
    )
    max_changes: int | None = Field(default=None, description="How many classes might change at most.")
    over_budget: int = Field(default=0, ge=0, description="Changed classes beyond `max_changes`.")
    budget_impossible: bool = Field(default=False, description="Proven: more than `max_changes` classes must change.")


# An event must not pass the broker's limit for what nobody reads; the counts are always of all.
MAX_LISTED = 10_000


class Changes(ChangeCounts):
    """The counts and the changed classes themselves, in the problem's order."""

    changed: list[ChangedClass] = Field(default_factory=list, description=f"At most {MAX_LISTED:,}.")


def report_changes(
    found: Difference,
    *,
    base_job_id: UUID | None = None,
    base_variant: int | None = None,
    max_changes: int | None = None,
    forced: int = 0,
    budget_impossible: bool = False,
) -> Changes:
    """The report of a difference; `over_budget` follows from it."""
    classes = len(found.classes)
    return Changes(
        base_job_id=base_job_id,
        base_variant=base_variant,
        compared=found.compared,
        classes=classes,
        times=found.times,
        rooms=found.rooms,
        sections=found.sections,
        students=sum(1 for student in found.students if student.left),
        new=found.new,
        gone=found.gone,
        forced=forced,
        max_changes=max_changes,
        over_budget=0 if max_changes is None else max(0, classes - max_changes),
        budget_impossible=budget_impossible,
        changed=list(found.classes[:MAX_LISTED]),
    )

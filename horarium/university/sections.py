"""How courses become classes: sections, labs and discussions with enough seats.

Owns section sizes, slack and parent links. Must not know rooms, or when anything takes place.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from horarium.university.catalogue import CourseDraft
from horarium.university.dice import Dice

LAB_SEATS = 28
COMPUTER_LAB_SEATS = 36
DISCUSSION_SEATS = 50
LARGEST_LECTURE = 380


class Kind(StrEnum):
    LECTURE = "lecture"
    LAB = "lab"
    COMPUTER_LAB = "computer lab"
    DISCUSSION = "discussion"


@dataclass(slots=True)
class SectionDraft:
    """A class before it has a place: `parent` is the position of another section in the list of all."""

    id: str
    course: int
    kind: Kind
    limit: int
    family: str
    features: tuple[str, ...] = ()
    parent: int | None = None
    instructor: int | None = None


@dataclass(slots=True)
class Sections:
    """All sections, and for each course its subparts as lists of positions."""

    all: list[SectionDraft] = field(default_factory=list)
    subparts: list[list[list[int]]] = field(default_factory=list)


def make_sections(dice: Dice, courses: list[CourseDraft]) -> Sections:
    sections = Sections()
    for n, course in enumerate(courses):
        lectures = _lectures(dice, sections, n, course)
        subparts = [lectures]
        if course.demand >= 20 and course.practical and course.level <= 3 and dice.chance(25):
            seats, kind = (LAB_SEATS, Kind.LAB) if dice.chance(60) else (COMPUTER_LAB_SEATS, Kind.COMPUTER_LAB)
            subparts.append(_practicals(dice, sections, n, course, lectures, kind, seats))
        elif course.demand >= 150 and dice.chance(40):
            subparts.append(_practicals(dice, sections, n, course, lectures, Kind.DISCUSSION, DISCUSSION_SEATS))
        sections.subparts.append(subparts)
    return sections


def _with_slack(dice: Dice, demand: int) -> int:
    """Seats for the demand: 5 to 15 % more, at least two."""
    return demand + max(2, -(-demand * dice.between(5, 15) // 100))


def _lectures(dice: Dice, sections: Sections, n: int, course: CourseDraft) -> list[int]:
    seats = max(10, _with_slack(dice, course.demand))
    largest = dice.pick((90, 110, 140, 180)) if seats < 320 else dice.pick((180, 260, LARGEST_LECTURE))
    count = -(-seats // largest)
    family = _family(dice, course, count)
    added = []
    for i in range(count):
        limit = seats // count + (i < seats % count)
        added.append(len(sections.all))
        sections.all.append(
            SectionDraft(f"{course.id}-L{i + 1}", n, Kind.LECTURE, limit, family, _lecture_features(dice, limit))
        )
    return added


def _family(dice: Dice, course: CourseDraft, count: int) -> str:
    """Upper-level seminars meet once a week, some courses for half a term; the rest two or three times a week."""
    roll = dice.below(100)
    if count == 1 and course.level >= 3 and roll < 25:
        return "1x150"
    if count == 1 and roll < 30:
        return "half-term"
    return "3x50" if roll < 65 else "2x75"


def _lecture_features(dice: Dice, limit: int) -> tuple[str, ...]:
    if limit > 120:
        return ("projector", "tiered seating")
    return ("projector",) if dice.chance(60) else ()


def _practicals(
    dice: Dice, sections: Sections, n: int, course: CourseDraft, lectures: list[int], kind: Kind, size: int
) -> list[int]:
    """Labs or discussions; in half of the courses they belong to a lecture section, and seat all of its students."""
    family = "1x50" if kind is Kind.DISCUSSION else "lab-110"
    features = {Kind.LAB: ("laboratory",), Kind.COMPUTER_LAB: ("computers",)}.get(kind, ())
    letter = "D" if kind is Kind.DISCUSSION else "P"
    groups: list[tuple[int | None, int]]
    if dice.chance(50):
        groups = [(lecture, sections.all[lecture].limit) for lecture in lectures]
    else:
        groups = [(None, _with_slack(dice, course.demand))]
    added: list[int] = []
    for parent, seats in groups:
        count = -(-seats // size)
        for i in range(count):
            limit = seats // count + (i < seats % count)
            name = f"{course.id}-{letter}{len(added) + 1}"
            added.append(len(sections.all))
            sections.all.append(SectionDraft(name, n, kind, limit, family, features, parent))
    return added

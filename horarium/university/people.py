"""Who teaches what, and when they cannot: instructors, their absences, and rooms that are closed for a while.

Owns teaching loads and unavailable blocks; none of them contradicts the witness. Must not know students.
"""

from __future__ import annotations

from horarium.university.catalogue import CourseDraft
from horarium.university.dice import Dice
from horarium.university.patterns import DAYS, FIRST_HOUR, LAST_HOUR, SLOT_MINUTES
from horarium.university.sections import Kind, SectionDraft
from horarium.university.witness import Witness
from schemas.problem.model import Instructor, Time, TimeBlock

_MOST_SECTIONS = 3
_LOOKED_AT = 15  # colleagues asked before a section is left "to be announced"

_GIVEN = [
    "Ada",
    "Ben",
    "Chi",
    "Dana",
    "Eli",
    "Fatima",
    "Goran",
    "Hana",
    "Ines",
    "Jonas",
    "Kofi",
    "Lena",
    "Mateo",
    "Nadia",
    "Omar",
    "Petra",
    "Quinn",
    "Rosa",
    "Sven",
    "Tala",
]
_FAMILY = [
    "Abe",
    "Baptiste",
    "Castro",
    "Dvorak",
    "Eriksen",
    "Fischer",
    "Garcia",
    "Haddad",
    "Ivanova",
    "Jensen",
    "Kim",
    "Lopez",
    "Moreau",
    "Novak",
    "Okafor",
    "Patel",
    "Quist",
    "Rossi",
    "Silva",
    "Tanaka",
    "Ueda",
    "Vargas",
    "Weber",
    "Xu",
    "Yilmaz",
    "Zeman",
]


def assign_instructors(
    dice: Dice, sections: list[SectionDraft], courses: list[CourseDraft], witness: Witness, faculty: int
) -> dict[int, list[int]]:
    """Gives each section an instructor of its department; returns the sections of each instructor.

    First everyone gets one section, then some a second; a few get none. Nobody gets more than three, or two that the
    witness holds at once. Where nobody is free the section has no instructor yet.
    """
    by_department: dict[int, list[int]] = {}
    for s, section in enumerate(sections):
        by_department.setdefault(courses[section.course].department, []).append(s)
    taught: dict[int, list[int]] = {i: [] for i in range(faculty)}
    first = 0
    seen = 0
    for _, own in sorted(by_department.items()):
        seen += len(own)
        last = faculty * seen // len(sections)
        members = dice.shuffled(range(first, last))
        first = last
        teaching = members[: len(members) - len(members) * 3 // 100]
        _assign_department(dice, sections, witness, own, teaching, taught)
    return taught


def _assign_department(
    dice: Dice,
    sections: list[SectionDraft],
    witness: Witness,
    own: list[int],
    members: list[int],
    taught: dict[int, list[int]],
) -> None:
    previous: dict[int, int] = {}  # the last instructor of each course's lectures
    for at, s in enumerate(own):
        section = sections[s]
        candidates: list[int] = []
        if section.kind is Kind.LECTURE and section.course in previous and dice.chance(35):
            candidates.append(previous[section.course])
        candidates += [members[(at + k) % len(members)] for k in range(min(len(members), _LOOKED_AT))]
        for candidate in candidates:
            load = taught[candidate]
            if len(load) < _MOST_SECTIONS and not any(witness.unattendable(s, other) for other in load):
                load.append(s)
                section.instructor = candidate
                if section.kind is Kind.LECTURE:
                    previous[section.course] = candidate
                break


def make_instructors(dice: Dice, faculty: int, taught: dict[int, list[int]], witness: Witness) -> list[Instructor]:
    """A third of the faculty is away for some part of the week."""
    instructors = []
    for i in range(faculty):
        times = [witness.patterns.times[witness.times[s]] for s in taught[i]]
        away = []
        if dice.chance(35):
            for _ in range(dice.between(1, 2)):
                block = _part_of_the_week(dice)
                if block not in away and not any(_during(time, block) for time in times):
                    away.append(block)
        name = f"{dice.pick(_GIVEN)} {dice.pick(_FAMILY)}"
        instructors.append(Instructor(id=instructor_id(i), name=name, unavailable=away))
    return instructors


def instructor_id(i: int) -> str:
    return f"f{i + 1:04}"


def closed_rooms(dice: Dice, witness: Witness) -> list[list[TimeBlock]]:
    """For each room when it is closed: about one room in ten is, for two hours every week."""
    held: list[list[Time]] = [[] for _ in witness.campus.rooms]
    for time, room in zip(witness.times, witness.rooms, strict=True):
        held[room].append(witness.patterns.times[time])
    closed: list[list[TimeBlock]] = []
    for times in held:
        blocks = [_two_hours(dice) for _ in range(6)] if dice.chance(15) else []
        closed.append([block for block in blocks if not any(_during(time, block) for time in times)][:1])
    return closed


def _part_of_the_week(dice: Dice) -> TimeBlock:
    roll = dice.below(10)
    if roll < 2:
        return _block(FIRST_HOUR, LAST_HOUR, _one_day(dice))
    if roll < 4:
        return _block(17, LAST_HOUR, None)
    return _half_day(dice)


def _half_day(dice: Dice) -> TimeBlock:
    return _block(FIRST_HOUR, 12, _one_day(dice)) if dice.chance(50) else _block(13, LAST_HOUR, _one_day(dice))


def _two_hours(dice: Dice) -> TimeBlock:
    hour = dice.between(FIRST_HOUR, 17)
    return _block(hour, hour + 2, _one_day(dice))


def _one_day(dice: Dice) -> str:
    day = dice.below(DAYS)
    return "0" * day + "1" + "0" * (DAYS - 1 - day)


def _block(from_hour: int, to_hour: int, days: str | None) -> TimeBlock:
    slots_per_hour = 60 // SLOT_MINUTES
    return TimeBlock(
        start=(from_hour - FIRST_HOUR) * slots_per_hour, length=(to_hour - from_hour) * slots_per_hour, days=days
    )


def _during(time: Time, block: TimeBlock) -> bool:
    days = block.days or "1" * DAYS
    on_a_day = any(x == y == "1" for x, y in zip(time.days, days, strict=True))
    return on_a_day and time.start < block.start + block.length and block.start < time.start + time.length

"""A timetable that obeys every hard rule, made before the rules are: it proves that the problem has a solution.

Owns where and when the generator itself puts each section. Everything required that is added later (absences, closed
rooms, required curricula and distributions) is added only where this timetable complies. It is no good timetable: it
looks at penalties and cohorts just enough not to be absurd.
"""

from __future__ import annotations

from dataclasses import dataclass

from horarium.university.campus import Campus, lecture_room_features
from horarium.university.catalogue import CourseDraft
from horarium.university.dice import Dice
from horarium.university.patterns import Patterns, gap
from horarium.university.sections import SectionDraft

_TRIES = 5  # times looked at for each section, the best of which is taken


@dataclass(slots=True)
class Witness:
    """Time and room of each section, by position; `time_used[r]` is the bit mask of times taken in room r."""

    patterns: Patterns
    campus: Campus
    times: list[int]
    rooms: list[int]
    time_used: list[int]

    def unattendable(self, a: int, b: int) -> bool:
        """Nobody can attend sections a and b: they overlap, or leave too little time to walk."""
        t, u = self.times[a], self.times[b]
        if not self.patterns.meeting[t] >> u & 1:
            return False
        rooms = self.campus.rooms
        walk = self.campus.walking[rooms[self.rooms[a]].building][rooms[self.rooms[b]].building]
        return gap(self.patterns.times[t], self.patterns.times[u]) < walk

    def overlap(self, a: int, b: int) -> bool:
        return bool(self.patterns.overlapping[self.times[a]] >> self.times[b] & 1)


def make_witness(
    dice: Dice, patterns: Patterns, campus: Campus, sections: list[SectionDraft], courses: list[CourseDraft]
) -> Witness:
    """Places every section, large ones first; where no room is left, one more is built."""
    witness = Witness(patterns, campus, [0] * len(sections), [0] * len(sections), [0] * len(campus.rooms))
    taken_by_cohort: dict[int, int] = {}
    order = sorted(range(len(sections)), key=lambda s: (-sections[s].limit, s))
    by_capacity: dict[tuple[str, ...], list[int]] = {}
    for s in order:
        section = sections[s]
        suitable = by_capacity.get(section.features)
        if suitable is None:
            suitable = by_capacity[section.features] = _suitable(campus, section.features)
        cohorts = courses[section.course].cohorts
        place = _best_place(dice, witness, section, suitable, cohorts, taken_by_cohort)
        if place is None:
            building = campus.homes[courses[section.course].department]
            features = frozenset(section.features) | lecture_room_features(section.limit)
            room = campus.add_room(section.limit, features, building)
            witness.time_used.append(0)
            by_capacity.clear()
            place = dice.pick(patterns.options[section.family])[0], room
        witness.times[s], witness.rooms[s] = place
        witness.time_used[place[1]] |= 1 << place[0]
        for cohort in cohorts:
            taken_by_cohort[cohort] = taken_by_cohort.get(cohort, 0) | 1 << place[0]
    return witness


def _suitable(campus: Campus, features: tuple[str, ...]) -> list[int]:
    """Rooms with the features, small ones first; laboratories only for those who ask."""
    special = {"laboratory", "computers"} - set(features)
    rooms = [
        r for r, room in enumerate(campus.rooms) if room.features.issuperset(features) and not special & room.features
    ]
    return sorted(rooms, key=lambda r: (campus.rooms[r].capacity, r))


def _best_place(
    dice: Dice,
    witness: Witness,
    section: SectionDraft,
    suitable: list[int],
    cohorts: list[int],
    taken_by_cohort: dict[int, int],
) -> tuple[int, int] | None:
    best: tuple[int, int, int] | None = None
    looked_at = 0
    for time, penalty in dice.shuffled(witness.patterns.options[section.family]):
        overlapping = witness.patterns.overlapping[time]
        clashes = sum(1 for c in cohorts if taken_by_cohort.get(c, 0) & overlapping)
        cost = 4 * clashes + penalty
        if best is not None and cost >= best[0]:
            continue
        room = _free_room(witness, section, suitable, overlapping)
        if room is not None:
            best = cost, time, room
            looked_at += 1
            if looked_at == _TRIES or cost == 0:
                break
    return None if best is None else best[1:]


def _free_room(witness: Witness, section: SectionDraft, suitable: list[int], overlapping: int) -> int | None:
    for room in suitable:
        if witness.campus.rooms[room].capacity >= section.limit and not witness.time_used[room] & overlapping:
            return room
    return None

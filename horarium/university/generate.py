"""The generator: a whole university of any size, the same bytes for the same seed on every Python version.

Owns the order of the steps and the assembly of the problem. A hidden timetable (the witness) is made on the way, so the
problem is known to have a solution without a hard violation. Must not know how problems are solved.
"""

from __future__ import annotations

from dataclasses import dataclass

from horarium.university.campus import Campus, make_campus
from horarium.university.catalogue import Catalogue, make_catalogue
from horarium.university.dice import Dice
from horarium.university.patterns import CALENDAR, Patterns
from horarium.university.people import assign_instructors, closed_rooms, instructor_id, make_instructors
from horarium.university.rules import make_curricula, make_distributions
from horarium.university.sections import Kind, SectionDraft, Sections, make_sections
from horarium.university.witness import Witness, make_witness
from schemas.problem.model import (
    Class,
    Config,
    Course,
    Problem,
    Room,
    RoomNeeds,
    Student,
    Subpart,
    Travel,
    Weights,
)
from schemas.referee.reading import Reading
from schemas.referee.verdict import Tally
from schemas.timetable import Enrolment, Placement, Timetable

MAX_UNIVERSITY_COURSES = 10_000
MAX_UNIVERSITY_STUDENTS = 200_000
MAX_UNIVERSITY_FACULTY = 20_000

_WEIGHTS = Weights(time=2, room=1, distribution=2, student=5)
_ELSEWHERE_PENALTY = 2
_NEAR_SLOTS = 1  # buildings this close to the department's own are as welcome


@dataclass(frozen=True, slots=True)
class University:
    """The problem and a timetable for it without a hard violation."""

    problem: Problem
    witness: Timetable


def generate_university(courses: int, students: int, faculty: int, seed: int) -> Problem:
    """A realistic problem: full size is 1,800 courses, 19,000 students and 2,320 faculty.

    Raises `ValueError` if a size is not from 1 (students, faculty: 0) to the maximum.
    """
    return plan_university(courses, students, faculty, seed).problem


def plan_university(courses: int, students: int, faculty: int, seed: int) -> University:
    """As `generate_university`, with the timetable that proves the problem solvable."""
    for name, value, low, high in (
        ("courses", courses, 1, MAX_UNIVERSITY_COURSES),
        ("students", students, 0, MAX_UNIVERSITY_STUDENTS),
        ("faculty", faculty, 0, MAX_UNIVERSITY_FACULTY),
    ):
        if not low <= value <= high:
            raise ValueError(f"{name} must be from {low} to {high:,}, not {value:,}")
    dice = Dice(seed)
    patterns = Patterns()
    catalogue = make_catalogue(dice, courses, students)
    sections = make_sections(dice, catalogue.courses)
    minutes = _weekly_minutes(patterns)
    campus = make_campus(dice, sections.all, minutes, catalogue.departments)
    witness = make_witness(dice, patterns, campus, sections.all, catalogue.courses)
    taught = assign_instructors(dice, sections.all, catalogue.courses, witness, faculty)
    problem = Problem(
        name=f"University of {courses:,} courses and {students:,} students (seed {seed})",
        calendar=CALENDAR,
        weights=_WEIGHTS,
        times=patterns.times,
        time_domains=patterns.domains(),
        rooms=_rooms(dice, campus, witness),
        building_travel=_travel(campus),
        courses=_courses(dice, catalogue, sections, campus),
        instructors=make_instructors(dice, faculty, taught, witness),
        students=[
            Student(id=_student_id(s), courses=[catalogue.courses[c].id for c in wanted])
            for s, wanted in enumerate(catalogue.requests)
        ],
    )
    timetable = _timetable(catalogue, sections, witness, problem)
    reading = Reading(problem, Timetable(placements=timetable.placements), Tally())
    problem = problem.model_copy(
        update={
            "curricula": make_curricula(catalogue, sections, witness.unattendable),
            "distributions": make_distributions(dice, catalogue, sections, taught, reading),
        }
    )
    return University(problem, timetable)


def _weekly_minutes(patterns: Patterns) -> dict[str, int]:
    """Minutes that a section of each family holds its room per week, over the whole term."""
    minutes = {}
    for family, options in patterns.options.items():
        time = options[0][0]
        minutes[family] = patterns.minutes[time] * patterns.times[time].weeks.count("1") // CALENDAR.weeks
    return minutes


def _rooms(dice: Dice, campus: Campus, witness: Witness) -> list[Room]:
    closed = closed_rooms(dice, witness)
    return [
        Room(
            id=room.id,
            capacity=room.capacity,
            building=campus.buildings[room.building],
            features=sorted(room.features),
            unavailable=blocks,
        )
        for room, blocks in zip(campus.rooms, closed, strict=True)
    ]


def _travel(campus: Campus) -> list[Travel]:
    """Between buildings that have rooms; a campus may have drawn one without."""
    used = sorted({room.building for room in campus.rooms})
    return [
        Travel(a=campus.buildings[a], b=campus.buildings[b], slots=campus.walking[a][b])
        for n, a in enumerate(used)
        for b in used[n + 1 :]
    ]


def _courses(dice: Dice, catalogue: Catalogue, sections: Sections, campus: Campus) -> list[Course]:
    near = _welcome_buildings(catalogue, campus)
    courses = []
    for draft, subparts in zip(catalogue.courses, sections.subparts, strict=True):
        made = []
        for n, members in enumerate(subparts):
            kind = sections.all[members[0]].kind
            classes = [_class(dice, sections.all[s], sections, near[draft.department]) for s in members]
            made.append(Subpart(id=f"{draft.id}-{kind.value.replace(' ', '-')}-{n + 1}", classes=classes))
        courses.append(Course(id=draft.id, name=draft.name, configs=[Config(id=draft.id, subparts=made)]))
    return courses


def _welcome_buildings(catalogue: Catalogue, campus: Campus) -> list[list[str]]:
    """For each department its own building and those next to it."""
    used = {room.building for room in campus.rooms}
    return [
        [
            campus.buildings[b]
            for b in range(len(campus.buildings))
            if b in used and campus.walking[campus.homes[d]][b] <= _NEAR_SLOTS
        ]
        for d in range(catalogue.departments)
    ]


def _class(dice: Dice, section: SectionDraft, sections: Sections, near: list[str]) -> Class:
    # Large lectures and labs are where they are; only ordinary classes have a neighbourhood.
    local = section.kind is Kind.LECTURE and section.limit <= 90 and dice.chance(80)
    needs = RoomNeeds(
        features=list(section.features),
        preferred_buildings=near if local else [],
        elsewhere_penalty=_ELSEWHERE_PENALTY if local and near else 0,
    )
    return Class(
        id=section.id,
        limit=section.limit,
        parent=None if section.parent is None else sections.all[section.parent].id,
        time_domain=section.family,
        room_needs=needs,
        instructors=[] if section.instructor is None else [instructor_id(section.instructor)],
    )


def _student_id(s: int) -> str:
    return f"s{s + 1:05}"


def _timetable(catalogue: Catalogue, sections: Sections, witness: Witness, problem: Problem) -> Timetable:
    placements = [
        Placement(class_id=section.id, time=problem.times[time].id, room=problem.rooms[room].id)
        for section, time, room in zip(sections.all, witness.times, witness.rooms, strict=True)
    ]
    free = [section.limit for section in sections.all]
    enrolments = []
    for s, wanted in enumerate(catalogue.requests):
        attended: list[str] = []
        for course in wanted:
            chosen: list[int] = []
            for members in sections.subparts[course]:
                seat = next(m for m in members if free[m] and sections.all[m].parent in (None, *chosen))
                free[seat] -= 1
                chosen.append(seat)
            attended += [sections.all[m].id for m in chosen]
        enrolments.append(Enrolment(student=_student_id(s), classes=attended))
    return Timetable(placements=placements, enrolments=enrolments)

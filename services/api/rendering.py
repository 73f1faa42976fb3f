"""A finished variant in the format and the view that was asked for, in a child process.

Owns the choice of writer and what a view keeps. Must not know HTTP, the database, or how any format looks. Everything
here and everything it returns or raises must pickle.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import zstandard

from schemas.formats.csv_timetable import write_csv
from schemas.formats.html_timetable import write_html
from schemas.formats.ical import write_ical
from schemas.formats.itc2019_solution import Credits, write_itc2019_solution
from schemas.formats.native import write_timetable
from schemas.formats.solutions import solution_format
from schemas.formats.xlsx_timetable import write_xlsx
from schemas.problem.findings import Finding, InvalidInputError
from schemas.problem.model import Problem
from schemas.problem.read import ProblemFormat, parse_problem
from schemas.problem.sizes import classes_of
from schemas.referee import judge
from schemas.referee.verdict import Violation
from schemas.timetable import Timetable
from services.api.bodies import VariantFormat

# Part of every ETag: to be raised when the same timetable is written differently.
RENDERING_VERSION = 2


@dataclass(frozen=True, slots=True)
class Rendering:
    """What to make: `view` is empty for the whole timetable, else one of room, instructor, course, student, curriculum.

    `organization` and `finished_at` make calendars of the same term replace each other, the later the earlier;
    `credits` are what a solution says about its making.
    """

    format: VariantFormat
    view: Mapping[str, str]
    organization: str
    finished_at: datetime
    credits: Credits


class UnknownViewError(InvalidInputError):
    """The problem has no such room, instructor, course, student or curriculum."""


def render(rendering: Rendering, problem_format: ProblemFormat, problem_zstd: bytes, timetable_zstd: bytes) -> bytes:
    """The variant as bytes.

    Raises InvalidInputError for a view of something that the problem does not have, for a calendar of a problem
    without dates, and for a solution that its format cannot express.
    """
    problem = parse_problem(decompressed(problem_zstd), problem_format)
    whole = timetable = Timetable.model_validate_json(decompressed(timetable_zstd))
    title = ""
    for kind, wanted in rendering.view.items():
        timetable = seen_from(problem, timetable, kind, wanted)
        title = f"{kind.capitalize()} {wanted}"
    match rendering.format:
        case VariantFormat.JSON:
            return write_timetable(timetable)
        case VariantFormat.CSV:
            return write_csv(problem, timetable).encode()
        case VariantFormat.ICS:
            term = json.dumps([rendering.organization, problem.name, problem.calendar.first_day])
            return write_ical(problem, timetable, namespace=term, written_at=rendering.finished_at)
        case VariantFormat.XLSX:
            return write_xlsx(problem, timetable, _violations(problem, whole, rendering.view))
        case VariantFormat.HTML:
            return write_html(problem, timetable, title).encode()
        case VariantFormat.SOLUTION:
            return _solution(problem_format, problem, timetable)
        case VariantFormat.XML:
            return write_itc2019_solution(problem, timetable, rendering.credits).encode()


def _solution(problem_format: ProblemFormat, problem: Problem, timetable: Timetable) -> bytes:
    """The route refuses problems whose format has no solutions."""
    own = solution_format(problem_format)
    if own is None:
        raise ValueError(f"no solution format for {problem_format}")
    return own.write(problem, timetable).encode()


def decompressed(content_zstd: bytes) -> bytes:
    """Our own compressed content, whether its header tells the size or not."""
    return zstandard.ZstdDecompressor().decompressobj().decompress(content_zstd)


def _violations(problem: Problem, timetable: Timetable, view: Mapping[str, str]) -> list[Violation]:
    """What is violated in the whole timetable, as far as it concerns the view."""
    found = judge(problem, timetable).violations
    for kind, wanted in view.items():
        if kind == "room":
            found = [v for v in found if v.where == wanted or wanted in v.who]
        else:
            concerned = {wanted, *_classes(problem, timetable, kind, wanted)}
            found = [v for v in found if concerned.intersection(v.who)]
    return found


def seen_from(problem: Problem, timetable: Timetable, kind: str, wanted: str) -> Timetable:
    """What the timetable says of one room, instructor, course, student or curriculum; of nobody else's enrolments.

    Raises UnknownViewError if the problem has no such thing; one that has no classes has an empty timetable.
    """
    known: dict[str, list[str]] = {
        "room": [room.id for room in problem.rooms],
        "instructor": [instructor.id for instructor in problem.instructors],
        "course": [course.id for course in problem.courses],
        "student": [student.id for student in problem.students],
        "curriculum": [curriculum.id for curriculum in problem.curricula],
    }
    if wanted not in known[kind]:
        raise UnknownViewError([Finding("unknown_view", f"/query/{kind}", f"The problem has no {kind} '{wanted}'.")])
    classes = _classes(problem, timetable, kind, wanted)
    return timetable.model_copy(
        update={
            "placements": [
                p for p in timetable.placements if (p.room == wanted if kind == "room" else p.class_id in classes)
            ],
            "unplaced": [u for u in timetable.unplaced if u.class_id in classes],
            "enrolments": [e for e in timetable.enrolments if kind == "student" and e.student == wanted],
            "unsectioned": [
                u for u in timetable.unsectioned if wanted == {"student": u.student, "course": u.course}.get(kind)
            ],
        }
    )


def _classes(problem: Problem, timetable: Timetable, kind: str, wanted: str) -> frozenset[str]:
    """The classes of an instructor, a course, a curriculum or a student; a room has none that are not placed."""
    if kind == "instructor":
        return frozenset(c.id for c in classes_of(problem) if wanted in c.instructors)
    if kind in ("course", "curriculum"):
        courses = {wanted} if kind == "course" else {c for q in problem.curricula if q.id == wanted for c in q.courses}
        return frozenset(
            c.id
            for course in problem.courses
            if course.id in courses
            for config in course.configs
            for subpart in config.subparts
            for c in subpart.classes
        )
    if kind == "student":
        return frozenset(c for e in timetable.enrolments if e.student == wanted for c in e.classes)
    return frozenset()

"""Problems into spreadsheets and back: nothing is lost, and what a spreadsheet cannot hold is refused by name."""

from __future__ import annotations

import csv
import io
import random
import zipfile
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from horarium.university import generate_university
from schemas.formats.tables.bundle import write_bundle
from schemas.formats.tables.workbook import write_workbook
from schemas.formats.tables.writing import write_sheets
from schemas.problem.check import check
from schemas.problem.expand import expand
from schemas.problem.findings import InvalidProblemError
from schemas.problem.model import (
    PARAMETER_COUNT,
    STUDENT_PARAMETER_COUNT,
    DistributionType,
    Problem,
    StudentRuleType,
)
from schemas.problem.read import ProblemFormat, TableFormat, parse_problem
from schemas.referee import judge
from schemas.timetable import Placement, Timetable
from tests.unit.schemas.building import a_class, a_course, a_problem, a_room, anywhere

CTT = """Name: Toy
Courses: 2
Rooms: 2
Days: 5
Periods_per_day: 4
Curricula: 1
Constraints: 1

COURSES:
SceCosC Ocra 3 3 30
ArcTec Indaco 3 2 42

ROOMS:
rA 32
rB 50

CURRICULA:
Cur1 2 SceCosC ArcTec

UNAVAILABILITY_CONSTRAINTS:
ArcTec 4 0

END.
"""


def back(problem: Problem) -> tuple[Problem, Problem]:
    """Through a bundle, and through a workbook."""
    sheets = write_sheets(problem)
    return (
        parse_problem(write_bundle(sheets), TableFormat.CSV),
        parse_problem(write_workbook(sheets), TableFormat.XLSX),
    )


def test_a_whole_university_comes_back_as_it_was() -> None:
    problem = generate_university(60, 600, 80, seed=3)
    assert back(problem) == (problem, problem)


def test_a_competition_instance_comes_back_as_it_was() -> None:
    problem = parse_problem(CTT.encode(), ProblemFormat.CTT)
    assert back(problem) == (problem, problem)


def test_equal_problems_are_equal_bytes() -> None:
    sheets = write_sheets(generate_university(5, 20, 5, seed=1))
    assert write_bundle(sheets) == write_bundle(sheets)
    assert write_workbook(sheets) == write_workbook(sheets)


# Ids as hostile as ids may be: separators, quotes, brackets, formulas, apostrophes, numbers, words that mean something.
NAMES = st.one_of(
    st.sampled_from(
        [
            "a,b",
            "a;b",
            '"',
            'x"y',
            "A (3)",
            "(3)",
            "=1+1",
            "'=1",
            "-7",
            "@x",
            "007",
            "12.0",
            "1-7",
            "no",
            "required",
            "#5",
        ]
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]), min_size=1, max_size=8),
)
UNIQUE = st.lists(NAMES, min_size=1, max_size=4, unique=True)


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Correct problems of every kind of part; whether they can be solved does not matter here."""
    weeks, days, slots = draw(st.integers(1, 5)), draw(st.integers(1, 7)), draw(st.integers(2, 12))

    def bits(width: int) -> str:
        return format(draw(st.integers(1, 2**width - 1)), f"0{width}b")

    def some(names: list[str]) -> list[str]:
        return draw(st.lists(st.sampled_from(names), unique=True)) if names else []

    def options(key: str, names: list[str]) -> list[dict[str, Any]]:
        return [{key: name, "penalty": draw(st.integers(0, 9))} for name in some(names) or names[:1]]

    def stretch() -> dict[str, int]:
        start = draw(st.integers(0, slots - 1))
        return {"start": start, "length": draw(st.integers(1, slots - start))}

    def block() -> dict[str, Any]:
        return {
            **stretch(),
            "days": draw(st.none() | st.just(bits(days))),
            "weeks": draw(st.none() | st.just(bits(weeks))),
        }

    def blocks() -> list[dict[str, Any]]:
        return [block() for _ in range(draw(st.integers(0, 2)))]

    times, rooms, people, buildings = draw(UNIQUE), draw(UNIQUE), draw(UNIQUE), draw(UNIQUE)
    features, domains, courses, students = draw(UNIQUE), draw(UNIQUE), draw(UNIQUE), draw(UNIQUE)
    classes = draw(st.lists(NAMES, min_size=len(courses) * 2, max_size=len(courses) * 2, unique=True))

    def a_class_like(name: str, parent: str | None) -> dict[str, Any]:
        where = draw(st.integers(0, 2))
        cls: dict[str, Any] = {"id": name, "limit": draw(st.integers(0, 50)), "parent": parent}
        cls["instructors"] = some(people)
        cls |= (
            {"times": options("time", times)}
            if draw(st.booleans())
            else {"time_domain": draw(st.sampled_from(domains))}
        )
        if where == 1:
            cls["rooms"] = options("room", rooms)
        elif where == 2:
            cls["room_needs"] = {
                "features": some(features),
                "min_capacity": draw(st.none() | st.integers(0, 99)),
                "preferred_buildings": some(used),
                "elsewhere_penalty": draw(st.integers(0, 3)),
            }
        return cls

    made_rooms = [
        {
            "id": room,
            "name": draw(st.none() | NAMES),
            "capacity": draw(st.integers(0, 99)),
            "building": draw(st.none() | st.sampled_from(buildings)),
            "features": some(features),
            "unavailable": blocks(),
        }
        for room in rooms
    ]
    used = sorted({str(room["building"]) for room in made_rooms if room["building"] is not None})
    made_courses: list[dict[str, Any]] = []
    for n, course in enumerate(courses):
        lecture, lab = classes[2 * n], classes[2 * n + 1]
        parent = lecture if draw(st.booleans()) else None
        subparts = [
            {"id": "1", "classes": [a_class_like(lecture, None)]},
            {"id": draw(NAMES.filter(lambda x: x != "1")), "classes": [a_class_like(lab, parent)]},
        ]
        made_courses.append({"id": course, "configs": [{"id": draw(NAMES), "subparts": subparts}]})
    type_ = draw(st.sampled_from(DistributionType))
    penalty = draw(st.none() | st.integers(0, 9))
    problem = Problem.model_validate(
        {
            "name": draw(NAMES),
            "calendar": {
                "weeks": weeks,
                "days": days,
                "slots_per_day": slots,
                "slot_minutes": draw(st.sampled_from([1, 5, 45, 120])),
                "first_slot": draw(st.sampled_from(["00:00", "07:05"])) if slots < 9 else "00:00",
                "first_day": draw(st.none() | st.just("2026-10-01")),
            },
            "times": [{"id": t, "weeks": bits(weeks), "days": bits(days), **stretch()} for t in times],
            "time_domains": [{"id": d, "options": options("time", times)} for d in domains],
            "rooms": made_rooms,
            "building_travel": [{"a": used[0], "b": used[1], "slots": 3}] if len(used) > 1 else [],
            "room_travel": [{"a": rooms[0], "b": rooms[1], "slots": 1}] if len(rooms) > 1 else [],
            "courses": made_courses,
            "instructors": [{"id": i, "name": draw(st.none() | NAMES), "unavailable": blocks()} for i in people],
            "curricula": [{"id": draw(NAMES), "courses": courses, "penalty": penalty}],
            "students": [{"id": s, "courses": some(courses)} for s in students],
            "distributions": [
                {
                    "type": type_,
                    "parameters": [draw(st.integers(0, 99)) for _ in range(PARAMETER_COUNT.get(type_, 0))],
                    "classes": classes,
                    "required": penalty is None,
                    "penalty": penalty,
                }
            ],
            "student_rules": [
                {
                    "type": rule,
                    "parameters": [draw(st.integers(0, 99)) for _ in range(STUDENT_PARAMETER_COUNT.get(rule, 0))],
                    "required": rule is StudentRuleType.NO_CONFLICT or penalty is None,
                    "penalty": None if rule is StudentRuleType.NO_CONFLICT else penalty,
                }
                for rule in draw(st.lists(st.sampled_from(StudentRuleType), unique=True))
            ],
            "pins": [{"class": classes[0], "time": times[0]}],
        }
    )
    assert check(problem) == []
    return problem


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(problems())
def test_any_problem_comes_back_as_it_was(problem: Problem) -> None:
    from_bundle, from_workbook = back(problem)
    assert from_bundle == problem
    assert from_workbook == problem


def test_the_referee_judges_the_problem_that_came_back_alike() -> None:
    problem = generate_university(20, 100, 20, seed=5)
    copy = back(problem)[0]
    expanded = expand(problem)
    dice = random.Random(1)  # noqa: S311  # the same timetables each time
    for _ in range(5):
        placements = [
            Placement(class_id=c.id, time=dice.choice(problem.times).id, room=dice.choice(problem.rooms).id)
            for c in expanded.classes
        ]
        timetable = Timetable(placements=placements)
        assert judge(problem, timetable).score == judge(copy, timetable).score


def test_a_written_problem_runs_no_formulas_and_opens_as_text() -> None:
    problem = a_problem([a_course("=cmd|' /C calc'!A0", [a_class("+1", rooms=anywhere("0-1"))])], rooms=[a_room("0-1")])
    sheets = write_sheets(problem)
    with zipfile.ZipFile(io.BytesIO(write_bundle(sheets))) as made:
        lines = list(csv.reader(io.StringIO(made.read("courses.csv").decode("utf-8-sig"))))
    assert lines[1][0] == "'=cmd|' /C calc'!A0"
    book = openpyxl.load_workbook(io.BytesIO(write_workbook(sheets)))
    course = book["Courses"]["A2"]
    assert (course.value, course.data_type, course.quotePrefix) == ("=cmd|' /C calc'!A0", "s", True)
    room = book["Rooms"]["A2"]
    assert (room.value, room.data_type, room.number_format) == ("0-1", "s", "@")


@pytest.mark.parametrize(
    ("course", "why"),
    [
        (" x", "begins or ends with a space"),
        ("x\u00a0", "begins or ends"),
        ("x\uffff", "a character that spreadsheets"),
    ],
)
def test_what_a_spreadsheet_cannot_hold_is_refused_by_name(course: str, why: str) -> None:
    with pytest.raises(InvalidProblemError) as caught:
        write_sheets(a_problem([a_course(course, [a_class("c")])]))
    assert caught.value.findings[0].pointer == "Courses, row 2, column Course"
    assert why in caught.value.findings[0].message


def test_a_list_too_long_for_a_cell_is_refused() -> None:
    names = [f"a-course-with-a-long-name-{n:04}" for n in range(1200)]
    problem = a_problem(
        [a_course(name, [a_class(name)]) for name in names], curricula=[{"id": "all", "courses": names}]
    )
    with pytest.raises(InvalidProblemError, match="a cell holds 32,767"):
        write_sheets(problem)

"""ITC-2007 files: the translation, its cost against the competition's own definition, and garbled files."""

from __future__ import annotations

import random
from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.formats.ctt import read_ctt, read_ctt_solution, write_ctt_solution
from schemas.problem.check import check
from schemas.problem.findings import InvalidProblemError, InvalidTimetableError
from schemas.problem.model import Problem
from schemas.referee import judge
from schemas.timetable import Placement, Timetable
from tests.unit.schemas.building import a_problem, a_timetable, one_class_courses

TOY = """\
Name: Toy
Courses: 3
Rooms: 2
Days: 2
Periods_per_day: 3
Curricula: 2
Constraints: 2

COURSES:
Alg Ocra 3 2 30
Geo Ocra 1 1 10
Law Rosa 2 2 15

ROOMS:
rA 20
rB 32

CURRICULA:
q1 2 Alg Law
q2 2 Law Geo

UNAVAILABILITY_CONSTRAINTS:
Law 0 0
Law 1 2

END.
"""


def test_a_file_becomes_the_native_problem() -> None:
    problem = read_ctt(TOY)
    assert check(problem) == []
    assert [t.id for t in problem.times] == ["0-0", "0-1", "0-2", "1-0", "1-1", "1-2"]
    lectures = [c for course in problem.courses for s in course.configs[0].subparts for c in s.classes]
    assert [c.id for c in lectures] == ["Alg#1", "Alg#2", "Alg#3", "Geo#1", "Law#1", "Law#2"]
    law = lectures[-1]
    assert [o.time for o in law.times or ()] == ["0-1", "0-2", "1-0", "1-1"]
    assert [(o.room, o.penalty) for o in lectures[0].rooms or ()] == [("rA", 10), ("rB", 0)]
    assert (law.limit, law.instructors) == (15, ["Rosa"])
    assert all(q.required for q in problem.curricula)


def test_what_ectt_adds_is_checked_and_ignored() -> None:
    extended = (
        TOY.replace("Constraints: 2", "Min_Max_Daily_Lectures: 2 3\nUnavailabilityConstraints: 2\nRoomConstraints: 1")
        .replace("rA 20", "rA 20 1")
        .replace("Alg Ocra 3 2 30", "Alg Ocra 3 2 30 1")
        .replace("END.", "ROOM_CONSTRAINTS:\nAlg rA\n\nEND.")
    )
    assert read_ctt(extended) == read_ctt(TOY)


@pytest.mark.parametrize("text", [TOY.replace("\n", "\r\n"), TOY.rstrip("\n"), TOY.replace(" ", "\t")])
def test_line_ends_and_blanks_do_not_matter(text: str) -> None:
    assert read_ctt(text) == read_ctt(TOY)


@pytest.mark.parametrize(
    ("old", "new", "code", "pointer"),
    [
        ("\nEND.", "", "truncated", "line 25"),
        ("Alg Ocra 3 2 30", "Alg Ocra 3 2", "ctt_fields", "line 10"),
        ("Alg Ocra 3 2 30", "Alg Ocra three 2 30", "ctt_number", "line 10"),
        ("Alg Ocra 3 2 30", "Alg Ocra ٣ 2 30", "ctt_number", "line 10"),
        ("Alg Ocra 3 2 30", "Alg Ocra 0 2 30", "ctt_number", "line 10"),
        ("Alg Ocra 3 2 30", "Alg Ocra 3 2 99999999999999999999", "ctt_number", "line 10"),
        ("Geo Ocra", "Alg Ocra", "duplicate_course", "line 11"),
        ("rB 32", "rA 32", "duplicate_room", "line 16"),
        ("q2 2 Law Geo", "q2 3 Law Geo", "ctt_fields", "line 20"),
        ("q2 2 Law Geo", "q2 2 Law Law", "duplicate_course", "line 20"),
        ("q2 2 Law Geo", "q2 2 Law Bio", "unknown_course", "line 20"),
        ("q2 2", "q1 2", "duplicate_curriculum", "line 20"),
        ("Law 0 0", "Law 2 0", "ctt_number", "line 23"),
        ("Law 0 0", "Bio 0 0", "unknown_course", "line 23"),
        ("Courses: 3", "Courses: 4", "ctt_count", "line 2"),
        ("Constraints: 2", "Constraints: 3", "ctt_count", "line 7"),
        ("Rooms: 2\n", "", "ctt_header", "line 1"),
        ("Rooms: 2", "Rooms: 2 3", "ctt_header", "line 3"),
        ("Rooms: 2", "Chairs: 2", "ctt_header", "line 3"),
        ("Days: 2", "Days: 8", "ctt_number", "line 4"),
        ("ROOMS:", "COURSES:", "ctt_section", "line 14"),
        ("CURRICULA:", "", "ctt_section", "line 26"),
        ("END.", "END.\nAlg", "text_after_end", "line 27"),
        ("Law 1 2", "Law 1 2\nLaw 0 1\nLaw 0 2\nLaw 1 0\nLaw 1 1", "ctt_count", "line 7"),
    ],
)
def test_a_garbled_file_is_refused_at_its_line(old: str, new: str, code: str, pointer: str) -> None:
    assert old in TOY
    with pytest.raises(InvalidProblemError) as caught:
        read_ctt(TOY.replace(old, new, 1))
    assert (code, pointer) in [(f.code, f.pointer) for f in caught.value.findings]


def test_a_course_that_is_never_available_is_named() -> None:
    every = "\n".join(f"Law {d} {p}" for d in range(2) for p in range(3))
    text = TOY.replace("Law 0 0\nLaw 1 2", every).replace("Constraints: 2", "Constraints: 6")
    with pytest.raises(InvalidProblemError, match=r"line 12: Course 'Law' is unavailable in every period"):
        read_ctt(text)


@given(st.integers(0, len(TOY) - 6))
def test_a_file_that_breaks_off_anywhere_is_refused(length: int) -> None:
    with pytest.raises(InvalidProblemError) as caught:
        read_ctt(TOY[:length])
    assert "truncated" in [f.code for f in caught.value.findings]


@pytest.mark.parametrize(
    "text",
    [
        TOY.replace("Alg Ocra 3", "Alg Ocra 1000").replace(
            "Days: 2\nPeriods_per_day: 3", "Days: 7\nPeriods_per_day: 1440"
        ),
        TOY.replace("rA 20\nrB 32", "\n".join(f"r{n} 1" for n in range(20_000)))
        .replace("Rooms: 2", "Rooms: 20000")
        .replace("Alg Ocra 3", "Alg Ocra 1000"),
    ],
    ids=("periods", "rooms"),
)
def test_a_small_file_cannot_ask_for_millions_of_options(text: str) -> None:
    with pytest.raises(InvalidProblemError) as caught:
        read_ctt(text)
    assert [f.code for f in caught.value.findings] == ["too_large"]


# -- cost -------------------------------------------------------------------------------------------------------------


def ud2_parts(problem_text: str, solution: list[tuple[str, str, int, int]]) -> dict[str, int]:
    """The soft cost as the competition words it, straight from the two texts."""
    sections: dict[str, list[list[str]]] = {}
    name = ""
    for line in problem_text.splitlines():
        if line.endswith(":") and line.isupper():
            name = line
        elif line.strip():
            sections.setdefault(name, []).append(line.split())
    courses = {f[0]: (int(f[3]), int(f[4])) for f in sections["COURSES:"]}
    capacity = {f[0]: int(f[1]) for f in sections["ROOMS:"]}
    parts: Counter[str] = Counter()
    for course, (min_days, students) in courses.items():
        lectures = [x for x in solution if x[0] == course]
        parts["room"] += sum(max(0, students - capacity[room]) for _, room, _, _ in lectures)
        parts["RoomStability"] += max(0, len({room for _, room, _, _ in lectures}) - 1)
        parts["MinWorkingDays"] += 5 * max(0, min_days - len({day for _, _, day, _ in lectures}))
    for _, _, *members in sections["CURRICULA:"]:
        taken = [(day, period) for course, _, day, period in solution if course in members]
        parts["IsolatedLectures"] += 2 * sum((d, p - 1) not in taken and (d, p + 1) not in taken for d, p in taken)
    return {part: cost for part, cost in parts.items() if cost}


def a_random_solution(problem: Problem, seed: int) -> Timetable:
    dice = random.Random(seed)  # noqa: S311  # a made-up timetable, not a secret
    return Timetable(
        placements=[
            Placement(class_id=c.id, time=dice.choice(c.times or []).time, room=dice.choice(c.rooms or []).room)
            for course in problem.courses
            for subpart in course.configs[0].subparts
            for c in subpart.classes
        ]
    )


@given(st.integers(0, 10_000))
@settings(max_examples=200)
def test_the_cost_is_the_competitions_ud2_cost(seed: int) -> None:
    problem = read_ctt(TOY)
    timetable = a_random_solution(problem, seed)
    text = write_ctt_solution(problem, timetable)
    lines = [(c, r, int(d), int(p)) for c, r, d, p in (line.split() for line in text.splitlines())]
    score = judge(problem, read_ctt_solution(problem, text)).score
    assert score == judge(problem, timetable).score
    assert score.cost == ud2_parts(TOY, lines)
    slots = [(d, p) for _, _, d, p in lines]
    same_room = sum(a[1:] == b[1:] for a, b in combinations(lines, 2))
    # Every two of the three courses share a teacher or a curriculum, so any two lectures in one period conflict.
    conflicts = sum(a == b for a, b in combinations(slots, 2))
    assert score.hard.get("room_conflict", 0) == same_room
    assert score.hard.get("class_conflict", 0) == conflicts


# -- solutions --------------------------------------------------------------------------------------------------------


def test_lectures_without_a_line_are_unplaced() -> None:
    timetable = read_ctt_solution(read_ctt(TOY), "Law rB 0 1\n\nGeo rA 1 1\nLaw rB 1 0\n")
    assert [p.class_id for p in timetable.placements] == ["Law#1", "Geo#1", "Law#2"]
    assert [u.class_id for u in timetable.unplaced] == ["Alg#1", "Alg#2", "Alg#3"]
    assert judge(read_ctt(TOY), timetable).score.hard == {"unplaced": 3}


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("Bio rA 0 0", "unknown_course"),
        ("Alg rZ 0 0", "unknown_room"),
        ("Alg rA 0 3", "unknown_time"),
        ("Alg rA 0", "ctt_fields"),
        ("Alg rA x 0", "ctt_number"),
        ("Geo rA 0 0", "duplicate_class"),
    ],
)
def test_a_wrong_line_of_a_solution_is_named(line: str, code: str) -> None:
    with pytest.raises(InvalidTimetableError) as caught:
        read_ctt_solution(read_ctt(TOY), f"Geo rA 1 1\n{line}\n")
    assert [(f.code, f.pointer) for f in caught.value.findings] == [(code, "line 2")]


def test_a_timetable_that_ctt_cannot_say_is_refused() -> None:
    problem = a_problem(one_class_courses("a"))
    for timetable in (a_timetable({"a": "M 0-2"}), a_timetable({"a": "never"}), a_timetable({"b": "M 0-2"})):
        with pytest.raises(InvalidTimetableError):
            write_ctt_solution(problem, timetable)

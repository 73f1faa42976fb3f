"""Post-enrolment files: translation, cost against the competition's own definition, solutions, garbled files."""

from __future__ import annotations

import random
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.formats.tim import read_tim
from schemas.formats.tim_solution import distance_to_feasibility, read_tim_solution, write_tim_solution
from schemas.formats.tim_text import MAX_NUMBERS, SLOTS
from schemas.problem.check import check
from schemas.problem.expand import expand
from schemas.problem.findings import InvalidProblemError, InvalidTimetableError
from schemas.problem.model import DistributionType, Problem
from schemas.problem.read import ProblemFormat, guess_format, load_problem
from schemas.referee import judge
from schemas.timetable import Placement, Timetable
from tests.unit.schemas.building import a_class, a_course, a_problem, one_class_courses

EVENTS = 4


def a_file(
    rooms: tuple[int, ...] = (2, 3),
    attends: tuple[str, ...] = ("1100", "1010", "1001"),
    room_features: tuple[str, ...] = ("0", "1"),
    event_features: tuple[str, ...] = ("0", "1", "0", "0"),
    allowed: dict[int, set[int]] | None = None,
    before: tuple[tuple[int, int], ...] | None = None,
    per_line: int = 1,
) -> str:
    """Four events, two rooms, one feature, three students; an ITC-2007 file if `allowed` or `before` are given."""
    tokens = [str(n) for n in (len(event_features), len(rooms), len(room_features[0]), len(attends), *rooms)]
    for rows in (attends, room_features, event_features):
        tokens += [mark for row in rows for mark in row]
    if allowed is not None or before is not None:
        events = range(len(event_features))
        for e in events:
            tokens += ["1" if allowed is None or e not in allowed or t in allowed[e] else "0" for t in range(SLOTS)]
        for e in events:
            tokens += ["1" if (e, f) in (before or ()) else "-1" if (f, e) in (before or ()) else "0" for f in events]
    header = " ".join(tokens[:4])
    rest = [" ".join(tokens[n : n + per_line]) for n in range(4, len(tokens), per_line)]
    return "\n".join([header, *rest, ""])


def test_a_file_of_2002_becomes_the_native_problem() -> None:
    problem = read_tim(a_file())
    assert check(problem) == []
    assert [c.id for c in problem.courses] == ["E0", "E1", "E2", "E3"]
    assert [(r.id, r.capacity, r.features) for r in problem.rooms] == [("R0", 2, []), ("R1", 3, ["F0"])]
    assert [s.courses for s in problem.students] == [["E0", "E1"], ["E0", "E2"], ["E0", "E3"]]
    assert (problem.calendar.weeks, problem.calendar.days, problem.calendar.slots_per_day) == (1, 5, 9)
    assert problem.distributions == []
    expanded = expand(problem)
    assert [c.limit for c in expanded.classes] == [3, 1, 1, 1]
    # Three seats; the feature; any.
    assert [[r for r, _ in c.rooms or ()] for c in expanded.classes] == [[1], [1], [0, 1], [0, 1]]
    assert all(len(c.times) == SLOTS for c in expanded.classes)
    assert sum(p for _, p in expanded.classes[0].times) == 5 * 3  # the last slot of each day, three students


def test_a_file_of_2007_adds_slots_and_order() -> None:
    text = a_file(allowed={0: {3, 44}, 2: {7}}, before=((0, 1), (3, 2)))
    problem = read_tim(text)
    assert check(problem) == []
    first = problem.courses[0].configs[0].subparts[0].classes[0]
    assert [(o.time, o.penalty) for o in first.times or ()] == [("0-3", 0), ("4-8", 3)]
    assert [d.classes for d in problem.distributions] == [["E0", "E1"], ["E3", "E2"]]
    assert all(d.required and d.type is DistributionType.PRECEDENCE for d in problem.distributions)


@pytest.mark.parametrize("size", [3, 10_000])
def test_line_ends_and_blanks_do_not_matter(size: int) -> None:
    text = a_file(before=((0, 1),))
    assert read_tim(a_file(before=((0, 1),), per_line=size)) == read_tim(text)
    assert read_tim(text.replace("\n", "\r\n")) == read_tim(text)
    assert read_tim(text.replace("\n", " \n\n\t").rstrip()) == read_tim(text)


def test_one_entry_of_the_order_is_enough() -> None:
    text = a_file(before=((0, 1),))
    *rest, one, two = text.rpartition("-1")
    assert read_tim("".join([*rest, one.replace("-1", "0"), two])) == read_tim(text)


def test_the_format_is_told_by_name_and_by_content() -> None:
    assert guess_format("comp-2007-2-1.tim.gz") is ProblemFormat.TIM
    assert guess_format("", a_file().encode()) is ProblemFormat.TIM
    assert load_problem(a_file().encode(), ProblemFormat.TIM).problem == read_tim(a_file())


# The lines of `a_file()`: 1 the header, 2 to 3 rooms, 4 to 15 attendance, 16 to 17 and 18 to 21 features.
@pytest.mark.parametrize(
    ("line", "new", "code", "message"),
    [
        (1, "4 2 1", "truncated", "ends after 23 numbers, and needs 20 (ITC-2002)"),
        (1, "4 2 1 x", "tim_number", "number of students"),
        (1, "0 2 1 3", "tim_number", "number of events"),
        (1, "4 2 101 3", "tim_number", "number of features"),
        (1, "4 2 1 ٣", "tim_number", "number of students"),
        (2, "-1", "tim_number", "size of room 0"),
        (2, "99999999999999999999", "tim_number", "size of room 0"),
        (3, "2.5", "tim_number", "size of room 1"),
        (6, "2", "tim_number", "Whether student 0 attends event 2 must be 0 or 1, not '2'"),
        (15, "yes", "tim_number", "student 2 attends event 3"),
        (16, "3", "tim_number", "room 0 has feature 0"),
        (21, "-1", "tim_number", "event 3 needs feature 0"),
        (21, "", "truncated", "ends after 23 numbers, and needs 24 (ITC-2002) or 220 (ITC-2007)"),
        (21, "0\n1", "truncated", "ends after 25 numbers"),
    ],
)
def test_a_garbled_number_is_refused_at_its_line(line: int, new: str, code: str, message: str) -> None:
    lines = a_file().split("\n")
    lines[line - 1] = new
    with pytest.raises(InvalidProblemError) as caught:
        read_tim("\n".join(lines))
    found = next(f for f in caught.value.findings if f.code == code and message in f.message)
    expected = len("\n".join(lines).rstrip().split("\n")) if code == "truncated" else line
    assert found.pointer == f"line {expected}"


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        (a_file(before=()) + "7", "text_after_end", "line 218"),
        (a_file(before=((0, 1),)).replace("-1", "1"), "tim_precedence", "line 206"),
        (a_file(before=((2, 2),)), "tim_precedence", "line 212"),
        (a_file(allowed={1: set()}), "class_without_time", "line 67"),
        (a_file(rooms=(2, 2)), "class_without_room", "line 18"),
        (a_file(room_features=("0", "0")), "class_without_room", "line 19"),
        (f"40000 1 1 {MAX_NUMBERS // 40000}", "too_large", "line 1"),
        ("1", "truncated", "line 1"),
    ],
)
def test_what_cannot_be_used_is_refused_at_its_line(text: str, code: str, place: str) -> None:
    with pytest.raises(InvalidProblemError) as caught:
        read_tim(text)
    assert [(f.code, f.pointer) for f in caught.value.findings] == [(code, place)]


def test_a_student_of_too_many_events_is_refused() -> None:
    many = a_file(attends=("1" * 201, "0" * 201), event_features=("0",) * 201)
    with pytest.raises(InvalidProblemError, match="Student 0 attends 201 events; at most 200"):
        read_tim(many)


def test_all_findings_come_at_once_and_their_number_is_bounded() -> None:
    with pytest.raises(InvalidProblemError) as caught:
        read_tim(a_file(allowed={}).replace("\n1", "\nx"))
    assert (len(caught.value.findings), caught.value.total) == (100, 8 + EVENTS * SLOTS)


# -- cost -------------------------------------------------------------------------------------------------------------

PROBLEM = read_tim(a_file(attends=("1111", "1100", "0011"), rooms=(9, 9), before=((0, 1),)))


def a_solution(*lines: str) -> Timetable:
    return read_tim_solution(PROBLEM, "\n".join(lines))


def test_costs_of_a_solution_counted_by_hand() -> None:
    in_a_row = a_solution("0 0", "1 1", "2 0", "9 0")
    # Student 0 has three in a row and one alone on day 1, student 2 one on each day.
    assert judge(PROBLEM, in_a_row).score.cost == {"StudentMaxConsecutive": 1, "StudentSingleClassDay": 3}
    late = a_solution("0 0", "8 1", "9 0", "10 0")
    assert judge(PROBLEM, late).score.cost == {"time": 2}
    assert judge(PROBLEM, late).feasible


def test_violations_of_a_solution_counted_by_hand() -> None:
    clash = a_solution("3 0", "3 1", "9 0", "9 0")
    hard = judge(PROBLEM, clash).score.hard
    # Two students attend both of slot 3, two both of slot 9, which also share a room; event 0 is not before event 1.
    assert hard == {"student_conflict": 4, "room_conflict": 1, "Precedence": 1}
    assert judge(PROBLEM, a_solution("3 0", "4 0", "9 0", "9 1")).score.hard == {"domain": 1, "student_conflict": 2}


def competition_cost(problem: Problem, slots: list[int]) -> tuple[int, int]:
    """(hard pairs, soft cost) as the competition's rules say, straight from the words."""
    events = {course.id: e for e, course in enumerate(problem.courses)}
    clashes = soft = 0
    for student in problem.students:
        taken = sorted(slots[events[c]] for c in student.courses if slots[events[c]] >= 0)
        clashes += sum(a == b for a, b in combinations(taken, 2))
        soft += sum(slot % 9 == 8 for slot in taken)
        days = [[slot % 9 for slot in taken if slot // 9 == day] for day in range(5)]
        soft += sum(len(day) == 1 for day in days)
        soft += sum(slot - 1 in day and slot - 2 in day for day in days for slot in day)
    return clashes, soft


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_the_total_is_the_competitions_soft_cost(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311  # the same problems each time
    attends = tuple("".join(dice.choice("001") for _ in range(12)) for _ in range(8))
    problem = read_tim(a_file(attends=attends, rooms=(9, 9, 9), room_features=("0",) * 3, event_features=("0",) * 12))
    # No student twice in a slot: what happens then is no matter of the competition's.
    slots = dice.sample(range(SLOTS), 12)
    text = "\n".join(f"{slot} {dice.randrange(3)}" if dice.random() < 0.9 else "-1 -1" for slot in slots)
    timetable = read_tim_solution(problem, text)
    placed = [-1 if line == "-1 -1" else slot for slot, line in zip(slots, text.split("\n"), strict=True)]
    score = judge(problem, timetable).score
    assert (score.hard.get("student_conflict", 0), score.total) == competition_cost(problem, placed)
    assert score.hard.get("unplaced", 0) == placed.count(-1)


# -- solutions --------------------------------------------------------------------------------------------------------


def test_a_solution_comes_back_as_it_was() -> None:
    text = "0 0\n8 1\n9 1\n-1 -1\n"
    timetable = read_tim_solution(PROBLEM, text)
    assert write_tim_solution(PROBLEM, timetable) == text
    assert [u.class_id for u in timetable.unplaced] == ["E3"]
    assert [(e.student, e.classes) for e in timetable.enrolments] == [
        ("S0", ["E0", "E1", "E2", "E3"]),
        ("S1", ["E0", "E1"]),
        ("S2", ["E2", "E3"]),
    ]
    assert judge(PROBLEM, timetable).score.hard == {"unplaced": 1}


@pytest.mark.parametrize(
    ("lines", "students", "left_out"),
    [
        (["0 0", "9 1", "10 0", "11 0"], 0, ()),
        (["0 0", "9 1", "10 0", "-1 -1"], 2, ("E3",)),
        (["0 0", "1 1", "0 1", "20 0"], 2, ("E0",)),  # a student has both: 2 students each, the first one goes
        (["0 0", "9 0", "10 0", "11 0"], 2, ("E1",)),  # no feature in the room
        (["9 0", "8 1", "10 0", "11 0"], 2, ("E0",)),  # the order
        (["3 1", "3 1", "3 1", "3 1"], 6, ("E0", "E1", "E2")),
    ],
)
def test_events_that_violate_are_left_out(lines: list[str], students: int, left_out: tuple[str, ...]) -> None:
    timetable = a_solution(*lines)
    distance = distance_to_feasibility(PROBLEM, timetable)
    assert (distance.students, distance.left_out) == (students, left_out)
    written = read_tim_solution(PROBLEM, write_tim_solution(PROBLEM, timetable))
    assert set(judge(PROBLEM, written).score.hard) <= {"unplaced"}
    assert {u.class_id for u in written.unplaced} == set(left_out)


def test_the_event_with_the_fewest_students_is_left_out() -> None:
    problem = read_tim(a_file(attends=("1100", "1010", "1001"), rooms=(9, 9)))
    clash = Timetable(
        placements=[Placement(class_id=event, time="0-0", room=room) for event, room in (("E0", "R0"), ("E1", "R1"))]
        + [Placement(class_id=event, time="1-0", room=room) for event, room in (("E2", "R0"), ("E3", "R1"))]
    )
    assert distance_to_feasibility(problem, clash).left_out == ("E1",)
    assert write_tim_solution(problem, clash) == "0 0\n-1 -1\n9 0\n9 1\n"


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("0 0\n1 1\n2 0\n", "line 3", "3 lines, and the problem 4 events"),
        ("", "line 1", "0 lines"),
        ("0 0\n1 1\n2 0\n3 0\n4 0\n", "line 5", "5 lines"),
        ("0 0\n1\n2 0\n3 0\n", "line 2", "needs 2 numbers"),
        ("0 0\n45 1\n2 0\n3 0\n", "line 2", "slot must be from 0 to 44"),
        ("0 0\n1 1\n2 2\n3 0\n", "line 3", "room must be from 0 to 1"),
        ("0 0\n1 -1\n2 1\n3 0\n", "line 2", "(or both -1 to leave the event out)"),
        ("0 0\n1 ١\n2 1\n3 0\n", "line 2", "room must be"),
    ],
)
def test_a_garbled_solution_is_refused_at_its_line(text: str, place: str, message: str) -> None:
    with pytest.raises(InvalidTimetableError) as caught:
        read_tim_solution(PROBLEM, text)
    assert [f.pointer for f in caught.value.findings] == [place]
    assert message in caught.value.findings[0].message


@pytest.mark.parametrize(
    "fields",
    [
        {"courses": [a_course("x", [a_class("a"), a_class("b")])]},
        {"courses": one_class_courses("a")},
    ],
)
def test_other_problems_have_no_such_solution(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidTimetableError, match=r"a \.tim solution cannot say"):
        write_tim_solution(a_problem(**fields), Timetable(placements=[]))

"""ITC-2019 solutions: the document that the competition's validator reads, out of a timetable and back into it."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.formats.ctt import read_ctt
from schemas.formats.itc2019 import read_itc2019
from schemas.formats.itc2019_solution import Credits, read_itc2019_solution, write_itc2019_solution
from schemas.problem.findings import InvalidTimetableError
from schemas.problem.model import Problem, Room
from schemas.referee import judge
from schemas.timetable import Enrolment, Placement, Timetable
from tests.unit.schemas.building import (
    a_class,
    a_course,
    a_problem,
    a_room,
    a_student,
    a_time,
    a_timetable,
    anywhere,
    one_class_courses,
)
from tests.unit.schemas.itc2019_files import SMALL, SMALL_SOLUTION, a_random_problem, a_random_solution
from tests.unit.schemas.test_ctt import TOY
from tests.unit.schemas.test_ctt import a_random_solution as a_random_ctt_timetable

PROBLEM = read_itc2019(SMALL).problem
BY_HAND = Credits(runtime_s=12.5, cores=2, technique="by hand", author="A", institution="B", country="C")
HEAD = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE solution PUBLIC "-//ITC 2019//DTD Problem Format/EN" "http://www.itc2019.org/competition-format.dtd">
"""


def written(problem: Problem, timetable: Timetable, credits: Credits = BY_HAND) -> str:
    return write_itc2019_solution(problem, timetable, credits)


def small(old: str, new: str) -> str:
    assert old in SMALL_SOLUTION, old
    return SMALL_SOLUTION.replace(old, new, 1)


def test_a_solution_becomes_the_timetable_by_the_files_own_ids() -> None:
    timetable = read_itc2019_solution(PROBLEM, SMALL_SOLUTION)
    assert [(p.class_id, p.time, p.room) for p in timetable.placements] == [
        ("1", "01010-102-15-1111", "2"),
        ("2", "00001-90-20-1010", "2"),
        ("3", "10100-90-10-1111", None),
        ("4", "01000-100-10-1111", "1"),
        ("5", "10100-90-10-1111", "1"),
    ]
    assert [(e.student, e.classes) for e in timetable.enrolments] == [("1", ["1", "2", "5"]), ("2", ["1", "3"])]
    assert (timetable.unplaced, timetable.unsectioned) == ([], [])
    score = judge(PROBLEM, timetable).score
    # Room penalty 4; class 1 and 4 make a second block on Tuesdays: none beyond the two that are allowed.
    assert (score.hard, score.cost) == ({}, {"room": 4})


def test_a_timetable_is_written_as_the_competition_wants_it() -> None:
    assert written(PROBLEM, read_itc2019_solution(PROBLEM, SMALL_SOLUTION)) == HEAD + SMALL_SOLUTION


def test_what_is_not_known_of_its_making_is_left_out() -> None:
    text = written(PROBLEM, Timetable(placements=[]), Credits())
    assert text == (
        f'{HEAD}<solution name="small" technique="Horarium" author="" institution="" country="">\n</solution>\n'
    )
    assert Credits.of("general-annealing", 61.25, 2) == Credits(61.25, 2, "Horarium (general-annealing)")


@given(st.integers(0, 10**6))
@settings(max_examples=50, deadline=None)
def test_a_written_solution_reads_back_as_the_same_timetable(seed: int) -> None:
    text = a_random_problem(seed)
    problem = read_itc2019(text).problem
    timetable = read_itc2019_solution(problem, a_random_solution(text, seed))
    again = read_itc2019_solution(problem, written(problem, timetable))
    order = {cls: n for n, cls in enumerate(p.class_id for p in again.placements)}
    assert sorted(timetable.placements, key=lambda p: order[p.class_id]) == again.placements
    assert {e.student: set(e.classes) for e in timetable.enrolments} == {
        e.student: set(e.classes) for e in again.enrolments
    }
    assert judge(problem, again).score == judge(problem, timetable).score


def test_what_a_solution_leaves_out_is_unplaced_and_unsectioned() -> None:
    text = '<solution name="x"><class id="5"><student id="1"/></class></solution>'
    timetable = read_itc2019_solution(PROBLEM, text)
    assert timetable.placements == []
    assert [u.class_id for u in timetable.unplaced] == ["1", "2", "3", "4", "5"]
    assert timetable.enrolments == [Enrolment(student="1", classes=["5"])]
    assert [(u.student, u.course) for u in timetable.unsectioned] == [("1", "1"), ("2", "1")]
    assert judge(PROBLEM, timetable).score.hard == {"unplaced": 5, "unsectioned": 2}


def test_a_time_of_another_class_is_read_and_judged() -> None:
    other = 'days="10100" start="90" weeks="1111" room="2"'
    timetable = read_itc2019_solution(PROBLEM, small('days="00001" start="90" weeks="1010" room="2"', other))
    assert judge(PROBLEM, timetable).score.hard == {"domain": 1}
    elsewhere = read_itc2019_solution(PROBLEM, small('weeks="1010" room="2"', 'weeks="1010" room="1"'))
    assert judge(PROBLEM, elsewhere).score.hard == {"domain": 1}


MISTAKES: dict[str, tuple[str, str, str, int]] = {
    "an unknown class": ('<class id="1" days', '<class id="9" days', "unknown_class", 2),
    "a class twice": ('<class id="2" days', '<class id="1" days', "duplicate_class", 6),
    "an unknown room": ('room="2"', 'room="9"', "unknown_room", 2),
    "an unknown student": ('<student id="2"/>', '<student id="9"/>', "unknown_student", 4),
    "a student twice": ('<student id="2"/>', '<student id="1"/>', "duplicate_student", 4),
    "an unknown time": ('start="102"', 'start="103"', "unknown_time", 2),
    "no start": (' start="102"', "", "missing_attribute", 2),
    "a start in words": ('start="102"', 'start="noon"', "itc2019_number", 2),
    "too few weeks": ('weeks="1111" room="2"', 'weeks="111" room="2"', "wrong_width", 2),
    "no day": ('days="01010"', 'days="00000"', "never_meets", 2),
    "a misspelt attribute": ('room="2"', 'rom="2"', "unknown_attribute", 2),
    "a length": ('start="102"', 'start="102" length="15"', "unknown_attribute", 2),
    "an unknown element": ('<student id="2"/>', '<pupil id="2"/>', "unknown_element", 4),
    "a problem": ("<solution name", "<problem name", "unknown_format", 1),
    "a file that breaks off": ("</solution>", "", "truncated", 17),
    "an entity": ("<solution", '<!DOCTYPE solution [<!ENTITY a "b">]><solution', "xml_declaration", 1),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_a_solution_is_named_with_its_line(name: str) -> None:
    old, new, code, line = MISTAKES[name]
    with pytest.raises(InvalidTimetableError) as caught:
        read_itc2019_solution(PROBLEM, small(old, new))
    assert [(f.code, f.pointer) for f in caught.value.findings][:1] == [(code, f"line {line}")]


# -- timetables of problems from elsewhere ----------------------------------------------------------------------------


def test_any_problems_timetable_can_be_said() -> None:
    lecture = a_course("Größe & <Maß>", [a_class('"a"', rooms=anywhere("R & S"))])
    students = [a_student("s 1", "Größe & <Maß>")]
    problem = a_problem([lecture], ["MT 0-2", "MT 0-2 w2"], rooms=[a_room("R & S")], students=students)
    timetable = a_timetable({'"a"': "MT 0-2 w2"}, {'"a"': "R & S"}, {"s 1": ['"a"']})
    text = written(problem, timetable)
    assert read_itc2019_solution(problem, text) == timetable
    (placed,) = ElementTree.fromstring(text)  # noqa: S314  # our own text
    assert placed.attrib == {"id": '"a"', "days": "11000", "start": "0", "weeks": "01", "room": "R & S"}


def test_a_timetable_of_itc_2007_can_be_said() -> None:
    problem = read_ctt(TOY)
    timetable = a_random_ctt_timetable(problem, 1)
    assert read_itc2019_solution(problem, written(problem, timetable)).placements == timetable.placements


@pytest.mark.parametrize(
    ("timetable", "code"),
    [
        (a_timetable({"b": "M 0-2"}), "unknown_class"),
        (a_timetable({"a": "never"}), "unknown_time"),
        (a_timetable({"a": "M 0-2"}, attends={"s": ["nothing"]}), "unknown_class"),
        (a_timetable({"a": "M 0-2"}, attends={"nobody": ["a"]}), "unknown_student"),
        (a_timetable({"a": "M 0-2"}, {"a": "nowhere"}), "unknown_room"),
    ],
)
def test_what_the_problem_does_not_have_is_not_written(timetable: Timetable, code: str) -> None:
    problem = a_problem(one_class_courses("a"), students=[a_student("s", "a")])
    with pytest.raises(InvalidTimetableError) as caught:
        written(problem, timetable)
    assert [f.code for f in caught.value.findings] == [code]


def test_times_that_differ_in_their_length_alone_are_refused_by_name() -> None:
    problem = a_problem(one_class_courses("a"), ["M 0-2", "M 0-3", "T 0-2"])
    assert 'days="01000"' in written(problem, a_timetable({"a": "T 0-2"}))
    with pytest.raises(InvalidTimetableError, match="Class 'a' has several times that start so, of different lengths"):
        written(problem, a_timetable({"a": "M 0-3"}))
    text = '<solution><class id="a" days="10000" start="0" weeks="11"/></solution>'
    with pytest.raises(InvalidTimetableError, match="line 1: Class 'a' has several times that start so"):
        read_itc2019_solution(problem, text)


def test_a_time_twice_under_two_ids_is_the_same_time() -> None:
    twins = [a_time("M 0-2"), a_time("M 0-2").model_copy(update={"id": "twin"})]
    domain = {"id": "all", "options": [{"time": "twin", "penalty": 5}, {"time": "M 0-2", "penalty": 1}]}
    problem = a_problem(one_class_courses("a")).model_copy(update={"times": twins})
    problem = Problem.model_validate({**problem.model_dump(by_alias=True), "time_domains": [domain]})
    text = written(problem, a_timetable({"a": "twin"}))
    assert [p.time for p in read_itc2019_solution(problem, text).placements] == ["M 0-2"]


@pytest.mark.parametrize("fields", [{"name": "x\ufffe"}, {"rooms": [Room(id="r\uffff", capacity=1)]}])
def test_a_character_that_xml_cannot_hold_is_refused(fields: dict[str, Any]) -> None:
    courses = one_class_courses("a", rooms=anywhere("r\uffff") if "rooms" in fields else None)
    problem = a_problem(courses, **fields)
    room = "r\uffff" if "rooms" in fields else None
    with pytest.raises(InvalidTimetableError, match=r"character U\+FFF[EF], which XML cannot hold"):
        written(problem, Timetable(placements=[Placement(class_id="a", time="M 0-2", room=room)]))

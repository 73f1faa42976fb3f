"""ITC-2019 problems: the translation, the cost against a count from the texts, and every mistake at its line."""

from __future__ import annotations

import gzip
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.formats.itc2019 import NO_LIMIT, read_itc2019
from schemas.formats.itc2019_solution import read_itc2019_solution
from schemas.problem.check import check
from schemas.problem.findings import InvalidProblemError
from schemas.problem.model import Class, DistributionType, Problem
from schemas.problem.read import ProblemFormat, guess_format, load_problem, read_problem
from schemas.problem.sizes import classes_of
from schemas.referee import judge
from tests.unit.schemas.itc2019_files import (
    PAIR_TYPES,
    SET_TYPES,
    SMALL,
    TextCount,
    a_random_problem,
    a_random_solution,
)


def small(*edits: tuple[str, str]) -> str:
    text = SMALL
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def line_of_change(text: str) -> int:
    same = next(n for n, (a, b) in enumerate(zip(SMALL, text, strict=False)) if a != b)
    return text.count("\n", 0, same) + 1


def read(text: str) -> Problem:
    return read_itc2019(text).problem


def class_of(problem: Problem, name: str) -> Class:
    return next(c for c in classes_of(problem) if c.id == name)


def test_a_file_becomes_the_native_problem() -> None:
    problem = read(SMALL)
    assert check(problem) == []
    assert (problem.name, problem.calendar.weeks, problem.calendar.days) == ("small", 4, 5)
    assert (problem.calendar.slots_per_day, problem.calendar.slot_minutes) == (288, 5)
    assert problem.weights.model_dump() == {"time": 2, "room": 1, "distribution": 3, "student": 5}
    assert [(r.id, r.capacity) for r in problem.rooms] == [("1", 40), ("2", 20)]
    assert problem.rooms[0].unavailable[0].model_dump() == {"start": 60, "length": 12, "days": "10000", "weeks": "1100"}
    assert [t.model_dump() for t in problem.room_travel] == [{"a": "1", "b": "2", "slots": 6}]
    assert [[len(k.subparts) for k in c.configs] for c in problem.courses] == [[2, 1], [1]]
    lecture, laboratory = class_of(problem, "1"), class_of(problem, "3")
    assert [(o.room, o.penalty) for o in lecture.rooms or ()] == [("1", 0), ("2", 4)]
    assert [o.penalty for o in lecture.times or ()] == [3, 0]
    assert (lecture.parent, laboratory.parent, laboratory.rooms, laboratory.limit) == (None, "1", None, 20)
    same, breaks = problem.distributions
    assert (same.type, same.classes, same.required, same.penalty) == ("SameAttendees", ["1", "5"], True, None)
    assert (breaks.type, breaks.parameters, breaks.required, breaks.penalty) == ("MaxBreaks", [1, 6], False, 2)
    assert [(s.id, s.courses) for s in problem.students] == [("1", ["1", "2"]), ("2", ["1"])]


def test_equal_times_are_one_time_that_says_what_it_means() -> None:
    problem = read(SMALL)
    assert [t.id for t in problem.times] == [
        "10100-90-10-1111",
        "01010-102-15-1111",
        "00001-90-20-1010",
        "00001-90-20-0101",
        "01000-100-10-1111",
    ]
    assert problem.times[1].model_dump(exclude={"id"}) == {"weeks": "1111", "days": "01010", "start": 102, "length": 15}
    first = [class_of(problem, name).times or [] for name in "135"]
    assert {first[0][0].time, first[1][1].time, first[2][0].time} == {"10100-90-10-1111"}


def test_penalties_default_to_zero_and_limits_to_none() -> None:
    problem = read(SMALL)
    online = class_of(problem, "4")
    assert [o.penalty for o in online.rooms or ()] == [o.penalty for o in online.times or ()] == [0]
    assert online.limit == class_of(problem, "5").limit == NO_LIMIT


@pytest.mark.parametrize(
    "text",
    [
        SMALL.replace("\n", "\r\n"),
        SMALL.partition("\n")[2],
        SMALL.replace("<!DOCTYPE", "<!-- a comment -->\n<!DOCTYPE"),
        SMALL.replace("\n", "").replace("  ", ""),
        small(("<students>", "<students xmlns:x='y' x:from='UniTime'>")),
        small(('name="small"', 'xmlns="" name="sma&#108;l"')),
        small(('<travel room="2" value="6"/>', "")).replace(
            '<room id="2" capacity="20"/>', '<room id="2" capacity="20"><travel room="1" value="6"/></room>'
        ),
        small(('<room id="2" capacity="20"/>', '<room id="2" capacity="20"><travel room="1" value="6"/></room>')),
        small(("</distributions>", '<distribution type="SameDays" required="true"/></distributions>')),
        small(('penalty="2"', 'penalty="2" required="false"')),
        small(("MaxBreaks(1, 6)", " MaxBreaks(1,6) ")),
    ],
    ids=(
        "carriage returns",
        "no declaration",
        "a comment",
        "one line",
        "a foreign attribute",
        "a character's number",
        "travel from the other side",
        "travel from both sides",
        "a rule over nothing",
        "required said to be false",
        "blanks in a type",
    ),
)
def test_how_it_is_written_does_not_matter(text: str) -> None:
    problem, plain = read(text), read(SMALL)
    travel = {frozenset((t.a, t.b)): t.slots for t in problem.room_travel}
    assert travel == {frozenset("12"): 6}
    assert problem.model_copy(update={"room_travel": plain.room_travel}) == plain


def test_the_order_of_the_sections_does_not_matter() -> None:
    start, end = SMALL.index("  <rooms>"), SMALL.index("</rooms>") + len("</rooms>\n")
    rooms = SMALL[start:end]
    assert read(SMALL.replace(rooms, "").replace("</problem>", f"{rooms}</problem>")) == read(SMALL)


def test_sections_without_anything_may_be_left_out() -> None:
    text = SMALL[: SMALL.index("  <distributions>")] + "</problem>\n"
    assert (read(text).distributions, read(text).students) == ([], [])


@pytest.mark.parametrize("kind", [*PAIR_TYPES, *SET_TYPES])
def test_every_distribution_type_is_known(kind: str) -> None:
    parameters = {"WorkDay": "(9)", "MinGap": "(0)", "MaxDays": "(3)", "MaxDayLoad": "(8)"}
    written = kind + parameters.get(kind, "(2,8)" if kind in ("MaxBreaks", "MaxBlock") else "")
    rule = read(small(("MaxBreaks(1, 6)", written))).distributions[1]
    assert rule.type == DistributionType(kind)
    assert [str(p) for p in rule.parameters] == written.removeprefix(kind).strip("()").split(",")[
        : len(rule.parameters)
    ]


@pytest.mark.parametrize("content", [SMALL.encode(), b"\xef\xbb\xbf" + SMALL.encode(), gzip.compress(SMALL.encode())])
def test_content_tells_the_format_packed_or_not(content: bytes) -> None:
    assert guess_format("", content) is ProblemFormat.ITC2019
    assert guess_format("term.XML.gz", b"") is ProblemFormat.ITC2019
    assert read_problem(content, ProblemFormat.ITC2019) == read(SMALL)
    assert [c.id for c in load_problem(content, ProblemFormat.ITC2019).classes] == ["1", "2", "3", "4", "5"]


@given(st.integers(0, 10**6), st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_the_cost_is_the_competitions(seed: int, other: int) -> None:
    text = a_random_problem(seed)
    solution = a_random_solution(text, other)
    problem, count = read(text), TextCount(text, solution)
    score = judge(problem, read_itc2019_solution(problem, solution)).score
    assert score.hard == dict(count.hard)
    assert score.cost == dict(count.cost)


def test_the_property_test_reaches_every_rule() -> None:
    hard: set[str] = set()
    soft: set[str] = set()
    for seed in range(60):
        text = a_random_problem(seed)
        count = TextCount(text, a_random_solution(text, seed))
        hard |= set(count.hard)
        soft |= set(count.cost)
    rules = {*PAIR_TYPES, *SET_TYPES}
    assert hard == rules | {"room_conflict", "room_unavailable", "class_limit"}
    assert soft == rules | {"time", "room", "student"}


# -- mistakes ---------------------------------------------------------------------------------------------------------

# What is changed to what, the code, and how many lines above the change the finding is (None: the first line).
MISTAKES: dict[str, tuple[str, str, str, int | None]] = {
    "no days": ('nrDays="5"', "", "missing_attribute", 0),
    "eight days": ('nrDays="5"', 'nrDays="8"', "itc2019_number", 0),
    "days in words": ('nrDays="5"', 'nrDays="five"', "itc2019_number", 0),
    "days in other digits": ('nrDays="5"', 'nrDays="٥"', "itc2019_number", 0),
    "no weights": ('<optimization time="2" room="1" distribution="3" student="5"/>', "", "missing_element", None),
    "weights twice": (
        "<rooms>",
        '<optimization time="1" room="1" distribution="1" student="1"/><rooms>',
        "duplicate_element",
        0,
    ),
    "a weight below zero": ('time="2"', 'time="-2"', "itc2019_number", 0),
    "a room twice": ('<room id="2" capacity', '<room id="1" capacity', "duplicate_id", 0),
    "a room without an id": ('<room id="2" capacity', '<room id="" capacity', "itc2019_id", 0),
    "a room with a long id": (
        '<room id="2" capacity',
        f'<room id="{"2" * 129}" capacity',
        "itc2019_id",
        0,
    ),
    "an id with a line end": ('<room id="2" capacity', '<room id="2&#10;" capacity', "itc2019_id", 0),
    "travel to an unknown room": ('travel room="2"', 'travel room="9"', "unknown_room", 0),
    "travel to itself": ('travel room="2"', 'travel room="1"', "travel_to_itself", 0),
    "contradictory travel": (
        '<room id="2" capacity="20"/>',
        '<room id="2" capacity="20"><travel room="1" value="5"/></room>',
        "contradictory_travel",
        0,
    ),
    "an absence of three weeks": ('weeks="1100"', 'weeks="110"', "wrong_width", 0),
    "an absence beyond the day": ('start="60" length="12"', 'start="280" length="12"', "beyond_the_day", 0),
    "a misspelt attribute": ('<room id="2" penalty="4"/>', '<room id="2" penality="4"/>', "unknown_attribute", 0),
    "a misspelt element": ('<room id="2" penalty="4"/>', '<rom id="2" penalty="4"/>', "unknown_element", 0),
    "text": ('<class id="1"/>', '<class id="1"/>and', "unexpected_text", 0),
    "an unknown room": ('<room id="2" penalty="4"/>', '<room id="7" penalty="4"/>', "unknown_room", 0),
    "a room listed twice": ('<room id="2" penalty="4"/>', '<room id="1" penalty="4"/>', "duplicate_option", 0),
    "a time listed twice": (
        '<time days="01010" start="102" length="15"',
        '<time days="10100" start="90" length="10"',
        "duplicate_option",
        0,
    ),
    "six days": ('days="01010"', 'days="010100"', "wrong_width", 0),
    "days of letters": ('days="01010"', 'days="TT---"', "itc2019_bits", 0),
    "no day": ('days="01010"', 'days="00000"', "never_meets", 0),
    "a time without a start": ('start="102" ', "", "missing_attribute", 0),
    "a time beyond the day": ('length="15"', 'length="187"', "beyond_the_day", 0),
    "a time of no length": ('length="15"', 'length="0"', "itc2019_number", 0),
    "a penalty below zero": ('<room id="2" penalty="4"/>', '<room id="2" penalty="-4"/>', "itc2019_number", 0),
    "a fractional penalty": ('penalty="3"', 'penalty="3.5"', "itc2019_number", 0),
    "a class twice": ('<class id="5" limit', '<class id="4" limit', "duplicate_id", 0),
    "a course twice": ('<course id="2">', '<course id="1">', "duplicate_id", 0),
    "an unknown parent": ('<class id="2" parent="1"', '<class id="2" parent="9"', "unknown_class", 0),
    "a parent elsewhere": ('<class id="2" parent="1"', '<class id="2" parent="5"', "foreign_parent", 0),
    "a parent of the same subpart": ('<class id="2" parent="1"', '<class id="2" parent="3"', "sibling_parent", 0),
    "a circle of parents": ('<class id="1" limit="40">', '<class id="1" limit="40" parent="2">', "parent_cycle", 0),
    "a class without a time": (
        '<time days="01000" start="100" length="10" weeks="1111"/>',
        "",
        "class_without_time",
        2,
    ),
    "a class without a room": ('<room id="1"/>', "", "class_without_room", 1),
    "rooms for a class that needs none": (
        'limit="20" room="false">',
        'limit="20" room="false"><room id="1"/>',
        "room_without_need",
        0,
    ),
    "neither true nor false": ('room="false"', 'room="no"', "itc2019_truth", 0),
    "a class without its only time": (
        '<time days="00001" start="90" length="20" weeks="1010" penalty="0"/>',
        "",
        "class_without_time",
        2,
    ),
    "an unknown type": ("SameAttendees", "SameAttendee", "unknown_type", 0),
    "a type of another competition": ("SameAttendees", "RoomStability", "unknown_type", 0),
    "a parameter too many": ("SameAttendees", "SameAttendees(3)", "parameter_count", 0),
    "a parameter too few": ("MaxBreaks(1, 6)", "MaxBreaks(1)", "parameter_count", 0),
    "no parameter": ("MaxBreaks(1, 6)", "MaxBreaks", "parameter_count", 0),
    "a huge parameter": ("MaxBreaks(1, 6)", "MaxBreaks(1,999999)", "parameter_count", 0),
    "a parameter in words": ("MaxBreaks(1, 6)", "MaxBreaks(one,6)", "unknown_type", 0),
    "required and a penalty": ('penalty="2"', 'penalty="2" required="true"', "required_or_penalty", 0),
    "neither required nor a penalty": (' penalty="2"', "", "required_or_penalty", 0),
    "an unknown class in a rule": ('<class id="5"/>', '<class id="9"/>', "unknown_class", 0),
    "a class twice in a rule": ('<class id="5"/>', '<class id="1"/>', "duplicate_class", 0),
    "an unknown course": ('<course id="2"/>', '<course id="3"/>', "unknown_course", 0),
    "a course asked for twice": ('<course id="2"/>', '<course id="1"/>', "duplicate_course", 0),
    "a student twice": ('<student id="2">', '<student id="1">', "duplicate_id", 0),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_with_its_line(name: str) -> None:
    old, new, code, above = MISTAKES[name]
    text = small((old, new))
    with pytest.raises(InvalidProblemError) as caught:
        read(text)
    findings = caught.value.findings
    line = f"line {1 if above is None else line_of_change(text) - above}"
    assert (code, line) in [(f.code, f.pointer) for f in findings], [asdict(f) for f in findings]
    assert all(f.message.endswith((".", "?")) and not f.pointer.startswith("/") for f in findings)


def test_all_mistakes_are_told_at_once() -> None:
    text = small(('weeks="1100"', 'weeks="110"'), ('days="01010"', 'days="010"'), ("SameAttendees", "SameWeek"))
    with pytest.raises(InvalidProblemError) as caught:
        read(text)
    assert [f.pointer for f in caught.value.findings] == ["line 8", "line 20", "line 55"]


def test_a_class_whose_only_room_is_closed_is_named_with_its_line() -> None:
    closed = '<unavailable days="11111" start="0" length="288" weeks="1111"/>'
    text = small(('<unavailable days="10000" start="60" length="12" weeks="1100"/>', closed))
    with pytest.raises(InvalidProblemError) as caught:
        load_problem(text.encode(), ProblemFormat.ITC2019)
    assert [(f.code, f.pointer) for f in caught.value.findings] == [
        ("class_without_room", "line 36"),
        ("class_without_room", "line 46"),
    ]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (('<course id="2">', '<course id="2"/><course id="3">'), "line 43: The course '2' has no <config>. Add one"),
        (('<config id="3">', '<config id="9"/><config id="3">'), "line 44: The configuration '9' has no <subpart>"),
        (('<subpart id="4">', '<subpart id="9"/><subpart id="4">'), "line 45: The subpart '9' has no <class>"),
    ],
)
def test_an_empty_part_of_a_course_is_named(edit: tuple[str, str], message: str) -> None:
    with pytest.raises(InvalidProblemError) as caught:
        read(small(edit))
    assert str(caught.value).startswith(message)


def test_other_xml_is_told_from_a_problem() -> None:
    with pytest.raises(InvalidProblemError, match="begins with <problem>"):
        read('<?xml version="1.0"?>\n<HighSchoolTimetableArchive/>')
    with pytest.raises(InvalidProblemError, match="line 2: The file's first element is <solution>"):
        read("\n<solution/>")
    with pytest.raises(InvalidProblemError, match="no courses"):
        read(SMALL[: SMALL.index("  <courses>")] + "</problem>")

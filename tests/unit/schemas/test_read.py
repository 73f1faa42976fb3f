"""Reading hostile bytes: every refusal names the place, none crashes, none takes long."""

from __future__ import annotations

import gzip
import json
import pickle
from contextlib import suppress
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.formats.native import read_timetable, write_timetable
from schemas.problem.findings import InvalidProblemError, InvalidTimetableError
from schemas.problem.read import MAX_PROBLEM_BYTES, ProblemFormat, guess_format, load_problem, read_problem
from tests.unit.schemas.building import a_problem, a_timetable, one_class_courses

PROBLEM = a_problem(one_class_courses("a", "b"))
NATIVE = PROBLEM.model_dump_json(by_alias=True, exclude_none=True).encode()


def refusal(content: bytes, format: ProblemFormat = ProblemFormat.NATIVE) -> InvalidProblemError:
    with pytest.raises(InvalidProblemError) as caught:
        read_problem(content, format)
    return caught.value


@pytest.mark.parametrize(
    "content", [NATIVE, b"\xef\xbb\xbf" + NATIVE, gzip.compress(NATIVE)], ids=("plain", "bom", "gz")
)
def test_a_native_problem_comes_back_as_it_was(content: bytes) -> None:
    assert read_problem(content, ProblemFormat.NATIVE) == PROBLEM
    assert [c.id for c in load_problem(content, ProblemFormat.NATIVE).classes] == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "code", "pointer"),
    [
        (b"", "empty_file", ""),
        (b" \n ", "empty_file", ""),
        (b'{"name": "x",\n "calendar": }', "malformed_json", "line 2"),
        (NATIVE[:-20], "malformed_json", "line 1"),
        (b'{\n"name": "\xff"}', "not_utf8", "line 2"),
        ("{}".encode("utf-16"), "not_utf8", "line 1"),
        (b"[]", "model_type", ""),
        (b'{"name": "\\ud800"}', "malformed_json", "line 1"),
        (b'{"calendar": {"weeks": ' + b"9" * 1_000_000 + b"}}", "malformed_json", "line 1"),
        (b"[" * 1_000_000, "too_deep", ""),
        (b'{"a":' * 100 + b"1" + b"}" * 100, "too_deep", ""),
        (b'{"a":' * 60 + b"1" + b"}" * 60, "missing", "/name"),
        (b"[]" * 3_000_000, "too_large", ""),
        (b"[" + b"1," * 11_000_000 + b"1]", "too_large", ""),
        (b'{"' + b"x" * MAX_PROBLEM_BYTES, "too_large", ""),
        (gzip.compress(b" " * (MAX_PROBLEM_BYTES + 1), mtime=0), "too_large", ""),
        (gzip.compress(NATIVE, mtime=0)[:-9], "malformed_gzip", ""),
        (b"\x1f\x8bnot gzip at all", "malformed_gzip", ""),
    ],
    ids=lambda v: repr(v)[:24],
)
def test_what_cannot_be_read_is_refused_at_its_place(content: bytes, code: str, pointer: str) -> None:
    started = process_time()
    first = refusal(content).findings[0]
    assert (first.code, first.pointer) == (code, pointer)
    assert process_time() - started < 5.0


def test_a_wrong_field_is_found_by_its_pointer() -> None:
    document = json.loads(NATIVE)
    document["times"][0]["start"] = float("nan")
    document["times"][0]["strat/~"] = 1
    del document["courses"][1]["id"]
    found = {f.pointer: f.message for f in refusal(json.dumps(document).encode()).findings}
    assert set(found) == {"/times/0/start", "/times/0/strat~1~0", "/courses/1/id"}
    assert found["/courses/1/id"] == "Field 'id' is required. Add it."


def test_findings_are_bounded_and_counted() -> None:
    document = json.loads(NATIVE)
    document["students"] = [{"id": ""}] * 500
    error = refusal(json.dumps(document).encode())
    assert (len(error.findings), error.total) == (100, 500)
    assert "(and 499 more)" in str(error)


def test_a_refusal_crosses_process_borders_with_its_findings() -> None:
    error = refusal(b"{}")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own bytes
    assert (copy.findings, copy.total, str(copy)) == (error.findings, error.total, str(error))


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("comp01.CTT", b"", ProblemFormat.CTT),
        ("a.ectt.gz", b"", ProblemFormat.CTT),
        ("a.json", b"Name: x", ProblemFormat.NATIVE),
        ("", b'\xef\xbb\xbf \n{"name"', ProblemFormat.NATIVE),
        ("upload", b"Name: Toy\nCourses: 4", ProblemFormat.CTT),
    ],
)
def test_the_format_is_told_by_the_name_or_the_content(name: str, content: bytes, expected: ProblemFormat) -> None:
    assert guess_format(name, content) is expected


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(InvalidProblemError, match=r"\.ectt"):
        guess_format("photo.png", b"\x89PNG")


@given(st.binary(max_size=300), st.integers(0, len(NATIVE)), st.sampled_from(ProblemFormat))
def test_any_bytes_are_a_problem_or_a_refusal(noise: bytes, at: int, format: ProblemFormat) -> None:
    for content in (noise, NATIVE[:at] + noise + NATIVE[at:]):
        with suppress(InvalidProblemError):
            assert read_problem(content, format).courses


def test_a_native_timetable_comes_back_as_it_was() -> None:
    timetable = a_timetable({"a": "M 0-2"}, {"a": "r"}, {"ann": ["a"]})
    assert read_timetable(write_timetable(timetable)) == timetable
    for broken in (b"", b"{}", b'{"placements": [{"class": "a"}]}', b"[" * 1000):
        with pytest.raises(InvalidTimetableError):
            read_timetable(broken)

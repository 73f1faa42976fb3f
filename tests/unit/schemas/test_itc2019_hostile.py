"""Hostile XML: nothing expands, nothing is fetched, nothing takes long; every refusal names a line."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.problem.findings import MAX_FINDINGS, InvalidProblemError
from schemas.problem.read import MAX_PROBLEM_BYTES, ProblemFormat, load_problem
from tests.unit.schemas.itc2019_files import SMALL

BODY = SMALL[SMALL.index("<problem") :]
ROOM = '<room id="2" capacity="20"/>'
OPEN = '<problem name="x" nrDays="5" nrWeeks="4" slotsPerDay="288">'


def refusal(content: bytes | str) -> InvalidProblemError:
    with pytest.raises(InvalidProblemError) as caught:
        load_problem(content.encode() if isinstance(content, str) else content, ProblemFormat.ITC2019)
    return caught.value


def document_type(declarations: str, *edits: tuple[str, str]) -> str:
    body = BODY
    for old, new in edits:
        body = body.replace(old, new, 1)
    return f'<?xml version="1.0"?>\n<!DOCTYPE problem [\n{declarations}\n]>\n{body}'


def laughs() -> str:
    entities = ['<!ENTITY e0 "ha">', *(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 30))]
    return document_type("\n".join(entities), ("small", "&e29;"))


def many_defaults() -> str:
    """A default attribute of a megabyte, for each of a million elements."""
    return document_type(f'<!ATTLIST travel value CDATA "{"9" * 1_000_000}">', (ROOM, '<travel room="1"/>' * 1_000_000))


ENTITIES: dict[str, Callable[[], str]] = {
    "a billion laughs": laughs,
    "one long entity many times": lambda: document_type(
        f'<!ENTITY long "{"x" * 100_000}">', (ROOM, "&long;" * 100_000 + ROOM)
    ),
    "a file of ours": lambda: document_type('<!ENTITY file SYSTEM "file:///etc/passwd">', ("small", "x&file;")),
    "an address": lambda: document_type('<!ENTITY % remote SYSTEM "http://127.0.0.1:9/x.dtd">\n%remote;'),
    "a million default attributes": many_defaults,
    "a recursive entity": lambda: document_type('<!ENTITY a "&b;">\n<!ENTITY b "&a;">', ("small", "&a;")),
}


@pytest.mark.parametrize("name", ENTITIES)
def test_a_document_that_declares_anything_is_refused_before_it_is_parsed(name: str) -> None:
    text = ENTITIES[name]()
    started = process_time()
    error = refusal(text)
    assert [(f.code, f.pointer) for f in error.findings] == [("xml_declaration", "line 3")]
    assert "root:" not in str(error)
    assert process_time() - started < 5.0


def test_a_named_document_type_is_never_fetched(tmp_path: Path) -> None:
    """Every real file has one."""
    external = tmp_path / "secret.dtd"
    external.write_text('<!ENTITY secret "leaked">')
    text = f'<?xml version="1.0"?>\n<!DOCTYPE problem SYSTEM "{external.as_uri()}">\n{BODY}'
    assert load_problem(text.encode(), ProblemFormat.ITC2019).problem.name == "small"
    error = refusal(text.replace('name="small"', 'name="&secret;"'))
    assert [(f.code, f.pointer) for f in error.findings] == [("unknown_entity", "line 3")]


BROKEN: dict[str, tuple[Callable[[], str | bytes], str, str]] = {
    "nothing": (lambda: "", "empty_file", ""),
    "blanks": (lambda: " \n ", "empty_file", ""),
    "no element": (lambda: '<?xml version="1.0"?>\n', "truncated", "line 2"),
    "other characters": (lambda: SMALL.encode("utf-16"), "not_utf8", "line 1"),
    "latin letters": (lambda: SMALL.replace("small", "größer").encode("latin-1"), "not_utf8", "line 3"),
    "a character that XML has not": (lambda: SMALL.replace("small", "sma\x07ll"), "malformed_xml", "line 3"),
    "the number of such a character": (lambda: SMALL.replace("small", "sma&#7;ll"), "malformed_xml", "line 3"),
    "tags that cross": (lambda: SMALL.replace("</rooms>", "</room>"), "malformed_xml", "line 11"),
    "an attribute twice": (lambda: SMALL.replace('nrDays="5"', 'nrDays="5" nrDays="5"'), "malformed_xml", "line 3"),
    "no quotes": (lambda: SMALL.replace('nrDays="5"', "nrDays=5"), "malformed_xml", "line 3"),
    "two roots": (lambda: SMALL + SMALL[SMALL.index("<problem") :], "malformed_xml", "line 75"),
    "a deep nest": (lambda: OPEN + "<rooms>" * 1_000_000, "too_deep", "line 1"),
    "a deep nest of known elements": (
        lambda: f"{OPEN}<rooms>" + '<room id="1" capacity="1">' * 100_000,
        "unknown",
        "line 1",
    ),
    "a packed file that breaks off": (lambda: gzip.compress(SMALL.encode(), mtime=0)[:-9], "malformed_gzip", ""),
    "a packed flood": (lambda: gzip.compress(b" " * (MAX_PROBLEM_BYTES + 1), mtime=0), "too_large", ""),
    "a flood": (lambda: b"<" + b"x" * MAX_PROBLEM_BYTES, "too_large", ""),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_such_document_is_refused_at_its_line(name: str) -> None:
    make, code, line = BROKEN[name]
    content = make()
    started = process_time()
    error = refusal(content)
    assert any(f.code.startswith(code) and f.pointer == line for f in error.findings), error.findings
    assert process_time() - started < 5.0


@given(st.integers(1, len(SMALL) - 2))
def test_a_file_that_breaks_off_anywhere_is_refused(length: int) -> None:
    error = refusal(SMALL[:length].rstrip() or "<")
    assert error.findings[-1].code in ("truncated", "malformed_xml", "unknown_format"), error.findings
    assert error.findings[-1].pointer.startswith("line ")


def test_a_truncated_file_is_called_so() -> None:
    error = refusal(SMALL[: SMALL.index("</courses>")])
    assert str(error) == "line 53: The file ends in the middle: it is truncated. Send it again, whole."


def in_rooms(text: str) -> str:
    return f"{OPEN}<rooms>{text}</rooms></problem>"


FLOODS: dict[str, Callable[[], str]] = {
    "a million elements that nobody knows": lambda: in_rooms("<x/>" * 1_000_000),
    "a million rooms without a capacity": lambda: in_rooms("<room/>\n" * 1_000_000),
    "a million texts": lambda: in_rooms('<room id="1" capacity="1"/>x' * 1_000_000),
    "one attribute of 50 MB": lambda: SMALL.replace('name="small"', f'name="{"x" * 50_000_000}" more=""'),
    "one tag of 50 MB": lambda: SMALL.replace(ROOM, f"<{'x' * 50_000_000}/>"),
    "a hundred thousand attributes": lambda: SMALL.replace(
        ROOM, "<room " + " ".join(f'a{n}=""' for n in range(100_000)) + "/>"
    ),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_is_refused_with_a_bounded_number_of_findings(name: str) -> None:
    text = FLOODS[name]()
    started = process_time()
    error = refusal(text)
    assert 0 < len(error.findings) <= MAX_FINDINGS
    assert all(len(f.message) < 500 for f in error.findings)
    assert process_time() - started < 10.0


def test_a_file_with_more_rooms_than_any_university_is_refused() -> None:
    rooms = "".join(f'<room id="{n}" capacity="1"/>' for n in range(20_001))
    error = refusal(SMALL.replace(SMALL[SMALL.index("<rooms>") : SMALL.index("</rooms>")], f"<rooms>{rooms}"))
    assert error.findings[0].code == "too_large"


def test_a_student_of_more_courses_than_any_is_refused_at_the_line() -> None:
    error = refusal(SMALL.replace('<course id="1"/>', '<course id="1"/>' * 201, 1))
    assert [(f.code, f.pointer) for f in error.findings] == [("too_large", "line 66")]

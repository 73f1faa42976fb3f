"""What a terminal is shown of hostile bytes."""

from __future__ import annotations

import json

import pytest

from horarium.dead_letters.view import harmless, shown

HOSTILE = "\x1b]0;owned\x07 \x9b31m \u202e\u200b \r\n\x00 \ud800 ü 東"


def test_nothing_that_a_terminal_obeys_gets_through() -> None:
    assert harmless(HOSTILE).isprintable()
    assert "ü 東" in harmless(HOSTILE)


@pytest.mark.parametrize(
    "value", [json.dumps({"a": HOSTILE, HOSTILE: [1]}).encode(), HOSTILE.encode("utf-8", "replace")]
)
def test_a_value_is_harmless_too(value: bytes) -> None:
    assert all(line.isprintable() for line in shown(value).split("\n"))


def test_json_is_indented_and_anything_else_dumped() -> None:
    assert shown(b'{"a":[1,"\xc3\xbc"]}') == '{\n  "a": [\n    1,\n    "ü"\n  ]\n}'
    assert shown(b"\xff\x00abc") == "00000000  ff 00 61 62 63                                   ..abc"
    assert shown(b"") == ""


@pytest.mark.parametrize("value", [json.dumps(["x" * 100] * 10_000).encode(), b"\xff" * 10_000_000, b"[" * 1_000_000])
def test_a_large_value_is_cut_and_says_so(value: bytes) -> None:
    text = shown(value)
    assert len(text) < 25_000
    assert "--value-out FILE" in text


def test_a_number_of_a_million_digits_is_no_trouble() -> None:
    assert shown(b"9" * 1_000_000)

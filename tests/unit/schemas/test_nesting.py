"""Depth is told before a parser sees the text: brackets in strings do not count, and nothing takes long."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.problem.findings import InvalidInputError
from schemas.problem.nesting import MAX_LEVELS, require_shallow


def is_shallow(text: bytes) -> bool:
    try:
        require_shallow(text, InvalidInputError)
    except InvalidInputError:
        return False
    return True


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")])
def test_the_last_level_that_passes_is_the_sixty_fourth(opening: bytes, closing: bytes) -> None:
    levels = MAX_LEVELS // (opening.count(b"[") + opening.count(b"{"))
    assert is_shallow(opening * levels + b"1" + closing * levels)
    assert not is_shallow(opening * (levels + 1) + b"1" + closing * (levels + 1))


@pytest.mark.parametrize(
    ("text", "shallow"),
    [
        (b"[" * 100_000, False),
        (b"]" * 100_000, True),
        (b"[]" * 100_000, True),
        (b'{"a": "' + b"[" * 1000 + b'"}', True),
        (b'"\\"' + b"[" * 65 + b"]" * 65 + b'"', True),
        (b'"\\\\"' + b"[" * 65 + b"]" * 65, False),
        (b'"' + b"\\" * 999 + b'"' + b"[" * 65 + b"]" * 65, True),
    ],
)
def test_what_looks_deep_and_what_is(text: bytes, shallow: bool) -> None:
    assert is_shallow(text) is shallow


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


names = st.text(alphabet='ab[]{}"\\,:é', max_size=6)
values = st.recursive(names, lambda below: st.lists(below, max_size=4) | st.dictionaries(names, below, max_size=4))


@given(values, st.integers(0, 70), st.booleans())
def test_it_agrees_with_a_parser(value: Any, more: int, ascii_only: bool) -> None:
    for _ in range(more):
        value = [value, "]"]
    assert is_shallow(json.dumps(value, ensure_ascii=ascii_only).encode()) is (depth(value) <= MAX_LEVELS)

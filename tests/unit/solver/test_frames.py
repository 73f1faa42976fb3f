"""Frames survive the pipe, and what is no frame is noticed."""

from __future__ import annotations

import asyncio
import io
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.solver.frames import MAX_BODY_BYTES, BrokenFrameError, Frame, encode_frame, read_frame, receive_frame

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
names = st.from_regex(r"[a-z]{1,8}", fullmatch=True).filter(lambda name: name not in ("kind", "body"))


@given(st.lists(st.tuples(st.dictionaries(names, json_values, max_size=4), st.binary(max_size=200)), max_size=4))
async def test_frames_come_out_as_they_went_in_for_both_readers(sent: list[tuple[dict[str, Any], bytes]]) -> None:
    wire = b"".join(encode_frame("k", body, **header) for header, body in sent)
    frames = [Frame({"kind": "k", **header}, body) for header, body in sent]

    blocking = io.BytesIO(wire)
    assert [read_frame(blocking) for _ in frames] == frames
    assert read_frame(blocking) is None
    stream = asyncio.StreamReader()
    stream.feed_data(wire)
    stream.feed_eof()
    assert [await receive_frame(stream) for _ in frames] == frames
    assert await receive_frame(stream) is None


@pytest.mark.parametrize(
    "wire",
    [
        struct.pack("!II", 5, 0) + b"print",
        struct.pack("!II", 2, 0) + b"[]",
        struct.pack("!II", 2, 0) + b"{}",
        struct.pack("!II", 2, MAX_BODY_BYTES + 1),
        b"Traceback (most recent call last):",
    ],
)
async def test_what_is_no_frame_is_an_error_and_never_a_huge_allocation(wire: bytes) -> None:
    with pytest.raises(BrokenFrameError):
        read_frame(io.BytesIO(wire))
    stream = asyncio.StreamReader()
    stream.feed_data(wire)
    stream.feed_eof()
    with pytest.raises(BrokenFrameError):
        await receive_frame(stream)


async def test_a_writer_killed_in_mid_frame_has_ended_for_the_service() -> None:
    stream = asyncio.StreamReader()
    stream.feed_data(encode_frame("best", b"x" * 100)[:-1])
    stream.feed_eof()
    assert await receive_frame(stream) is None

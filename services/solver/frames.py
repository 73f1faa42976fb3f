"""Frames: how the service and its child process talk over a pipe.

A frame is a small JSON header and a body of bytes, each preceded by its length. Owns the encoding and its bounds, for a
blocking reader (the child) and for asyncio (the service). Must not know what any frame means.
"""

from __future__ import annotations

import asyncio
import json
import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

MAX_HEADER_BYTES = 4 * 1024 * 1024  # a hundred findings with long sentences are far below
MAX_BODY_BYTES = 512 * 1024 * 1024  # bodies are compressed problems and timetables

_LENGTHS = struct.Struct("!II")


class BrokenFrameError(Exception):
    """What came through the pipe is no frame: the other side is broken, or something else wrote into the pipe."""


@dataclass(frozen=True, slots=True)
class Frame:
    """`header` always has the text `kind`."""

    header: dict[str, Any]
    body: bytes = b""

    @property
    def kind(self) -> str:
        return str(self.header["kind"])


def encode_frame(kind: str, body: bytes = b"", **header: Any) -> bytes:
    """A frame as bytes. Raises ValueError when it passes the bounds, so that the reader never sees such a one."""
    head = json.dumps({"kind": kind, **header}, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
    if len(head) > MAX_HEADER_BYTES or len(body) > MAX_BODY_BYTES:
        raise ValueError(f"frame '{kind}' too large: header {len(head):,} bytes, body {len(body):,} bytes")
    return _LENGTHS.pack(len(head), len(body)) + head + body


def read_frame(stream: BinaryIO) -> Frame | None:
    """The next frame; None at the end of the stream. Raises BrokenFrameError."""
    prefix = stream.read(_LENGTHS.size)
    if not prefix:
        return None
    if len(prefix) < _LENGTHS.size:
        raise BrokenFrameError("the stream ends within a frame")
    head_length, body_length = _checked_lengths(prefix)
    head, body = stream.read(head_length), stream.read(body_length)
    if len(head) < head_length or len(body) < body_length:
        raise BrokenFrameError("the stream ends within a frame")
    return Frame(_header(head), body)


async def receive_frame(stream: asyncio.StreamReader) -> Frame | None:
    """As `read_frame`, for asyncio. A stream that ends within a frame has ended: its writer was killed in mid-write."""
    try:
        prefix = await stream.readexactly(_LENGTHS.size)
        head_length, body_length = _checked_lengths(prefix)
        head = await stream.readexactly(head_length)
        body = await stream.readexactly(body_length)
    except asyncio.IncompleteReadError:
        return None
    return Frame(_header(head), body)


def _checked_lengths(prefix: bytes) -> tuple[int, int]:
    head_length, body_length = _LENGTHS.unpack(prefix)
    if head_length > MAX_HEADER_BYTES or body_length > MAX_BODY_BYTES:
        raise BrokenFrameError(f"a header of {head_length:,} bytes, a body of {body_length:,} bytes")
    return head_length, body_length


def _header(head: bytes) -> dict[str, Any]:
    try:
        header = json.loads(head)
    except ValueError as error:
        raise BrokenFrameError(f"the header is no JSON: {error}") from error
    if not isinstance(header, dict) or not isinstance(header.get("kind"), str):
        raise BrokenFrameError("the header has no kind")
    return header

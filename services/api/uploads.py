"""Receiving bodies: bounded while they are read, large ones on disk.

Owns limits of size, time and number. Must not know what a body means. No more than about a megabyte of a body is ever
in this process's memory; a body that is too large is refused when the first byte too many arrives.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO
from uuid import UUID

from fastapi import Request

from services.api.refusals import Refusal, unavailable
from services.api.work import over_share

_IN_MEMORY_BYTES = 1024 * 1024
# Files are made in the system's temporary directory; a process that is killed leaves its own behind.
FILE_PREFIX = "horarium-upload-"
# A refused body is read on for a while and thrown away: closing at once would reset the connection before a client
# that is still sending has read why.
_DISCARD_WITHIN_S = 15.0
_DISCARD_TIMES_LIMIT = 8


@dataclass(frozen=True, slots=True)
class Body:
    """A received body: its bytes if they are few, else the file that holds them while the `receive` block runs."""

    content: bytes | Path
    size: int
    sha256: str


class Uploads:
    """Receives bodies of at most `limit` bytes, each within `timeout_s`.

    At most `at_once` large ones at a time, and `share` of one organisation.
    """

    def __init__(self, limit: int, timeout_s: float, at_once: int, share: int) -> None:
        self._limit = limit
        self._timeout_s = timeout_s
        self._at_once = at_once
        self._share = share
        self._large: Counter[UUID | None] = Counter()

    @asynccontextmanager
    async def receive(self, request: Request, limit: int | None = None) -> AsyncIterator[Body]:
        """The request's body; a file behind it is gone after the block. Raises Refusal (408, 413, 415, 429, 503)."""
        whose: UUID | None = getattr(request.state, "organization_id", None)
        allowed = self._limit if limit is None else min(limit, self._limit)
        _refuse_encoding(request)
        if _declared(request) > allowed:
            await _discard(request, allowed)
            raise _too_large(allowed)
        sink = _Sink()
        try:
            async with asyncio.timeout(self._timeout_s):
                async for chunk in request.stream():
                    if sink.size + len(chunk) > allowed:
                        await _discard(request, allowed)
                        raise _too_large(allowed)
                    if sink.add(chunk):
                        self._reserve(sink, whose)
                        await asyncio.to_thread(sink.write)
            yield sink.body() if sink.file is None else await asyncio.to_thread(sink.body)
        except TimeoutError as error:
            raise Refusal(
                HTTPStatus.REQUEST_TIMEOUT,
                "request_timeout",
                f"The body did not arrive within {self._timeout_s:g} s.",
                headers={"Connection": "close"},
            ) from error
        finally:
            if sink.file is not None:
                self._large[whose] -= 1
                if not self._large[whose]:
                    del self._large[whose]
                sink.file.close()

    def _reserve(self, sink: _Sink, whose: UUID | None) -> None:
        """A place on disk for a body that outgrows memory."""
        if sink.file is not None:
            return
        if self._large[whose] >= self._share:
            raise over_share("large uploads")
        if self._large.total() >= self._at_once:
            raise unavailable("Too many large uploads are under way. Try again.", "too_many_uploads")
        sink.file = tempfile.NamedTemporaryFile(prefix=FILE_PREFIX)  # noqa: SIM115  # closed with the block of `receive`
        self._large[whose] += 1


class _Sink:
    """Where a body's bytes go: a buffer, and a file once the buffer has been full."""

    def __init__(self) -> None:
        self.size = 0
        self.file: IO[bytes] | None = None
        self._buffer = bytearray()
        self._hash = hashlib.sha256()

    def add(self, chunk: bytes) -> bool:
        """Take a chunk; true if the buffer is full and wants a `write`."""
        self.size += len(chunk)
        self._hash.update(chunk)
        self._buffer += chunk
        return len(self._buffer) >= _IN_MEMORY_BYTES

    def write(self) -> None:
        """Empty the buffer into the file. Blocks."""
        if self.file is not None:
            self.file.write(self._buffer)
            self.file.flush()
            self._buffer.clear()

    def body(self) -> Body:
        """The whole body. Blocks if there is a file."""
        self.write()
        content = bytes(self._buffer) if self.file is None else Path(self.file.name)
        return Body(content, self.size, self._hash.hexdigest())


def media_type(request: Request) -> str:
    """The Content-Type without its parameters, in lower case; empty if there is none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _refuse_encoding(request: Request) -> None:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise Refusal(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "unsupported_content_encoding",
            f"Content-Encoding '{encoding[:40]}' is not understood. Send the body as it is.",
            headers={"Accept-Encoding": "identity", "Connection": "close"},
        )


def _declared(request: Request) -> int:
    length = request.headers.get("content-length", "0")
    return int(length) if length.isdecimal() else 0


async def _discard(request: Request, allowed: int) -> None:
    """Read on without keeping anything, within bounds, unless the client waits for our word before it sends."""
    if request.headers.get("expect", "").lower() == "100-continue":
        return
    discarded = 0
    try:
        async with asyncio.timeout(_DISCARD_WITHIN_S):
            while discarded <= _DISCARD_TIMES_LIMIT * allowed:
                message = await request.receive()
                discarded += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return


def _too_large(allowed: int) -> Refusal:
    size = f"{allowed / 2**20:g} MiB" if allowed >= 2**20 else f"{allowed:,} bytes"
    return Refusal(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "body_too_large",
        f"The body is larger than {size}. Nothing was stored.",
        headers={"Connection": "close"},
    )

"""Compressed content, with every size bounded: problems, checkpoints, results, events.

Owns compression and the way back, which a hostile input must not turn into gigabytes. Must not know what is inside.
"""

from __future__ import annotations

import io

import zstandard

_LEVEL = 3
_MAX_WINDOW_BYTES = 128 * 1024 * 1024


class DamagedContentError(Exception):
    """The content is no zstd, or breaks off."""


class OversizedContentError(Exception):
    """The content unpacks to more than its limit."""


def pack(content: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=_LEVEL).compress(content)


def unpack(packed: bytes, limit_bytes: int) -> bytes:
    """The content of `packed`, unpacked up to the limit. Raises DamagedContentError or OversizedContentError."""
    try:
        promised = zstandard.frame_content_size(packed)  # -1: the frame does not say
        unpacker = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES)
        with unpacker.stream_reader(io.BytesIO(packed)) as reader:
            content = reader.read(limit_bytes + 1)
    except zstandard.ZstdError as error:
        raise DamagedContentError(str(error)) from error
    if len(content) > limit_bytes:
        raise OversizedContentError(f"more than {limit_bytes:,} bytes")
    if promised not in (-1, len(content)):  # the reader takes an end in mid-frame for the end
        raise DamagedContentError(f"it breaks off after {len(content):,} of {promised:,} bytes")
    return content

"""What a terminal may be shown of bytes that a stranger wrote.

Owns the escaping of control characters, the bounds, and the choice between JSON, text and a hex dump. Must not know
what the bytes are for.
"""

from __future__ import annotations

import json

_MAX_CHARS = 20_000
_MAX_DUMPED_BYTES = 2048
# Parsed JSON takes many times its size.
_MAX_PARSED_BYTES = 8 * 1024 * 1024
_ROW = 16


def harmless(text: str) -> str:
    """The text on one line, with everything escaped that a terminal could take for an order or hide."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shown(value: bytes) -> str:
    """The value for people: indented JSON, or a hex dump of its beginning, and how much is left out."""
    text = _json(value)
    if text is None:
        return _hex_dump(value)
    lines = "\n".join(harmless(line) for line in text[:_MAX_CHARS].split("\n"))
    return lines + _left_out(len(text) - _MAX_CHARS, "characters")


def _json(value: bytes) -> str | None:
    if not value or len(value) > _MAX_PARSED_BYTES:
        return None
    try:
        return json.dumps(json.loads(value), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return None


def _hex_dump(value: bytes) -> str:
    rows = []
    for start in range(0, min(len(value), _MAX_DUMPED_BYTES), _ROW):
        row = value[start : start + _ROW]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        rows.append(f"{start:08x}  {row.hex(' '):<{3 * _ROW}} {text}")
    return "\n".join(rows) + _left_out(len(value) - _MAX_DUMPED_BYTES, "bytes")


def _left_out(count: int, what: str) -> str:
    return f"\n... and {count:,} {what} more; --value-out FILE writes all of it." if count > 0 else ""

"""Answers that are files: ETag and 304, and names that are safe in a header.

Owns those headers. Must not know what is in a file.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Header, Response

IfNoneMatch = Annotated[
    str | None,
    Header(
        alias="If-None-Match", description="ETags that the caller has, by commas; the answer to one of them is 304."
    ),
]


def download(if_none_match: str | None, etag: str, content: bytes, media_type: str, name: str) -> Response:
    """The file as an attachment, or 304 if the caller has it. `name` is made of letters, digits, '-' and '.'."""
    answer = not_modified(if_none_match, etag)
    if answer is None:
        answer = Response(content, media_type=media_type, headers=caching(etag) | attachment(name))
    return answer


def caching(etag: str) -> dict[str, str]:
    """It may name people: no shared cache may keep it, and a browser asks every time, which costs a 304."""
    return {"ETag": etag, "Cache-Control": "private, no-cache"}


def attachment(name: str) -> dict[str, str]:
    """Saved rather than shown: a file of somebody's names must not be run as a page of ours."""
    safe = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-._") else "-" for letter in name)
    return {"Content-Disposition": f'attachment; filename="{safe}"'}


def not_modified(if_none_match: str | None, etag: str) -> Response | None:
    """304 if If-None-Match names the ETag (compared weakly, as RFC 9110 section 13.1.2 asks)."""
    names = {name.strip().removeprefix("W/") for name in (if_none_match or "").split(",")}
    if etag in names or "*" in names:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=caching(etag))
    return None

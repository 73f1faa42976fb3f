"""Receiving bodies: only so many large ones have a place on disk; small ones need none."""

from __future__ import annotations

import pytest
from fastapi import Request
from starlette.types import Message

from services.api.refusals import Refusal
from services.api.uploads import Uploads

LARGE = 2 * 1024 * 1024


def a_request(size: int) -> Request:
    """A request with a body of this size, in chunks."""
    left = [size]

    async def receive() -> Message:
        chunk = min(left[0], 256 * 1024)
        left[0] -= chunk
        return {"type": "http.request", "body": b"x" * chunk, "more_body": left[0] > 0}

    return Request({"type": "http", "method": "POST", "path": "/", "headers": []}, receive)


async def test_one_large_upload_too_many_is_refused_and_a_place_is_free_when_another_is_done() -> None:
    uploads = Uploads(limit=2 * LARGE, timeout_s=10, at_once=2)
    async with uploads.receive(a_request(LARGE)) as first:
        async with uploads.receive(a_request(LARGE)) as second:
            assert first.size == second.size == LARGE
            with pytest.raises(Refusal) as refused:
                async with uploads.receive(a_request(LARGE)):
                    pass
            assert (refused.value.status, refused.value.code) == (503, "too_many_uploads")
            async with uploads.receive(a_request(1024)) as small:
                assert small.content == b"x" * 1024
        async with uploads.receive(a_request(LARGE)) as third:
            assert third.size == LARGE

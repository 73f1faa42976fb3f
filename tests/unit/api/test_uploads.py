"""Large bodies at once: a share for each organisation, and a place that is free again afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from services.api.refusals import Refusal, answer
from services.api.uploads import Uploads

ONE, TWO, THREE = "one", "two", "three"
LARGE = b"x" * (2 * 1024 * 1024)


class Sender:
    """A body that begins, and ends when the test says so."""

    def __init__(self, client: httpx.AsyncClient, organization: str) -> None:
        self.under_way = asyncio.Event()
        self._end = asyncio.Event()
        headers = {"organization": organization}
        self.answer = asyncio.create_task(client.post("/", content=self._body(), headers=headers))

    async def _body(self) -> AsyncIterator[bytes]:
        yield LARGE
        self.under_way.set()
        await self._end.wait()
        yield LARGE

    async def finished(self) -> httpx.Response:
        self._end.set()
        return await self.answer


@pytest.fixture
def client() -> httpx.AsyncClient:
    uploads = Uploads(limit=2**24, timeout_s=30, at_once=3, share=2)
    app = FastAPI()

    @app.post("/")
    async def receive(request: Request) -> int:
        request.state.organization_id = request.headers["organization"]
        async with uploads.receive(request) as body:
            return body.size

    @app.exception_handler(Refusal)
    async def refused(request: Request, refusal: Refusal) -> JSONResponse:
        return answer(request, refusal)

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.example")


async def under_way(client: httpx.AsyncClient, organization: str) -> Sender:
    sender = Sender(client, organization)
    await asyncio.wait_for(sender.under_way.wait(), 20)
    return sender


async def test_slow_uploads_of_one_organisation_leave_room_for_others(client: httpx.AsyncClient) -> None:
    first = [await under_way(client, ONE) for _ in range(2)]
    over = await client.post("/", content=LARGE, headers={"organization": ONE})
    assert (over.status_code, over.json()["code"]) == (429, "organization_busy")
    assert int(over.headers["retry-after"]) > 0
    other = await under_way(client, TWO)
    full = await client.post("/", content=LARGE, headers={"organization": THREE})
    assert (full.status_code, full.json()["code"]) == (503, "too_many_uploads")
    small = await client.post("/", content=b"x", headers={"organization": ONE})
    assert small.json() == 1, "what stays in memory takes no place"
    for sender in (*first, other):
        assert (await sender.finished()).json() == 2 * len(LARGE)
    assert (await client.post("/", content=LARGE, headers={"organization": ONE})).json() == len(LARGE)

"""The edge of every request: errors told without internals, correlation ids, and the same-origin check."""

from __future__ import annotations

import httpx
import pytest
import sqlalchemy.exc
from fastapi import FastAPI, Request

from services.api.access import require_same_origin
from services.api.edge import RequestEdge
from services.api.refusals import Refusal


@pytest.fixture
def client() -> httpx.AsyncClient:
    """An application with one route that works and two that do not."""
    app = FastAPI()
    app.add_middleware(RequestEdge)

    @app.get("/works")
    async def works(request: Request) -> str:
        return str(request.state.correlation_id)

    @app.get("/broken")
    async def broken() -> None:
        raise KeyError("a secret detail")

    @app.get("/away")
    async def away() -> None:
        raise sqlalchemy.exc.OperationalError("SELECT secret", {}, Exception("host 10.0.0.1 refused"))

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.example")


async def test_a_defect_of_ours_is_a_500_that_tells_nothing_but_the_id_to_ask_with(client: httpx.AsyncClient) -> None:
    answer = await client.get("/broken", headers={"X-Correlation-ID": "abc-1"})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    body = answer.json()
    assert (body["code"], body["correlation_id"], body["instance"]) == ("internal_error", "abc-1", "/broken")


async def test_an_absent_database_is_a_503_with_retry_after(client: httpx.AsyncClient) -> None:
    answer = await client.get("/away")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert "secret" not in answer.text
    assert "10.0.0.1" not in answer.text


@pytest.mark.parametrize("given", ["abc-1", "a" * 128, "urn:uuid:1.2_3"])
async def test_a_callers_correlation_id_is_kept(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get("/works", headers={"X-Correlation-ID": given})
    assert answer.headers["x-correlation-id"] == answer.json() == given


@pytest.mark.parametrize("given", ["", "two words", "a" * 129, '{"log": "injection"}'])
async def test_a_correlation_id_that_does_not_fit_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    made = (await client.get("/works", headers={"X-Correlation-ID": given})).headers["x-correlation-id"]
    assert made != given
    assert len(made) == 36


async def test_every_answer_has_the_security_headers(client: httpx.AsyncClient) -> None:
    for path in ("/works", "/broken", "/nothing"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site", "origin": "https://api.example"}, False),
        ({"origin": "https://api.example"}, True),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "https://api.example.evil.example"}, False),
        ({"origin": "null"}, False),
        ({}, True),
    ],
)
def test_only_our_own_pages_may_use_the_cookie(headers: dict[str, str], allowed: bool) -> None:
    raw = [(name.encode(), value.encode()) for name, value in {"host": "api.example", **headers}.items()]
    request = Request({"type": "http", "method": "POST", "path": "/", "headers": raw, "query_string": b""})
    if allowed:
        require_same_origin(request)
    else:
        with pytest.raises(Refusal, match="cross_origin"):
            require_same_origin(request)

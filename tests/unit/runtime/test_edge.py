"""The edge of every request: errors told without internals, correlation ids, and the same-origin check."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus

import httpx
import pytest
import sqlalchemy.exc
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from prometheus_client import REGISTRY

from services.api.refusals import Refusal, answer
from services.api.settings import ApiSettings
from services.runtime.edge import add_edge
from services.runtime.web import MAX_HEADERS, MAX_URL_BYTES, Origins
from tests.unit.runtime.logs import written


def settings(**given: object) -> ApiSettings:
    needed = {"kafka_bootstrap_servers": "localhost:1", "database_url": "postgresql://", "jwt_secret": "0" * 32}
    return ApiSettings.model_validate({**needed, **given})


def refuse(request: Request, status: HTTPStatus, code: str, sentence: str, headers: Mapping[str, str]) -> JSONResponse:
    return answer(request, Refusal(status, code, sentence, headers=headers))


@pytest.fixture
def client() -> httpx.AsyncClient:
    """An application with one route that works and two that do not; pages of one other origin may call it."""
    app = FastAPI()
    add_edge(app, settings(cors_origins="https://other.example"), refuse, ["GET"], routine=["/often"])

    @app.get("/works")
    async def works(request: Request) -> str:
        return str(request.state.correlation_id)

    @app.get("/broken")
    async def broken() -> None:
        raise KeyError("a secret detail")

    @app.get("/away")
    async def away() -> None:
        raise sqlalchemy.exc.OperationalError("SELECT secret", {}, Exception("host 10.0.0.1 refused"))

    @app.get("/often")
    async def often(broken: bool = False) -> str:
        if broken:
            raise KeyError("a secret detail")
        return "well"

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def frames() -> AsyncIterator[str]:
            yield "data: 1\n\n"
            await asyncio.sleep(0.3)
            yield "data: 2\n\n"

        return StreamingResponse(frames(), media_type="text/event-stream")

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


async def lines_of(client: httpx.AsyncClient, path: str) -> list[dict[str, object]]:
    """The lines that a request leaves in the log."""
    with written() as text:
        await client.get(path, headers={"X-Correlation-ID": "abc-1"})
    return [json.loads(line) for line in text.getvalue().splitlines() if "request_answered" in line]


async def test_a_request_leaves_one_line_and_is_counted(client: httpx.AsyncClient) -> None:
    labels = {"method": "GET", "route": "/broken", "status": "500"}
    before = REGISTRY.get_sample_value("horarium_http_requests_total", labels) or 0
    (line,) = await lines_of(client, "/broken")
    assert (line["method"], line["route"], line["status"]) == ("GET", "/broken", 500)
    assert line["correlation_id"] == "abc-1"
    assert REGISTRY.get_sample_value("horarium_http_requests_total", labels) == before + 1


async def test_what_every_page_asks_all_the_time_is_logged_only_when_it_fails(client: httpx.AsyncClient) -> None:
    assert await lines_of(client, "/often") == []
    assert len(await lines_of(client, "/often?broken=true")) == 1


async def test_a_stream_counts_as_answered_when_it_begins(client: httpx.AsyncClient) -> None:
    """It lasts as long as somebody looks on; that is no slowness of ours. The log tells how long it was."""
    (line,) = await lines_of(client, "/stream")
    lasted_s = float(str(line["duration_ms"])) / 1000
    took = REGISTRY.get_sample_value("horarium_http_request_seconds_sum", {"method": "GET", "route": "/stream"})
    assert took is not None
    assert lasted_s - took > 0.25


async def test_every_answer_has_the_security_headers(client: httpx.AsyncClient) -> None:
    for path in ("/works", "/broken", "/nothing"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert int(headers["strict-transport-security"].removeprefix("max-age=")) > 0


async def test_only_listed_origins_can_read_answers_errors_included(client: httpx.AsyncClient) -> None:
    for path in ("/works", "/broken", "/away", "/nothing"):
        allowed = await client.get(path, headers={"origin": "https://other.example"})
        assert allowed.headers["access-control-allow-origin"] == "https://other.example", path
        refused = await client.get(path, headers={"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in refused.headers, path
    asked = {"origin": "https://evil.example", "access-control-request-method": "GET"}
    assert (await client.options("/works", headers=asked)).status_code == 400


@pytest.mark.parametrize(
    ("url", "headers", "status"),
    [
        ("/works?" + "x" * MAX_URL_BYTES, {}, 414),
        ("/works", {"x-large": "x" * 40_000}, 431),
        ("/works", {f"x-{n}": "" for n in range(MAX_HEADERS)}, 431),
    ],
)
async def test_an_address_or_headers_out_of_bounds_are_refused(
    client: httpx.AsyncClient, url: str, headers: dict[str, str], status: int
) -> None:
    answered = await client.get(url, headers=headers)
    assert answered.status_code == status
    assert answered.headers["content-type"] == "application/problem+json"
    assert answered.headers["x-content-type-options"] == "nosniff"
    assert answered.json()["correlation_id"] == answered.headers["x-correlation-id"] != ""


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site", "origin": "https://api.example"}, False),
        ({"sec-fetch-site": "cross-site", "origin": "https://other.example"}, True),
        ({"sec-fetch-site": "cross-site", "x-requested-with": "x"}, False),
        ({"origin": "https://api.example"}, True),
        ({"origin": "http://api.example"}, False),
        ({"origin": "https://other.example"}, True),
        ({"origin": "https://sub.third.example"}, True),
        ({"origin": "https://sub.third.example.evil.example"}, False),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "https://api.example.evil.example"}, False),
        ({"origin": "null"}, False),
        ({}, False),
        ({"x-requested-with": "fetch"}, True),
    ],
)
def test_only_our_own_pages_and_listed_ones_may_use_the_cookie(headers: dict[str, str], allowed: bool) -> None:
    raw = [(name.encode(), value.encode()) for name, value in {"host": "api.example", **headers}.items()]
    request = Request({"type": "http", "method": "POST", "path": "/", "headers": raw, "query_string": b""})
    origins = Origins(
        settings(cors_origins="https://other.example", cors_origin_pattern=r"https://\w+\.third\.example")
    )
    assert origins.forged(request, needs_proof=True) is not allowed


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_where_there_is_plain_http_our_page_may_come_over_it(scheme: str) -> None:
    headers = [(b"host", b"localhost:8000"), (b"origin", f"{scheme}://localhost:8000".encode())]
    request = Request({"type": "http", "method": "POST", "path": "/", "headers": headers, "query_string": b""})
    assert not Origins(settings(cookie_secure=False)).forged(request, needs_proof=True)


def test_a_program_without_a_cookie_need_not_prove_anything() -> None:
    request = Request({"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b""})
    assert not Origins(settings()).forged(request, needs_proof=False)

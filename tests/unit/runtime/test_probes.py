"""Probes and metrics: what is seen from outside of a service whose dependency goes away and comes back."""

from __future__ import annotations

import httpx
from fastapi import FastAPI

from services.runtime.http import probes


class Dependency:
    """Answers, or is away, as told."""

    away = False

    async def check(self) -> None:
        if self.away:
            raise ConnectionError("away")


async def test_a_scrape_tells_how_a_dependency_is_now_though_nobody_asks_for_readiness() -> None:
    dependency = Dependency()
    app = FastAPI()
    app.include_router(probes({"something": dependency.check}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        for away, value in [(False, "1.0"), (True, "0.0"), (False, "1.0")]:
            dependency.away = away
            scraped = (await client.get("/metrics")).text
            assert f'horarium_dependency_up{{dependency="something"}} {value}' in scraped


async def test_a_service_whose_dependency_is_away_is_alive_and_not_ready() -> None:
    dependency = Dependency()
    dependency.away = True
    app = FastAPI()
    app.include_router(probes({"something": dependency.check}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/startz")).status_code == 200, "it can tell its users that something is away"
        ready = await client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["checks"] == {"something": "ConnectionError"}

"""Every route of progress, from the application itself: it takes a role, another organisation's job is 404 on it, and
it answers with the security headers; a stream ends with the token that it was opened with.
"""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta

import httpx
import pytest
from pydantic import SecretStr

from services.progress.app import create_app
from services.progress.settings import ProgressSettings
from services.runtime.access import PROBES, Role, declared
from services.runtime.tokens import Keys, Principal, issue
from tests.integration.progress.speaking import SECRET, Publisher, Reader, headers_of
from tests.job_events import JobEvents

ROUTES = declared(
    create_app(
        ProgressSettings.model_validate(
            {"kafka_bootstrap_servers": "localhost:1", "redis_url": "redis://localhost:1", "jwt_secret": SECRET}
        )
    )
)
GUARDED = [path for (_, path), role in ROUTES.items() if role is not None]


def test_every_route_takes_a_role_or_is_a_probe() -> None:
    assert {route for route, role in ROUTES.items() if role is None} == PROBES
    assert len(GUARDED) >= 2
    assert {method for method, path in ROUTES if path in GUARDED} == {"GET"}


@pytest.mark.parametrize("path", GUARDED)
async def test_another_organisations_job_does_not_exist(http: httpx.AsyncClient, publish: Publisher, path: str) -> None:
    job = JobEvents()
    await publish(job.requested(), job.completed())
    await Reader(http, job).until(status="completed")
    own = await http.get(path.format(job_id=job.job_id), headers=headers_of(job.organization_id))
    assert own.status_code == 200
    foreign = await http.get(path.format(job_id=job.job_id), headers=headers_of(uuid.uuid4()))
    assert foreign.status_code == 404
    for answer in (own, foreign):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["strict-transport-security"]
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"]


@pytest.mark.parametrize("path", GUARDED)
async def test_a_role_that_nobody_knows_may_not_even_read(http: httpx.AsyncClient, path: str) -> None:
    principal = Principal(uuid.uuid4(), uuid.uuid4(), "emperor", "e@test.example")
    bearer = {"Authorization": f"Bearer {issue(principal, Keys(SecretStr(SECRET)), timedelta(minutes=1))}"}
    answer = await http.get(path.format(job_id=uuid.uuid4()), headers=bearer)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert Role.VIEWER in answer.json()["detail"]


async def test_no_other_origin_can_read_an_answer_unless_it_is_listed(http: httpx.AsyncClient) -> None:
    answer = await http.get(f"/api/progress/{uuid.uuid4()}", headers={"Origin": "http://localhost:8000"})
    assert "access-control-allow-origin" not in answer.headers


async def test_a_stream_ends_with_its_token(http: httpx.AsyncClient, publish: Publisher) -> None:
    job = JobEvents()
    await publish(job.requested())
    await Reader(http, job).until(status="queued")
    principal = Principal(uuid.uuid4(), job.organization_id, "viewer", "v@test.example")
    # Believed for half a minute longer than it says, because clocks differ.
    token = issue(principal, Keys(SecretStr(SECRET)), timedelta(seconds=-24))
    async with asyncio.timeout(60):
        answer = await http.get(
            f"/api/progress/{job.job_id}/events", headers={"Authorization": f"Bearer {token}"}, timeout=60
        )
    assert answer.status_code == 200
    assert "event: progress" in answer.text
    assert "event: finished" not in answer.text

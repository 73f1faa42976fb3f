"""The edge of the progress service: what goes wrong inside is answered, logged and counted as in every service."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta

import httpx
import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr

from services.progress.app import create_app
from services.progress.settings import ProgressSettings
from services.progress.store import Store
from services.runtime.tokens import Keys, Principal, issue
from tests.unit.runtime.logs import written

SECRET = "a secret for tests that is long enough"
PAGE = "https://timetable.example"
CALLER = Principal(uuid.uuid4(), uuid.uuid4(), "viewer", "viewer@test.example")
JOB = uuid.uuid4()


@pytest.fixture
def client() -> httpx.AsyncClient:
    settings = {"kafka_bootstrap_servers": "localhost:1", "redis_url": "redis://localhost:1", "jwt_secret": SECRET}
    app = create_app(ProgressSettings.model_validate({**settings, "cors_origins": PAGE}))
    token = issue(CALLER, Keys(SecretStr(SECRET)), timedelta(minutes=1))
    headers = {"Authorization": f"Bearer {token}", "Origin": PAGE, "X-Correlation-ID": "abc-1"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://progress.example", headers=headers)


@pytest.mark.parametrize("path", ["", "/events"])
async def test_a_defect_is_a_500_that_an_allowed_page_can_read_and_that_is_logged_and_counted(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    async def fail(*_: object) -> None:
        raise KeyError("a secret detail")

    monkeypatch.setattr(Store, "snapshot", fail)
    labels = {"method": "GET", "route": f"/api/progress/{{job_id}}{path}", "status": "500"}
    before = REGISTRY.get_sample_value("horarium_http_requests_total", labels) or 0
    with written() as text:
        answer = await client.get(f"/api/progress/{JOB}{path}")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "secret" not in answer.text
    assert answer.json()["correlation_id"] == answer.headers["x-correlation-id"] == "abc-1"
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["strict-transport-security"]
    assert answer.headers["cache-control"] == "no-store"
    lines = {line["event"]: line for line in map(json.loads, text.getvalue().splitlines())}
    assert lines.keys() == {"request_failed", "request_answered"}
    said = lines["request_answered"]
    assert (said["job_id"], said["organization_id"]) == (str(JOB), str(CALLER.organization_id))
    assert {line["correlation_id"] for line in lines.values()} == {"abc-1"}
    assert REGISTRY.get_sample_value("horarium_http_requests_total", labels) == before + 1


async def test_who_is_not_signed_in_gets_an_id_to_ask_with(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/api/progress/{JOB}", headers={"Authorization": "", "X-Correlation-ID": "two words"})
    assert answer.status_code == 401
    assert answer.json()["correlation_id"] == answer.headers["x-correlation-id"]
    assert len(answer.headers["x-correlation-id"]) == 36

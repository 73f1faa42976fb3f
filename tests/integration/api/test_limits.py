"""What an organisation may use: exact under concurrent requests, told beforehand, and never shared with others."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import redis

from deploy.local.addresses import Addresses
from deploy.local.ports import free_port
from services.api.seed import seed_demo
from tests.conftest import FreshDatabase
from tests.integration.api.conftest import PASSWORD, RunningApi, a_problem, a_running_api, refused, uploaded

GENERATE = "/api/timetables/generate"


class Organization:
    """An organisation with the limits of a new one, and a planner of it."""

    def __init__(self, api: RunningApi) -> None:
        email = f"{uuid.uuid4()}@limits.example"
        name = f"Organisation {uuid.uuid4()}"
        self._api = api
        self.id = seed_demo(api.addresses.database_url, email, PASSWORD, name, role="planner").organization_id
        self.client = api.client(email)
        self.problem_id = uploaded(self.client)

    def ask(self, key: str | None = None) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        return self.client.post(GENERATE, json={"problem_id": self.problem_id}, headers=headers)

    def may(self, **limits: int) -> None:
        for name, value in limits.items():
            statement = f"UPDATE organizations SET {name} = %s WHERE id = %s"  # noqa: S608  # the test's own names
            self._api.sql(statement, value, self.id)

    def passed(self, minutes: float, newest: int = 1000) -> None:
        """So long ago are the organisation's `newest` jobs, and all before them."""
        self._api.sql(
            "UPDATE jobs SET created_at = created_at - make_interval(secs => %s)"
            " WHERE organization_id = %s AND accepted_number <= %s",
            minutes * 60,
            self.id,
            newest,
        )


@pytest.fixture
def organization(api: RunningApi) -> Iterator[Organization]:
    made = Organization(api)
    with closing(made.client):
        yield made


def test_ten_an_hour_are_accepted_however_many_ask_at_once(
    api: RunningApi, organization: Organization, planner: httpx.Client
) -> None:
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: organization.ask(), range(24)))
    assert sorted(answer.status_code for answer in answers) == [202] * 10 + [429] * 14
    assert api.sql("SELECT count(*) FROM jobs WHERE organization_id = %s", organization.id) == [(10,)]
    left = sorted(int(a.headers["ratelimit"].split("r=")[1].split(";")[0]) for a in answers if a.status_code == 202)
    assert left == list(range(10))
    refusal = next(answer for answer in answers if answer.status_code == 429)
    refused(refusal, 429, "rate_limited")
    assert 3500 < int(refusal.headers["retry-after"]) <= 3600
    assert refusal.headers["ratelimit-policy"] == '"generate";q=10;w=3600'
    assert "r=0" in refusal.headers["ratelimit"]
    assert planner.post(GENERATE, json={"problem_id": uploaded(planner)}).status_code == 202


def test_limits_are_exact_while_redis_is_down(
    addresses: Addresses, fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    """They are counted where the job is written. Nobody answers at this Redis, from the start of the service on."""
    nowhere = f"redis://127.0.0.1:{free_port()}"
    with pytest.raises(redis.exceptions.ConnectionError):
        redis.Redis.from_url(nowhere).ping()
    running = a_running_api(replace(addresses, database_url=fresh_database()), tmp_path, REDIS_URL=nowhere)
    try:
        organization = Organization(running)
        with closing(organization.client), ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda _: organization.ask(), range(24)))
            assert sorted(answer.status_code for answer in answers) == [202] * 10 + [429] * 14
            assert running.sql("SELECT count(*) FROM jobs WHERE organization_id = %s", organization.id) == [(10,)]
            organization.may(generate_per_hour=1000, max_open_jobs=13)
            answers = list(pool.map(lambda _: organization.ask(), range(6)))
            assert sorted(answer.status_code for answer in answers) == [202] * 3 + [429] * 3
            refused(organization.ask(), 429, "too_many_open_jobs")
    finally:
        running.process.process.stop()


def test_the_hour_slides(organization: Organization) -> None:
    assert [organization.ask().status_code for _ in range(11)] == [202] * 10 + [429]
    organization.passed(minutes=59, newest=3)
    answer = organization.ask()
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) <= 60
    organization.passed(minutes=2, newest=3)
    assert [organization.ask().status_code for _ in range(4)] == [202] * 3 + [429]


def test_a_replay_and_a_refused_request_do_not_count(organization: Organization) -> None:
    for _ in range(5):
        unknown = organization.client.post(GENERATE, json={"problem_id": str(uuid.uuid4())})
        refused(unknown, 422, "invalid_request")
    first = organization.ask("a-key")
    for _ in range(12):
        again = organization.ask("a-key")
        assert (again.status_code, again.json()["job_id"]) == (202, first.json()["job_id"])
    assert [organization.ask().status_code for _ in range(10)] == [202] * 9 + [429]
    # The key of a refused request is free: once there is room, the same request is accepted.
    refused(organization.ask("another-key"), 429, "rate_limited")
    organization.may(generate_per_hour=11)
    assert organization.ask("another-key").status_code == 202


def test_an_organisation_may_be_allowed_nothing(organization: Organization) -> None:
    organization.may(generate_per_hour=0)
    refused(organization.ask(), 429, "rate_limited")


def test_open_jobs_are_bounded_and_ended_ones_make_room(api: RunningApi, organization: Organization) -> None:
    organization.may(generate_per_hour=1000, max_open_jobs=3)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: organization.ask(), range(6)))
    assert sorted(answer.status_code for answer in answers) == [202] * 3 + [429] * 3
    refusal = organization.ask()
    refused(refusal, 429, "too_many_open_jobs")
    assert int(refusal.headers["retry-after"]) > 0
    ended = next(answer.json()["job_id"] for answer in answers if answer.status_code == 202)
    api.sql(
        "INSERT INTO job_states (job_id, organization_id, status, state, version, updated_at)"
        " VALUES (%s, %s, 'completed', '{}', 1, now())",
        ended,
        organization.id,
    )
    assert organization.ask().status_code == 202
    refused(organization.ask(), 429, "too_many_open_jobs")


def test_the_size_of_all_problems_is_bounded_and_the_same_one_again_is_not_counted(
    api: RunningApi, organization: Organization
) -> None:
    again = a_problem()
    uploaded(organization.client, again)
    [(size,)] = api.sql("SELECT sum(size_bytes) FROM problems WHERE organization_id = %s", organization.id)
    organization.may(max_problem_bytes=int(size) + 10)
    refused(organization.client.post("/api/problems", json=a_problem()), 409, "problem_storage_full")
    inline = organization.client.post(GENERATE, json={"problem": a_problem()})
    refused(inline, 409, "problem_storage_full")
    assert organization.client.post("/api/problems", json=again).status_code == 200
    assert organization.client.delete(f"/api/problems/{organization.problem_id}").status_code == 204
    uploaded(organization.client)

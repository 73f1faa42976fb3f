"""Every route of api, from the application itself, so that a new one cannot be forgotten: it takes a role, and what
belongs to another organisation does not exist for it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from services.api.access import PUBLIC
from services.api.app import create_app, documentation_settings
from services.runtime.access import PROBES, Role, declared
from tests.integration.api.conftest import PASSWORD, RunningApi, refused, uploaded
from tests.integration.api.finished import A_CHANGE, Variant, finished
from tests.integration.api.test_sessions import a_user
from tests.integration.api.test_timetables import A_TIMETABLE

ROUTES = declared(create_app(documentation_settings()))
OPEN = {*PUBLIC, *PROBES}
GUARDED = sorted((route, role) for route, role in ROUTES.items() if role is not None)
# What names something of an organisation; other parameters of a path are words that everybody may use.
IDS = ("{job_id}", "{problem_id}", "{user_id}", "{token_id}")
NO_IDS = {"number": "1", "name": "problem.xlsx"}
# A route whose body is read before the thing is looked for needs one that is right.
BODIES: dict[tuple[str, str], dict[str, object]] = {
    ("PATCH", "/api/users/{user_id}"): {"role": "viewer"},
    ("POST", "/api/timetables/{job_id}/variants/{number}/moves/evaluate"): {"class": "c1", "time": "mon"},
}
QUERIES = {("GET", "/api/timetables/{job_id}/variants/{number}/alternatives"): {"class": "c1"}}


def concrete(path: str, ids: dict[str, str]) -> str:
    return path.format_map({**NO_IDS, **ids})


@pytest.fixture(scope="module")
def ids(api: RunningApi, admin: httpx.Client, planner: httpx.Client) -> dict[str, str]:
    """One thing of each kind that the first organisation has; the job has been solved."""
    return made(api, admin, planner)


def made(api: RunningApi, admin: httpx.Client, planner: httpx.Client) -> dict[str, str]:
    token = admin.post("/api/tokens", json={"name": "t", "password": PASSWORD})
    return {
        "job_id": finished(api, planner, uploaded(planner), Variant(A_TIMETABLE, changes=A_CHANGE)),
        "problem_id": uploaded(planner),
        "user_id": a_user(admin)["id"],
        "token_id": token.json()["id"],
    }


@pytest.fixture(scope="module")
def other_admin(api: RunningApi) -> Iterator[httpx.Client]:
    with closing(api.client("admin@two.example")) as client:
        yield client


@pytest.fixture
def callers(viewer: httpx.Client, planner: httpx.Client) -> dict[Role, httpx.Client]:
    return {Role.VIEWER: viewer, Role.PLANNER: planner}


def test_every_route_takes_a_role_or_is_in_the_list_of_public_ones() -> None:
    assert {route for route, role in ROUTES.items() if role is None} == OPEN
    assert len(GUARDED) > 20


@pytest.mark.parametrize(
    ("route", "role"), GUARDED, ids=lambda value: " ".join(value) if isinstance(value, tuple) else value
)
def test_a_route_refuses_whoever_is_not_signed_in_or_has_a_lower_role(
    api: RunningApi, callers: dict[Role, httpx.Client], route: tuple[str, str], role: Role
) -> None:
    method, path = route
    nothing = {name.strip("{}"): str(uuid.uuid4()) for name in IDS}
    refused(httpx.request(method, api.url + concrete(path, nothing)), 401, "unauthorized")
    for lower in list(Role)[: list(Role).index(role)]:
        refused(callers[lower].request(method, concrete(path, nothing)), 403, "forbidden")


@pytest.mark.parametrize(
    "route", [route for route, _ in GUARDED if any(name in route[1] for name in IDS)], ids=" ".join
)
def test_what_belongs_to_another_organisation_does_not_exist(
    api: RunningApi,
    admin: httpx.Client,
    planner: httpx.Client,
    other_admin: httpx.Client,
    ids: dict[str, str],
    route: tuple[str, str],
) -> None:
    """The very same request is a success for the owner: it is for nothing else that the stranger gets 404."""
    method, path = route
    if method == "DELETE":
        ids = made(api, admin, planner)
    answer = other_admin.request(method, concrete(path, ids), json=BODIES.get(route), params=QUERIES.get(route))
    assert answer.status_code == 404, f"{method} {path}: {answer.status_code} {answer.text[:300]}"
    assert not any(value in answer.text.replace(str(answer.json()["instance"]), "") for value in ids.values())
    own = admin.request(method, concrete(path, ids), json=BODIES.get(route), params=QUERIES.get(route))
    assert own.is_success, f"{method} {path} for its owner: {own.status_code} {own.text[:300]}"
    if own.content:
        assert answer.text != own.text


def test_no_list_shows_anything_of_another_organisation(other_admin: httpx.Client, ids: dict[str, str]) -> None:
    lists = [
        path for (method, path), role in ROUTES.items() if method == "GET" and role is not None and "{" not in path
    ]
    assert len(lists) >= 6
    for path in lists:
        answer = other_admin.get(path)
        assert answer.status_code == 200, path
        assert not any(value in answer.text for value in ids.values()), path

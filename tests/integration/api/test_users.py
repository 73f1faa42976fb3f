"""Users of an organisation: added, changed, disabled by its admins; and what is told of its limits."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from services.api.seed import seed_demo
from tests.integration.api.conftest import PASSWORD, RunningApi, refused, requested
from tests.integration.api.test_sessions import OWN_PAGE, a_key, a_user, refresh_token, renew, sign_in, sign_in_anew


def test_an_admin_adds_a_user_who_then_signs_in(api: RunningApi, admin: httpx.Client) -> None:
    email = f"{uuid.uuid4()}@One.example"
    made = admin.post("/api/users", json={"email": email, "password": PASSWORD, "role": "planner"})
    assert made.status_code == 201
    user = made.json()
    assert (user["email"], user["role"], user["disabled_at"]) == (email.lower(), "planner", None)
    assert "password" not in made.text
    assert admin.get(made.headers["location"]).json() == user
    assert user["id"] in admin.get("/api/users").text
    assert sign_in_anew(api, email).status_code == 200
    refused(admin.post("/api/users", json={"email": email, "password": PASSWORD}), 409, "email_taken")


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"password": "short"}, "/password"),
        ({"password": "aaaaaaaaaaaaaaaaa"}, "/password"),
        ({"email": "nobody"}, "/email"),
        ({"email": "a\u0000b@one.example"}, "/email"),
        ({"role": "emperor"}, "/role"),
        ({"colour": "red"}, "/colour"),
    ],
)
def test_a_user_that_cannot_be_is_refused_with_the_place(
    admin: httpx.Client, changed: dict[str, str], pointer: str
) -> None:
    body = {"email": f"{uuid.uuid4()}@one.example", "password": PASSWORD, "role": "viewer", **changed}
    found = refused(admin.post("/api/users", json=body), 422, "invalid_request")
    assert found["errors"][0]["pointer"] == pointer


def test_users_come_in_pages(admin: httpx.Client) -> None:
    made = {a_user(admin)["id"] for _ in range(3)}
    seen: list[str] = []
    cursor: str | None = None
    while cursor is not None or not seen:
        page = admin.get("/api/users", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [user["id"] for user in page["items"]]
        cursor = page["next_cursor"]
    assert len(seen) == len(set(seen))
    assert made <= set(seen)


def test_a_disabled_user_is_out_and_comes_back_when_enabled(api: RunningApi, admin: httpx.Client) -> None:
    user = a_user(admin)
    with httpx.Client(base_url=api.url, headers=OWN_PAGE) as browser:
        session = refresh_token(sign_in(browser, user["email"]))
        key = browser.post("/api/tokens", json={"name": "k", "password": PASSWORD}).json()["token"]
        assert admin.patch(f"/api/users/{user['id']}", json={"disabled": True}).json()["disabled_at"]
        refused(renew(api, session), 401, "session_ended")
        refused(browser.get("/api/auth/me"), 401, "unauthorized")
        bearer = {"Authorization": f"Bearer {key}"}
        refused(httpx.get(f"{api.url}/api/timetables", headers=bearer), 401, "unauthorized")
        refused(sign_in(browser, user["email"]), 403, "user_disabled")
        refused(sign_in(browser, user["email"], "wrong"), 401, "wrong_credentials")
        assert admin.patch(f"/api/users/{user['id']}", json={"disabled": False}).json()["disabled_at"] is None
        refused(httpx.get(f"{api.url}/api/timetables", headers=bearer), 401, "unauthorized")
        assert sign_in(browser, user["email"]).status_code == 200


def test_a_new_role_is_in_the_next_access_token(api: RunningApi, admin: httpx.Client) -> None:
    user = a_user(admin)
    with httpx.Client(base_url=api.url, headers=OWN_PAGE) as browser:
        sign_in(browser, user["email"])
        refused(browser.get("/api/users"), 403, "forbidden")
        assert admin.patch(f"/api/users/{user['id']}", json={"role": "admin"}).json()["role"] == "admin"
        assert browser.post("/api/auth/refresh").status_code == 200
        assert browser.get("/api/users").status_code == 200


def test_a_reset_password_signs_out_everywhere(api: RunningApi, admin: httpx.Client) -> None:
    user = a_user(admin)
    with httpx.Client(base_url=api.url) as browser:
        session = refresh_token(sign_in(browser, user["email"]))
        browser.headers.update(OWN_PAGE)
        key = a_key(browser)
        assert admin.patch(f"/api/users/{user['id']}", json={"password": PASSWORD + " new"}).status_code == 200
        refused(renew(api, session), 401, "session_ended")
        refused(httpx.get(f"{api.url}/api/timetables", headers=key), 401, "unauthorized")
        refused(sign_in(browser, user["email"]), 401, "wrong_credentials")
        assert sign_in(browser, user["email"], PASSWORD + " new").status_code == 200


def test_two_admins_that_disable_each_other_at_once_leave_one(api: RunningApi) -> None:
    name = f"Organisation {uuid.uuid4()}"
    emails = [f"{uuid.uuid4()}@three.example" for _ in range(2)]
    ids = [seed_demo(api.addresses.database_url, email, PASSWORD, name).user_id for email in emails]
    clients = [api.client(email) for email in emails]

    def disable(one: int) -> int:
        return clients[one].patch(f"/api/users/{ids[1 - one]}", json={"disabled": True}).status_code

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(disable, range(2))) == [200, 409]
    for client in clients:
        client.close()


def test_an_admin_sees_limits_and_usage_and_nobody_else_does(admin: httpx.Client, planner: httpx.Client) -> None:
    before = admin.get("/api/organization").json()
    requested(planner)
    after = admin.get("/api/organization").json()
    assert after["limits"] == before["limits"]
    assert after["limits"]["running_jobs"] == 10
    assert after["usage"]["generate_last_hour"] == before["usage"]["generate_last_hour"] + 1
    assert after["usage"]["open_jobs"] >= 1
    assert after["usage"]["problem_bytes"] > before["usage"]["problem_bytes"]
    refused(planner.get("/api/organization"), 403, "forbidden")

"""Who may do what: signing in, roles, cookies, and other organisations."""

from __future__ import annotations

import uuid

import httpx
import pytest

from services.runtime.tokens import COOKIE
from tests.integration.api.conftest import PASSWORD, RunningApi, refused, requested, uploaded


def test_signing_in_sets_a_cookie_that_scripts_cannot_read_and_returns_the_token(api: RunningApi) -> None:
    with httpx.Client(base_url=api.url) as browser:
        answer = browser.post("/api/auth/login", json={"email": "Planner@One.example", "password": PASSWORD})
        assert answer.status_code == 200
        assert answer.json()["token_type"] == "bearer"
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert browser.get("/api/auth/me").json()["organization"] == "One"
        assert browser.post("/api/auth/logout", headers={"X-Requested-With": "test"}).status_code == 204
        refused(browser.get("/api/auth/me"), 401, "unauthorized")


@pytest.mark.parametrize(("email", "password"), [("planner@one.example", "wrong"), ("nobody@one.example", PASSWORD)])
def test_a_wrong_address_and_a_wrong_password_are_told_apart_by_nobody(
    api: RunningApi, email: str, password: str
) -> None:
    answer = httpx.post(f"{api.url}/api/auth/login", json={"email": email, "password": password})
    body = refused(answer, 401, "wrong_credentials")
    assert body["detail"] == "The address or the password is wrong."


def test_every_route_but_sign_in_wants_a_token(api: RunningApi) -> None:
    document = httpx.get(f"{api.url}/openapi.json").json()
    asked = 0
    for path, methods in document["paths"].items():
        if not path.startswith("/api/") or path in ("/api/auth/login", "/api/auth/logout", "/api/auth/refresh"):
            continue
        concrete = path.replace("{problem_id}", str(uuid.uuid4())).replace("{job_id}", str(uuid.uuid4()))
        concrete = concrete.replace("{user_id}", str(uuid.uuid4())).replace("{token_id}", str(uuid.uuid4()))
        for method in methods:
            refused(httpx.request(method, api.url + concrete.replace("{number}", "1")), 401, "unauthorized")
            asked += 1
    assert asked >= 10


@pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer ", "Basic cGxhbm5lcg==", "Bearer " + "x" * 5000])
def test_a_bad_token_is_refused(api: RunningApi, header: str) -> None:
    refused(httpx.get(f"{api.url}/api/problems", headers={"Authorization": header.strip()}), 401, "unauthorized")


def test_a_viewer_reads_and_does_nothing_else(planner: httpx.Client, viewer: httpx.Client) -> None:
    problem_id, job_id = uploaded(planner), requested(planner)
    job = f"/api/timetables/{job_id}"
    for path in ("/api/problems", f"/api/problems/{problem_id}", "/api/timetables", job, f"{job}/attempts"):
        assert viewer.get(path).status_code == 200
    refused(viewer.post("/api/problems", json={}), 403, "forbidden")
    refused(viewer.delete(f"/api/problems/{problem_id}"), 403, "forbidden")
    refused(viewer.post("/api/timetables/generate", json={"problem_id": problem_id}), 403, "forbidden")
    refused(viewer.post(f"/api/timetables/{job_id}/stop"), 403, "forbidden")
    refused(viewer.post(f"/api/timetables/{job_id}/cancel"), 403, "forbidden")


def test_what_belongs_to_another_organisation_does_not_exist(planner: httpx.Client, stranger: httpx.Client) -> None:
    problem_id, job_id = uploaded(planner), requested(planner)
    refused(stranger.get(f"/api/problems/{problem_id}"), 404, "problem_not_found")
    refused(stranger.delete(f"/api/problems/{problem_id}"), 404, "problem_not_found")
    refused(stranger.get(f"/api/timetables/{job_id}"), 404, "job_not_found")
    refused(stranger.get(f"/api/timetables/{job_id}/attempts"), 404, "job_not_found")
    refused(stranger.get(f"/api/timetables/{job_id}/variants/1"), 404, "variant_not_found")
    refused(stranger.post(f"/api/timetables/{job_id}/stop"), 404, "job_not_found")
    refused(stranger.post(f"/api/timetables/{job_id}/cancel"), 404, "job_not_found")
    body = refused(stranger.post("/api/timetables/generate", json={"problem_id": problem_id}), 422, "invalid_request")
    assert body["errors"][0]["pointer"] == "/problem_id"
    assert stranger.get("/api/timetables").json()["items"] == []
    assert problem_id not in stranger.get("/api/problems").text


def test_a_cookie_works_from_our_own_pages_only(api: RunningApi, planner: httpx.Client) -> None:
    job_id = requested(planner)
    token = planner.headers["Authorization"].removeprefix("Bearer ")
    with httpx.Client(base_url=api.url, cookies={COOKIE: token}) as browser:
        stop = f"/api/timetables/{job_id}/stop"
        refused(browser.post(stop, headers={"Sec-Fetch-Site": "cross-site"}), 403, "cross_origin")
        refused(browser.post(stop, headers={"Sec-Fetch-Site": "same-site"}), 403, "cross_origin")
        refused(browser.post(stop, headers={"Origin": "https://evil.example"}), 403, "cross_origin")
        assert browser.get("/api/auth/me", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200
        assert browser.post(stop, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 202
        assert browser.post(stop, headers={"Origin": api.url}).status_code == 202

"""Staying signed in: rotation, reuse, sign-out, keys of programs, and pauses after wrong passwords."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from services.api.passwords import hash_password
from services.api.routes.auth import REFRESH_COOKIE
from services.api.store.accounts import Accounts, Changes
from services.api.store.failures import FREE_FOR_ACCOUNT
from services.api.store.sessions import Sessions
from services.api.store.tokens import ApiTokens, NoLongerError
from services.runtime.tokens import COOKIE
from tests.integration.api.conftest import PASSWORD, RunningApi, refused

OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}
PATH = "/api/auth"


@pytest.fixture
def email(api: RunningApi, admin: httpx.Client) -> str:
    """A user of the first organisation whom no other test knows."""
    return a_user(admin)["email"]


def a_user(admin: httpx.Client, role: str = "viewer") -> dict[str, str]:
    made = admin.post("/api/users", json={"email": f"{uuid.uuid4()}@one.example", "password": PASSWORD, "role": role})
    assert made.status_code == 201, made.text
    answer: dict[str, str] = made.json()
    return answer


@pytest.fixture
def browser(api: RunningApi, email: str) -> Iterator[httpx.Client]:
    """Somebody signed in with cookies."""
    with httpx.Client(base_url=api.url, headers=OWN_PAGE) as client:
        assert sign_in(client, email).status_code == 200
        yield client


def sign_in(client: httpx.Client, email: str, password: str = PASSWORD) -> httpx.Response:
    return client.post(f"{PATH}/login", json={"email": email, "password": password})


def sign_in_anew(api: RunningApi, email: str) -> httpx.Response:
    """From another browser."""
    return httpx.post(f"{api.url}{PATH}/login", json={"email": email, "password": PASSWORD}, timeout=30)


def renew(api: RunningApi, token: str) -> httpx.Response:
    return httpx.post(f"{api.url}{PATH}/refresh", cookies={REFRESH_COOKIE: token}, headers=OWN_PAGE)


def refresh_token(answer: httpx.Response) -> str:
    token = answer.cookies.get(REFRESH_COOKIE)
    assert token
    return token


def later(api: RunningApi, email: str) -> None:
    """The seconds pass in which a used refresh token still gives the same successor."""
    api.sql(
        "UPDATE refresh_tokens SET used_at = used_at - interval '1 minute' FROM users"
        " WHERE users.id = user_id AND email = %s",
        email,
    )


def test_the_refresh_cookie_goes_nowhere_but_to_sign_in_and_no_script_reads_it(api: RunningApi, email: str) -> None:
    answer = sign_in_anew(api, email)
    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith(REFRESH_COOKIE)).lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert f"path={PATH};" in cookie + ";"
    assert refresh_token(answer) not in answer.text


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "OWN"}, {"Sec-Fetch-Site": "none"}])
def test_no_answer_gives_a_token_to_a_script_of_the_page(api: RunningApi, email: str, headers: dict[str, str]) -> None:
    """What got into a page can call everything in its user's name, but carries no key away."""
    headers = {name: value.replace("OWN", api.url) for name, value in headers.items()}
    bodies = {"login": {"email": email, "password": PASSWORD}, "refresh": None}
    bodies["password"] = {"current_password": PASSWORD, "new_password": PASSWORD * 2}
    with httpx.Client(base_url=api.url, headers=headers) as page:
        for path, body in bodies.items():
            # What a script would try next to look like a program.
            answer = page.post(f"{PATH}/{path}", json=body, headers={"X-Requested-With": "x", "User-Agent": "curl/8"})
            assert answer.status_code == 200, answer.text
            assert answer.json()["access_token"] is None
            secrets = [page.cookies[COOKIE], page.cookies[REFRESH_COOKIE]]
            assert not any(secret in answer.text for secret in secrets)
            assert page.get(f"{PATH}/me").status_code == 200


def test_a_program_gets_its_token_in_the_body(api: RunningApi, email: str) -> None:
    with httpx.Client(base_url=api.url) as program:
        signed_in = sign_in(program, email)
        renewed = program.post(f"{PATH}/refresh", headers={"X-Requested-With": "x"})
        for answer in (signed_in, renewed):
            bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
            assert httpx.get(f"{api.url}{PATH}/me", headers=bearer).status_code == 200


def test_only_a_hash_of_a_refresh_token_is_kept(api: RunningApi, browser: httpx.Client) -> None:
    token = browser.cookies[REFRESH_COOKIE]
    assert not any(token.encode() in bytes(row[0]) for row in api.sql("SELECT token_sha256 FROM refresh_tokens"))


def test_a_session_is_renewed_and_each_renewal_gives_another_token(browser: httpx.Client) -> None:
    first = browser.cookies[REFRESH_COOKIE]
    del browser.cookies[COOKIE]
    refused(browser.get(f"{PATH}/me"), 401, "unauthorized")
    assert browser.post(f"{PATH}/refresh").status_code == 200
    assert browser.cookies[REFRESH_COOKIE] != first
    assert browser.get(f"{PATH}/me").status_code == 200


def test_tabs_that_renew_at_once_get_the_same_successor_and_stay_signed_in(
    api: RunningApi, browser: httpx.Client
) -> None:
    token = browser.cookies[REFRESH_COOKIE]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: renew(api, token), range(4)))
    assert [answer.status_code for answer in answers] == [200] * 4
    (successor,) = {refresh_token(answer) for answer in answers}
    assert renew(api, successor).status_code == 200


def test_a_used_token_that_comes_again_ends_the_whole_session(
    api: RunningApi, browser: httpx.Client, email: str
) -> None:
    stolen = browser.cookies[REFRESH_COOKIE]
    successor = refresh_token(renew(api, stolen))
    later(api, email)
    refused(renew(api, stolen), 401, "session_ended")
    refused(renew(api, successor), 401, "session_ended")


def test_a_token_that_two_renewals_ago_was_right_is_a_reuse_even_a_moment_later(
    api: RunningApi, browser: httpx.Client
) -> None:
    first = browser.cookies[REFRESH_COOKIE]
    second = refresh_token(renew(api, first))
    third = refresh_token(renew(api, second))
    refused(renew(api, first), 401, "session_ended")
    refused(renew(api, third), 401, "session_ended")


def test_signing_out_ends_the_session_and_not_others_of_the_same_user(
    api: RunningApi, browser: httpx.Client, email: str
) -> None:
    token = browser.cookies[REFRESH_COOKIE]
    other = refresh_token(sign_in_anew(api, email))
    assert browser.post(f"{PATH}/logout").status_code == 204
    assert not browser.cookies
    refused(renew(api, token), 401, "session_ended")
    assert renew(api, other).status_code == 200


@pytest.mark.parametrize("path", ["refresh", "logout"])
def test_another_site_can_neither_renew_nor_end_a_session(api: RunningApi, browser: httpx.Client, path: str) -> None:
    cookies = {REFRESH_COOKIE: browser.cookies[REFRESH_COOKIE]}
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {}):
        refused(httpx.post(f"{api.url}{PATH}/{path}", cookies=cookies, headers=headers), 403, "cross_origin")


def test_an_expired_session_is_over(api: RunningApi, browser: httpx.Client, email: str) -> None:
    api.sql("UPDATE refresh_tokens SET expires_at = now() FROM users WHERE users.id = user_id AND email = %s", email)
    refused(browser.post(f"{PATH}/refresh"), 401, "session_ended")


def test_a_new_password_ends_the_other_sessions(api: RunningApi, browser: httpx.Client, email: str) -> None:
    elsewhere = refresh_token(sign_in_anew(api, email))
    weak = browser.post(f"{PATH}/password", json={"current_password": PASSWORD, "new_password": "short"})
    assert refused(weak, 422, "invalid_request")["errors"][0]["pointer"] == "/new_password"
    wrong = browser.post(f"{PATH}/password", json={"current_password": "wrong", "new_password": PASSWORD * 2})
    refused(wrong, 401, "wrong_credentials")
    changed = browser.post(f"{PATH}/password", json={"current_password": PASSWORD, "new_password": PASSWORD * 2})
    assert changed.status_code == 200
    assert browser.post(f"{PATH}/refresh").status_code == 200
    refused(renew(api, elsewhere), 401, "session_ended")
    refused(sign_in(browser, email), 401, "wrong_credentials")
    assert sign_in(browser, email, PASSWORD * 2).status_code == 200


def a_key(browser: httpx.Client) -> dict[str, str]:
    """An API token of whoever is signed in, as headers."""
    made = browser.post("/api/tokens", json={"name": "k", "password": PASSWORD})
    assert made.status_code == 201, made.text
    return {"Authorization": f"Bearer {made.json()['token']}"}


def test_a_new_password_revokes_the_users_keys_and_nobody_elses(
    api: RunningApi, browser: httpx.Client, admin: httpx.Client
) -> None:
    """Whoever knew the old password may have made one."""
    intruders, others = a_key(browser), a_key(admin)
    assert httpx.get(f"{api.url}/api/timetables", headers=intruders).status_code == 200
    changed = browser.post(f"{PATH}/password", json={"current_password": PASSWORD, "new_password": PASSWORD * 2})
    assert changed.status_code == 200
    refused(httpx.get(f"{api.url}/api/timetables", headers=intruders), 401, "unauthorized")
    refused(httpx.post(f"{api.url}{PATH}/token", headers=intruders), 401, "unauthorized")
    assert browser.get("/api/tokens").json()["items"] == []
    assert httpx.get(f"{api.url}/api/timetables", headers=others).status_code == 200


def test_a_sign_in_that_began_before_a_reset_gets_no_session(api: RunningApi, email: str) -> None:
    """The old password is being checked, the new one is stored, and only then would the session begin."""
    url = api.addresses.database_url

    async def race() -> tuple[object, object, object]:
        engine = create_async_engine(url)
        accounts, sessions, tokens = Accounts(engine), Sessions(engine, timedelta(hours=1)), ApiTokens(engine)
        checked = await accounts.by_email(email)
        assert checked is not None
        reset = Changes(password_hash=hash_password(PASSWORD * 2))
        assert await accounts.change(checked.organization_id, checked.user_id, reset)
        session = await sessions.begin(checked, "")
        own = await accounts.set_password(checked, hash_password("the intruder's"), sign_out=True)
        try:
            token: object = await tokens.make(checked, "k", timedelta(days=1))
        except NoLongerError:
            token = None
        await engine.dispose()
        return session, own, token

    assert asyncio.run(race()) == (None, None, None)
    with httpx.Client(base_url=api.url) as client:
        assert sign_in(client, email, PASSWORD * 2).status_code == 200


def lengthen_pauses(api: RunningApi) -> None:
    """Whoever has to wait waits an hour: the first pause is a second, which a busy machine takes between two lines."""
    api.sql(
        "UPDATE sign_in_failures SET blocked_until = blocked_until + interval '1 hour'"
        " WHERE blocked_until > last_failed_at"
    )


def test_after_wrong_passwords_the_right_one_has_to_wait_too_and_others_do_not(
    api: RunningApi, email: str, admin: httpx.Client
) -> None:
    other = a_user(admin)["email"]
    with httpx.Client(base_url=api.url) as client:
        for _ in range(FREE_FOR_ACCOUNT):
            refused(sign_in(client, email, "wrong"), 401, "wrong_credentials")
        lengthen_pauses(api)
        answer = sign_in(client, email)
        refused(answer, 429, "too_many_sign_ins")
        assert int(answer.headers["retry-after"]) >= 1
        assert sign_in(client, other).status_code == 200
        api.sql("UPDATE sign_in_failures SET blocked_until = now()")
        assert sign_in(client, email).status_code == 200
        refused(sign_in(client, email, "wrong"), 401, "wrong_credentials")


def test_attempts_at_once_do_not_escape_the_count(api: RunningApi, email: str) -> None:
    def attempt(_: int) -> int:
        return httpx.post(f"{api.url}{PATH}/login", json={"email": email, "password": "wrong"}, timeout=60).status_code

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(attempt, range(20)))
    assert answers.count(401) <= FREE_FOR_ACCOUNT + 2  # a pause of a second may pass meanwhile, then one of two
    assert set(answers) == {401, 429}


def test_an_address_that_nobody_has_is_made_to_wait_just_the_same(api: RunningApi) -> None:
    nobody = f"{uuid.uuid4()}@one.example"
    with httpx.Client(base_url=api.url) as client:
        for _ in range(FREE_FOR_ACCOUNT):
            refused(sign_in(client, nobody), 401, "wrong_credentials")
        lengthen_pauses(api)
        refused(sign_in(client, nobody), 429, "too_many_sign_ins")


def test_a_program_uses_its_key_until_it_is_revoked(api: RunningApi, browser: httpx.Client) -> None:
    refused(browser.post("/api/tokens", json={"name": "ci", "password": "wrong"}), 401, "wrong_credentials")
    made = browser.post("/api/tokens", json={"name": "ci", "days": 1, "password": PASSWORD})
    assert made.status_code == 201
    token, token_id = made.json()["token"], made.json()["id"]
    assert not any(token.encode() in bytes(row[0]) for row in api.sql("SELECT token_sha256 FROM api_tokens"))
    with httpx.Client(base_url=api.url, headers={"Authorization": f"Bearer {token}"}) as program:
        assert program.get("/api/timetables").status_code == 200
        refused(program.get("/api/users"), 403, "forbidden")
        access = program.post(f"{PATH}/token")
        assert access.status_code == 200
        bearer = {"Authorization": f"Bearer {access.json()['access_token']}"}
        assert httpx.get(f"{api.url}/api/timetables", headers=bearer).status_code == 200
        refused(httpx.post(f"{api.url}{PATH}/token", headers=bearer), 403, "no_api_token")
        (listed,) = browser.get("/api/tokens").json()["items"]
        assert (listed["name"], listed["id"]) == ("ci", token_id)
        assert listed["last_used_at"]
        assert token not in str(listed)
        assert browser.delete(f"/api/tokens/{token_id}").status_code == 204
        refused(program.get("/api/timetables"), 401, "unauthorized")
    refused(browser.delete(f"/api/tokens/{token_id}"), 404, "token_not_found")


def test_keys_come_in_pages(browser: httpx.Client) -> None:
    made = [browser.post("/api/tokens", json={"name": f"k{n}", "password": PASSWORD}).json()["id"] for n in range(5)]
    seen: list[str] = []
    cursor: str | None = None
    while cursor is not None or not seen:
        page = browser.get("/api/tokens", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        assert len(page["items"]) <= 2
        seen += [token["id"] for token in page["items"]]
        cursor = page["next_cursor"]
    assert seen == made[::-1]
    refused(browser.get("/api/tokens", params={"cursor": "nonsense"}), 422, "invalid_request")


def test_a_users_keys_are_for_the_user_and_for_admins_of_the_same_organisation(
    browser: httpx.Client, planner: httpx.Client, admin: httpx.Client, stranger: httpx.Client
) -> None:
    token_id = browser.post("/api/tokens", json={"name": "mine", "password": PASSWORD}).json()["id"]
    for other in (planner, stranger):
        assert token_id not in other.get("/api/tokens").text
        refused(other.delete(f"/api/tokens/{token_id}"), 404, "token_not_found")
    assert token_id in admin.get("/api/tokens").text
    assert admin.delete(f"/api/tokens/{token_id}").status_code == 204

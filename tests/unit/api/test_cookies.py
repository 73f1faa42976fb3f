"""The cookies of a browser where there is https: of this host only, whatever a sibling domain's page may plant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from uuid import uuid4

import httpx
import pytest

from services.api.app import create_app, documentation_settings
from services.api.sign_in import SignIns
from services.api.store.accounts import Account, Accounts
from services.api.store.sessions import Session, Sessions
from services.runtime.tokens import Principal

ACCESS, REFRESH = "__Host-horarium_session", "__Host-horarium_refresh"
ACCOUNT = Account(uuid4(), uuid4(), "Uni", "ada@uni.example", "viewer", "", None, datetime.now(UTC))
PRINCIPAL = Principal(ACCOUNT.user_id, ACCOUNT.organization_id, ACCOUNT.role, ACCOUNT.email)
OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> httpx.AsyncClient:
    """The application with one user, and sessions whose tokens say what they succeed."""

    async def check(*_: object) -> Account:
        return ACCOUNT

    async def by_id(*_: object) -> Account:
        return ACCOUNT

    async def begin(*_: object) -> Session:
        return Session(PRINCIPAL, "first", datetime.now(UTC) + timedelta(days=1))

    async def renew(_: object, token: str, _agent: str) -> Session | None:
        return Session(PRINCIPAL, f"after {token}", datetime.now(UTC) + timedelta(days=1)) if token else None

    async def end(_: object, token: str) -> None:
        assert token == "first"

    monkeypatch.setattr(SignIns, "check", check)
    monkeypatch.setattr(Accounts, "by_id", by_id)
    for name, replaced in {"begin": begin, "renew": renew, "end": end}.items():
        monkeypatch.setattr(Sessions, name, replaced)
    transport = httpx.ASGITransport(create_app(documentation_settings()))
    return httpx.AsyncClient(transport=transport, base_url="https://api.example", headers=OWN_PAGE)


def cookies_of(answer: httpx.Response) -> SimpleCookie:
    found = SimpleCookie()
    for header in answer.headers.get_list("set-cookie"):
        found.load(header)
    return found


async def test_both_are_of_this_host_only(client: httpx.AsyncClient) -> None:
    """The conditions under which a browser takes a cookie of such a name (RFC 6265bis, section 4.1.3.2)."""
    signed_in = await client.post("/api/auth/login", json={"email": "ada@uni.example", "password": "a password"})
    found = cookies_of(signed_in)
    assert set(found) == {ACCESS, REFRESH}
    for morsel in found.values():
        assert morsel["secure"]
        assert morsel["httponly"]
        assert (morsel["path"], morsel["domain"]) == ("/", "")
    assert (found[ACCESS]["samesite"], found[REFRESH]["samesite"]) == ("lax", "strict")


async def test_they_are_read_under_that_name_and_no_other(client: httpx.AsyncClient) -> None:
    signed_in = await client.post("/api/auth/login", json={"email": "ada@uni.example", "password": "a password"})
    access = cookies_of(signed_in)[ACCESS].value
    for name, status in ((ACCESS, 200), ("horarium_session", 401)):
        client.cookies.clear()
        client.cookies.set(name, access)
        assert (await client.get("/api/auth/me")).status_code == status
    client.cookies.clear()
    client.cookies.set("horarium_refresh", "planted")
    assert (await client.post("/api/auth/refresh")).status_code == 401
    client.cookies.set(REFRESH, "own")
    renewed = await client.post("/api/auth/refresh")
    assert cookies_of(renewed)[REFRESH].value == "after own"


async def test_signing_out_has_the_browser_forget_them(client: httpx.AsyncClient) -> None:
    client.cookies.set(REFRESH, "first")
    forgotten = cookies_of(await client.post("/api/auth/logout"))
    assert set(forgotten) == {ACCESS, REFRESH}
    assert all(morsel["max-age"] == "0" and morsel["path"] == "/" and morsel["secure"] for morsel in forgotten.values())

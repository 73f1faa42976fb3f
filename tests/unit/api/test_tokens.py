"""Access tokens: believed only if we signed them, for us, and not too long ago."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import jwt
import pytest
from pydantic import SecretStr, ValidationError

from services.api.settings import ApiSettings
from services.runtime.tokens import COOKIE, InvalidTokenError, Principal, credentials, issue, verify

SECRET = SecretStr("a secret of more than thirty-two bytes")
PRINCIPAL = Principal(uuid4(), uuid4(), "planner", "planner@one.example")


def claims(**changed: object) -> dict[str, object]:
    now = datetime.now(UTC)
    return {
        "iss": "horarium",
        "aud": "horarium",
        "sub": str(PRINCIPAL.user_id),
        "org": str(PRINCIPAL.organization_id),
        "role": "planner",
        "email": "planner@one.example",
        "iat": now,
        "exp": now + timedelta(hours=1),
        **changed,
    }


def signed(**changed: object) -> str:
    return jwt.encode(claims(**changed), SECRET.get_secret_value(), algorithm="HS256")


def test_what_was_issued_is_verified() -> None:
    assert verify(issue(PRINCIPAL, SECRET, timedelta(minutes=1)), SECRET) == PRINCIPAL
    assert verify(signed(), SECRET) == PRINCIPAL


@pytest.mark.parametrize(
    "token",
    [
        jwt.encode(claims(), "another secret of more than thirty-two bytes", algorithm="HS256"),
        jwt.encode(claims(), None, algorithm="none"),
        jwt.encode(claims(), SECRET.get_secret_value() * 2, algorithm="HS512"),
        signed(exp=datetime.now(UTC) - timedelta(minutes=5)),
        signed(aud="somebody else"),
        signed(iss="somebody else"),
        signed(sub="not an id"),
        signed(org=None),
        "",
        "x.y.z",
        "x" * 5000,
    ],
)
def test_any_other_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidTokenError) as refusal:
        verify(token, SECRET)
    assert not token or token not in str(refusal.value)


@pytest.mark.parametrize("missing", ["exp", "iat", "sub", "org", "role", "email", "aud", "iss"])
def test_a_token_without_a_claim_is_refused(missing: str) -> None:
    left = {name: value for name, value in claims().items() if name != missing}
    with pytest.raises(InvalidTokenError):
        verify(jwt.encode(left, SECRET.get_secret_value(), algorithm="HS256"), SECRET)


def test_a_header_wins_over_a_cookie() -> None:
    found = credentials({"authorization": "Bearer a"}, {COOKIE: "b"})
    assert found is not None
    assert (found.token, found.from_cookie) == ("a", False)
    found = credentials({}, {COOKIE: "b"})
    assert found is not None
    assert (found.token, found.from_cookie) == ("b", True)
    assert credentials({}, {}) is None


def test_a_short_secret_is_refused_at_start() -> None:
    with pytest.raises(ValidationError, match="jwt_secret"):
        ApiSettings(
            kafka_bootstrap_servers="localhost:1",
            database_url=SecretStr("postgresql://"),
            jwt_secret=SecretStr("short"),
        )

"""Access tokens: believed only if we signed them, for us, and not too long ago."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from uuid import uuid4

import jwt
import pytest
from pydantic import SecretStr, ValidationError

from services.api.settings import ApiSettings
from services.runtime.tokens import (
    API_TOKEN_PREFIX,
    COOKIE,
    InvalidTokenError,
    Keys,
    Principal,
    Verifier,
    cookie_name,
    credentials,
    issue,
    verify,
)

SECRET = SecretStr("a secret of more than thirty-two bytes")
KEYS = Keys(SECRET)
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
    assert verify(issue(PRINCIPAL, KEYS, timedelta(minutes=1)), KEYS) == PRINCIPAL
    assert verify(signed(), KEYS) == PRINCIPAL


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
        API_TOKEN_PREFIX + "x" * 40,
    ],
)
def test_any_other_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidTokenError) as refusal:
        verify(token, KEYS)
    assert not token or token not in str(refusal.value)
    verifier = Verifier(KEYS)
    verifier.verify(signed())
    for _ in range(2):
        with pytest.raises(InvalidTokenError):
            verifier.verify(token)


def test_a_remembered_token_is_believed_no_longer_than_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    verifier, token = Verifier(KEYS), signed(exp=datetime.now(UTC) + timedelta(minutes=1))
    assert verifier.verify(token) == verifier.verify(token) == PRINCIPAL
    later = datetime.now(UTC) + timedelta(minutes=5)

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Later:
            return cls.fromtimestamp(later.timestamp(), tz)

    monkeypatch.setattr("services.runtime.tokens.datetime", Later)
    monkeypatch.setattr("jwt.api_jwt.datetime", Later)
    with pytest.raises(InvalidTokenError, match="expired"):
        verifier.verify(token)


def test_of_many_tokens_each_names_its_own_user() -> None:
    verifier = Verifier(KEYS, remembered=2)
    tokens = {user: signed(sub=str(user)) for user in (uuid4() for _ in range(5))}
    for _ in range(2):
        assert [verifier.verify(token).user_id for token in tokens.values()] == list(tokens)


@pytest.mark.parametrize("missing", ["exp", "iat", "sub", "org", "role", "email", "aud", "iss"])
def test_a_token_without_a_claim_is_refused(missing: str) -> None:
    left = {name: value for name, value in claims().items() if name != missing}
    with pytest.raises(InvalidTokenError):
        verify(jwt.encode(left, SECRET.get_secret_value(), algorithm="HS256"), KEYS)


def test_a_token_of_an_earlier_key_is_believed_until_the_key_is_taken_out() -> None:
    new = SecretStr("the next secret, also of more than 32 bytes")
    token = issue(PRINCIPAL, KEYS, timedelta(minutes=1))
    assert verify(token, Keys(new, (SECRET,))) == PRINCIPAL
    with pytest.raises(InvalidTokenError, match="no longer in use"):
        verify(token, Keys(new))
    with pytest.raises(InvalidTokenError):
        verify(issue(PRINCIPAL, Keys(new), timedelta(minutes=1)), KEYS)


def test_a_token_tells_when_it_is_no_longer_believed() -> None:
    found = verify(issue(PRINCIPAL, KEYS, timedelta(minutes=1)), KEYS)
    assert found.expires_at is not None
    assert timedelta(minutes=1) < found.expires_at - datetime.now(UTC) < timedelta(minutes=2)


def test_a_header_wins_over_a_cookie() -> None:
    found = credentials({"authorization": "Bearer a"}, {COOKIE: "b"}, COOKIE)
    assert found is not None
    assert (found.token, found.from_cookie) == ("a", False)
    found = credentials({}, {COOKIE: "b"}, COOKIE)
    assert found is not None
    assert (found.token, found.from_cookie) == ("b", True)
    assert credentials({}, {}, COOKIE) is None
    assert credentials({}, {COOKIE: "b"}, cookie_name(COOKIE, https_only=True)) is None


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("jwt_secret", "short"),
        ("jwt_secrets_old", "short"),
        ("jwt_secrets_old", ",".join([SECRET.get_secret_value()] * 9)),
        ("cors_origins", "*"),
        ("cors_origins", "https://one.example/path/"),
        ("cors_origin_pattern", "("),
    ],
)
def test_what_would_be_unsafe_is_refused_at_start(setting: str, value: str) -> None:
    given = {"kafka_bootstrap_servers": "localhost:1", "database_url": "postgresql://", "jwt_secret": "0" * 32}
    with pytest.raises(ValidationError, match=setting) as error:
        ApiSettings.model_validate({**given, setting: value})
    assert SECRET.get_secret_value() not in str(error.value)

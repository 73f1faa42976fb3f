"""Access tokens: who is calling, signed by one service and believed by all.

Owns the claims of the JSON Web Token (HS256, RFC 7519), the keys it is signed with, and where a request carries it:
`Authorization: Bearer` for machines, an HttpOnly cookie for browsers. Must not know users' passwords, or what a role
allows.

The role and the organisation in a token are believed until it expires: a change takes effect with the next token.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import jwt
from pydantic import Field, SecretStr, field_validator

from services.runtime.settings import RuntimeSettings

COOKIE = "horarium_session"
# Browsers take a cookie of such a name over https only, for all of one host, and from no other one of its domain.
HOST_PREFIX = "__Host-"
# How the tokens begin that api hands out to programs and alone can look up (`services.api.store.tokens`).
API_TOKEN_PREFIX = "hrm_"  # noqa: S105  # what a token looks like, not one
_ALGORITHM = "HS256"
_ISSUER = "horarium"
_REQUIRED = ("exp", "iat", "sub", "org", "role", "email")
# A token is a few hundred bytes; anything much larger is no token of ours and not worth decoding.
_MAX_TOKEN_CHARACTERS = 4096
_CLOCK_SKEW = timedelta(seconds=30)


_MIN_SECRET_CHARACTERS = 32
_MAX_OLD_KEYS = 8


class TokenSettings(RuntimeSettings):
    """Settings of a service that reads access tokens."""

    jwt_secret: SecretStr = Field(
        min_length=_MIN_SECRET_CHARACTERS, description="Signs and verifies access tokens; at least 32 bytes."
    )
    jwt_secrets_old: SecretStr = Field(
        default=SecretStr(""), description="Earlier values of JWT_SECRET, separated by commas, that still verify."
    )
    cookie_secure: bool = Field(
        default=True, description="Off only where the web address is plain http; on, browsers insist on https."
    )
    cors_origins: str = Field(
        default="", max_length=2000, description="Web origins, separated by commas, whose pages may call this service."
    )
    cors_origin_pattern: str = Field(
        default="", max_length=500, description="Regular expression that further such origins match as a whole."
    )

    # Read from the environment by the HTTP server itself; here it is described.
    forwarded_allow_ips: str = Field(
        default="127.0.0.1",
        max_length=2000,
        description="Addresses or networks of proxies that are believed who calls (X-Forwarded-For), by commas.",
    )

    @field_validator("jwt_secrets_old")
    @classmethod
    def _long_enough(cls, given: SecretStr) -> SecretStr:
        old = _listed(given.get_secret_value())
        if len(old) > _MAX_OLD_KEYS or any(len(secret) < _MIN_SECRET_CHARACTERS for secret in old):
            raise ValueError(
                f"must be at most {_MAX_OLD_KEYS} secrets of at least {_MIN_SECRET_CHARACTERS} characters, separated by"
                " commas"
            )
        return given

    @field_validator("cors_origins")
    @classmethod
    def _no_wildcard(cls, given: str) -> str:
        if any(not origin.startswith(("http://", "https://")) or origin.endswith("/") for origin in _listed(given)):
            raise ValueError("must be origins such as https://timetable.example, without a path and without '*'")
        return given

    @field_validator("cors_origin_pattern")
    @classmethod
    def _compiles(cls, given: str) -> str:
        try:
            re.compile(given)
        except re.error as error:
            raise ValueError(f"must be a regular expression: {error}") from None
        return given

    @property
    def keys(self) -> Keys:
        old = _listed(self.jwt_secrets_old.get_secret_value())
        return Keys(self.jwt_secret, tuple(SecretStr(secret) for secret in old))

    @property
    def session_cookie(self) -> str:
        """The access token's cookie."""
        return cookie_name(COOKIE, self.cookie_secure)

    @property
    def origins(self) -> list[str]:
        return _listed(self.cors_origins)


def cookie_name(name: str, https_only: bool) -> str:
    """What a cookie is called: where there is https, so that a page of a sibling domain cannot plant one of its own."""
    return HOST_PREFIX + name if https_only else name


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


@dataclass(frozen=True, slots=True)
class Keys:
    """The secret that signs, and earlier ones that still verify until the tokens they signed have expired."""

    current: SecretStr
    old: tuple[SecretStr, ...] = ()

    def by_id(self, key_id: str | None) -> SecretStr | None:
        """The key that a token's header names (`kid`); the current one if it names none."""
        if key_id is None:
            return self.current
        return next((key for key in (self.current, *self.old) if _key_id(key) == key_id), None)


def _key_id(secret: SecretStr) -> str:
    """Names a secret without telling anything of use about it: half of a hash of at least 32 bytes."""
    return hashlib.sha256(b"horarium.kid:" + secret.get_secret_value().encode()).hexdigest()[:16]


class InvalidTokenError(Exception):
    """The token is missing, malformed, expired, or signed by somebody else."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling: a user of an organisation, in a role."""

    user_id: UUID
    organization_id: UUID
    role: str
    email: str
    # When the token that said so expires; None if it was no token that expires.
    expires_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A token as it came with a request. A browser sends cookies by itself, so those need a same-origin check."""

    token: str
    from_cookie: bool


def credentials(headers: Mapping[str, str], cookies: Mapping[str, str], cookie: str) -> Credentials | None:
    """The request's token, or None if it carries none. A header wins over the `cookie`: somebody meant it.

    Raises InvalidTokenError for an Authorization header of another scheme.
    """
    header = headers.get("authorization")
    if header is not None:
        scheme, _, token = header.strip().partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise InvalidTokenError("the Authorization header is not 'Bearer TOKEN'")
        return Credentials(token.strip(), from_cookie=False)
    token = cookies.get(cookie, "")
    return Credentials(token, from_cookie=True) if token else None


def issue(principal: Principal, keys: Keys, lifetime: timedelta) -> str:
    """A signed token for the principal."""
    now = datetime.now(UTC)
    claims = {
        "iss": _ISSUER,
        "aud": _ISSUER,
        "jti": str(uuid4()),
        "sub": str(principal.user_id),
        "org": str(principal.organization_id),
        "role": principal.role,
        "email": principal.email,
        "iat": now,
        "exp": now + lifetime,
    }
    headers = {"kid": _key_id(keys.current)}
    return jwt.encode(claims, keys.current.get_secret_value(), algorithm=_ALGORITHM, headers=headers)


def verify(token: str, keys: Keys) -> Principal:
    """The principal that a token names. Raises InvalidTokenError, whose text never holds the token."""
    if len(token) > _MAX_TOKEN_CHARACTERS:
        raise InvalidTokenError("the token is too long")
    if token.startswith(API_TOKEN_PREFIX):
        raise InvalidTokenError(
            "only api takes an API token; exchange it there for an access token, at /api/auth/token"
        )
    try:
        key = keys.by_id(jwt.get_unverified_header(token).get("kid"))
        if key is None:
            raise InvalidTokenError("the token was signed with a key that is no longer in use; sign in again")
        claims = jwt.decode(
            token,
            key.get_secret_value(),
            algorithms=[_ALGORITHM],
            audience=_ISSUER,
            issuer=_ISSUER,
            leeway=_CLOCK_SKEW,
            options={"require": list(_REQUIRED)},
        )
        return Principal(
            user_id=UUID(claims["sub"]),
            organization_id=UUID(str(claims["org"])),
            role=str(claims["role"]),
            email=str(claims["email"]),
            expires_at=datetime.fromtimestamp(int(claims["exp"]), UTC) + _CLOCK_SKEW,
        )
    except jwt.ExpiredSignatureError as error:
        raise InvalidTokenError("the token has expired; sign in again") from error
    except (jwt.InvalidTokenError, ValueError, OverflowError) as error:
        raise InvalidTokenError("the token is not valid") from error


class Verifier:
    """Verifies tokens, and remembers those that were good: a page comes every few seconds with the same one.

    They are remembered by a hash, so that no token lies about in memory, and believed no longer than `verify` would.
    """

    def __init__(self, keys: Keys, remembered: int = 4096) -> None:
        self._keys = keys
        self._remembered = remembered
        self._known: dict[bytes, Principal] = {}

    def verify(self, token: str) -> Principal:
        """As `verify`."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(digest)
        if known is not None and known.expires_at is not None and datetime.now(UTC) < known.expires_at:
            return known
        principal = verify(token, self._keys)
        if len(self._known) >= self._remembered:
            del self._known[next(iter(self._known))]
        self._known[digest] = principal
        return principal

"""Access tokens: who is calling, signed by one service and believed by all.

Owns the claims of the JSON Web Token (HS256, RFC 7519) and where a request carries it: `Authorization: Bearer` for
machines, an HttpOnly cookie for browsers. Must not know users' passwords, or what a role allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import jwt
from pydantic import Field, SecretStr

from services.runtime.settings import RuntimeSettings

COOKIE = "horarium_session"
_ALGORITHM = "HS256"
_ISSUER = "horarium"
_REQUIRED = ("exp", "iat", "sub", "org", "role", "email")
# A token is a few hundred bytes; anything much larger is no token of ours and not worth decoding.
_MAX_TOKEN_CHARACTERS = 4096
_CLOCK_SKEW = timedelta(seconds=30)


class TokenSettings(RuntimeSettings):
    """Settings of a service that reads access tokens."""

    jwt_secret: SecretStr = Field(min_length=32, description="Signs and verifies access tokens; at least 32 bytes.")


class InvalidTokenError(Exception):
    """The token is missing, malformed, expired, or signed by somebody else."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling: a user of an organisation, in a role."""

    user_id: UUID
    organization_id: UUID
    role: str
    email: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """A token as it came with a request. A browser sends cookies by itself, so those need a same-origin check."""

    token: str
    from_cookie: bool


def credentials(headers: Mapping[str, str], cookies: Mapping[str, str]) -> Credentials | None:
    """The request's token, or None if it carries none. A header wins over a cookie: somebody meant it.

    Raises InvalidTokenError for an Authorization header of another scheme.
    """
    header = headers.get("authorization")
    if header is not None:
        scheme, _, token = header.strip().partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise InvalidTokenError("the Authorization header is not 'Bearer TOKEN'")
        return Credentials(token.strip(), from_cookie=False)
    token = cookies.get(COOKIE, "")
    return Credentials(token, from_cookie=True) if token else None


def issue(principal: Principal, secret: SecretStr, lifetime: timedelta) -> str:
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
    return jwt.encode(claims, secret.get_secret_value(), algorithm=_ALGORITHM)


def verify(token: str, secret: SecretStr) -> Principal:
    """The principal that a token names. Raises InvalidTokenError, whose text never holds the token."""
    if len(token) > _MAX_TOKEN_CHARACTERS:
        raise InvalidTokenError("the token is too long")
    try:
        claims = jwt.decode(
            token,
            secret.get_secret_value(),
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
        )
    except jwt.ExpiredSignatureError as error:
        raise InvalidTokenError("the token has expired; sign in again") from error
    except (jwt.InvalidTokenError, ValueError) as error:
        raise InvalidTokenError("the token is not valid") from error

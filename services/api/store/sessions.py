"""Sessions of people: refresh tokens that are exchanged for the next one at every use.

Owns how such a token looks, its rotation, and the statements on `refresh_tokens`. Must not know HTTP or cookies.

A sign-in begins a family of tokens. Each use of the latest gives its successor; an earlier one that comes again was
copied by somebody, so the whole family ends. Except within a few seconds: two tabs that renew at once, or a browser
that never got its answer, present the same token twice, and get the same successor. It is computed from the token,
which only its owner has, and a salt that only we have; neither the database nor a stolen token alone tells it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import structlog
from sqlalchemy import Row, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schemas.tables import refresh_tokens, users
from services.api.store.accounts import Account, still_may_sign_in
from services.runtime.tokens import Principal

log = structlog.get_logger(__name__)

# How long after its first use a token still gives the same successor.
REUSE_GRACE = timedelta(seconds=10)
_MAX_CHARACTERS = 100
_MAX_USER_AGENT = 200


@dataclass(frozen=True, slots=True)
class Session:
    """Whose session it is, as of now; the token for the next renewal, and when the session ends for good."""

    principal: Principal
    token: str
    expires_at: datetime


class Sessions:
    """Begins, renews and ends sessions, each of which lasts for `lifetime` from its sign-in."""

    def __init__(self, engine: AsyncEngine, lifetime: timedelta) -> None:
        self._engine = engine
        self._lifetime = lifetime

    async def begin(self, account: Account, user_agent: str) -> Session | None:
        """A new session, after a sign-in; None if the user's password was changed, or the user disabled, since then."""
        token = secrets.token_urlsafe(32)
        async with self._engine.begin() as connection:
            if not await still_may_sign_in(connection, account):
                return None
            expires_at = await _add(
                connection, token, uuid4(), account.user_id, user_agent, func.now() + self._lifetime
            )
        principal = Principal(account.user_id, account.organization_id, account.role, account.email)
        return Session(principal, token, expires_at)

    async def renew(self, token: str, user_agent: str) -> Session | None:
        """The session with its next token and its user's present role; None if it has ended or never was."""
        if len(token) > _MAX_CHARACTERS:
            return None
        async with self._engine.begin() as connection:
            row = await _found(connection, token)
            if row is None or row.over or row.disabled_at is not None:
                return None
            successor = _successor(token, row.successor_salt)
            if row.used_at is None:
                await connection.execute(
                    update(refresh_tokens)
                    .where(refresh_tokens.c.token_sha256 == _hash(token))
                    .values(used_at=func.clock_timestamp())
                )
                await _add(connection, successor, row.family_id, row.user_id, user_agent, row.expires_at)
            elif not (row.just_used and await _unused(connection, successor)):
                await _revoke(connection, row.family_id)
                log.warning("refresh_token_reused", user_id=str(row.user_id), family_id=str(row.family_id))
                return None
        principal = Principal(row.user_id, row.organization_id, row.role, row.email)
        return Session(principal, successor, row.expires_at)

    async def end(self, token: str) -> None:
        """End the session that the token belongs to, if any."""
        if len(token) > _MAX_CHARACTERS:
            return
        async with self._engine.begin() as connection:
            family = await connection.scalar(
                select(refresh_tokens.c.family_id).where(refresh_tokens.c.token_sha256 == _hash(token))
            )
            if family is not None:
                await _revoke(connection, family)


async def _found(connection: AsyncConnection, token: str) -> Row[tuple[object, ...]] | None:
    relative = refresh_tokens.alias("relative")
    # Of any token: one that a renewal adds while its family is being revoked is over all the same.
    revoked = exists().where(relative.c.family_id == refresh_tokens.c.family_id, relative.c.revoked_at.is_not(None))
    query = (
        select(
            refresh_tokens,
            users.c.organization_id,
            users.c.role,
            users.c.email,
            users.c.disabled_at,
            (revoked | (refresh_tokens.c.expires_at <= func.now())).label("over"),
            (refresh_tokens.c.used_at > func.clock_timestamp() - REUSE_GRACE).label("just_used"),
        )
        .join(users, users.c.id == refresh_tokens.c.user_id)
        .where(refresh_tokens.c.token_sha256 == _hash(token))
        .with_for_update(of=refresh_tokens)
    )
    return (await connection.execute(query)).one_or_none()


async def _unused(connection: AsyncConnection, token: str) -> bool:
    query = select(refresh_tokens.c.used_at.is_(None)).where(refresh_tokens.c.token_sha256 == _hash(token))
    return bool(await connection.scalar(query))


async def _add(
    connection: AsyncConnection, token: str, family_id: UUID, user_id: UUID, user_agent: str, expires_at: object
) -> datetime:
    added = insert(refresh_tokens).values(
        token_sha256=_hash(token),
        family_id=family_id,
        user_id=user_id,
        successor_salt=secrets.token_bytes(32),
        expires_at=expires_at,
        user_agent=user_agent[:_MAX_USER_AGENT],
    )
    found: datetime = (await connection.execute(added.returning(refresh_tokens.c.expires_at))).scalar_one()
    return found


async def _revoke(connection: AsyncConnection, family_id: UUID) -> None:
    await connection.execute(
        update(refresh_tokens).where(refresh_tokens.c.family_id == family_id).values(revoked_at=func.now())
    )


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _successor(token: str, salt: bytes) -> str:
    digest = hmac.new(token.encode(), salt, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

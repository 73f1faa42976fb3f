"""Tokens of programs: long-lived, revocable, kept as hashes only.

Owns how such a token looks and the statements on `api_tokens`. Must not know HTTP. A token has 256 random bits, so a
plain SHA-256 of it can be neither guessed nor reversed. It says nothing by itself: the role is its user's of this
moment, and a disabled user's tokens do not work.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Row, Select, func, insert, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schemas.tables import api_tokens, users
from services.api.cursors import Position
from services.api.store.accounts import Account, still_may_sign_in
from services.runtime.tokens import API_TOKEN_PREFIX, Principal

MAX_PER_USER = 20
# A program may use its token many times a second; when it last did is of interest to the minute.
_LAST_USED_STEP = timedelta(minutes=1)
_MAX_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class ApiToken:
    """What is told of a token after it was made."""

    id: UUID
    user_id: UUID
    email: str
    name: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None

    @property
    def position(self) -> Position:
        return Position(self.created_at, self.id)


class TooManyTokensError(Exception):
    """The user has as many working tokens as anybody may have."""


class NoLongerError(Exception):
    """Whoever asks has another password by now, or may not sign in any more."""


class ApiTokens:
    """Makes, finds and revokes tokens of one organisation's users."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def use(self, token: str) -> Principal | None:
        """Whose token it is; None if it is unknown, expired, revoked, or its user disabled."""
        if len(token) > _MAX_CHARACTERS:
            return None
        query = (
            select(users, api_tokens.c.id.label("token_id"), _stale().label("stale"))
            .join(users, users.c.id == api_tokens.c.user_id)
            .where(api_tokens.c.token_sha256 == _hash(token), _works(), users.c.disabled_at.is_(None))
        )
        async with self._engine.begin() as connection:
            row = (await connection.execute(query)).one_or_none()
            if row is None:
                return None
            if row.stale:
                await connection.execute(
                    update(api_tokens).where(api_tokens.c.id == row.token_id).values(last_used_at=func.now())
                )
        return Principal(row.id, row.organization_id, row.role, row.email)

    async def make(self, account: Account, name: str, lifetime: timedelta) -> tuple[ApiToken, str]:
        """A new token of the user, and the token itself, which nobody can learn again.

        Raises TooManyTokensError, or NoLongerError if the user's password was changed, or the user disabled, since the
        account was read.
        """
        async with self._engine.begin() as connection:
            # One maker at a time, so that the bound is exact.
            if not await still_may_sign_in(connection, account):
                raise NoLongerError
            made = await add_token(connection, account.user_id, name, lifetime)
            row = (await connection.execute(_of(account.organization_id).where(api_tokens.c.id == made[0]))).one()
        return _told(row), made[1]

    async def page(
        self, organization_id: UUID, user_id: UUID | None, limit: int, after: Position | None
    ) -> list[ApiToken]:
        """Up to `limit` working tokens of the organisation, or of one user of it; newest first, after the position."""
        query = _of(organization_id).order_by(api_tokens.c.created_at.desc(), api_tokens.c.id.desc()).limit(limit)
        if user_id is not None:
            query = query.where(users.c.id == user_id)
        if after is not None:
            query = query.where(tuple_(api_tokens.c.created_at, api_tokens.c.id) < tuple_(after.created_at, after.id))
        async with self._engine.connect() as connection:
            return [_told(row) for row in await connection.execute(query)]

    async def revoke(self, organization_id: UUID, user_id: UUID | None, token_id: UUID) -> bool:
        """False if there is no such working token of the organisation, or of that user of it."""
        query = _of(organization_id).with_only_columns(api_tokens.c.id).where(api_tokens.c.id == token_id)
        if user_id is not None:
            query = query.where(users.c.id == user_id)
        async with self._engine.begin() as connection:
            revoked = await connection.execute(
                update(api_tokens).where(api_tokens.c.id.in_(query)).values(revoked_at=func.now())
            )
        return revoked.rowcount == 1


async def add_token(connection: AsyncConnection, user_id: UUID, name: str, lifetime: timedelta) -> tuple[UUID, str]:
    """The id of a new token and the token itself. Raises TooManyTokensError."""
    working = select(func.count()).select_from(api_tokens).where(api_tokens.c.user_id == user_id, _works())
    if (await connection.scalar(working) or 0) >= MAX_PER_USER:
        raise TooManyTokensError
    token = API_TOKEN_PREFIX + secrets.token_urlsafe(32)
    token_id = uuid4()
    await connection.execute(
        insert(api_tokens).values(
            id=token_id,
            user_id=user_id,
            name=name,
            token_sha256=_hash(token),
            expires_at=datetime.now(UTC) + lifetime,
        )
    )
    return token_id, token


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _works() -> ColumnElement[bool]:
    return api_tokens.c.revoked_at.is_(None) & (api_tokens.c.expires_at > func.now())


def _stale() -> ColumnElement[bool]:
    return or_(api_tokens.c.last_used_at.is_(None), api_tokens.c.last_used_at < func.now() - _LAST_USED_STEP)


def _of(organization_id: UUID) -> Select[tuple[object, ...]]:
    query: Select[tuple[object, ...]] = (
        select(api_tokens, users.c.email)
        .join(users, users.c.id == api_tokens.c.user_id)
        .where(users.c.organization_id == organization_id, _works())
    )
    return query


def _told(row: Row[tuple[object, ...]]) -> ApiToken:
    return ApiToken(row.id, row.user_id, row.email, row.name, row.created_at, row.expires_at, row.last_used_at)

"""Users and their organisations.

Owns the queries. Must not know how passwords are hashed, or tokens. An organisation always keeps a user who can manage
the others: the last admin can be neither disabled nor given another role.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Row, Select, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schemas.tables import organizations, users
from services.api.cursors import Position
from services.api.store import signing_out
from services.api.store.limits import lock
from services.runtime.access import Role


@dataclass(frozen=True, slots=True)
class Account:
    """A user; one with `disabled_at` may not sign in."""

    user_id: UUID
    organization_id: UUID
    organization: str
    email: str
    role: str
    password_hash: str
    disabled_at: datetime | None
    created_at: datetime

    @property
    def position(self) -> Position:
        return Position(self.created_at, self.user_id)


@dataclass(frozen=True, slots=True)
class Changes:
    """What an admin changes of a user; None leaves it."""

    role: Role | None = None
    disabled: bool | None = None
    password_hash: str | None = None


class EmailTakenError(Exception):
    """A user, of this organisation or another, has this address."""


class LastAdminError(Exception):
    """Without this admin nobody could manage the organisation's users."""


class Accounts:
    """Reads and writes users. What an admin asks for is bound to the organisation."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def by_email(self, email: str) -> Account | None:
        return await self._one(users.c.email == email.strip().lower())

    async def by_id(self, user_id: UUID, organization_id: UUID) -> Account | None:
        return await self._one((users.c.id == user_id) & (users.c.organization_id == organization_id))

    async def page(self, organization_id: UUID, limit: int, after: Position | None) -> list[Account]:
        """Up to `limit` users, newest first, after the position."""
        query = (
            _accounts()
            .where(users.c.organization_id == organization_id)
            .order_by(users.c.created_at.desc(), users.c.id.desc())
            .limit(limit)
        )
        if after is not None:
            query = query.where(tuple_(users.c.created_at, users.c.id) < tuple_(after.created_at, after.id))
        async with self._engine.connect() as connection:
            return [_account(row) for row in await connection.execute(query)]

    async def add(self, organization_id: UUID, email: str, password_hash: str, role: Role) -> Account:
        """A new user of the organisation. Raises EmailTakenError."""
        async with self._engine.begin() as connection:
            added = insert(users).values(
                id=uuid4(),
                organization_id=organization_id,
                email=email.strip().lower(),
                password_hash=password_hash,
                role=role.value,
            )
            made = await connection.execute(added.on_conflict_do_nothing().returning(users.c.id))
            user_id = made.scalar_one_or_none()
            if user_id is None:
                raise EmailTakenError
            return _account((await connection.execute(_accounts().where(users.c.id == user_id))).one())

    async def change(self, organization_id: UUID, user_id: UUID, changes: Changes) -> Account | None:
        """The user after the change; None if the organisation has no such user. Raises LastAdminError.

        Who is disabled or gets another password is signed out everywhere: sessions and API tokens have ended.
        """
        async with self._engine.begin() as connection:
            await lock(connection, organization_id)  # two admins that demote each other: one of them finds it too late
            own = (users.c.id == user_id) & (users.c.organization_id == organization_id)
            if changes.disabled is not None:
                disabled_at = func.coalesce(users.c.disabled_at, func.now()) if changes.disabled else None
                await _set(connection, own, disabled_at=disabled_at)
            if changes.role is not None:
                await _set(connection, own, role=changes.role.value)
            if changes.password_hash is not None:
                await _set(connection, own, password_hash=changes.password_hash)
            row = (await connection.execute(_accounts().where(own))).one_or_none()
            if row is None:
                return None
            if changes.disabled or changes.password_hash is not None:
                await _sign_out(connection, user_id)
            if (changes.disabled or changes.role is not None) and not await _has_admin(connection, organization_id):
                raise LastAdminError
            return _account(row)

    async def set_password(self, account: Account, password_hash: str, *, sign_out: bool) -> Account | None:
        """The account with another hash: of a new password, or of the same with newer parameters.

        None, and nothing is changed, if the password that the account was read with is no longer the user's.
        """
        async with self._engine.begin() as connection:
            if not await still_may_sign_in(connection, account):
                return None
            await _set(connection, users.c.id == account.user_id, password_hash=password_hash)
            if sign_out:
                await _sign_out(connection, account.user_id)
        return replace(account, password_hash=password_hash)

    async def _one(self, condition: ColumnElement[bool]) -> Account | None:
        async with self._engine.connect() as connection:
            row = (await connection.execute(_accounts().where(condition))).one_or_none()
        return None if row is None else _account(row)


async def still_may_sign_in(connection: AsyncConnection, account: Account) -> bool:
    """True if the user's password is still the one that the account was read with, and the user not disabled.

    Until the transaction ends nobody changes either: what is made in it is found by whoever ends everything then.
    """
    query = select(users.c.id).where(
        users.c.id == account.user_id,
        users.c.password_hash == account.password_hash,
        users.c.disabled_at.is_(None),
    )
    return (await connection.execute(query.with_for_update(key_share=True))).first() is not None


async def _sign_out(connection: AsyncConnection, user_id: UUID) -> None:
    for statement in signing_out.everywhere(user_id):
        await connection.execute(statement)


async def _set(connection: AsyncConnection, which: ColumnElement[bool], **values: Any) -> None:
    await connection.execute(update(users).where(which).values(**values))


async def _has_admin(connection: AsyncConnection, organization_id: UUID) -> bool:
    query = select(users.c.id).where(
        users.c.organization_id == organization_id, users.c.role == Role.ADMIN.value, users.c.disabled_at.is_(None)
    )
    return (await connection.execute(query.limit(1))).first() is not None


def _accounts() -> Select[Any]:
    return select(users, organizations.c.name.label("organization")).join(
        organizations, organizations.c.id == users.c.organization_id
    )


def _account(row: Row[Any]) -> Account:
    return Account(
        user_id=row.id,
        organization_id=row.organization_id,
        organization=row.organization,
        email=row.email,
        role=row.role,
        password_hash=row.password_hash,
        disabled_at=row.disabled_at,
        created_at=row.created_at,
    )

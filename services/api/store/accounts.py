"""Users and their organisations.

Owns the queries. Must not know passwords or tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.tables import organizations, users


@dataclass(frozen=True, slots=True)
class Account:
    """A user who may sign in."""

    user_id: UUID
    organization_id: UUID
    organization: str
    email: str
    role: str
    password_hash: str


class Accounts:
    """Reads accounts."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def by_email(self, email: str) -> Account | None:
        return await self._one(users.c.email == email.strip().lower())

    async def by_id(self, user_id: UUID, organization_id: UUID) -> Account | None:
        return await self._one((users.c.id == user_id) & (users.c.organization_id == organization_id))

    async def _one(self, condition: object) -> Account | None:
        query = (
            select(users, organizations.c.name.label("organization"))
            .join(organizations, organizations.c.id == users.c.organization_id)
            .where(condition)  # type: ignore[arg-type]  # a column expression; its static type is the library's
        )
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        return Account(row.id, row.organization_id, row.organization, row.email, row.role, row.password_hash)

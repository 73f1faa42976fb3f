"""A first organisation and a first user, so that somebody can sign in.

Owns what a fresh installation starts with. Must not know HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy import create_engine, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.pool import NullPool

from schemas.tables import organizations, users
from services.api.passwords import hash_password, matches


@dataclass(frozen=True, slots=True)
class Seeded:
    """The ids of the organisation and of its user."""

    organization_id: UUID
    user_id: UUID


def seed_demo(
    database_url: str,
    email: str,
    password: str,
    organization_name: str,
    *,
    role: str = "admin",
    generate_per_hour: int | None = None,
) -> Seeded:
    """Make sure that the organisation and the user exist and that the password is this one; safe to repeat.

    `generate_per_hour` and as many open jobs become the organisation's limits; without it they stay, by default 10 and
    1,000. Raises ValueError if the address belongs to a user of another organisation.
    """
    address = email.strip().lower()
    engine = create_engine(database_url, poolclass=NullPool, hide_parameters=True, connect_args={"connect_timeout": 5})
    with engine.begin() as connection:
        connection.execute(insert(organizations).values(id=uuid4(), name=organization_name).on_conflict_do_nothing())
        organization_id = connection.execute(
            select(organizations.c.id).where(organizations.c.name == organization_name)
        ).scalar_one()
        if generate_per_hour is not None:
            connection.execute(
                update(organizations)
                .where(organizations.c.id == organization_id)
                .values(generate_per_hour=generate_per_hour, max_open_jobs=generate_per_hour)
            )
        connection.execute(
            insert(users)
            .values(
                id=uuid4(),
                organization_id=organization_id,
                email=address,
                password_hash=hash_password(password),
                role=role,
            )
            .on_conflict_do_nothing()
        )
        user = connection.execute(select(users).where(users.c.email == address)).one()
        if user.organization_id != organization_id:
            raise ValueError(f"{address} is a user of another organisation")
        if not matches(password, user.password_hash):
            connection.execute(update(users).where(users.c.id == user.id).values(password_hash=hash_password(password)))
    return Seeded(organization_id, user.id)

"""A first organisation and a first user, so that somebody can sign in; an operator's way to give a password.

Owns what a fresh installation starts with. Must not know HTTP.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy import Connection, create_engine, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.pool import NullPool

from schemas.tables import organizations, users
from services.api.passwords import hash_password, matches
from services.api.store import signing_out
from services.runtime.access import Role


@dataclass(frozen=True, slots=True)
class Seeded:
    """The ids of the organisation and of its user."""

    organization_id: UUID
    user_id: UUID


@dataclass(frozen=True, slots=True)
class AddedUser:
    """A user as they are now, and what was done about it."""

    ids: Seeded
    role: str
    is_new: bool
    signed_out: bool
    disabled: bool


def seed_demo(
    database_url: str,
    email: str,
    password: str,
    organization_name: str,
    *,
    role: str = "admin",
    generate_per_hour: int | None = None,
) -> Seeded:
    """As `add_user`.

    `generate_per_hour` and as many open jobs become the organisation's limits; without it they stay, by default 10 and
    1,000.
    """
    added = add_user(database_url, email, password, organization_name, Role(role))
    if generate_per_hour is not None:
        limits = {"generate_per_hour": generate_per_hour, "max_open_jobs": generate_per_hour}
        with _transaction(database_url) as connection:
            connection.execute(
                update(organizations).where(organizations.c.id == added.ids.organization_id).values(limits)
            )
    return added.ids


def add_user(database_url: str, email: str, password: str, organization_name: str, role: Role | None) -> AddedUser:
    """Make sure that the organisation and the user exist, with this password and this role; safe to repeat.

    Without a role a new user is a planner, and one that exists keeps theirs. Who gets another password is signed out
    everywhere. Raises ValueError if the address belongs to a user of another organisation, or the last admin would no
    longer be one.
    """
    address = email.strip().lower()
    with _transaction(database_url) as connection:
        organization_id = _organization(connection, organization_name)
        made = connection.execute(
            insert(users)
            .values(
                id=uuid4(),
                organization_id=organization_id,
                email=address,
                password_hash=hash_password(password),
                role=(role or Role.PLANNER).value,
            )
            .on_conflict_do_nothing()
        )
        user = connection.execute(select(users).where(users.c.email == address).with_for_update(key_share=True)).one()
        if user.organization_id != organization_id:
            raise ValueError(f"{address} is a user of another organisation")
        signed_out = not matches(password, user.password_hash)
        if signed_out:
            connection.execute(update(users).where(users.c.id == user.id).values(password_hash=hash_password(password)))
            for statement in signing_out.everywhere(user.id):
                connection.execute(statement)
        if role is not None and role.value != user.role:
            connection.execute(update(users).where(users.c.id == user.id).values(role=role.value))
            if (
                user.role == Role.ADMIN.value
                and user.disabled_at is None
                and not _has_admin(connection, organization_id)
            ):
                raise ValueError(f"{address} is the last admin of {organization_name}; make another one first")
    return AddedUser(
        ids=Seeded(organization_id, user.id),
        role=role.value if role is not None else user.role,
        is_new=made.rowcount == 1,
        signed_out=signed_out,
        disabled=user.disabled_at is not None,
    )


def _organization(connection: Connection, name: str) -> UUID:
    """The organisation's id; it is made if there is none. Others who change its users wait for this one's end."""
    connection.execute(insert(organizations).values(id=uuid4(), name=name).on_conflict_do_nothing())
    query = select(organizations.c.id).where(organizations.c.name == name).with_for_update(key_share=True)
    found: UUID = connection.execute(query).scalar_one()
    return found


def _has_admin(connection: Connection, organization_id: UUID) -> bool:
    query = (
        select(func.count())
        .select_from(users)
        .where(
            users.c.organization_id == organization_id, users.c.role == Role.ADMIN.value, users.c.disabled_at.is_(None)
        )
    )
    return bool(connection.scalar(query))


def _transaction(database_url: str) -> AbstractContextManager[Connection]:
    engine = create_engine(database_url, poolclass=NullPool, hide_parameters=True, connect_args={"connect_timeout": 5})
    return engine.begin()

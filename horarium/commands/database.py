"""`horarium migrate` and `horarium user add`: the database's schema and its first users."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from horarium.commands.terminal import EXIT_UNREACHABLE, refuse, say

DatabaseUrl = Annotated[str, typer.Option(envvar="DATABASE_URL", help="postgresql+psycopg://user:password@host/name")]


class Role(StrEnum):
    """What a user may do: look, also ask for timetables, also manage users."""

    VIEWER = "viewer"
    PLANNER = "planner"
    ADMIN = "admin"


def migrate(database_url: DatabaseUrl) -> None:
    """Bring the database to the newest schema; safe to repeat."""
    from sqlalchemy.exc import SQLAlchemyError

    from services.api.migrate import upgrade

    try:
        upgrade(database_url)
    except SQLAlchemyError as error:
        refuse(f"The database cannot be migrated: {first_line(error)}", EXIT_UNREACHABLE)
    say("The database has the newest schema.")


def user_add(
    database_url: DatabaseUrl,
    email: Annotated[str, typer.Option(help="Who signs in.")],
    organization: Annotated[str, typer.Option(help="Name of the organisation; made if there is none.")],
    role: Annotated[
        Role | None, typer.Option(help="What the user may do; by default a new one is a planner, others stay.")
    ] = None,
) -> None:
    """Add a user, or give an existing one this password and role.

    The password is read from standard input, or asked for.

    Who gets another password is signed out everywhere: sessions and API tokens have ended.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from services.api.passwords import weakness
    from services.api.seed import add_user
    from services.runtime.access import Role as KnownRole

    if "@" not in email:
        refuse(f"{email!r} is not an e-mail address.")
    password = read_password(confirm=True)
    if (wrong := weakness(password, email)) is not None:
        refuse(wrong)
    try:
        added = add_user(database_url, email, password, organization, None if role is None else KnownRole(role.value))
    except ValueError as error:
        refuse(f"Nothing was changed: {error}.")
    except SQLAlchemyError as error:
        refuse(f"The database refused: {first_line(error)}", EXIT_UNREACHABLE)
    if added.signed_out:
        say(f"{email} has a new password. Sessions and API tokens have ended; access tokens expire within minutes.")
    if added.disabled:
        say(f"{email} is {added.role} of {organization}, but disabled: horarium user enable {email}")
    else:
        say(f"{email} may sign in as {added.role} of {organization}.")


def read_password(*, confirm: bool = False) -> str:
    """From standard input if that is a pipe or a file, else asked for without being shown."""
    if sys.stdin.isatty():
        answer: str = typer.prompt("Password", hide_input=True, confirmation_prompt=confirm, err=True)
        return answer
    return sys.stdin.readline().rstrip("\r\n")


def first_line(error: Exception) -> str:
    """The driver's own words; the rest repeats the statement."""
    return str(getattr(error, "orig", None) or error).strip().split("\n", 1)[0]

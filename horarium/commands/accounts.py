"""`horarium user list|disable|enable|token` and `horarium organization`: accounts and limits, straight in the database.

Owns what an operator types and reads. Must not know tables: the api service's stores do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from horarium.commands.database import DatabaseUrl, first_line
from horarium.commands.terminal import EXIT_UNREACHABLE, note, refuse, say

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from services.api.store.accounts import Account, Accounts

T = TypeVar("T")

Email = Annotated[str, typer.Argument(help="The user's e-mail address.")]
Organization = Annotated[str, typer.Argument(help="The organisation's name.")]
Limit = Annotated[int | None, typer.Option(min=0)]


def user_list(database_url: DatabaseUrl, organization: Organization) -> None:
    """Show the users of an organisation."""

    async def work(engine: AsyncEngine) -> list[Account]:
        from services.api.store.accounts import Accounts
        from services.api.store.limits import Organizations

        found = await Organizations(engine).by_name(organization)
        return [] if found is None else await Accounts(engine).page(found, 100_000, None)

    users = _with_engine(database_url, work)
    if not users:
        refuse(f"There is no organisation {organization!r} with users.")
    width = max(len(user.email) for user in users)
    for user in users:
        state = "" if user.disabled_at is None else f"  disabled since {user.disabled_at:%Y-%m-%d}"
        say(f"{user.email:<{width}}  {user.role:<7}{state}".rstrip())


def user_disable(database_url: DatabaseUrl, email: Email) -> None:
    """Keep a user from signing in, and end the sessions and API tokens there are."""
    _set_disabled(database_url, email, disabled=True)
    say(f"{email} may no longer sign in; sessions and API tokens have ended, access tokens expire within minutes.")


def user_enable(database_url: DatabaseUrl, email: Email) -> None:
    """Let a disabled user sign in again."""
    _set_disabled(database_url, email, disabled=False)
    say(f"{email} may sign in.")


def user_token(
    database_url: DatabaseUrl,
    email: Email,
    days: Annotated[int, typer.Option(min=1, max=3660, help="How long it works.")] = 90,
    name: Annotated[str, typer.Option(help="What it is for.")] = "made by an operator",
) -> None:
    """Make an API token for a program that acts as this user. Printed once; only a hash of it is kept."""

    async def work(engine: AsyncEngine) -> str:
        from services.api.store.accounts import Accounts
        from services.api.store.tokens import ApiTokens, NoLongerError, TooManyTokensError

        account = await _account(Accounts(engine), email)
        try:
            made = await ApiTokens(engine).make(account, name[:100], timedelta(days=days))
        except TooManyTokensError:
            refuse(f"{email} has as many tokens as a user may have. Revoke one first.")
        except NoLongerError:
            refuse(f"{email} is disabled. Enable the user first: horarium user enable {email}.")
        return made[1]

    say(_with_engine(database_url, work))
    note(f"Send it as 'Authorization: Bearer TOKEN', or as HORARIUM_TOKEN. It may do what {email} may.")


def organization_limits(
    database_url: DatabaseUrl,
    organization: Organization,
    generate_per_hour: Limit = None,
    running_jobs: Limit = None,
    open_jobs: Limit = None,
    problem_mib: Limit = None,
) -> None:
    """Show an organisation's limits, or set those that are given."""

    async def work(engine: AsyncEngine) -> list[str] | None:
        from services.api.store.limits import Organizations

        organizations = Organizations(engine)
        found = await organizations.by_name(organization)
        if found is None:
            return None
        await organizations.limit(
            found,
            generate_per_hour=generate_per_hour,
            max_running_jobs=running_jobs,
            max_open_jobs=open_jobs,
            max_problem_bytes=None if problem_mib is None else problem_mib * 2**20,
        )
        standing = await organizations.standing(found)
        if standing is None:
            return None
        _, limits, usage = standing
        return [
            f"generate per hour  {usage.generate_last_hour:>9,} of {limits.generate_per_hour:,}",
            f"running jobs       {usage.running_jobs:>9,} of {limits.max_running_jobs:,}",
            f"open jobs          {usage.open_jobs:>9,} of {limits.max_open_jobs:,}",
            f"problems, MiB      {usage.problem_bytes / 2**20:>9,.1f} of {limits.max_problem_bytes / 2**20:,.0f}",
            f"users              {usage.users:>9,}",
        ]

    lines = _with_engine(database_url, work)
    if lines is None:
        refuse(f"There is no organisation {organization!r}.")
    for line in lines:
        say(line)


def _set_disabled(database_url: str, email: str, *, disabled: bool) -> None:
    async def work(engine: AsyncEngine) -> None:
        from services.api.store.accounts import Accounts, Changes, LastAdminError

        accounts = Accounts(engine)
        account = await _account(accounts, email)
        try:
            await accounts.change(account.organization_id, account.user_id, Changes(disabled=disabled))
        except LastAdminError:
            refuse(f"{email} is the last admin of {account.organization}. Make another one first.")

    _with_engine(database_url, work)


async def _account(accounts: Accounts, email: str) -> Account:
    account = await accounts.by_email(email)
    if account is None:
        refuse(f"There is no user {email}.")
    return account


def _with_engine(database_url: str, work: Callable[[AsyncEngine], Awaitable[T]]) -> T:
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    async def run() -> T:
        engine = create_async_engine(
            database_url, poolclass=NullPool, hide_parameters=True, connect_args={"connect_timeout": 5}
        )
        try:
            return await work(engine)
        finally:
            await engine.dispose()

    try:
        return asyncio.run(run())
    except SQLAlchemyError as error:
        refuse(f"The database refused: {first_line(error)}", EXIT_UNREACHABLE)

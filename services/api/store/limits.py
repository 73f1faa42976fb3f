"""What an organisation may use, and what it does use.

Owns the limits' checks, made inside the transaction that writes what they bound, under a lock on the organisation's
row: so they are exact however many requests come at once, and need nothing but PostgreSQL. Must not know HTTP.

- Generate requests per hour: a sliding window. Every accepted job has a number within its organisation, so how many
  were accepted since a moment is a subtraction, and costs the same for ten an hour and for a hundred thousand.
- Open jobs (queued and running): api marks and counts the jobs it accepts, and looks which of them have ended only when
  the count reaches the limit. Until then it is too high, never too low.
- Running jobs: held back by the solver's claim, not refused here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Float,
    Row,
    Select,
    bindparam,
    cast,
    exists,
    extract,
    func,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schemas.fold import TERMINAL_STATUSES
from schemas.tables import job_states, jobs, organizations, problems, solve_tasks, users

WINDOW = timedelta(hours=1)
_LOOK_AGAIN_S = 30


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of an organisation's generate requests; the oldest that counts stops counting in `reset_s`."""

    per_hour: int
    remaining: int
    reset_s: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What an organisation may use."""

    generate_per_hour: int
    max_running_jobs: int
    max_open_jobs: int
    max_problem_bytes: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What an organisation uses at this moment."""

    generate_last_hour: int
    running_jobs: int
    open_jobs: int
    problem_bytes: int
    users: int


class LimitReachedError(Exception):
    """The organisation has used up what it may; nothing was written. The message is for the caller."""

    def __init__(self, code: str, message: str, retry_after_s: int | None, allowance: Allowance | None = None) -> None:
        self.code = code
        self.retry_after_s = retry_after_s
        self.allowance = allowance
        super().__init__(message)


class UnknownOrganizationError(Exception):
    """The caller's organisation no longer exists."""


class Organizations:
    """Reads limits and usage."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def by_name(self, name: str) -> UUID | None:
        """The id of the organisation with this very name."""
        async with self._engine.connect() as connection:
            found: UUID | None = await connection.scalar(select(organizations.c.id).where(organizations.c.name == name))
        return found

    async def limit(self, organization_id: UUID, **limits: int | None) -> None:
        """Set the limits that are given, by the names of `Limits`; None leaves one as it is."""
        given = {name: value for name, value in limits.items() if value is not None}
        if given:
            async with self._engine.begin() as connection:
                await connection.execute(
                    update(organizations).where(organizations.c.id == organization_id).values(**given)
                )

    async def standing(self, organization_id: UUID) -> tuple[str, Limits, Usage] | None:
        """The organisation's name, its limits and its usage."""
        async with self._engine.connect() as connection:
            row = (
                await connection.execute(select(organizations).where(organizations.c.id == organization_id))
            ).one_or_none()
            if row is None:
                return None
            oldest = (await connection.execute(OLDEST, {"organization": organization_id})).one_or_none()
            counts = (await connection.execute(_usage(organization_id))).one()
        used = 0 if oldest is None else row.accepted_jobs - oldest.number + 1
        return row.name, _limits(row), Usage(used, counts.running, counts.open, counts.bytes, counts.users)


async def admit(connection: AsyncConnection, organization_id: UUID) -> tuple[int, Allowance]:
    """The number of a job that the caller accepts in this transaction, and what is left after it.

    Raises LimitReachedError or UnknownOrganizationError. Other requests of the organisation wait until the transaction
    ends; if it does not commit, the job has not counted.
    """
    row = (await connection.execute(_COUNT_ONE_MORE, {"organization": organization_id})).one_or_none()
    if row is None:
        raise UnknownOrganizationError
    # Another statement, so that it sees what those had written who were waited for.
    oldest = (await connection.execute(OLDEST, {"organization": organization_id})).one_or_none()
    used = 0 if oldest is None else row.accepted_jobs - oldest.number
    if used >= row.generate_per_hour:
        await _refuse_this_hour(connection, row)
    if row.open_jobs > row.max_open_jobs:
        await _require_open(connection, row)
    reset_s = WINDOW.total_seconds() if oldest is None else oldest.reset_s
    return row.accepted_jobs, allowance(row.generate_per_hour, used, reset_s)


def allowance(per_hour: int, used: int, reset_s: float) -> Allowance:
    """What is left once a job has been accepted, `used` of the hour's before it."""
    return Allowance(per_hour, per_hour - used - 1, max(1, math.ceil(reset_s)))


async def lock(connection: AsyncConnection, organization_id: UUID) -> None:
    """Have others who check this organisation's limits wait until the transaction ends."""
    await _locked(connection, organization_id)


async def require_room(connection: AsyncConnection, organization_id: UUID) -> None:
    """Raise LimitReachedError if the organisation's problems, one that this transaction added included, are too large.

    The caller holds the lock.
    """
    row = await _locked(connection, organization_id)
    total = select(func.coalesce(func.sum(problems.c.size_bytes), 0)).where(
        problems.c.organization_id == organization_id
    )
    if (await connection.scalar(total) or 0) > row.max_problem_bytes:
        raise LimitReachedError(
            "problem_storage_full",
            f"With this, the organisation's problems would take more than its {_mebibytes(row.max_problem_bytes)}."
            " Delete some, or ask for more.",
            None,
        )


async def _locked(connection: AsyncConnection, organization_id: UUID) -> Row[tuple[object, ...]]:
    # Not a stronger lock: rows that refer to the organisation are still written meanwhile.
    query = select(organizations).where(organizations.c.id == organization_id).with_for_update(key_share=True)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise UnknownOrganizationError
    return row


async def _refuse_this_hour(connection: AsyncConnection, row: Row[tuple[object, ...]]) -> None:
    wait_s: float | None = WINDOW.total_seconds()
    if row.generate_per_hour > 0:
        # Once this one has stopped counting, one fewer than the limit is left.
        wait_s = await connection.scalar(
            select(_expires_in_s()).where(
                jobs.c.organization_id == row.id,
                # The row counts this request already.
                jobs.c.accepted_number == row.accepted_jobs - row.generate_per_hour,
            )
        )
    retry_s = max(1, math.ceil(wait_s or 1))
    raise LimitReachedError(
        "rate_limited",
        f"The organisation has made its {row.generate_per_hour} requests of the last hour. The next is possible in"
        f" {retry_s} s.",
        retry_s,
        Allowance(row.generate_per_hour, 0, retry_s),
    )


async def _require_open(connection: AsyncConnection, row: Row[tuple[object, ...]]) -> None:
    """Look which jobs have ended; raise LimitReachedError if that leaves no room for another one.

    The row counts this request already.
    """
    await connection.execute(
        update(jobs).where(jobs.c.organization_id == row.id, jobs.c.maybe_open, _ended()).values(maybe_open=False)
    )
    marked = await connection.scalar(
        select(func.count()).select_from(jobs).where(jobs.c.organization_id == row.id, jobs.c.maybe_open)
    )
    if (marked or 0) >= row.max_open_jobs:
        raise LimitReachedError(
            "too_many_open_jobs",
            f"The organisation has {row.max_open_jobs} jobs that have not ended, as many as it may. Wait, or cancel"
            " some.",
            _LOOK_AGAIN_S,
        )
    await connection.execute(
        update(organizations).where(organizations.c.id == row.id).values(open_jobs=(marked or 0) + 1)
    )


def _ended() -> ColumnElement[bool]:
    return exists().where(
        job_states.c.job_id == jobs.c.id,
        job_states.c.organization_id == jobs.c.organization_id,
        job_states.c.status.in_(sorted(TERMINAL_STATUSES)),
    )


def _expires_in_s() -> ColumnElement[float]:
    return cast(extract("epoch", jobs.c.created_at + WINDOW - func.clock_timestamp()), Float)


def _oldest() -> Select[Any]:
    # The clock and not now(): the transaction may have waited for the lock since it began.
    return (
        select(jobs.c.accepted_number.label("number"), _expires_in_s().label("reset_s"))
        .where(
            jobs.c.organization_id == bindparam("organization"),
            jobs.c.accepted_number.is_not(None),
            jobs.c.created_at > func.clock_timestamp() - WINDOW,
        )
        .order_by(jobs.c.created_at, jobs.c.id)
        .limit(1)
    )


# Built once: they are asked with every generate request.
# It locks the row, no stronger than it must: rows that refer to the organisation are still written meanwhile.
_COUNT_ONE_MORE = (
    update(organizations)
    .where(organizations.c.id == bindparam("organization"))
    .values(accepted_jobs=organizations.c.accepted_jobs + 1, open_jobs=organizations.c.open_jobs + 1)
    .returning(*organizations.c)
)
# The oldest job that counts for this hour: its number, and in how many seconds it stops counting.
OLDEST = _oldest()


def _usage(organization_id: UUID) -> Select[Any]:
    own_tasks = (solve_tasks.c.organization_id == organization_id) & (solve_tasks.c.status == "running")
    own_problems = problems.c.organization_id == organization_id
    return select(
        select(func.count(solve_tasks.c.job_id.distinct())).where(own_tasks).scalar_subquery().label("running"),
        select(func.count())
        .select_from(jobs)
        .where(jobs.c.organization_id == organization_id, jobs.c.maybe_open, ~_ended())
        .scalar_subquery()
        .label("open"),
        select(func.coalesce(func.sum(problems.c.size_bytes), 0)).where(own_problems).scalar_subquery().label("bytes"),
        select(func.count())
        .select_from(users)
        .where(users.c.organization_id == organization_id, users.c.disabled_at.is_(None))
        .scalar_subquery()
        .label("users"),
    )


def _limits(row: Row[tuple[object, ...]]) -> Limits:
    return Limits(row.generate_per_hour, row.max_running_jobs, row.max_open_jobs, row.max_problem_bytes)


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"

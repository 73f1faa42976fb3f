"""Failed sign-ins in a row, and how long the next one has to wait.

Owns the statements on `sign_in_failures` and the pauses. Must not know passwords or HTTP.

An attempt is counted as failed before its password is looked at, and uncounted when it was right: so attempts made at
once do not escape the count. An address that no user has is counted like any other; nobody learns who exists.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
from datetime import timedelta

from sqlalchemy import ColumnElement, Float, Integer, case, cast, delete, extract, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schemas.tables import sign_in_failures

# Failures in a row before pauses begin. A whole campus may be behind one network address.
FREE_FOR_ACCOUNT = 5
FREE_FOR_ADDRESS = 50
LONGEST_PAUSE_S = 300
# A row that nothing was added to for so long no longer counts.
FORGOTTEN_AFTER = timedelta(hours=1)
_LONGEST_DOUBLING = 20


class _BlockedError(Exception):
    def __init__(self, wait_s: int) -> None:
        self.wait_s = wait_s
        super().__init__(f"{wait_s} s")


class SignInFailures:
    """Counts by account (the e-mail address as typed) and by network address."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def begin(self, email: str, address: str) -> int | None:
        """Count an attempt; None if it may be made, else how many seconds to wait (then it was not counted)."""
        try:
            async with self._engine.begin() as connection:
                # Always in this order, so that two attempts cannot wait for one another.
                await _count(connection, _of_address(address), FREE_FOR_ADDRESS)
                await _count(connection, _of_account(email), FREE_FOR_ACCOUNT)
        except _BlockedError as blocked:
            return blocked.wait_s
        return None

    async def succeeded(self, email: str, address: str) -> None:
        """The attempt's password was right: the account starts afresh, and for the address it has not been."""
        async with self._engine.begin() as connection:
            await connection.execute(
                update(sign_in_failures)
                .where(sign_in_failures.c.subject_sha256 == _of_address(address))
                .values(failures=func.greatest(sign_in_failures.c.failures - 1, 0), blocked_until=func.now())
            )
            await connection.execute(
                delete(sign_in_failures).where(sign_in_failures.c.subject_sha256 == _of_account(email))
            )


async def _count(connection: AsyncConnection, subject: bytes, free: int) -> None:
    now = func.clock_timestamp()
    old = sign_in_failures.c
    again: ColumnElement[int] = case((old.last_failed_at < now - FORGOTTEN_AFTER, 1), else_=old.failures + 1)
    row = insert(sign_in_failures).values(subject_sha256=subject, failures=1, last_failed_at=now, blocked_until=now)
    counted = row.on_conflict_do_update(
        index_elements=[old.subject_sha256],
        set_={"failures": again, "last_failed_at": now, "blocked_until": now + _pause(again, free)},
        where=old.blocked_until <= now,
    ).returning(old.failures)
    if (await connection.execute(counted)).one_or_none() is None:
        left = cast(extract("epoch", old.blocked_until - now), Float)
        wait_s = await connection.scalar(select(left).where(old.subject_sha256 == subject))
        raise _BlockedError(max(1, math.ceil(wait_s or 1)))


def _pause(failures: ColumnElement[int], free: int) -> ColumnElement[timedelta]:
    """None up to `free` failures, then 1 s, 2 s, 4 s, up to the longest."""
    doublings = func.least(failures - free, _LONGEST_DOUBLING)
    seconds = func.least(func.power(2, doublings), LONGEST_PAUSE_S)
    pause: ColumnElement[timedelta] = func.make_interval(
        0, 0, 0, 0, 0, 0, case((failures < free, 0), else_=cast(seconds, Integer))
    )
    return pause


def _of_account(email: str) -> bytes:
    return hashlib.sha256(b"account:" + email.strip().lower().encode()).digest()


def _of_address(address: str) -> bytes:
    """Of IPv6 the network that a provider gives to one customer."""
    try:
        ip = ipaddress.ip_address(address)
        network = str(ipaddress.ip_network((ip, 64), strict=False)) if ip.version == 6 else address
    except ValueError:
        network = address
    return hashlib.sha256(b"address:" + network.encode()).digest()

"""Cleanup: rows that nobody can need any more go, on a schedule and in small steps.

Owns how such rows are counted and deleted, and when. Must not know which they are or why: a service's `retention.py`
says that, in rules. Only the service that writes a table has rules for it.

A sweep may end at any point, by a crash or with the world away: each step is a transaction of its own, what it left is
found by the next sweep, and no rule takes for granted that the one before it was finished.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

import structlog
from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import ColumnElement, FromClause, Table, delete, func, literal, select, true
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schemas.topics import all_topics
from services.runtime.metrics import CLEANUP_LAST_SUCCESS, CLEANUP_REMOVED
from services.runtime.outage import is_world_away, sleep_unless

log = structlog.get_logger(__name__)

# Replicas that are restarted together must not all sweep at once; and a deploy a day must not put it off for ever.
_FIRST_WITHIN = timedelta(minutes=10)
_AGAIN_AFTER_OUTAGE = timedelta(minutes=1)

# A broker deletes whole segments, and only once they are closed: by default seven days after they were begun.
_SEGMENT = timedelta(days=7)
LONGEST_READABLE = max(topic.retention for topic in all_topics()) + _SEGMENT
_HUNDRED_YEARS = 36_500


class RetentionSettings(BaseSettings):
    """Settings of a service that cleans up."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    job_retention_days: int = Field(
        default=90,
        ge=0,
        le=_HUNDRED_YEARS,
        description=f"Jobs that ended longer ago are removed: more than {LONGEST_READABLE.days}, or 0 to keep them.",
    )
    cleanup_every_s: float = Field(
        default=3600.0, ge=1, le=7 * 86_400, description="How often a service removes what may go."
    )

    @field_validator("job_retention_days")
    @classmethod
    def _outlives_its_messages(cls, days: int) -> int:
        if 0 < days <= LONGEST_READABLE.days:
            raise ValueError(
                f"must be 0 (keep for ever) or more than {LONGEST_READABLE.days}: so long a message may be read again,"
                " and a request that is read again after its job was removed would start it anew"
            )
        return days

    @property
    def job_retention(self) -> timedelta | None:
        """How long a job is kept after its end; None for ever."""
        return days_or_never(self.job_retention_days)

    @property
    def cleanup_every(self) -> timedelta:
        return timedelta(seconds=self.cleanup_every_s)


def days_or_never(days: int) -> timedelta | None:
    """A retention in days, where 0 means that nothing is removed."""
    return timedelta(days=days) if days else None


# What is left of a table once the rules before have been followed.
Remaining = Callable[[Table], FromClause]


@dataclass(frozen=True, slots=True)
class Rule:
    """Which rows of a table go; at most one rule to a table, whose primary key must be one column.

    `condition` gets a function for other tables that earlier rules remove from: a sweep passes the tables themselves,
    a preview what would be left of them, so that it finds the very rows that a sweep would.
    `since` is the time that a row's age counts from. `stored_bytes` tells how large a row is, where that matters.
    """

    table: Table
    condition: Callable[[Remaining], ColumnElement[bool]]
    since: ColumnElement[Any]
    stored_bytes: ColumnElement[Any] | None = None
    batch: int = 500

    @property
    def what(self) -> str:
        return self.table.name

    @property
    def key(self) -> ColumnElement[Any]:
        (column,) = self.table.primary_key.columns
        return column


@dataclass(frozen=True, slots=True)
class Found:
    """What a rule would remove; `stored_bytes` is None where nobody asked."""

    what: str
    rows: int
    stored_bytes: int | None
    oldest: datetime | None
    newest: datetime | None


@dataclass(frozen=True, slots=True)
class Swept:
    """Rows removed by table. Not `complete` if another sweeper is at work, which does the same, or if told to stop."""

    removed: Mapping[str, int]
    complete: bool


async def preview(engine: AsyncEngine, rules: Sequence[Rule]) -> list[Found]:
    """What a sweep of these rules, in this order, would remove now. Changes nothing and locks nothing."""
    left: dict[Table, FromClause] = {}
    found = []
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        for rule in rules:
            condition = rule.condition(lambda table: left.get(table, table))
            size = literal(0) if rule.stored_bytes is None else rule.stored_bytes
            row = (
                await connection.execute(
                    select(
                        func.count().label("rows"),
                        func.coalesce(func.sum(size), 0).label("size"),
                        func.min(rule.since).label("oldest"),
                        func.max(rule.since).label("newest"),
                    )
                    .select_from(rule.table)
                    .where(condition)
                )
            ).one()
            stored = None if rule.stored_bytes is None else int(row.size)
            found.append(Found(rule.what, row.rows, stored, row.oldest, row.newest))
            # Not a plain NOT: of what is unknown nothing is removed, so it is left.
            left[rule.table] = select(rule.table).where(condition.is_not(true())).subquery()
    return found


async def sweep(engine: AsyncEngine, sweeper: str, rules: Sequence[Rule], stop: asyncio.Event | None = None) -> Swept:
    """Remove what the rules say, in their order. Of one name, one sweeper works at a time; the others leave it to it.

    Raises what the database raises; what was removed until then stays removed.
    """
    removed: dict[str, int] = {}
    for rule in rules:
        removed[rule.what] = 0
        while True:
            if stop is not None and stop.is_set():
                return Swept(removed, complete=False)
            async with engine.begin() as connection:
                if not await _is_alone(connection, sweeper):
                    return Swept(removed, complete=False)
                chosen, gone = await _remove(connection, rule)
            removed[rule.what] += gone
            CLEANUP_REMOVED.labels(what=rule.what).inc(gone)
            # Where something was chosen and nothing went, somebody is at these rows: the next sweep will see.
            if chosen < rule.batch or not gone:
                break
        CLEANUP_LAST_SUCCESS.labels(what=rule.what).set_to_current_time()
    return Swept(removed, complete=True)


async def _is_alone(connection: AsyncConnection, sweeper: str) -> bool:
    """Take the sweeper's lock until the transaction ends, or not.

    It is let go between steps, so nothing has to be released after a crash, and poolers that share connections between
    transactions are no harm. Whoever does not get it can leave: somebody else is just sweeping.
    """
    key = func.hashtextextended(f"cleanup/{sweeper}", literal(0))
    return bool(await connection.scalar(select(func.pg_try_advisory_xact_lock(key))))


async def _remove(connection: AsyncConnection, rule: Rule) -> tuple[int, int]:
    """One batch; how many rows were chosen and how many of them went.

    Rows that somebody has locked are in use and passed over. The condition is asked again once the rows are locked, by
    a statement of its own, because only that one sees what was committed meanwhile: a row that refers to one of them.
    """
    condition = rule.condition(lambda table: table)
    choice = select(rule.key).where(condition).limit(rule.batch).with_for_update(skip_locked=True, of=rule.table)
    keys = (await connection.scalars(choice)).all()
    if not keys:
        return 0, 0
    gone = await connection.execute(delete(rule.table).where(rule.key.in_(keys), condition))
    return len(keys), gone.rowcount


class Cleanup:
    """`run` is the background loop. `others` remove what is no row: each blocks, and tells how much it removed."""

    def __init__(
        self,
        engine: AsyncEngine,
        sweeper: str,
        rules: Sequence[Rule],
        every: timedelta,
        others: Mapping[str, Callable[[], int]] | None = None,
    ) -> None:
        self._engine = engine
        self._sweeper = sweeper
        self._rules = rules
        self._every = every
        self._others = others or {}

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep until `stop` is set: first a random while after the start, then every so often."""
        pause = min(self._every, _FIRST_WITHIN) * random.random()  # noqa: S311  # jitter is no secret
        while not await sleep_unless(stop, pause.total_seconds()):
            pause = self._every * random.uniform(0.9, 1.1)  # noqa: S311  # jitter is no secret
            try:
                await self.sweep_once(stop)
            except Exception as error:
                if not is_world_away(error):
                    raise
                pause = min(self._every, _AGAIN_AFTER_OUTAGE)
                log.warning("cleanup_waits", sweeper=self._sweeper, error=str(error)[:200])

    async def sweep_once(self, stop: asyncio.Event | None = None) -> None:
        started = monotonic()
        removed: dict[str, int] = {}
        for what, remove in self._others.items():
            removed[what] = await asyncio.to_thread(remove)
            CLEANUP_REMOVED.labels(what=what).inc(removed[what])
            CLEANUP_LAST_SUCCESS.labels(what=what).set_to_current_time()
        swept = await sweep(self._engine, self._sweeper, self._rules, stop)
        log.info(
            "cleanup_done",
            sweeper=self._sweeper,
            removed={**removed, **swept.removed},
            complete=swept.complete,
            seconds=round(monotonic() - started, 3),
        )

"""Problems: stored once per organisation and content.

Owns the queries. Must not know how a problem is read. Content is zstd-compressed and is never loaded for a list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy import Row, Select, bindparam, delete, exists, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schemas.fold import JobStatus
from schemas.problem.read import ProblemFormat
from schemas.tables import job_states, jobs, problems
from services.api.bodies import ProblemAnswer
from services.api.cursors import Position
from services.api.reading import UPLOADED_AS, ReadProblem
from services.api.store.limits import lock, require_room
from services.runtime.tokens import Principal

_SHOWN = (
    problems.c.id,
    problems.c.name,
    problems.c.format,
    problems.c.sha256,
    problems.c.size_bytes,
    problems.c.summary,
    problems.c.created_at,
)
# Between a conflict and the look at what conflicted, somebody may delete it.
_ADD_ATTEMPTS = 3
_ENDED = tuple(status for status in JobStatus if status.terminal)


@dataclass(frozen=True, slots=True)
class Reference:
    """What a job says about its problem."""

    problem_id: UUID
    sha256: str


class ProblemInUseError(Exception):
    """Jobs that have not ended still need the problem."""


class Problems:
    """Reads and writes problems of one organisation at a time."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(self, organization_id: UUID, sha256: str, format: ProblemFormat) -> ProblemAnswer | None:
        """The problem with this very content, if the organisation has it."""
        async with self._engine.connect() as connection:
            return await _one(
                connection,
                _of(organization_id).where(problems.c.sha256 == sha256, problems.c.format == format),
            )

    async def get(self, organization_id: UUID, problem_id: UUID) -> ProblemAnswer | None:
        async with self._engine.connect() as connection:
            return await _one(connection, _of(organization_id).where(problems.c.id == problem_id))

    async def page(self, organization_id: UUID, limit: int, after: Position | None) -> list[ProblemAnswer]:
        """Up to `limit` problems, newest first, after the position."""
        query = _of(organization_id).order_by(problems.c.created_at.desc(), problems.c.id.desc()).limit(limit)
        if after is not None:
            query = query.where(tuple_(problems.c.created_at, problems.c.id) < tuple_(after.created_at, after.id))
        async with self._engine.connect() as connection:
            return [_answer(row) for row in await connection.execute(query)]

    async def add(self, caller: Principal, read: ReadProblem, name: str | None) -> tuple[ProblemAnswer, bool]:
        """The stored problem, and whether it is new; the same content at the same moment twice is stored once."""
        async with self._engine.begin() as connection:
            return await add_problem(connection, caller, read, name)

    async def delete(self, organization_id: UUID, problem_id: UUID) -> bool:
        """False if there is no such problem. Raises ProblemInUseError while a job needs it."""
        async with self._engine.begin() as connection:
            # Conflicts with the key share lock of a job being requested: one of the two sees the other.
            row = await connection.execute(
                select(problems.c.id)
                .where(problems.c.id == problem_id, problems.c.organization_id == organization_id)
                .with_for_update()
            )
            if row.one_or_none() is None:
                return False
            needed = (
                select(jobs.c.id)
                .outerjoin(job_states, job_states.c.job_id == jobs.c.id)
                # Somebody else's job may name this problem in vain; it shall not hold it.
                .where(jobs.c.problem_id == problem_id, jobs.c.organization_id == organization_id)
                .where(job_states.c.status.is_(None) | job_states.c.status.not_in(_ENDED))
            )
            if (await connection.execute(select(exists(needed)))).scalar_one():
                raise ProblemInUseError
            await connection.execute(delete(problems).where(problems.c.id == problem_id))
        return True


async def add_problem(
    connection: AsyncConnection, caller: Principal, read: ReadProblem, name: str | None
) -> tuple[ProblemAnswer, bool]:
    """As `Problems.add`, within the caller's transaction, until whose end the problem is kept from deletion.

    Raises LimitReachedError if the organisation's problems would take too much.
    """
    await lock(connection, caller.organization_id)
    for _ in range(_ADD_ATTEMPTS):
        inserted = await connection.execute(
            insert(problems)
            .values(
                id=uuid4(),
                organization_id=caller.organization_id,
                name=name or read.name,
                format=read.format,
                sha256=read.sha256,
                content_zstd=read.content_zstd,
                size_bytes=read.size_bytes,
                summary=read.summary,
                created_by=caller.user_id,
            )
            .on_conflict_do_nothing(index_elements=["organization_id", "sha256"])
            .returning(*_SHOWN)
        )
        row = inserted.one_or_none()
        if row is not None:
            await require_room(connection, caller.organization_id)
            return _answer(row), True
        known = await _one(
            connection,
            _of(caller.organization_id)
            .where(problems.c.sha256 == read.sha256)
            .with_for_update(read=True, key_share=True),
        )
        if known is not None:
            return known, False
    raise ConnectionError("the same problem is being added and deleted by others again and again")


async def reference(connection: AsyncConnection, organization_id: UUID, problem_id: UUID) -> Reference | None:
    """A problem's reference, kept from deletion until the transaction ends. Never touches its content."""
    named = {"problem": problem_id, "organization": organization_id}
    row = (await connection.execute(_REFERENCE, named)).one_or_none()
    return None if row is None else Reference(row.id, row.sha256)


_REFERENCE = (
    select(problems.c.id, problems.c.sha256)
    .where(problems.c.id == bindparam("problem"), problems.c.organization_id == bindparam("organization"))
    .with_for_update(read=True, key_share=True)
)


def _of(organization_id: UUID) -> Select[tuple[object, ...]]:
    query: Select[tuple[object, ...]] = select(*_SHOWN).where(problems.c.organization_id == organization_id)
    return query


async def _one(connection: AsyncConnection, query: Select[tuple[object, ...]]) -> ProblemAnswer | None:
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else _answer(row)


def _answer(row: Row[tuple[object, ...]]) -> ProblemAnswer:
    values = dict(row._mapping)  # the public name of a row's columns
    counts = dict(values["summary"])
    return ProblemAnswer.model_validate({**values, UPLOADED_AS: counts.pop(UPLOADED_AS, None), "summary": counts})


def next_cursor(items: Sequence[ProblemAnswer], limit: int) -> str | None:
    """The cursor after a full page."""
    return Position(items[-1].created_at, items[-1].id).cursor() if len(items) == limit else None

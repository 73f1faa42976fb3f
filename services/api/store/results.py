"""Finished variants, and the problems they belong to.

Owns the queries. Must not know formats: what it returns is bytes and what describes them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.change.report import ChangeCounts
from schemas.events.solve import Provenance
from schemas.formats.itc2019_solution import Credits
from schemas.problem.read import ProblemFormat
from schemas.tables import jobs, problems, solve_jobs, timetable_variants, timetables
from schemas.timetable import Score
from services.api.bodies import VariantAnswer


@dataclass(frozen=True, slots=True)
class StoredProblem:
    """A problem's content as it came, compressed."""

    format: ProblemFormat
    content_zstd: bytes


@dataclass(frozen=True, slots=True)
class FinishedVariant:
    """The hash of a variant's JSON, when its job ended, and how the variant was made."""

    sha256: str
    completed_at: datetime
    credits: Credits


@dataclass(frozen=True, slots=True)
class StoredChanges:
    """The counts of `schemas.change.report.ChangeCounts`, and the list of changed classes as compressed JSON."""

    counts: dict[str, Any]
    changed_zstd: bytes


class Results:
    """Reads what the persister wrote, for jobs of one organisation at a time."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def variants(self, organization_id: UUID, job_id: UUID, url: str) -> list[VariantAnswer]:
        """The finished variants of a job; `url` is the job's own."""
        table = timetable_variants.c
        query = (
            select(
                table.variant,
                table.score,
                table.own_score,
                table.optimal,
                table.lower_bound,
                table.elapsed_s,
                table.violations,
                table.provenance,
                table.changes,
            )
            .join(timetables, timetables.c.job_id == table.job_id)
            .where(table.job_id == job_id, timetables.c.organization_id == organization_id)
        )
        async with self._engine.connect() as connection:
            rows = (await connection.execute(query.order_by(table.variant))).all()
        return [
            VariantAnswer(
                variant=row.variant,
                url=f"{url}/variants/{row.variant}",
                score=Score.model_validate(row.score),
                own_score=None if row.own_score is None else Score.model_validate(row.own_score),
                optimal=row.optimal,
                lower_bound=row.lower_bound,
                elapsed_s=row.elapsed_s,
                violations=row.violations,
                provenance=Provenance.model_validate(row.provenance),
                changes=None if row.changes is None else ChangeCounts.model_validate(row.changes),
                changes_url=None if row.changes is None else f"{url}/variants/{row.variant}/changes",
            )
            for row in rows
        ]

    async def changes(self, organization_id: UUID, job_id: UUID, variant: int) -> StoredChanges | None:
        """What departs from a variant's base timetable, or None if there is no such variant, or it had no base."""
        query = (
            select(timetable_variants.c.changes, timetable_variants.c.changed_zstd)
            .join(timetables, timetables.c.job_id == timetable_variants.c.job_id)
            .where(
                timetables.c.organization_id == organization_id,
                timetable_variants.c.job_id == job_id,
                timetable_variants.c.variant == variant,
                timetable_variants.c.changed_zstd.is_not(None),
            )
        )
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else StoredChanges(row.changes, row.changed_zstd)

    async def finished(self, organization_id: UUID, job_id: UUID, variant: int) -> FinishedVariant | None:
        """A variant without its content, or None if the organisation has no such variant."""
        query = (
            select(
                timetable_variants.c.sha256,
                timetables.c.completed_at,
                timetable_variants.c.elapsed_s,
                timetable_variants.c.provenance,
            )
            .join(jobs, jobs.c.id == timetable_variants.c.job_id)
            .join(timetables, timetables.c.job_id == timetable_variants.c.job_id)
            .where(
                jobs.c.organization_id == organization_id,
                timetables.c.organization_id == organization_id,
                timetable_variants.c.job_id == job_id,
                timetable_variants.c.variant == variant,
            )
        )
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        made = Provenance.model_validate(row.provenance)
        return FinishedVariant(row.sha256, row.completed_at, Credits.of(made.method, row.elapsed_s, made.workers))

    async def hashes(self, job_id: UUID, variants: Collection[int]) -> dict[int, str]:
        """The hashes of variants' JSON; the caller may see them (asked before)."""
        query = select(timetable_variants.c.variant, timetable_variants.c.sha256).where(
            timetable_variants.c.job_id == job_id, timetable_variants.c.variant.in_(variants)
        )
        async with self._engine.connect() as connection:
            return {row.variant: row.sha256 for row in await connection.execute(query)}

    async def timetable(self, job_id: UUID, variant: int) -> bytes | None:
        """A variant's JSON, zstd-compressed; the caller may see it (asked before)."""
        query = select(timetable_variants.c.timetable_zstd).where(
            timetable_variants.c.job_id == job_id, timetable_variants.c.variant == variant
        )
        async with self._engine.connect() as connection:
            found: bytes | None = (await connection.execute(query)).scalar_one_or_none()
        return found

    async def problem(self, organization_id: UUID, job_id: UUID) -> StoredProblem | None:
        """The problem that the job solved, or None if it has been deleted since.

        A job that came over Kafka may have brought its problem along; then the solver's own table has it.
        """
        by_reference = (
            select(problems.c.format, problems.c.content_zstd)
            .join(jobs, jobs.c.problem_id == problems.c.id)
            .where(
                jobs.c.id == job_id,
                jobs.c.organization_id == organization_id,
                problems.c.organization_id == organization_id,
            )
        )
        inline = select(solve_jobs.c.problem_format, solve_jobs.c.problem_zstd).where(
            solve_jobs.c.job_id == job_id,
            solve_jobs.c.organization_id == organization_id,
            solve_jobs.c.problem_zstd.is_not(None),
        )
        async with self._engine.connect() as connection:
            for query in (by_reference, inline):
                row = (await connection.execute(query)).one_or_none()
                if row is not None:
                    return StoredProblem(ProblemFormat(row[0]), row[1])
        return None

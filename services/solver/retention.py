"""What the solver keeps of ended jobs, and how long.

Owns the rules for `solve_jobs` (their tasks go with them) and `solve_attempts`; the loop that follows them is the
runtime's. Controls whose job never came are the reaper's. Must not know how rows are deleted.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import ColumnElement, and_, exists, func, or_

from schemas.tables import jobs, solve_attempts, solve_jobs
from services.runtime.retention import Remaining, Rule


def rules(*, job_retention: timedelta | None) -> list[Rule]:
    """In the order in which they should be followed; None keeps for ever."""
    return [] if job_retention is None else [_ended_jobs(job_retention), _attempts_without_job()]


def _ended_jobs(retention: timedelta) -> Rule:
    """Jobs whose end was published that long ago, and that are listed no more.

    While a job is listed (`jobs`), its absence here would read as: no solver has taken it in.
    """

    def condition(remaining: Remaining) -> ColumnElement[bool]:
        listed = remaining(jobs)
        return and_(
            solve_jobs.c.outcome.is_not(None),
            solve_jobs.c.published_at < func.now() - retention,
            or_(solve_jobs.c.dead_letter_reason.is_(None), solve_jobs.c.dead_lettered_at.is_not(None)),
            ~exists().where(listed.c.id == solve_jobs.c.job_id),
        )

    size = func.coalesce(func.pg_column_size(solve_jobs.c.completed_event), 0) + func.coalesce(
        func.pg_column_size(solve_jobs.c.problem_zstd), 0
    )
    return Rule(solve_jobs, condition, since=solve_jobs.c.published_at, stored_bytes=size, batch=50)


def _attempts_without_job() -> Rule:
    """A claim writes its attempt while the job is there, so an attempt without a job is one whose job was removed."""

    def condition(remaining: Remaining) -> ColumnElement[bool]:
        known = remaining(solve_jobs)
        return ~exists().where(known.c.job_id == solve_attempts.c.job_id)

    return Rule(solve_attempts, condition, since=solve_attempts.c.started_at)

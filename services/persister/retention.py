"""What the persister keeps of ended jobs, and how long.

Owns the rules for `timetables` (their variants go with them) and `job_states`; the loop that follows them is the
runtime's. Must not know how rows are deleted.

Both wait for the job's row in `jobs` to go: a listed job without a state would read as queued, and be sent again.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import ColumnElement, and_, exists, func, select

from schemas.fold import TERMINAL_STATUSES
from schemas.tables import job_states, jobs, timetable_variants, timetables
from services.runtime.retention import Remaining, Rule


def rules(*, job_retention: timedelta | None) -> list[Rule]:
    """In the order in which they should be followed; None keeps for ever."""
    return [] if job_retention is None else [_timetables(job_retention), _states(job_retention)]


def _timetables(retention: timedelta) -> Rule:
    def condition(remaining: Remaining) -> ColumnElement[bool]:
        listed = remaining(jobs)
        return and_(
            timetables.c.persisted_at < func.now() - retention, ~exists().where(listed.c.id == timetables.c.job_id)
        )

    size = (
        select(func.coalesce(func.sum(func.pg_column_size(timetable_variants.c.timetable_zstd)), 0))
        .where(timetable_variants.c.job_id == timetables.c.job_id)
        .scalar_subquery()
    )
    return Rule(timetables, condition, since=timetables.c.persisted_at, stored_bytes=size, batch=50)


def _states(retention: timedelta) -> Rule:
    def condition(remaining: Remaining) -> ColumnElement[bool]:
        listed, results = remaining(jobs), remaining(timetables)
        return and_(
            job_states.c.status.in_(sorted(TERMINAL_STATUSES)),
            job_states.c.updated_at < func.now() - retention,
            ~exists().where(listed.c.id == job_states.c.job_id),
            ~exists().where(results.c.job_id == job_states.c.job_id),
        )

    return Rule(job_states, condition, since=job_states.c.updated_at)

"""What api keeps, and how long: its rows of `outbox`, `jobs` and `problems`, and the files of uploads.

Owns the rules for tables that api writes; the loop that follows them is the runtime's. Keys of requests and controls
are short-lived and `upkeep`'s. Must not know how rows are deleted.

A job's row in `jobs` goes first of all that is stored of a job, and solver and persister remove theirs once it is gone:
as long as a job is listed, everything that it leads to is there, and nobody can take it for one that got lost.
"""

from __future__ import annotations

import os
import stat
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import structlog
from sqlalchemy import ColumnElement, and_, exists, func, or_

from schemas.fold import TERMINAL_STATUSES
from schemas.tables import job_states, jobs, outbox, problems, solve_jobs
from services.api.uploads import FILE_PREFIX
from services.runtime.retention import Remaining, Rule

log = structlog.get_logger(__name__)

# An upload takes two minutes, and an hour at the most that can be set; its file is read within as much again.
_UPLOADS_LAST = timedelta(days=1)


def rules(
    *, job_retention: timedelta | None, problem_retention: timedelta | None, outbox_dead_after: timedelta | None
) -> list[Rule]:
    """In the order in which they should be followed; None keeps for ever."""
    found = []
    if outbox_dead_after is not None:
        found.append(_dead_events(outbox_dead_after))
    if job_retention is not None:
        found.append(_old_jobs(job_retention))
    if problem_retention is not None:
        found.append(_unused_problems(problem_retention))
    return found


def _dead_events(after: timedelta) -> Rule:
    """Events that the broker refuses, or that wait behind such a one, of jobs that need no event any more."""
    refused = outbox.alias("refused")

    def condition(_: Remaining) -> ColumnElement[bool]:
        return and_(
            outbox.c.created_at < func.now() - after,
            or_(~exists().where(jobs.c.id == outbox.c.job_id), _ended_before(outbox.c.job_id)),
            exists().where(refused.c.job_id == outbox.c.job_id, refused.c.id <= outbox.c.id, refused.c.attempts > 0),
        )

    return Rule(outbox, condition, since=outbox.c.created_at, stored_bytes=func.pg_column_size(outbox.c.value))


def _old_jobs(retention: timedelta) -> Rule:
    """Jobs that ended that long ago, as their own organisation knows it.

    A job without a state has not ended. Nor may a solver be at it still, its end be unpublished, an event of it wait.
    The row's own age is asked too: an outside producer's clock may be wrong by years, ours is not.
    """

    def condition(remaining: Remaining) -> ColumnElement[bool]:
        waiting = remaining(outbox)
        before = func.now() - retention
        return and_(
            jobs.c.created_at < before,
            exists().where(
                job_states.c.job_id == jobs.c.id,
                job_states.c.organization_id == jobs.c.organization_id,
                job_states.c.status.in_(sorted(TERMINAL_STATUSES)),
                job_states.c.updated_at < before,
            ),
            ~exists().where(
                solve_jobs.c.job_id == jobs.c.id,
                or_(solve_jobs.c.outcome.is_(None), solve_jobs.c.published_at.is_(None)),
            ),
            ~exists().where(waiting.c.job_id == jobs.c.id),
        )

    return Rule(jobs, condition, since=jobs.c.created_at)


def _unused_problems(retention: timedelta) -> Rule:
    """Problems uploaded that long ago that no job of their organisation refers to.

    Asking for a job locks its problem (`store.problems.reference`), and the condition is asked again under our lock:
    one of the two sees the other. A job that only the solver knows yet, an outside producer's, counts until its end.
    """

    def condition(remaining: Remaining) -> ColumnElement[bool]:
        kept = remaining(jobs)
        return and_(
            problems.c.created_at < func.now() - retention,
            ~exists().where(kept.c.problem_id == problems.c.id, kept.c.organization_id == problems.c.organization_id),
            ~exists().where(
                solve_jobs.c.problem_id == problems.c.id,
                solve_jobs.c.organization_id == problems.c.organization_id,
                solve_jobs.c.outcome.is_(None),
            ),
        )

    return Rule(
        problems,
        condition,
        since=problems.c.created_at,
        stored_bytes=func.pg_column_size(problems.c.content_zstd),
        batch=50,  # up to megabytes each
    )


def leftover_uploads(folder: Path | None = None) -> Callable[[], int]:
    """Removes files of uploads whose process was killed; how many.

    Only regular files of our name and user that nobody has written to for a day, and only in the very folder that
    uploads use; the system's temporary directory by default.
    """
    return lambda: sum(_remove_if_left(file) for file in _uploads_in(folder or Path(tempfile.gettempdir())))


def _uploads_in(folder: Path) -> list[Path]:
    return list(folder.glob(f"{FILE_PREFIX}*"))


def _remove_if_left(file: Path) -> bool:
    try:
        found = file.lstat()
        ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.getuid()
        if not ours or found.st_mtime > time.time() - _UPLOADS_LAST.total_seconds():
            return False
        file.unlink()
    except FileNotFoundError:
        return False  # another process was faster
    except OSError as error:
        log.warning("upload_not_removed", file=file.name, error=str(error)[:200])
        return False
    return True


def _ended_before(job_id: ColumnElement[object]) -> ColumnElement[bool]:
    return exists().where(job_states.c.job_id == job_id, job_states.c.status.in_(sorted(TERMINAL_STATUSES)))

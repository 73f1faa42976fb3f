"""Whose turn it is: which queued task a free worker takes.

Owns the fair order and the statements on `solve_turns`. Must not know what a claim does with the task.

Of organisations that run equally many tasks (and of equal priority), the one served longest ago comes next. By the age
of the task alone, the few organisations that asked first would keep every slot until they had nothing left to ask.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Float, and_, cast, exists, extract, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql import ColumnElement

from schemas.events import ControlAction
from schemas.tables import job_controls, organizations, solve_jobs, solve_tasks, solve_turns


def next_task(running_jobs_limit: int) -> Any:
    """The task to claim: of the organisation with the fewest running tasks, then by priority, then of the organisation
    served longest ago, then the oldest. `running_jobs_limit` holds for organisations that have none of their own.

    A task of an organisation that runs its limit of jobs is passed over unless its own job runs already. A task of a
    stopped job is claimed only to bring its checkpoint in.
    """
    running = (
        select(
            solve_tasks.c.organization_id,
            func.count().label("tasks"),
            func.count(solve_tasks.c.job_id.distinct()).label("jobs"),
        )
        .where(solve_tasks.c.status == "running")
        .group_by(solve_tasks.c.organization_id)
        .cte("running")
    )
    sibling = solve_tasks.alias("sibling")
    own_job_runs = exists().where(sibling.c.job_id == solve_tasks.c.job_id, sibling.c.status == "running")
    # Asked over HTTP, and its event is on its way here (it is sent again until it arrives): a claim waits for it, so
    # that nobody begins, or resumes, what is to end.
    asked = exists().where(
        job_controls.c.job_id == solve_jobs.c.job_id, job_controls.c.organization_id == solve_jobs.c.organization_id
    )
    limit = func.coalesce(organizations.c.max_running_jobs, running_jobs_limit)
    return (
        select(
            solve_tasks.c.job_id,
            solve_tasks.c.variant,
            solve_tasks.c.organization_id,
            solve_tasks.c.checkpoint_zstd,
            solve_tasks.c.checkpoint_score,
            solve_tasks.c.checkpoint_elapsed_s,
            solve_jobs.c.options,
            solve_jobs.c.correlation_id,
            solve_jobs.c.traceparent,
            solve_jobs.c.problem_sha256,
            solve_jobs.c.problem_id,
            solve_jobs.c.control,
            seconds(func.statement_timestamp() - solve_tasks.c.run_after).label("waited_s"),
        )
        .join(solve_jobs, solve_jobs.c.job_id == solve_tasks.c.job_id)
        .outerjoin(running, running.c.organization_id == solve_tasks.c.organization_id)
        .outerjoin(organizations, organizations.c.id == solve_tasks.c.organization_id)
        .outerjoin(solve_turns, solve_turns.c.organization_id == solve_tasks.c.organization_id)
        .where(
            solve_tasks.c.status == "queued",
            due(),
            solve_jobs.c.outcome.is_(None),
            or_(
                and_(solve_jobs.c.control.is_(None), ~asked),
                and_(solve_jobs.c.control == ControlAction.STOP.value, solve_tasks.c.checkpoint_zstd.is_not(None)),
            ),
            or_(func.coalesce(running.c.jobs, 0) < limit, own_job_runs),
        )
        .order_by(
            func.coalesce(running.c.tasks, 0),
            solve_tasks.c.priority.desc(),
            solve_turns.c.claimed_at.asc().nulls_first(),
            solve_tasks.c.created_at,
            solve_tasks.c.job_id,
            solve_tasks.c.variant,
        )
        .limit(1)
        .with_for_update(of=(solve_tasks, solve_jobs), skip_locked=True, key_share=True)
    )


def runnable_tasks(running_jobs_limit: int) -> Any:
    """How many tasks solvers could be working on at this moment, had they the slots: those that run, and those that no
    organisation's limit of running jobs holds back. `running_jobs_limit` as in `next_task`.

    The autoscaler asks the same (deploy/k8s/components/keda): replicas for tasks that may not run would idle.
    """
    jobs = (
        select(
            solve_tasks.c.organization_id,
            solve_tasks.c.job_id,
            func.count().label("tasks"),
            func.bool_or(solve_tasks.c.status == "running").label("runs"),
            func.max(solve_tasks.c.priority).label("priority"),
            func.min(solve_tasks.c.created_at).label("since"),
        )
        .where(solve_tasks.c.status.in_(("queued", "running")))
        .group_by(solve_tasks.c.organization_id, solve_tasks.c.job_id)
        .cte("jobs")
    )
    order = (jobs.c.runs.desc(), jobs.c.priority.desc(), jobs.c.since, jobs.c.job_id)
    place = func.row_number().over(partition_by=jobs.c.organization_id, order_by=order)
    ranked = select(jobs, place.label("place")).cte("ranked")
    limit = func.coalesce(organizations.c.max_running_jobs, running_jobs_limit)
    return (
        select(func.coalesce(func.sum(ranked.c.tasks), 0))
        .outerjoin(organizations, organizations.c.id == ranked.c.organization_id)
        .where(or_(ranked.c.runs, ranked.c.place <= limit))
    )


def turn_taken(organization_id: UUID) -> Any:
    """Note that the organisation is served now. The caller holds the claim lock, so nobody writes the same row."""
    now = func.clock_timestamp()
    row = insert(solve_turns).values(organization_id=organization_id, claimed_at=now)
    return row.on_conflict_do_update(index_elements=[solve_turns.c.organization_id], set_={"claimed_at": now})


def due() -> ColumnElement[bool]:
    """The task may run now: no retry's pause is on."""
    # Not now(): that is when the transaction began, and it may have waited for the claim lock since.
    return solve_tasks.c.run_after <= func.statement_timestamp()


def seconds(interval: ColumnElement[Any]) -> ColumnElement[float]:
    """An interval as a number."""
    return cast(extract("epoch", interval), Float)

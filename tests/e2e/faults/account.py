"""The account that every fault test ends with: each job ended as it should, once, with one stored result that the
referee accepts.

Owns what is counted and where: the api, the progress service, PostgreSQL, the broker's log. Knows nothing of the harm
that was done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg

from horarium.client import Submitted
from schemas.fold import TERMINAL_STATUSES
from schemas.problem.model import Problem
from schemas.referee import judge
from schemas.timetable import Timetable
from tests.e2e.conftest import System, wait_for
from tests.e2e.kafka_reading import everything_on

# The id, here, of the problem that requests without an upload carry.
INLINE = "inline"
# An attempt that brought its variant to an end, as against one that was lost, handed over or failed.
_CARRIED_OUT = ("finished", "stopped", "timed_out")


def settle(
    system: System,
    problems: Mapping[str, Problem],
    jobs: Sequence[Submitted],
    status: str | Iterable[str],
    *,
    within_s: float,
    log_kept: bool,
) -> list[dict[str, Any]]:
    """Wait for every job to end, and check the account. Returns the jobs as the api tells them.

    `problems` by their ids. `log_kept` is false where the broker lost its log in between: what it carried cannot be
    counted.
    """
    allowed = {status} if isinstance(status, str) else set(status)
    ids = [job.job_id for job in jobs]
    wait_for(f"{len(ids)} jobs to end", lambda: all_ended(system, ids), within_s, tell=system.tails)
    told = [system.client.job(job_id) for job_id in ids]
    assert {job["status"] for job in told} <= allowed, Counter(job["status"] for job in told)
    for job, submitted in zip(told, jobs, strict=True):
        _check_result(system, problems, job)
        _check_progress(system, submitted, job["status"])
    _check_once(system, told)
    if log_kept:
        events: dict[str, set[str]] = {job_id: set() for job_id in ids}
        for record in everything_on(system, "solve.completed"):
            if (key := record.key.decode()) in events:
                events[key].add(dict(record.headers)["ce_id"].decode())
        cancelled = {job["job_id"] for job in told if job["status"] == "cancelled"}
        assert all(len(found) == 1 for key, found in events.items() if key not in cancelled), events
    return told


def all_ended(system: System, ids: Sequence[str]) -> bool:
    """True if the persister has recorded the end of every job; False also while the database is away."""
    try:
        rows = system.sql(
            "SELECT count(*) AS n FROM job_states WHERE job_id = ANY(%(ids)s::uuid[]) AND status = ANY(%(ended)s)",
            ids=list(ids),
            ended=sorted(TERMINAL_STATUSES),
        )
    except psycopg.OperationalError:
        return False
    return bool(rows[0]["n"] == len(ids))


def _check_result(system: System, problems: Mapping[str, Problem], job: dict[str, Any]) -> None:
    """The stored timetables are what the job says, and the referee agrees."""
    if job["status"] in ("cancelled", "failed"):
        assert not job["variants"], job
        return
    problem = problems[job["problem_id"] or INLINE]
    if job["status"] == "completed":
        assert len(job["variants"]) == job["options"]["variants"], job
    for variant in job["variants"]:
        content = system.client.variant(job["job_id"], variant["variant"], format="json")
        verdict = judge(problem, Timetable.model_validate_json(content))
        said = variant["score"]["hard_violations"], variant["score"]["total"]
        assert (verdict.score.hard_violations, verdict.score.total) == said
        # A search that was stopped in its first second keeps what it had, and says what is wrong with it.
        assert verdict.score.hard_violations == 0 or job["status"] == "stopped", verdict.violations[:3]


def _check_progress(system: System, job: Submitted, status: str) -> None:
    def same() -> bool:
        told = system.client.progress(job.progress_url)
        return bool(told and told["status"] == status)

    wait_for(f"the progress of {job.job_id} to say {status}", same, tell=system.tails)


def _check_once(system: System, jobs: Sequence[dict[str, Any]]) -> None:
    """One stored end per job, and no variant carried out twice."""
    ids = [job["job_id"] for job in jobs]
    stored = system.sql("SELECT job_id FROM timetables WHERE job_id = ANY(%(ids)s::uuid[])", ids=ids)
    ended = Counter(str(row["job_id"]) for row in stored)
    assert all(count == 1 for count in ended.values())
    assert {job["job_id"] for job in jobs if job["variants"]} <= set(ended)
    carried_out = system.sql(
        "SELECT job_id, variant, count(*) AS n FROM solve_attempts WHERE job_id = ANY(%(ids)s::uuid[]) "
        "AND end_reason = ANY(%(ends)s) GROUP BY job_id, variant HAVING count(*) > 1",
        ids=ids,
        ends=list(_CARRIED_OUT),
    )
    assert not carried_out, "a variant was carried out twice"

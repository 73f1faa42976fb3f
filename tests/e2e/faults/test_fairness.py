"""A hundred jobs at once: every organisation gets its share, nobody waits for another's backlog, memory stays flat."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psutil
import pytest
from aiokafka import AIOKafkaProducer

from horarium.client import Submitted
from tests.e2e.conftest import wait_for, whole_system
from tests.e2e.faults.cluster import FAST, Cluster
from tests.e2e.problems import a_department

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

ORGANISATIONS = 10
JOBS_EACH = 10
SLOTS = 4


@pytest.fixture(scope="module")
def module_cluster() -> Iterator[Cluster]:
    """Four slots, and no limit on running jobs that would decide instead of the order."""
    with whole_system(2, **{**FAST, "SOLVER_LEASE_S": "15", "SOLVER_SLOTS": str(SLOTS // 2)}) as system:
        cluster = Cluster(system)
        with cluster.supervised():
            yield cluster


def test_a_hundred_jobs_of_ten_organisations_end_with_fair_shares_and_flat_memory(cluster: Cluster) -> None:
    # The first is the signed-in user's own, so that its timetables can be fetched and judged.
    owners = [cluster.system.organization_id, *(str(uuid.uuid4()) for _ in range(ORGANISATIONS - 1))]
    total = ORGANISATIONS * JOBS_EACH
    # One organisation after the other, the worst order for whoever comes last.
    ids = {owner: [str(uuid.uuid4()) for _ in range(JOBS_EACH)] for owner in owners}
    _publish(cluster, [(job, owner) for owner in owners for job in ids[owner]])
    every = [job for jobs in ids.values() for job in jobs]

    wait_for("a third of the jobs to end", lambda: _stored(cluster, every) >= total // 3, within_s=240)
    early = _memory(cluster)
    wait_for("all jobs to end", lambda: _stored(cluster, every) == total, within_s=400)
    late = _memory(cluster)

    ends = cluster.system.sql(
        "SELECT t.outcome, count(*) AS n, min(v.hard_violations) AS violations FROM timetables t "
        "JOIN timetable_variants v USING (job_id) WHERE t.job_id = ANY(%(ids)s::uuid[]) GROUP BY t.outcome",
        ids=every,
    )
    assert ends == [{"outcome": "completed", "n": total, "violations": 0}]
    _check_shares(cluster, every)
    growth = {name: round(late[name] / early[name], 2) for name in early}
    assert max(growth.values()) < 1.15, growth
    cluster.carried_inline(a_department(4))
    cluster.settle([_submitted(cluster, job) for job in ids[cluster.system.organization_id]])


def test_one_organisations_backlog_delays_anothers_single_job_by_no_more_than_one_solve(cluster: Cluster) -> None:
    crowd, single = str(uuid.uuid4()), str(uuid.uuid4())
    backlog = [str(uuid.uuid4()) for _ in range(4 * SLOTS)]
    _publish(cluster, [(job, crowd) for job in backlog])
    wait_for("the backlog to be worked on", lambda: _stored(cluster, backlog) >= 1)
    lonely = str(uuid.uuid4())
    _publish(cluster, [(lonely, single)])
    wait_for("the single job to end", lambda: _stored(cluster, [lonely]) == 1)
    overtaken_by = cluster.system.sql(
        "SELECT count(*) AS n FROM solve_attempts a, solve_attempts mine JOIN solve_tasks t USING (job_id, variant) "
        "WHERE mine.job_id = %(job)s::uuid AND a.job_id = ANY(%(backlog)s::uuid[]) "
        "AND a.started_at BETWEEN t.created_at AND mine.started_at",
        job=lonely,
        backlog=backlog,
    )
    assert overtaken_by[0]["n"] <= SLOTS, "each slot may be busy with one of theirs, and not with a second one"
    wait_for("the backlog to end", lambda: _stored(cluster, backlog) == len(backlog), within_s=200)


def _check_shares(cluster: Cluster, ids: list[str]) -> None:
    """From when all requests were taken in until somebody has nothing waiting any more, all are served equally often,
    within a fifth (and one, where a fifth is less than one job).
    """
    served = [
        str(row["owner"])
        for row in cluster.system.sql(
            "SELECT j.organization_id AS owner FROM solve_attempts a JOIN solve_jobs j USING (job_id) "
            "WHERE a.job_id = ANY(%(ids)s::uuid[]) AND a.attempt = 1 AND a.started_at > "
            "(SELECT max(created_at) FROM solve_tasks WHERE job_id = ANY(%(ids)s::uuid[])) ORDER BY a.token",
            ids=ids,
        )
    ]
    waiting = Counter(served)
    assert len(waiting) == ORGANISATIONS, "somebody was served completely before others were known"
    shares: Counter[str] = Counter()
    for owner in served:
        shares[owner] += 1
        fair = shares.total() / ORGANISATIONS
        furthest = max(abs(shares[each] - fair) for each in waiting)
        assert furthest <= max(1.0, 0.2 * fair), (shares, waiting)
        if shares[owner] == waiting[owner]:
            break
    assert shares.total() >= 2 * ORGANISATIONS, "too few to tell"


def _publish(cluster: Cluster, jobs: list[tuple[str, str]]) -> None:
    """Requests as an outside producer makes them: (job, organisation)."""
    problem = a_department(4)

    def body(job: str, owner: str) -> dict[str, Any]:
        return {
            "event_id": str(uuid.uuid4()),
            "job_id": job,
            "organization_id": owner,
            "correlation_id": "crowd",
            "occurred_at": datetime.now(UTC).isoformat(),
            "options": {"time_limit_s": 1, "variants": 1},
            "problem": problem,
        }

    async def send() -> None:
        async with AIOKafkaProducer(
            bootstrap_servers=cluster.system.stack.addresses.kafka_bootstrap_servers
        ) as producer:
            headers = [("ce_type", b"job.requested.v1"), ("content-type", b"application/json")]
            sent = [
                await producer.send(
                    "job.requested", json.dumps(body(*job)).encode(), key=job[0].encode(), headers=headers
                )
                for job in jobs
            ]
            await asyncio.gather(*sent)

    asyncio.run(send())


def _stored(cluster: Cluster, ids: list[str]) -> int:
    rows = cluster.system.sql("SELECT count(*) AS n FROM timetables WHERE job_id = ANY(%(ids)s::uuid[])", ids=ids)
    return int(rows[0]["n"])


def _memory(cluster: Cluster) -> dict[str, int]:
    """Resident bytes of each service, without its children: those end with their solve."""
    return {s.name: psutil.Process(s.process.pid).memory_info().rss for s in cluster.services}


def _submitted(cluster: Cluster, job_id: str) -> Submitted:
    told = cluster.system.client.job(job_id)
    return Submitted(job_id, told["status_url"], told["progress_url"])

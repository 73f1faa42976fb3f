"""A hundred jobs at once: every organisation gets its share, nobody waits for another's backlog, memory stays flat."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psutil
import pytest

from horarium.client import Submitted
from horarium.university import generate_university
from schemas.problem.model import Problem
from schemas.referee import judge
from schemas.timetable import Timetable
from tests.e2e.conftest import wait_for, whole_system
from tests.e2e.faults.cluster import FAST, SEARCH_S, Cluster
from tests.e2e.kafka_reading import everything_on
from tests.e2e.kafka_writing import a_control, a_request, publish
from tests.e2e.problems import a_department

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1500)]

ORGANISATIONS = 10
JOBS_EACH = 10
SLOTS = 4
# Solved in an instant, with proof.
A_PROBLEM = a_department(4)


@pytest.fixture(scope="module")
def module_cluster() -> Iterator[Cluster]:
    """Four slots, and no limit on running jobs that would decide instead of the order."""
    with whole_system(2, **{**FAST, "SOLVER_SLOTS": str(SLOTS // 2)}) as system:
        cluster = Cluster(system)
        with cluster.supervised():
            yield cluster


def test_a_hundred_jobs_of_ten_organisations_end_with_fair_shares_and_flat_memory(cluster: Cluster) -> None:
    # The first is the signed-in user's own, so that its timetables can be fetched as the api gives them.
    owners = [cluster.system.organization_id, *(str(uuid.uuid4()) for _ in range(ORGANISATIONS - 1))]
    total = ORGANISATIONS * JOBS_EACH
    # One organisation after the other, the worst order for whoever comes last.
    ids = {owner: [str(uuid.uuid4()) for _ in range(JOBS_EACH)] for owner in owners}
    every = [job for jobs in ids.values() for job in jobs]
    with _every_slot_taken(cluster, str(uuid.uuid4())):
        publish(
            cluster.system,
            [a_request(job, owner, A_PROBLEM, time_limit_s=10) for owner in owners for job in ids[owner]],
        )
        wait_for("all requests to be taken in", lambda: _taken_in(cluster, every) == total)

    wait_for("a third of the jobs to end", lambda: _stored(cluster, every) >= total // 3, within_s=500)
    early = _memory(cluster)
    wait_for("all jobs to end", lambda: _stored(cluster, every) == total, within_s=800)
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
    _check_announced(cluster, every)
    cluster.carried_inline(A_PROBLEM)
    cluster.settle([_submitted(cluster, job) for job in ids[cluster.system.organization_id]])


def test_one_organisations_backlog_delays_anothers_single_job_by_no_more_than_one_solve(cluster: Cluster) -> None:
    crowd, single = str(uuid.uuid4()), str(uuid.uuid4())
    backlog, lonely = [str(uuid.uuid4()) for _ in range(100)], str(uuid.uuid4())
    with _every_slot_taken(cluster, crowd):
        publish(cluster.system, [a_request(job, crowd, A_PROBLEM, time_limit_s=10) for job in backlog])
        wait_for("the backlog to be taken in", lambda: _taken_in(cluster, backlog) == len(backlog))
        publish(cluster.system, [a_request(lonely, single, A_PROBLEM, time_limit_s=10)])
        wait_for("the single job to be taken in", lambda: _taken_in(cluster, [lonely]))
    wait_for("the single job to end", lambda: _stored(cluster, [lonely]))
    overtaken_by = cluster.system.sql(
        "SELECT count(*) AS n FROM solve_attempts a, solve_attempts mine JOIN solve_tasks t USING (job_id, variant) "
        "WHERE mine.job_id = %(job)s::uuid AND a.job_id = ANY(%(backlog)s::uuid[]) "
        "AND a.started_at BETWEEN t.created_at AND mine.started_at",
        job=lonely,
        backlog=backlog,
    )
    assert overtaken_by[0]["n"] <= SLOTS, "each slot may be busy with one of theirs, and not with a second one"
    publish(cluster.system, [a_control(job, crowd, "cancel") for job in backlog])
    ended = "SELECT count(*) AS n FROM solve_jobs WHERE job_id = ANY(%(ids)s::uuid[]) AND outcome IS NOT NULL"
    wait_for("the backlog to end", lambda: cluster.system.sql(ended, ids=backlog)[0]["n"] == len(backlog))


@contextmanager
def _every_slot_taken(cluster: Cluster, organisation: str) -> Iterator[None]:
    """While the block runs nothing new is begun: long searches of this organisation take all slots."""
    blockers = [str(uuid.uuid4()) for _ in range(SLOTS)]
    university = generate_university(courses=40, students=400, faculty=60, seed=7)
    problem = university.model_dump(mode="json", exclude_none=True, by_alias=True)
    publish(cluster.system, [a_request(job, organisation, problem, time_limit_s=SEARCH_S) for job in blockers])
    running = "SELECT count(*) AS n FROM solve_tasks WHERE job_id = ANY(%(ids)s::uuid[]) AND status = 'running'"
    taken = "SELECT job_id::text, status, worker FROM solve_tasks WHERE job_id = ANY(%(ids)s::uuid[])"
    wait_for(
        "every slot to be taken",
        lambda: cluster.system.sql(running, ids=blockers)[0]["n"] == SLOTS,
        tell=lambda: f"{cluster.system.sql(taken, ids=blockers)}\n{cluster.system.tails()}",
    )
    yield
    assert cluster.system.sql(running, ids=blockers)[0]["n"] == SLOTS
    publish(cluster.system, [a_control(job, organisation, "cancel") for job in blockers])


def _check_announced(cluster: Cluster, ids: Sequence[str]) -> None:
    """One end for each job on the broker (perhaps sent twice), and the referee accepts the timetable in each."""
    problem = Problem.model_validate(A_PROBLEM)
    ends: dict[str, dict[bytes, bytes]] = {job: {} for job in ids}
    for record in everything_on(cluster.system, "solve.completed"):
        if (key := record.key.decode()) in ends:
            ends[key][dict(record.headers)["ce_id"]] = record.value
    assert Counter(len(found) for found in ends.values()) == {1: len(ids)}
    for (end,) in (found.values() for found in ends.values()):
        (variant,) = json.loads(end)["variants"]
        verdict = judge(problem, Timetable.model_validate(variant["timetable"]))
        assert verdict.score.hard_violations == 0, verdict.violations[:3]
        assert verdict.score.total == variant["score"]["total"]


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


def _taken_in(cluster: Cluster, ids: list[str]) -> int:
    """How many of the jobs a solver has taken in."""
    rows = cluster.system.sql("SELECT count(*) AS n FROM solve_tasks WHERE job_id = ANY(%(ids)s::uuid[])", ids=ids)
    return int(rows[0]["n"])


def _stored(cluster: Cluster, ids: list[str]) -> int:
    rows = cluster.system.sql("SELECT count(*) AS n FROM timetables WHERE job_id = ANY(%(ids)s::uuid[])", ids=ids)
    return int(rows[0]["n"])


def _memory(cluster: Cluster) -> dict[str, int]:
    """Resident bytes of each service, without its children: those end with their solve."""
    return {s.name: psutil.Process(s.process.pid).memory_info().rss for s in cluster.services}


def _submitted(cluster: Cluster, job_id: str) -> Submitted:
    told = cluster.system.client.job(job_id)
    return Submitted(job_id, told["status_url"], told["progress_url"])

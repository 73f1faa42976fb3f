"""Claims: who gets which task, and what a claim that is no longer current may still do (nothing)."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from datetime import UTC, datetime

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.events import ControlAction, ErrorInfo, Outcome, SolveOptions
from schemas.tables import organizations, solve_tasks, timetable_variants, timetables
from services.solver.claim import StoredBase
from services.solver.intake import new_job
from services.solver.jobs import Jobs
from services.solver.settings import SolverSettings
from services.solver.tasks import Tasks
from tests.integration.solver.building import (
    a_checkpoint,
    a_request,
    a_result,
    attempt_ends,
    claimed,
    let_leases_run_out,
    make_due,
    requested,
    task_row,
    the_end,
)


async def test_the_organisation_with_the_fewest_running_tasks_comes_first_then_priority_then_age(
    jobs: Jobs, tasks: Tasks
) -> None:
    busy, calm = uuid.uuid4(), uuid.uuid4()
    old = await requested(jobs, busy)
    urgent = await requested(jobs, busy, priority=5)
    young = await requested(jobs, busy)
    of_calm = await requested(jobs, calm, priority=-100)

    order = [(await claimed(tasks)).job_id for _ in range(4)]

    # Both run nothing at first, so priority decides; then the calm organisation runs less, whatever its priority.
    assert order == [urgent.job_id, of_calm.job_id, old.job_id, young.job_id]


async def test_organisations_that_run_equally_many_take_turns_however_early_one_of_them_asked(
    jobs: Jobs, tasks: Tasks
) -> None:
    owners = [uuid.uuid4() for _ in range(4)]
    for owner in owners:
        for _ in range(3):
            await requested(jobs, owner)
    served = []
    for _ in range(12):  # one worker: nobody runs anything when the next claim is made
        claim = await claimed(tasks)
        served.append(claim.organization_id)
        assert await tasks.finish(claim, a_result(claim))
    assert served == owners * 3


async def test_an_organisation_at_its_limit_of_running_jobs_waits_but_its_running_jobs_variants_do_not(
    jobs: Jobs, tasks: Tasks, engine: AsyncEngine
) -> None:
    limited = uuid.uuid4()
    async with engine.begin() as connection:
        await connection.execute(insert(organizations).values(id=limited, name=str(limited), max_running_jobs=1))
    first = await requested(jobs, limited, variants=2)
    second = await requested(jobs, limited)

    claims = [await claimed(tasks), await claimed(tasks)]

    assert [claim.job_id for claim in claims] == [first.job_id, first.job_id]
    assert await tasks.claim("worker") is None
    for claim in claims:
        assert await tasks.finish(claim, a_result(claim))
    assert (await claimed(tasks)).job_id == second.job_id


async def test_concurrent_claims_never_share_a_task_and_never_pass_the_limit(
    jobs: Jobs, tasks: Tasks, settings: SolverSettings
) -> None:
    owners = [uuid.uuid4() for _ in range(3)]
    for owner in owners:
        for _ in range(settings.solver_max_running_jobs + 2):
            await requested(jobs, owner)

    async def claim_all(worker: str) -> list[tuple[uuid.UUID, uuid.UUID, int]]:
        taken = []
        while (claim := await tasks.claim(worker)) is not None:
            taken.append((claim.organization_id, claim.job_id, claim.token))
        return taken

    taken = [one for many in await asyncio.gather(*(claim_all(f"w{n}") for n in range(12))) for one in many]

    assert len({job for _, job, _ in taken}) == len({token for _, _, token in taken}) == len(taken)
    assert Counter(owner for owner, _, _ in taken) == dict.fromkeys(owners, settings.solver_max_running_jobs)


async def test_a_lost_workers_task_is_claimed_again_with_a_larger_token_and_its_checkpoint(
    jobs: Jobs, tasks: Tasks, engine: AsyncEngine
) -> None:
    event = await requested(jobs)
    lost = await claimed(tasks, "lost")
    assert (await tasks.renew(lost, a_checkpoint(cost=9))).held
    assert await tasks.expire() == 0, "its lease runs"

    await let_leases_run_out(engine)
    assert await tasks.expire() == 1
    heir = await claimed(tasks, "heir")

    assert (heir.attempt, heir.token > lost.token) == (2, True)
    assert heir.checkpoint is not None
    assert (heir.checkpoint.score.total, heir.checkpoint.searched_s) == (9, 12.5)
    # The lost one wakes up: nothing that it does counts.
    assert not (await tasks.renew(lost, a_checkpoint(cost=1))).held
    assert not await tasks.finish(lost, a_result(lost, cost=1))
    assert not await tasks.retry(lost, ErrorInfo(code="x", message="x", retryable=False))
    assert not await tasks.hand_over(lost, None)
    assert await tasks.finish(heir, a_result(heir, cost=8))
    end = await the_end(engine, event.job_id)
    assert [variant.score.total for variant in end.variants] == [8]
    assert (end.attempt, end.token) == (2, heir.token)
    assert await attempt_ends(engine, event.job_id) == ["lease_expired", "finished"]


async def test_a_lease_that_ran_out_unnoticed_is_renewed(jobs: Jobs, tasks: Tasks, engine: AsyncEngine) -> None:
    await requested(jobs)
    claim = await claimed(tasks)
    await let_leases_run_out(engine)

    assert (await tasks.renew(claim)).held
    assert await tasks.expire() == 0


async def test_a_task_that_loses_every_worker_fails_after_its_last_attempt(
    jobs: Jobs, tasks: Tasks, engine: AsyncEngine
) -> None:
    event = await requested(jobs)
    for _ in range(3):
        await claimed(tasks)
        await let_leases_run_out(engine)
        assert await tasks.expire() == 1
        await make_due(engine)

    end = await the_end(engine, event.job_id)
    assert end.outcome is Outcome.FAILED
    assert end.error is not None
    assert end.error.code == "worker_lost"
    assert await tasks.claim("worker") is None


async def test_a_failed_attempt_waits_before_the_next_and_a_hand_over_does_not(
    jobs: Jobs, tasks: Tasks, engine: AsyncEngine
) -> None:
    event = await requested(jobs)
    for _ in range(5):
        assert await tasks.hand_over(await claimed(tasks), None), "shutdowns are no failures, however many"
    crash = ErrorInfo(code="child_crashed", message="SIGKILL", retryable=True)
    assert await tasks.retry(await claimed(tasks), crash, a_checkpoint())
    assert await tasks.claim("worker") is None

    await make_due(engine)
    second = await claimed(tasks)
    assert second.checkpoint is not None
    await tasks.retry(second, crash)
    await make_due(engine)
    await tasks.retry(await claimed(tasks), crash)

    end = await the_end(engine, event.job_id)
    assert (end.outcome, end.error) == (Outcome.FAILED, crash)


async def test_an_error_that_no_retry_can_mend_fails_the_task_at_once(
    jobs: Jobs, tasks: Tasks, engine: AsyncEngine
) -> None:
    event = await requested(jobs)
    bad = ErrorInfo(code="invalid_problem", message="/courses: none", details=[{"pointer": "/courses"}])
    await tasks.retry(await claimed(tasks), bad)

    end = await the_end(engine, event.job_id)
    assert (end.outcome, end.error) == (Outcome.FAILED, bad)


async def test_variants_that_end_at_the_same_moment_end_their_job_once(
    jobs: Jobs, tasks: Tasks, engine: AsyncEngine
) -> None:
    events = [await requested(jobs, variants=8) for _ in range(3)]
    claims = [await claimed(tasks) for _ in range(24)]

    ended = await asyncio.gather(*(tasks.finish(claim, a_result(claim, cost=claim.variant)) for claim in claims))

    assert all(ended)
    for event in events:
        end = await the_end(engine, event.job_id)
        assert [(v.variant, v.score.total) for v in end.variants] == [(n, n) for n in range(1, 9)]
        assert end.outcome is Outcome.COMPLETED


async def test_the_hard_limit_counts_from_the_jobs_first_claim(jobs: Jobs, tasks: Tasks, engine: AsyncEngine) -> None:
    await requested(jobs, variants=2)
    first = await claimed(tasks)
    await asyncio.sleep(0)
    second = await claimed(tasks)
    assert first.remaining_s > second.remaining_s > first.remaining_s - 10


async def test_a_stopped_jobs_lost_task_is_claimed_only_if_it_left_a_checkpoint(
    jobs: Jobs, tasks: Tasks, engine: AsyncEngine
) -> None:
    event = await requested(jobs, variants=2)
    with_checkpoint, without = await claimed(tasks), await claimed(tasks)
    await tasks.renew(with_checkpoint, a_checkpoint())
    await jobs.control(event.job_id, event.organization_id, ControlAction.STOP)
    await let_leases_run_out(engine)
    assert await tasks.expire() == 2

    last = await claimed(tasks)

    assert (last.variant, last.control) == (with_checkpoint.variant, ControlAction.STOP)
    assert (await task_row(engine, event.job_id, without.variant)).end_reason == "stopped"
    assert await tasks.claim("worker") is None


async def test_a_job_by_reference_finds_its_problem_only_by_id_organisation_and_hash(
    jobs: Jobs, tasks: Tasks, engine: AsyncEngine
) -> None:
    event = await requested(jobs)
    claim = await claimed(tasks)
    stored = await tasks.problem(claim)
    assert stored is not None
    assert stored.format == "native"

    reference = {"problem_id": uuid.uuid4(), "sha256": "0" * 64}
    await requested(jobs, event.organization_id, problem=None, problem_ref=reference)
    assert await tasks.problem(await claimed(tasks)) is None


async def test_what_the_completed_event_holds_is_not_kept_twice(jobs: Jobs, tasks: Tasks, engine: AsyncEngine) -> None:
    event = await requested(jobs)
    claim = await claimed(tasks)
    await tasks.renew(claim, a_checkpoint())
    await tasks.finish(claim, a_result(claim))
    async with engine.connect() as connection:
        row = (
            await connection.execute(
                select(solve_tasks.c.result_zstd, solve_tasks.c.checkpoint_zstd).where(
                    solve_tasks.c.job_id == event.job_id
                )
            )
        ).one()
    assert tuple(row) == (None, None)


async def test_a_base_timetable_is_read_by_reference_and_only_its_own_organisations(
    jobs: Jobs, tasks: Tasks, engine: AsyncEngine
) -> None:
    owner, published = uuid.uuid4(), uuid.uuid4()
    async with engine.begin() as connection:
        await connection.execute(
            insert(timetables).values(
                job_id=published,
                organization_id=owner,
                event_id=uuid.uuid4(),
                outcome="completed",
                best_variant=2,
                completed_at=datetime.now(UTC),
            )
        )
        for variant in (1, 2):
            await connection.execute(
                insert(timetable_variants).values(
                    job_id=published, variant=variant, hard_violations=0, total=0, score={}, provenance={},
                    optimal=False, elapsed_s=1, violations=[], timetable_zstd=b"timetable %d" % variant, sha256="",
                )
            )  # fmt: skip

    async def base(organization: uuid.UUID, **options: object) -> StoredBase | None:
        await jobs.accept(new_job(a_request(organization, options=SolveOptions.model_validate(options))))
        return await tasks.base(await claimed(tasks))

    assert await base(owner, base_job_id=published, base_variant=1) == StoredBase(1, b"timetable 1")
    assert await base(owner, base_job_id=published) == StoredBase(2, b"timetable 2")
    assert await base(owner, base_job_id=published, base_variant=3) is None
    assert await base(owner, base_job_id=uuid.uuid4()) is None
    assert await base(uuid.uuid4(), base_job_id=published) is None

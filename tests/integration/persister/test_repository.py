"""Each event in one transaction on a real PostgreSQL, also when several arrive at once."""

from __future__ import annotations

import asyncio
import hashlib
import random
import uuid

import zstandard
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.events import ControlAction, ErrorInfo, Outcome
from schemas.fold import JobState, fold
from schemas.tables import jobs
from schemas.timetable import Timetable
from services.persister.handler import Persister
from services.persister.repository import JobEvent, Repository
from services.runtime.kafka import Received
from tests.integration.persister.conftest import Rows
from tests.job_events import JobEvents, a_result

NOWHERE = Received("topic", 0, 0, {}, None)
RESULTS = "SELECT * FROM timetables WHERE job_id = :job"
VARIANTS = "SELECT * FROM timetable_variants WHERE job_id = :job ORDER BY variant"
STATE = "SELECT * FROM job_states WHERE job_id = :job"


def a_persister(engine: AsyncEngine) -> Persister:
    return Persister(Repository(engine), write_every_s=0)


async def deliver(persister: Persister, event: JobEvent) -> None:
    handlers = {
        "job.requested.v1": persister.on_requested,
        "job.control.v1": persister.on_control,
        "solve.progress.v1": persister.on_progress,
        "solve.completed.v1": persister.on_completed,
    }
    await handlers[event.TYPE](event, NOWHERE)  # type: ignore[operator]  # each handler takes its own event's type


async def test_a_result_is_stored_as_it_was_sent(engine: AsyncEngine, rows: Rows) -> None:
    job = JobEvents(variants=2)
    persister = a_persister(engine)
    end = job.completed(variants=[a_result(1, classes=1000), a_result(2)])
    for event in (job.requested(), job.progress(1), end):
        await deliver(persister, event)
    (result,) = await rows(RESULTS, job.job_id)
    assert (result["outcome"], result["best_variant"], result["event_id"]) == ("completed", 1, end.event_id)
    for row, sent in zip(await rows(VARIANTS, job.job_id), end.variants, strict=True):
        content = zstandard.ZstdDecompressor().decompress(row["timetable_zstd"])
        assert hashlib.sha256(content).hexdigest() == row["sha256"]
        assert Timetable.model_validate_json(content) == sent.timetable
        assert (row["hard_violations"], row["total"]) == (0, sent.score.total)
    (state,) = await rows(STATE, job.job_id)
    assert state["status"] == "completed"
    assert JobState.model_validate(state["state"]).best_variant == 1


async def test_a_redelivered_result_is_stored_once(engine: AsyncEngine, rows: Rows) -> None:
    job = JobEvents()
    persister = a_persister(engine)
    end = job.completed()
    for event in (job.requested(), end, end):
        await deliver(persister, event)
    await deliver(persister, job.completed(Outcome.STOPPED))
    (result,) = await rows(RESULTS, job.job_id)
    assert result["event_id"] == end.event_id
    assert len(await rows(VARIANTS, job.job_id)) == 1


async def test_of_many_ends_at_once_one_is_stored(engine: AsyncEngine, rows: Rows) -> None:
    """Two replicas, a rebalance, a republished end: whoever commits first wins, whole."""
    job = JobEvents()
    ends = [job.completed(variants=[a_result(1, classes=n)]) for n in range(1, 9)]
    await asyncio.gather(*(a_persister(engine).on_completed(end, NOWHERE) for end in ends))
    (result,) = await rows(RESULTS, job.job_id)
    (variant,) = await rows(VARIANTS, job.job_id)
    winner = next(end for end in ends if end.event_id == result["event_id"])
    content = zstandard.ZstdDecompressor().decompress(variant["timetable_zstd"])
    assert Timetable.model_validate_json(content) == winner.variants[0].timetable


async def test_a_cancelled_jobs_late_result_is_not_stored(engine: AsyncEngine, rows: Rows) -> None:
    job = JobEvents()
    persister = a_persister(engine)
    for event in (job.requested(), job.control(ControlAction.CANCEL), job.completed()):
        await deliver(persister, event)
    assert await rows(RESULTS, job.job_id) == []
    assert (await rows(STATE, job.job_id))[0]["status"] == "cancelled"


async def test_a_result_from_a_lost_claim_is_not_stored(engine: AsyncEngine, rows: Rows) -> None:
    job = JobEvents()
    persister = a_persister(engine)
    for event in (job.requested(), job.progress(1, token=9), job.completed(token=8)):
        await deliver(persister, event)
    assert await rows(RESULTS, job.job_id) == []
    await deliver(persister, job.completed(token=9))
    assert len(await rows(RESULTS, job.job_id)) == 1


async def test_a_failed_jobs_error_is_stored_without_variants(engine: AsyncEngine, rows: Rows) -> None:
    job = JobEvents()
    error = ErrorInfo(code="bad_problem", message="room\x00 R1 does not exist")
    await deliver(a_persister(engine), job.completed(Outcome.FAILED, error=error))
    (result,) = await rows(RESULTS, job.job_id)
    assert result["error"]["code"] == "bad_problem"
    assert result["error"]["message"] == "room� R1 does not exist"
    assert await rows(VARIANTS, job.job_id) == []


async def test_an_outside_producers_job_gets_its_row_and_apis_job_keeps_its_own(
    engine: AsyncEngine, rows: Rows
) -> None:
    outside, accepted = JobEvents(), JobEvents()
    async with engine.begin() as connection:
        await connection.execute(
            insert(jobs).values(
                id=accepted.job_id,
                organization_id=accepted.organization_id,
                options={},
                source="api",
                correlation_id="c",
            )
        )
    persister = a_persister(engine)
    for event in (outside.requested(priority=7), outside.requested(priority=1), accepted.requested(priority=7)):
        await deliver(persister, event)
    query = "SELECT source, priority, organization_id FROM jobs WHERE id = :job"
    (row,) = await rows(query, outside.job_id)
    assert row == {"source": "event", "priority": 7, "organization_id": outside.organization_id}
    (row,) = await rows(query, accepted.job_id)
    assert row == {"source": "api", "priority": 0, "organization_id": accepted.organization_id}


async def test_nobody_claims_or_ends_another_organisations_job(engine: AsyncEngine, rows: Rows) -> None:
    job = JobEvents()
    async with engine.begin() as connection:
        await connection.execute(
            insert(jobs).values(
                id=job.job_id, organization_id=job.organization_id, options={}, source="api", correlation_id="c"
            )
        )
    stranger = {"organization_id": uuid.uuid4()}
    hostile: list[JobEvent] = [
        job.control(ControlAction.CANCEL).model_copy(update=stranger),
        job.completed().model_copy(update=stranger),
        job.requested().model_copy(update=stranger),
    ]
    persister = a_persister(engine)
    for event in (*hostile, job.requested(), *hostile, job.progress(1), *hostile):
        await deliver(persister, event)
    (state,) = await rows(STATE, job.job_id)
    assert (state["status"], state["organization_id"]) == ("running", job.organization_id)
    assert await rows(RESULTS, job.job_id) == []


async def test_events_that_arrive_at_once_and_in_any_order_give_the_fold(engine: AsyncEngine, rows: Rows) -> None:
    job = JobEvents(variants=2)
    life: list[JobEvent] = [job.requested()]
    life += [job.progress(n, variant=v, token=v) for n in range(1, 8) for v in (1, 2)]
    in_order: JobState | None = None
    for event in life:
        in_order = fold(in_order, event)
    delivered = life * 2
    random.Random(3).shuffle(delivered)  # noqa: S311  # the same order every time
    persisters = [a_persister(engine), a_persister(engine)]
    await asyncio.gather(*(deliver(random.choice(persisters), event) for event in delivered))  # noqa: S311  # no secret
    (row,) = await rows(STATE, job.job_id)
    state = JobState.model_validate(row["state"])
    assert in_order is not None
    assert state.variants == in_order.variants
    assert (state.status, state.best_score, state.requested_at) == (
        in_order.status,
        in_order.best_score,
        in_order.requested_at,
    )

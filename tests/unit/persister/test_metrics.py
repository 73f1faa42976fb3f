"""What the persister counts: each job's generation once, however often its end is delivered."""

from __future__ import annotations

from datetime import timedelta

from services.runtime.metrics import REGISTRY
from tests.job_events import JobEvents
from tests.unit.persister.test_handler import NOWHERE, Rows, a_persister


def measured() -> tuple[float, float]:
    """How many generations, and their seconds together."""
    names = ("horarium_job_generation_seconds_count", "horarium_job_generation_seconds_sum")
    count, seconds = (REGISTRY.get_sample_value(name, {"outcome": "completed"}) or 0.0 for name in names)
    return count, seconds


async def test_the_time_from_claim_to_end_is_measured_once_for_each_job() -> None:
    before_count, before_seconds = measured()
    persister, job = a_persister(Rows(), write_every_s=0), JobEvents()
    event = job.completed()
    end = event.model_copy(update={"started_at": event.occurred_at - timedelta(seconds=90)})
    await persister.on_completed(end, NOWHERE)
    await persister.on_completed(end, NOWHERE)
    count, seconds = measured()
    assert count - before_count == 1
    assert seconds - before_seconds == 90


async def test_a_job_that_no_solver_ever_claimed_took_no_time_to_generate() -> None:
    before = measured()
    job = JobEvents()
    event = job.completed()
    await a_persister(Rows(), write_every_s=0).on_completed(event.model_copy(update={"started_at": None}), NOWHERE)
    assert measured() == before

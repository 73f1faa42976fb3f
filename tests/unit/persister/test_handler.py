"""The persister's own decisions: how often a running job is written, and what is stored of an end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest

from schemas.events import Outcome
from schemas.fold import JobState, fold
from services.persister.handler import Persister
from services.persister.packing import storable, variant_rows
from services.persister.repository import Applied, JobEvent, Repository, Result
from services.runtime.kafka import Received
from tests.job_events import JobEvents, a_result

NOWHERE = Received("topic", 0, 0, {}, None)


class Rows:
    """The repository's contract in memory: folds, counts transactions, and can be away."""

    def __init__(self) -> None:
        self.state: JobState | None = None
        self.transactions = 0
        self.results: list[Result] = []
        self.away = False
        self.written_twice = asyncio.Event()

    async def apply(self, events: Sequence[JobEvent], result: Result | None = None) -> Applied:
        if self.away:
            raise ConnectionRefusedError("database away")
        self.transactions += 1
        if self.transactions == 2:
            self.written_twice.set()
        changed = False
        for event in events:
            after = fold(self.state, event)
            changed, self.state = after is not self.state, after
        if changed and result is not None:
            self.results.append(result)
        return Applied(self.state, changed=changed)


def a_persister(rows: Rows, write_every_s: float) -> Persister:
    return Persister(cast("Repository", rows), write_every_s)


async def test_a_burst_of_reports_is_one_write_and_the_end_knows_them_all() -> None:
    rows, job = Rows(), JobEvents()
    persister = a_persister(rows, write_every_s=3600)
    for sequence in range(1, 50):
        await persister.on_progress(job.progress(sequence), NOWHERE)
    assert rows.transactions == 1
    await persister.on_completed(job.completed(), NOWHERE)
    assert rows.transactions == 2
    assert rows.state is not None
    assert rows.state.variants[1].sequence == 49
    assert rows.state.status.terminal


async def test_the_last_report_of_a_burst_is_written_without_another_one() -> None:
    rows, job = Rows(), JobEvents()
    persister = a_persister(rows, write_every_s=0.5)
    for sequence in range(1, 20):
        await persister.on_progress(job.progress(sequence), NOWHERE)
    stop = asyncio.Event()
    flushing = asyncio.create_task(persister.flush_progress(stop))
    async with asyncio.timeout(10):
        await rows.written_twice.wait()
    stop.set()
    await flushing
    assert rows.state is not None
    assert rows.state.variants[1].sequence == 19
    assert rows.transactions == 2


async def test_reports_wait_for_the_database_and_none_replaces_a_later_one() -> None:
    rows, job = Rows(), JobEvents()
    persister = a_persister(rows, write_every_s=0)
    early, late = job.progress(1), job.progress(2)
    rows.away = True
    with pytest.raises(ConnectionRefusedError):
        await persister.on_progress(late, NOWHERE)
    rows.away = False
    await persister.on_progress(early, NOWHERE)
    assert rows.state is not None
    assert rows.state.variants[1].sequence == 2


@pytest.mark.parametrize(
    ("outcome", "rows_kept", "variants_kept"),
    [(Outcome.COMPLETED, 1, 1), (Outcome.INFEASIBLE, 1, 1), (Outcome.FAILED, 1, 0), (Outcome.CANCELLED, 0, 0)],
)
async def test_a_failed_job_keeps_its_error_and_a_cancelled_one_nothing(
    outcome: Outcome, rows_kept: int, variants_kept: int
) -> None:
    rows, job = Rows(), JobEvents()
    end = job.completed(outcome, variants=[a_result()])
    await a_persister(rows, 1).on_completed(end, NOWHERE)
    assert len(rows.results) == rows_kept
    assert sum(len(result.variants) for result in rows.results) == variants_kept


def test_a_variant_that_is_there_twice_is_stored_once() -> None:
    end = JobEvents().completed(variants=[a_result(1, classes=5), a_result(1, classes=2)])
    (row,) = variant_rows(end)
    assert len(row["sha256"]) == 64


def test_text_that_postgresql_cannot_hold_is_replaced_and_the_rest_stays() -> None:
    assert storable({"a\x00": ["b\x00c", 1, None, {"d": True}]}) == {"a�": ["b�c", 1, None, {"d": True}]}

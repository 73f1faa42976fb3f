"""Retention is refused where it would bring jobs back; the loop outlives an outage and does not hide a defect."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

from schemas.topics import all_topics
from services.api.settings import ApiRetentionSettings
from services.runtime.retention import Cleanup, RetentionSettings
from services.runtime.settings import load


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JOB_RETENTION_DAYS", "PROBLEM_RETENTION_DAYS", "OUTBOX_DEAD_AFTER_DAYS", "CLEANUP_EVERY_S"):
        monkeypatch.delenv(name, raising=False)


def test_the_defaults_keep_jobs_and_problems_for_ninety_days() -> None:
    settings = ApiRetentionSettings()
    assert settings.job_retention == settings.problem_retention == timedelta(days=90)
    assert settings.outbox_dead_after == timedelta(days=14)
    assert settings.cleanup_every == timedelta(hours=1)


def test_zero_days_is_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JOB_RETENTION_DAYS", "PROBLEM_RETENTION_DAYS", "OUTBOX_DEAD_AFTER_DAYS"):
        monkeypatch.setenv(name, "0")
    settings = ApiRetentionSettings()
    assert (settings.job_retention, settings.problem_retention, settings.outbox_dead_after) == (None, None, None)


def test_a_retention_that_the_topics_outlive_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A request that is read again after its job was removed would start it anew; dead letters are kept the longest."""
    longest = max(topic.retention for topic in all_topics())
    monkeypatch.setenv("JOB_RETENTION_DAYS", str(longest.days))
    with pytest.raises(SystemExit) as end:
        load(RetentionSettings)
    assert end.value.code == 2
    message = capsys.readouterr().err
    assert "JOB_RETENTION_DAYS" in message
    assert "more than 37" in message


def test_the_shortest_retention_that_is_allowed_outlives_every_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOB_RETENTION_DAYS", "38")
    kept = RetentionSettings().job_retention
    assert kept is not None
    assert all(kept > topic.retention + timedelta(days=7) for topic in all_topics())
    monkeypatch.setenv("JOB_RETENTION_DAYS", "37")
    with pytest.raises(ValueError, match="job_retention_days"):
        RetentionSettings()


class Interrupted(Cleanup):
    """Fails with these errors, one sweep after the other, then sets `stop`."""

    def __init__(self, errors: list[Exception], stop: asyncio.Event) -> None:
        engine = create_async_engine("postgresql+psycopg://nowhere.invalid/x")  # connects to nothing here
        super().__init__(engine, "test", [], timedelta(milliseconds=1))
        self._errors = errors
        self._stop = stop
        self.sweeps = 0

    async def sweep_once(self, stop: asyncio.Event | None = None) -> None:
        self.sweeps += 1
        if self._errors:
            raise self._errors.pop(0)
        self._stop.set()


async def test_the_loop_goes_on_after_an_outage() -> None:
    stop = asyncio.Event()
    away = [OperationalError("SELECT 1", {}, Exception("the server is gone")) for _ in range(2)]
    cleanup = Interrupted([*away], stop)
    await asyncio.wait_for(cleanup.run(stop), timeout=30)
    assert cleanup.sweeps == 3


async def test_the_loop_does_not_hide_a_defect() -> None:
    stop = asyncio.Event()
    with pytest.raises(ValueError, match="ours"):
        await asyncio.wait_for(Interrupted([ValueError("ours")], stop).run(stop), timeout=30)


async def test_a_loop_that_is_stopped_before_its_first_sweep_does_none() -> None:
    stop = asyncio.Event()
    stop.set()
    cleanup = Interrupted([], stop)
    await cleanup.run(stop)
    assert cleanup.sweeps == 0

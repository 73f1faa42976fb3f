"""The hit rate of Redis: questions that it answered, by whether it knew the job; an outage answers nothing."""

from __future__ import annotations

import uuid

import pytest

from schemas.fold import fold
from services.progress.store import AwayError, Store
from services.runtime.metrics import REGISTRY
from tests.job_events import JobEvents


def lookups(result: str) -> float:
    return REGISTRY.get_sample_value("horarium_redis_lookups_total", {"result": result}) or 0.0


async def test_questions_are_hits_or_misses_and_none_while_redis_is_away(redis_url: str) -> None:
    hits, misses = lookups("hit"), lookups("miss")
    store = Store(redis_url)
    try:
        state = fold(None, JobEvents().requested())
        await store.swap("", state, await store.epoch())
        assert await store.snapshot(state.job_id) is not None
        assert await store.snapshot(uuid.uuid4()) is None
        assert (lookups("hit") - hits, lookups("miss") - misses) == (1, 1)
    finally:
        await store.close()

    away = Store("redis://127.0.0.1:1/0", timeout_s=0.2)
    try:
        with pytest.raises(AwayError):
            await away.snapshot(uuid.uuid4())
    finally:
        await away.close()
    assert (lookups("hit") - hits, lookups("miss") - misses) == (1, 1)

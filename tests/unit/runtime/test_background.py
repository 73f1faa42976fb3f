"""Background loops start again after a failure and end within their grace."""

import asyncio

import pytest
from prometheus_client import REGISTRY

from services.runtime.background import running


def _failures(loop: str) -> float:
    return REGISTRY.get_sample_value("horarium_background_failures_total", {"loop": loop}) or 0.0


async def test_a_loop_that_fails_is_started_again_and_counted() -> None:
    before = _failures("flaky")
    recovered = asyncio.Event()
    attempts = 0

    async def flaky(stop: asyncio.Event) -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise ValueError("our own mistake")
        recovered.set()
        await stop.wait()

    async with running({"flaky": flaky}):
        await asyncio.wait_for(recovered.wait(), timeout=10)
    assert attempts == 3
    assert _failures("flaky") == before + 2


async def test_a_loop_that_ignores_stop_is_cancelled_after_the_grace() -> None:
    ended = asyncio.Event()

    async def deaf(_stop: asyncio.Event) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with asyncio.timeout(5):
        async with running({"deaf": deaf}, grace_s=0.05):
            await asyncio.sleep(0)
    assert ended.is_set()


async def test_an_error_inside_the_block_still_stops_the_loops() -> None:
    stopped = asyncio.Event()

    async def loop(stop: asyncio.Event) -> None:
        await stop.wait()
        stopped.set()

    async def wire() -> None:
        async with running({"loop": loop}):
            await asyncio.sleep(0)
            raise RuntimeError("wiring failed")

    with pytest.raises(RuntimeError, match="wiring"):
        await wire()
    assert stopped.is_set()

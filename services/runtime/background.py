"""Background loops: work that a service does as long as it runs.

Owns their supervision: a loop that fails is logged with its traceback and started again after a pause, so that one
defect does not silently end a service's work. Must not know what any loop does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import structlog

from services.runtime.metrics import BACKGROUND_FAILURES, EVENT_LOOP_LAG
from services.runtime.outage import is_schema_missing, is_world_away, pauses, sleep_unless

log = structlog.get_logger(__name__)

Loop = Callable[[asyncio.Event], Awaitable[None]]


@asynccontextmanager
async def running(loops: Mapping[str, Loop], grace_s: float = 2.5) -> AsyncIterator[None]:
    """Run the loops while the block runs. On leaving, set their stop event and give them `grace_s` seconds to end.

    With two seconds for open connections (`services.runtime.http`) the default keeps a stop below five seconds,
    whatever a loop waits for. A service whose loops hand something over gives them more.
    """
    stop = asyncio.Event()
    every = {**loops, "loop_lag": _measure_lag}
    tasks = [asyncio.create_task(_supervised(name, loop, stop), name=name) for name, loop in every.items()]
    try:
        yield
    finally:
        stop.set()
        _, late = await asyncio.wait(tasks, timeout=grace_s)
        for task in late:
            log.warning("background_loop_cancelled", loop=task.get_name(), grace_s=grace_s)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _supervised(name: str, loop: Loop, stop: asyncio.Event) -> None:
    async for attempt in pauses(stop):
        try:
            await loop(stop)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # the process's edge: whatever it is, say so and go on
            BACKGROUND_FAILURES.labels(loop=name).inc()
            if is_schema_missing(error):
                log.warning("schema_missing", loop=name, needs="horarium migrate", error=str(error).partition("\n")[0])
            elif is_world_away(error):
                log.warning("background_loop_waits", loop=name, attempt=attempt, error=str(error)[:300])
            else:
                log.exception("background_loop_failed", loop=name, attempt=attempt)
        else:
            if not stop.is_set():
                log.error("background_loop_ended", loop=name)


async def _measure_lag(stop: asyncio.Event) -> None:
    clock = asyncio.get_running_loop().time
    while True:
        due = clock() + 1.0
        if await sleep_unless(stop, 1.0):
            return
        EVENT_LOOP_LAG.set(max(0.0, clock() - due))

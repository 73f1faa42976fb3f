"""The outbox's relay: what the database accepted, the broker gets, in each job's order, at least once.

Owns reading, publishing and deleting outbox rows. Must not know what an event means. Any number of replicas may run
it: rows that one has locked are passed over by the others, and only a job's oldest row is ever taken, so a later event
of a job cannot overtake an earlier one, whichever replica holds it. A crash between the broker's acknowledgement and
the commit publishes again; readers know an event by its id.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from enum import Enum
from time import monotonic
from typing import Any, Protocol

import structlog
from sqlalchemy import Row, delete, exists, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.events.cloudevents import WireMessage
from schemas.tables import outbox
from services.api.metrics import OUTBOX_OLDEST_SECONDS, OUTBOX_REFUSED, OUTBOX_ROWS, PUBLISH_DELAY_SECONDS
from services.runtime.faults import fault_point
from services.runtime.outage import is_world_away, sleep_unless
from services.runtime.tracing import HEADER, span

log = structlog.get_logger(__name__)

_MEASURE_EVERY_S = 5.0
_GATHER_S = 0.02
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0


class Broker(Protocol):
    """What the relay needs of a broker."""

    async def ping(self) -> None: ...

    async def publish_wire(self, message: WireMessage) -> None: ...


class Result(Enum):
    """What became of one attempt to publish."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    AWAY = "away"


class Relay:
    """`run` is the background loop; `wake` tells it that there is something new."""

    def __init__(
        self, engine: AsyncEngine, broker: Broker, *, batch: int, poll_s: float, publish_timeout_s: float
    ) -> None:
        self._engine = engine
        self._broker = broker
        self._batch = batch
        self._poll_s = poll_s
        self._publish_timeout_s = publish_timeout_s
        self._news = asyncio.Event()
        self._measured = float("-inf")
        self.failures = 0  # in a row

    def wake(self) -> None:
        self._news.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until `stop` is set; while the broker or the database is away, ask again with longer pauses."""
        while not stop.is_set():
            self._news.clear()
            try:
                await self._measure()  # first: what waits grows old while the broker is away
                if self.failures:
                    await self._broker.ping()  # before any row is locked
                results = await self.publish_batch()
            except Exception as error:
                if not is_world_away(error):
                    raise
                results = Counter({Result.AWAY: 1})
                log.warning("relay_waits", failures=self.failures + 1, error=str(error)[:200])
            if results[Result.AWAY]:
                self.failures += 1
                pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(self.failures, 10))
                await sleep_unless(stop, pause_s * random.uniform(0.5, 1.0))  # noqa: S311  # jitter is no secret
                continue
            self.failures = 0
            if not results[Result.ACKNOWLEDGED]:
                await self._wait(stop)

    async def publish_batch(self) -> Counter[Result]:
        """Publish the oldest row of up to `batch` jobs and delete what was acknowledged, in one transaction."""
        async with self._engine.begin() as connection:
            rows = (await connection.execute(self._oldest_of_each_job())).all()
            if not rows:
                return Counter()
            # Different jobs, so they need not wait for one another.
            results = await asyncio.gather(*(self._publish(row) for row in rows))
            by_result: dict[Result, list[int]] = {result: [] for result in Result}
            for row, result in zip(rows, results, strict=True):
                by_result[result].append(row.id)
            if by_result[Result.ACKNOWLEDGED]:
                fault_point("relay.published")
                await connection.execute(delete(outbox).where(outbox.c.id.in_(by_result[Result.ACKNOWLEDGED])))
            if by_result[Result.REFUSED]:
                await connection.execute(
                    update(outbox)
                    .where(outbox.c.id.in_(by_result[Result.REFUSED]))
                    .values(attempts=outbox.c.attempts + 1)
                )
        return Counter(results)

    def _oldest_of_each_job(self) -> Any:  # a select; the library's type for it would repeat the columns
        earlier = outbox.alias("earlier")
        # What was refused waits as long again as it has waited already, so it cannot crowd out what is new.
        due = outbox.c.created_at + func.power(2, func.least(outbox.c.attempts, 20)) * text("interval '1 second'")
        return (
            select(outbox, func.extract("epoch", func.clock_timestamp() - outbox.c.created_at).label("age_s"))
            .where(or_(outbox.c.attempts == 0, func.now() > due))
            .where(~exists().where(earlier.c.job_id == outbox.c.job_id, earlier.c.id < outbox.c.id))
            .order_by(outbox.c.id)
            .limit(self._batch)
            .with_for_update(skip_locked=True, of=outbox)
        )

    async def _publish(self, row: Row[Any]) -> Result:
        with span("relay", parent=row.headers.get(HEADER), attributes={"horarium.attempts": row.attempts + 1}):
            return await self._publish_traced(row, WireMessage(row.topic, row.key, row.value, row.headers))

    async def _publish_traced(self, row: Row[Any], message: WireMessage) -> Result:
        started = monotonic()
        try:
            async with asyncio.timeout(self._publish_timeout_s):
                await self._broker.publish_wire(message)
        except Exception as error:  # one row's failure must not keep the others from the broker
            if is_world_away(error):
                log.warning("event_waits", job_id=str(row.job_id), topic=row.topic, error=str(error)[:200])
                return Result.AWAY
            OUTBOX_REFUSED.labels(topic=row.topic).inc()
            log.exception(
                "event_refused", job_id=str(row.job_id), topic=row.topic, attempts=row.attempts + 1, outbox_id=row.id
            )
            return Result.REFUSED
        PUBLISH_DELAY_SECONDS.observe(float(row.age_s) + monotonic() - started)
        log.info("event_published", job_id=str(row.job_id), topic=row.topic, event_id=str(row.event_id))
        return Result.ACKNOWLEDGED

    async def _measure(self) -> None:
        if monotonic() - self._measured < _MEASURE_EVERY_S:
            return
        self._measured = monotonic()
        age = func.extract("epoch", func.now() - func.min(outbox.c.created_at))
        async with self._engine.connect() as connection:
            row = (await connection.execute(select(func.count().label("rows"), age.label("age")))).one()
        OUTBOX_ROWS.set(row.rows)
        OUTBOX_OLDEST_SECONDS.set(max(0.0, float(row.age or 0)))

    async def _wait(self, stop: asyncio.Event) -> None:
        """Until something new is written here, or it is time to look for what other replicas left, or the end."""
        waits = [asyncio.create_task(event.wait()) for event in (self._news, stop)]
        try:
            await asyncio.wait(waits, timeout=self._poll_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        if self._news.is_set():
            # Where there is one there are often more: one transaction then publishes them all.
            await sleep_unless(stop, _GATHER_S)

"""Publishing the ends of jobs: every `solve.completed` leaves the database through here, on whichever replica.

Owns the loops that bring stored events to the broker. The event is stored with the job's end, in one transaction, and
published afterwards: a crash in between, or a broker that is away, delays it and loses nothing. An end that nobody has
recorded after a while is published again. Must not know how jobs end.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from schemas.events import SolveCompleted
from schemas.events.cloudevents import WireMessage, encode
from services.runtime.faults import fault_point
from services.runtime.outage import sleep_unless
from services.solver.delivery import Delivery, PublishWire
from services.solver.ends import Due, Ends
from services.solver.metrics import ENDS_REPUBLISHED
from services.solver.notifications import Doorbell, first_of
from services.solver.outcome import MAX_EVENT_BYTES
from services.solver.packing import unpack

log = structlog.get_logger(__name__)

SOURCE = "/horarium/solver"
_POLL_S = 2.0


class Publisher:
    """`run` and `republish` are background loops; `doorbell` rings when a job may have ended here."""

    def __init__(self, ends: Ends, publish: PublishWire, doorbell: Doorbell, republish_after: timedelta) -> None:
        self._new = Delivery("end", ends.next_unpublished, _message, publish)
        self._lost = Delivery("lost_end", ends.next_lost, _message, publish)
        self._doorbell = doorbell
        self._republish_after = republish_after

    async def run(self, stop: asyncio.Event) -> None:
        """Publish what is unpublished, then wait. Raises what the broker raises: start it again after a pause."""
        while not stop.is_set():
            bell = self._doorbell.listen()
            await self.publish_new(stop)
            await first_of(bell, stop, _POLL_S)

    async def republish(self, stop: asyncio.Event) -> None:
        """Look now and then for ends that got lost. Raises as `run` does."""
        while True:
            await self.publish_lost(stop)
            if await sleep_unless(stop, self._republish_after.total_seconds() / 2):
                return

    async def publish_new(self, stop: asyncio.Event | None = None) -> int:
        """Publish every end that has not been; how many."""
        return await self._new.deliver_all(_on_published, stop)

    async def publish_lost(self, stop: asyncio.Event | None = None) -> int:
        """Publish every end again that got lost and is due; how many. Readers know it by its id."""
        lost: list[Due] = []
        try:
            return await self._lost.deliver_all(lambda due, _event, _message: lost.append(due), stop)
        finally:
            if lost:
                ENDS_REPUBLISHED.inc(len(lost))
                log.warning("ends_republished", jobs=len(lost), oldest=str(lost[0].job_id))


def _on_published(_due: Due, event: SolveCompleted, message: WireMessage) -> None:
    fault_point("publisher.published")
    log.info("job_end_published", outcome=event.outcome.value, value_bytes=len(message.value))


def _message(due: Due) -> tuple[SolveCompleted, WireMessage]:
    event = SolveCompleted.model_validate_json(unpack(bytes(due.row.completed_event), MAX_EVENT_BYTES))
    return event, encode(event, source=SOURCE, traceparent=due.row.traceparent)

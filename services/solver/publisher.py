"""Publishing the ends of jobs: every `solve.completed` leaves the database through here, on whichever replica.

Owns the one loop that brings stored events to the broker. The event is stored with the job's end, in one transaction,
and published afterwards: a crash in between, or a broker that is away, delays it and loses nothing. Must not know how
jobs end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from schemas.events import SolveCompleted
from schemas.events.cloudevents import WireMessage, encode
from services.runtime.faults import fault_point
from services.runtime.logging import bound_ids
from services.solver.jobs import Jobs
from services.solver.notifications import Doorbell, first_of

log = structlog.get_logger(__name__)

SOURCE = "/horarium/solver"
_POLL_S = 2.0

PublishWire = Callable[[WireMessage], Awaitable[None]]


class Publisher:
    """`run` is a background loop; `doorbell` rings when a job may have ended here."""

    def __init__(self, jobs: Jobs, publish: PublishWire, doorbell: Doorbell) -> None:
        self._jobs = jobs
        self._publish = publish
        self._doorbell = doorbell

    async def run(self, stop: asyncio.Event) -> None:
        """Publish what is unpublished, then wait. Raises what the broker raises: start it again after a pause."""
        while not stop.is_set():
            bell = self._doorbell.listen()
            while await self.publish_one():
                pass
            await first_of(bell, stop, _POLL_S)

    async def publish_one(self) -> bool:
        """Publish the oldest unpublished end; False if there is none."""
        async with self._jobs.next_unpublished() as end:
            if end is None:
                return False
            # Megabytes of JSON: not in the event loop, which renews leases.
            event, message = await asyncio.to_thread(_message, end.value)
            await self._publish(message)
            fault_point("publisher.published")
            with bound_ids(job_id=str(end.job_id), correlation_id=event.correlation_id):
                log.info("job_end_published", outcome=event.outcome.value, value_bytes=len(message.value))
        return True


def _message(value: bytes) -> tuple[SolveCompleted, WireMessage]:
    event = SolveCompleted.model_validate_json(value)
    return event, encode(event, source=SOURCE)

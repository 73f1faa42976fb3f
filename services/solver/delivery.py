"""Bringing rows to the broker one by one, so that one which cannot go there does not hold up the others.

Owns who is passed over, and for how long. Must not know what the rows are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from time import monotonic
from typing import Generic, TypeVar
from uuid import UUID

import structlog

from schemas.events import Event
from schemas.events.cloudevents import WireMessage
from services.runtime.logging import bound_ids
from services.runtime.outage import is_world_away
from services.solver.ends import Due
from services.solver.metrics import DELIVERIES_REFUSED

log = structlog.get_logger(__name__)

E = TypeVar("E", bound=Event)
PublishWire = Callable[[WireMessage], Awaitable[None]]
NextDue = Callable[[Collection[UUID]], AbstractAsyncContextManager[Due | None]]

_LONGEST_WAIT_S = 3600.0
# A broker that is away is away for all rows; a partition that is, only for some. So a row is passed over for a while,
# but no longer than the broker's return may take to be noticed.
_LONGEST_WAIT_AWAY_S = 10.0


@dataclass(slots=True)
class _Failed:
    times: int = 0
    until: float = 0.0


class Delivery(Generic[E]):
    """Delivers the rows that `next_due` gives, as the messages that `build` makes of them.

    What failed is remembered by this replica only: after a restart, and on another replica, a bad row is tried anew,
    which costs one attempt.
    """

    def __init__(
        self, what: str, next_due: NextDue, build: Callable[[Due], tuple[E, WireMessage]], publish: PublishWire
    ) -> None:
        self._what = what
        self._next_due = next_due
        self._build = build
        self._publish = publish
        self._failed: dict[UUID, _Failed] = {}

    async def deliver_all(
        self, on_delivered: Callable[[Due, E, WireMessage], None], stop: asyncio.Event | None = None
    ) -> int:
        """Deliver what is due now, or until `stop` is set; how many.

        Raises what the broker raises while it is away: come again later.
        """
        delivered = 0
        while stop is None or not stop.is_set():
            result = await self.deliver_one(on_delivered)
            if result is None:
                break
            delivered += result
        return delivered

    async def deliver_one(self, on_delivered: Callable[[Due, E, WireMessage], None]) -> bool | None:
        """True if a row was delivered, False if it was refused, None if none is due.

        `on_delivered` is called after the broker's acknowledgement, before the row says so.
        """
        now = monotonic()
        self._failed = {job: failed for job, failed in self._failed.items() if failed.until > now - _LONGEST_WAIT_S}
        waiting = [job for job, failed in self._failed.items() if failed.until > now]
        due: Due | None = None
        try:
            async with self._next_due(waiting) as due:
                if due is None:
                    return None
                # Megabytes of JSON: not in the event loop, which renews leases.
                event, message = await asyncio.to_thread(self._build, due)
                await self._publish(message)
                with bound_ids(job_id=str(due.job_id), correlation_id=event.correlation_id):
                    on_delivered(due, event, message)
        except Exception as error:
            if due is None:
                raise
            failed = self._failed.setdefault(due.job_id, _Failed())
            failed.times += 1
            if is_world_away(error):
                # The first time costs nothing: mostly it is the broker, and then all rows must wait alike.
                wait_s = min(_LONGEST_WAIT_AWAY_S, 2.0 ** min(failed.times, 10) - 2.0)
                failed.until = now + wait_s
                raise
            DELIVERIES_REFUSED.labels(what=self._what).inc()
            failed.until = monotonic() + min(_LONGEST_WAIT_S, 2.0 ** min(failed.times, 20))
            log.exception("delivery_refused", what=self._what, job_id=str(due.job_id), times=failed.times)
            return False
        self._failed.pop(due.job_id, None)
        return True

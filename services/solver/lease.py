"""The lease of one claim: renewed again and again, with the best timetable saved along the way.

Owns the pace of renewals and what their answers mean. Must not know what is done under the lease.

While the database is away the lease is asked for every second. Whether it can still be ours is judged by our own
monotonic clock alone: `sure` turns false when it may have run out. It may turn true again, if the database comes back
and nobody has taken the task meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

import structlog

from schemas.events import ControlAction
from services.runtime.faults import fault_point
from services.runtime.outage import is_world_away
from services.solver.claim import Checkpoint, Claim
from services.solver.metrics import LEASES_LOST, RENEWALS_FAILED
from services.solver.settings import SolverSettings
from services.solver.tasks import Tasks

log = structlog.get_logger(__name__)

_RENEW_AGAIN_S = 1.0


class Lease:
    """`keep` runs as long as the lease is wanted. `unsaved` is the best timetable that the database does not have."""

    def __init__(
        self,
        claim: Claim,
        tasks: Tasks,
        settings: SolverSettings,
        claimed_at: float,
        *,
        on_lost: Callable[[], None],
        on_stop: Callable[[], None],
    ) -> None:
        """`claimed_at`: when the claim was asked for, on the monotonic clock: the lease runs at least from then."""
        self.unsaved: Checkpoint | None = None
        self._claim = claim
        self._tasks = tasks
        self._settings = settings
        self._renewed_at = claimed_at
        self._on_lost = on_lost
        self._on_stop = on_stop
        self._nudged = asyncio.Event()
        self._released = False

    @property
    def sure(self) -> bool:
        """True while the lease cannot have run out."""
        return monotonic() - self._renewed_at < self._settings.solver_lease_s

    def save(self, checkpoint: Checkpoint) -> None:
        """Save this with the next renewal, which comes at once."""
        self.unsaved = checkpoint
        self._nudged.set()

    def nudge(self) -> None:
        """Renew now: the answer says what was asked of the job."""
        self._nudged.set()

    def release(self) -> None:
        """The task is being ended or given back: whatever a renewal finds from now on is our own doing."""
        self._released = True

    async def keep(self) -> None:
        """Renew until released."""
        pause_s = self._settings.solver_renew_s
        while not self._released:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._nudged.wait()
            self._nudged.clear()
            pause_s = self._settings.solver_renew_s if await self._renew() else _RENEW_AGAIN_S

    async def _renew(self) -> bool:
        """Ask once; False if the database does not answer."""
        asked_at = monotonic()
        checkpoint, self.unsaved = self.unsaved, None
        try:
            # A server that hangs must not use up the lease in one request.
            async with asyncio.timeout(self._settings.solver_lease_s / 2):
                renewal = await self._tasks.renew(self._claim, checkpoint)
        except Exception as error:
            self.unsaved = self.unsaved or checkpoint
            if not is_world_away(error):
                raise
            RENEWALS_FAILED.inc()
            log.warning("lease_renewal_failed", lease_surely_ours=self.sure, error=str(error)[:200])
            return False
        if checkpoint is not None and renewal.held:
            fault_point("worker.checkpointed")
        if self._released:
            return True
        if not renewal.held:
            if renewal.control is not ControlAction.CANCEL:
                LEASES_LOST.inc()
                log.warning("lease_lost", silent_s=round(monotonic() - self._renewed_at, 1))
            self._on_lost()
            return True
        self._renewed_at = asked_at
        if renewal.control is ControlAction.STOP:
            self._on_stop()
        return True

"""Workers: each slot claims a task, solves it, and claims the next.

Owns the slots of this process and who is told when a job is controlled. Must not know how a task is solved or stored.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from time import monotonic, time_ns
from uuid import UUID

import structlog

from services.runtime.faults import fault_point
from services.runtime.logging import bound_ids
from services.runtime.tracing import past_span, span
from services.solver.attempt import Attempt
from services.solver.claim import Claim
from services.solver.metrics import CLAIM_SECONDS, QUEUE_WAIT_SECONDS, SLOTS_TOTAL, SLOTS_USED
from services.solver.notifications import Doorbell, first_of
from services.solver.progress import Publish
from services.solver.runner import SolverChild, Work, child_command, child_environment
from services.solver.settings import SolverSettings
from services.solver.tasks import Tasks

log = structlog.get_logger(__name__)

_WARM_UP_LIMIT_S = 600.0


class Worker:
    """This replica's slots. `slot` is a background loop, run as often as there are slots."""

    def __init__(
        self,
        tasks: Tasks,
        settings: SolverSettings,
        *,
        publish: Publish,
        doorbell: Doorbell,
        on_ended: Callable[[], None],
    ) -> None:
        """`on_ended` is called when a task has ended, and perhaps its job with it."""
        self.name = f"{socket.gethostname()}-{os.getpid()}"[:190]
        self._tasks = tasks
        self._settings = settings
        self._publish = publish
        self._doorbell = doorbell
        self._on_ended = on_ended
        self._running: dict[UUID, set[Attempt]] = {}
        self._warming = asyncio.Lock()
        self._warm = False
        SLOTS_TOTAL.set(settings.solver_slots)
        SLOTS_USED.set(0)

    def on_control(self, job_id: UUID | None) -> None:
        """Something was asked of a job (None: perhaps of any): its attempts here look at once what it is."""
        concerned = self._running.values() if job_id is None else [self._running.get(job_id, set())]
        for attempts in concerned:
            for attempt in attempts:
                attempt.nudge()

    async def slot(self, stop: asyncio.Event) -> None:
        """Claim and solve until `stop` is set; then hand over what is being solved."""
        await self._warm_up(stop)
        while not stop.is_set():
            bell = self._doorbell.listen()
            asked_at, asked_ns = monotonic(), time_ns()
            claim = await self._tasks.claim(self.name)
            CLAIM_SECONDS.observe(monotonic() - asked_at)
            if claim is None:
                await first_of(bell, stop, self._settings.solver_poll_s)
            else:
                past_span(
                    "claim", asked_ns, time_ns(), parent=claim.traceparent, attributes=_attributes(claim, waited=True)
                )
                await self._solve(claim, asked_at, stop)

    async def _solve(self, claim: Claim, claimed_at: float, stop: asyncio.Event) -> None:
        QUEUE_WAIT_SECONDS.observe(claim.waited_s)
        with (
            bound_ids(
                job_id=str(claim.job_id),
                correlation_id=claim.correlation_id,
                variant=str(claim.variant),
                attempt=str(claim.attempt),
            ),
            span("attempt", parent=claim.traceparent, attributes=_attributes(claim)),
            SLOTS_USED.track_inprogress(),
        ):
            log.info(
                "task_claimed",
                token=claim.token,
                waited_s=round(claim.waited_s, 3),
                resumes=claim.checkpoint.score.rank if claim.checkpoint else None,
            )
            fault_point("worker.claimed")
            attempt = Attempt(
                claim,
                self._tasks,
                self._settings,
                publish=self._publish,
                start_child=self._start_child,
                shutdown=stop,
                claimed_at=claimed_at,
            )
            self._running.setdefault(claim.job_id, set()).add(attempt)
            try:
                if await attempt.run():
                    self._on_ended()
            finally:
                self._running[claim.job_id].discard(attempt)
                if not self._running[claim.job_id]:
                    del self._running[claim.job_id]

    async def _warm_up(self, stop: asyncio.Event) -> None:
        """Have the kernels compiled before the first claim, once for all slots.

        Compiling takes half a minute of a processor when nothing is cached: a task claimed meanwhile would pay for it
        out of its time limit. A warm-up that fails is no reason not to work.
        """
        async with self._warming:
            if self._warm or stop.is_set():
                return
            began = monotonic()
            child = await self._start_child(Work.WARM_UP)
            try:
                await first_of(child.gone, stop, _WARM_UP_LIMIT_S)
            finally:
                end = await child.kill()
            self._warm = True
            level = log.info if end.code == 0 else log.warning
            level(
                "kernels_warmed_up", seconds=round(monotonic() - began, 1), exit=end.reason, stderr=end.stderr[-1000:]
            )

    async def _start_child(self, work: Work) -> SolverChild:
        command = child_command(self._settings, work)
        return await SolverChild.start(command, child_environment(self._settings, os.environ))


def _attributes(claim: Claim, *, waited: bool = False) -> dict[str, str | int | float | bool]:
    """What a span says of the task."""
    found: dict[str, str | int | float | bool] = {
        "horarium.job_id": str(claim.job_id),
        "horarium.organization_id": str(claim.organization_id),
        "horarium.variant": claim.variant,
        "horarium.attempt": claim.attempt,
    }
    return found | ({"horarium.waited_s": round(claim.waited_s, 3)} if waited else {})

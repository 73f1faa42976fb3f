"""PostgreSQL's notifications: what wakes idle workers and tells running ones of a control, within milliseconds.

Owns one connection of its own that listens. It is a convenience: whoever waits here also polls, so a broken connection
costs time, never a task. Must not know what the waiters do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import UUID

import psycopg
import structlog
from psycopg import sql
from sqlalchemy.engine import make_url

from services.runtime.outage import sleep_unless
from services.solver.jobs import CONTROL_CHANNEL, TASKS_CHANNEL
from services.solver.settings import SolverSettings

log = structlog.get_logger(__name__)

_LOOK_UP_S = 1.0


class Doorbell:
    """Wakes everybody who listens. Listen first, then look, then wait: so that no ring falls in between."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def listen(self) -> asyncio.Event:
        """An event that the next ring sets."""
        return self._next

    def ring(self) -> None:
        rung, self._next = self._next, asyncio.Event()
        rung.set()


class Notifications:
    """`run` is a background loop: rings `tasks`, and calls `on_control` with the job's id (None: with any)."""

    def __init__(self, settings: SolverSettings, tasks: Doorbell, on_control: Callable[[UUID | None], None]) -> None:
        url = make_url(settings.database_url.get_secret_value()).set(drivername="postgresql")
        self._address = url.render_as_string(hide_password=False)
        self._connect_timeout_s = settings.database_connect_timeout_s
        self._tasks = tasks
        self._on_control = on_control

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop` is set. Raises ConnectionError when the connection breaks: start it again."""
        try:
            await self._listen(stop)
        except psycopg.OperationalError as error:
            raise ConnectionError(f"notifications: {error}") from error

    async def _listen(self, stop: asyncio.Event) -> None:
        connection = await psycopg.AsyncConnection.connect(
            self._address,
            autocommit=True,
            connect_timeout=self._connect_timeout_s,
            application_name="horarium-solver-notifications",
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
            tcp_user_timeout=15000,
        )
        async with connection:
            for channel in (TASKS_CHANNEL, CONTROL_CHANNEL):
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            log.info("notifications_connected")
            # Whatever was told while nobody listened.
            self._tasks.ring()
            self._on_control(None)
            while not stop.is_set():
                async for notification in connection.notifies(timeout=_LOOK_UP_S):
                    self._tell(notification.channel, notification.payload)
                    if stop.is_set():
                        break

    def _tell(self, channel: str, payload: str) -> None:
        if channel == TASKS_CHANNEL:
            self._tasks.ring()
            return
        try:
            self._on_control(UUID(payload))
        except ValueError:
            log.warning("notification_unreadable", channel=channel, payload=payload[:100])


async def first_of(bell: asyncio.Event, stop: asyncio.Event, seconds: float) -> None:
    """Wait for the bell, the stop or the time, whichever comes first."""
    rung = asyncio.create_task(bell.wait())
    stopped = asyncio.create_task(sleep_unless(stop, seconds))
    try:
        await asyncio.wait({rung, stopped}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        rung.cancel()
        stopped.cancel()

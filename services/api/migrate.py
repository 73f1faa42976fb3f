"""Brings a database to the newest schema.

Owns when and how the revisions in `services/api/migrations` run: one process at a time, and only once the server
answers. Must not know what any revision does.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool
from tenacity import RetryCallState, retry, retry_if_exception_type, stop_after_delay, wait_exponential_jitter

log = structlog.get_logger(__name__)

# Any number, as long as nobody else locks it: two migrations of one database take turns.
_LOCK = 4_805_127_304_991
_DATABASE_STARTS_WITHIN = timedelta(seconds=60)


def upgrade(database_url: str) -> None:
    """Run the revisions that the database does not have yet; safe to run many times, and at the same time.

    Waits for a server that is still starting, for a minute at most: then the server's own error is raised.
    """
    engine = create_engine(database_url, poolclass=NullPool, hide_parameters=True, connect_args={"connect_timeout": 5})
    with _connected(engine) as guard:
        # The lock lives on a connection of its own, so that a revision may commit (CREATE INDEX CONCURRENTLY).
        guard = guard.execution_options(isolation_level="AUTOCOMMIT")
        guard.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
        try:
            with engine.connect() as connection:
                command.upgrade(configuration(connection), "head")
                connection.commit()
        finally:
            guard.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})


def configuration(connection: Connection) -> Config:
    """Alembic's configuration for our revisions on this connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _say_waiting(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.info("database_awaited", attempt=state.attempt_number, error=str(error)[:200])


@retry(
    retry=retry_if_exception_type(OperationalError),
    stop=stop_after_delay(_DATABASE_STARTS_WITHIN),
    wait=wait_exponential_jitter(multiplier=0.2, max=3.0, jitter=0.2),
    before_sleep=_say_waiting,
    reraise=True,
)
def _connected(engine: Engine) -> Connection:
    return engine.connect()

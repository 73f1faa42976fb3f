"""PostgreSQL: one pooled engine per process, with timeouts everywhere.

Owns connection settings. Must not know any table.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from services.runtime.settings import RuntimeSettings


def create_engine(settings: RuntimeSettings, application: str) -> AsyncEngine:
    """An engine that connects lazily. A connection that the server dropped is noticed and replaced before use."""
    return create_async_engine(
        settings.database_url.get_secret_value(),
        pool_size=settings.database_pool_size,
        max_overflow=0,
        pool_timeout=settings.database_connect_timeout_s,
        pool_pre_ping=True,
        pool_recycle=1800,
        # Errors are logged; what was to be stored is not.
        hide_parameters=True,
        connect_args={
            "connect_timeout": settings.database_connect_timeout_s,
            "application_name": application,
            "options": f"-c statement_timeout={settings.database_statement_timeout_s * 1000}"
            " -c idle_in_transaction_session_timeout=60000",
            # Without these a vanished server leaves a query waiting for the kernel's two hours.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 15000,
        },
    )


class ReadOnlyDatabaseError(ConnectionError):
    """The database answers but takes no writes: a standby, or a primary that became one."""


async def ping(engine: AsyncEngine) -> None:
    """Raise if the database does not answer, or would take no writes."""
    async with engine.connect() as connection:
        if await connection.scalar(text("SELECT current_setting('transaction_read_only')")) == "on":
            raise ReadOnlyDatabaseError("the database is read-only")

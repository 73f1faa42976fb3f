"""The persister's parts over a real database, and the whole service as a process."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.runtime.database import create_engine
from services.runtime.settings import RuntimeSettings


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    settings = RuntimeSettings(kafka_bootstrap_servers="unused:1", database_url=database_url)
    engine = create_engine(settings, "persister-test")
    yield engine
    await engine.dispose()


class Rows:
    """Looks into the tables."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def __call__(self, query: str, job_id: uuid.UUID) -> list[dict[str, Any]]:
        """The rows of a query whose `:job` is the job's id."""
        async with self._engine.connect() as connection:
            found = await connection.execute(text(query), {"job": job_id})
            return [dict(row) for row in found.mappings()]


@pytest.fixture
def rows(engine: AsyncEngine) -> Rows:
    return Rows(engine)

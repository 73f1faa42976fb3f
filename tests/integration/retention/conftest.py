"""A database of its own for each test, because cleanup looks at all of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.runtime.database import create_engine
from services.runtime.settings import RuntimeSettings
from tests.conftest import FreshDatabase


@pytest.fixture
def own_database(fresh_database: FreshDatabase) -> str:
    return fresh_database()


@pytest.fixture
async def engine(own_database: str) -> AsyncIterator[AsyncEngine]:
    settings = RuntimeSettings.model_validate({"kafka_bootstrap_servers": "unused:1", "database_url": own_database})
    made = create_engine(settings, "retention-test")
    yield made
    await made.dispose()

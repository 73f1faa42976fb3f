"""What the solver's integration tests share: a database of their own, the repositories on it, requests to feed them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.runtime.database import create_engine
from services.solver.jobs import Jobs
from services.solver.settings import SolverSettings
from services.solver.tasks import Tasks
from tests.conftest import FreshDatabase


@pytest.fixture
def settings(fresh_database: FreshDatabase) -> SolverSettings:
    """Settings on a database that nobody else claims from; the broker in them is never reached."""
    return SolverSettings.model_validate(
        {"kafka_bootstrap_servers": "127.0.0.1:1", "database_url": fresh_database(), "database_pool_size": 20}
    )


@pytest.fixture
async def engine(settings: SolverSettings) -> AsyncIterator[AsyncEngine]:
    made = create_engine(settings, "test-solver")
    yield made
    await made.dispose()


@pytest.fixture
def tasks(engine: AsyncEngine, settings: SolverSettings) -> Tasks:
    return Tasks(engine, settings)


@pytest.fixture
def jobs(engine: AsyncEngine) -> Jobs:
    return Jobs(engine)

"""Migrations on a real PostgreSQL: they make what the models say, and many may run at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, create_engine, inspect, select
from sqlalchemy.pool import NullPool

from schemas.tables import metadata, organizations, users
from services.api import migrate
from services.api.migrate import configuration, upgrade
from services.api.passwords import matches
from services.api.seed import seed_demo
from tests.conftest import FreshDatabase


def test_models_and_migrations_agree(fresh_database: FreshDatabase) -> None:
    url = fresh_database(migrated=False)
    upgrade(url)
    with create_engine(url, poolclass=NullPool).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
        # The comparison does not see check constraints.
        for table in metadata.tables.values():
            wanted = {str(c.name) for c in table.constraints if isinstance(c, CheckConstraint)}
            made = {str(c["name"]) for c in inspect(connection).get_check_constraints(table.name)}
            assert made == wanted


def test_three_upgrades_at_once_take_turns(fresh_database: FreshDatabase) -> None:
    url = fresh_database(migrated=False)
    with ThreadPoolExecutor(3) as pool:
        for upgraded in [pool.submit(upgrade, url) for _ in range(3)]:
            upgraded.result(timeout=60)
    with create_engine(url, poolclass=NullPool).connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() is not None


def test_a_downgrade_leaves_nothing(fresh_database: FreshDatabase) -> None:
    url = fresh_database()
    with create_engine(url, poolclass=NullPool).connect() as connection:
        command.downgrade(configuration(connection), "base")
        connection.commit()
        assert set(inspect(connection).get_table_names()) <= {"alembic_version"}
        assert inspect(connection).get_sequence_names() == []


def test_a_server_that_does_not_come_up_is_given_up_with_its_own_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlalchemy.exc import OperationalError
    from tenacity import stop_after_attempt

    monkeypatch.setattr(migrate._connected.retry, "stop", stop_after_attempt(2))
    with pytest.raises(OperationalError):
        upgrade("postgresql+psycopg://nobody@127.0.0.1:1/nothing")


def test_seeding_twice_makes_one_user_with_the_last_password(fresh_database: FreshDatabase) -> None:
    url = fresh_database()
    first = seed_demo(url, "Planner@Demo.example", "one", "Demo")
    assert seed_demo(url, "planner@demo.example", "two", "Demo") == first
    with create_engine(url, poolclass=NullPool).connect() as connection:
        assert len(connection.execute(select(organizations)).all()) == 1
        user = connection.execute(select(users)).one()
    assert matches("two", user.password_hash)
    assert not matches("one", user.password_hash)
    with pytest.raises(ValueError, match="another organisation"):
        seed_demo(url, "planner@demo.example", "two", "Other")

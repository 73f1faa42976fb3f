"""`horarium migrate` and `horarium user add` against a real PostgreSQL."""

from __future__ import annotations

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool
from typer.testing import CliRunner, Result

from horarium.cli import app
from tests.conftest import FreshDatabase


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=stdin)


def test_a_database_is_migrated_and_a_user_added_twice_is_one_user(fresh_database: FreshDatabase) -> None:
    url = fresh_database(migrated=False)
    for _ in range(2):
        assert run("migrate", "--database-url", url).exit_code == 0
    command = ("user", "add", "--database-url", url, "--email", "Ada@Uni.example", "--organization", "Uni")
    for password in ("correct horse battery", "another long password"):
        added = run(*command, "--role", "admin", stdin=f"{password}\n")
        assert added.exit_code == 0, added.output
        assert password not in added.output
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT email, role FROM users")).all() == [("ada@uni.example", "admin")]


def test_a_user_of_another_organisation_is_refused(fresh_database: FreshDatabase) -> None:
    url = fresh_database()
    command = ("user", "add", "--database-url", url, "--email", "ada@uni.example")
    assert run(*command, "--organization", "One", stdin="correct horse battery\n").exit_code == 0
    refused = run(*command, "--organization", "Two", stdin="correct horse battery\n")
    assert refused.exit_code == 2
    assert "another organisation" in refused.stderr

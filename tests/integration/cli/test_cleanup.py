"""`horarium cleanup` against a real PostgreSQL: it shows exactly what it would remove, then removes it."""

from __future__ import annotations

import asyncio
import json

import pytest
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from typer.testing import CliRunner, Result

from horarium.cli import app
from tests.conftest import FreshDatabase
from tests.integration.retention.building import OLD, YOUNG, a_job, a_problem, an_organization, counts


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, ["cleanup", *arguments], env=environment)


async def fill(url: str) -> None:
    engine = create_async_engine(url, poolclass=NullPool)
    organization = await an_organization(engine)
    for days in (OLD, YOUNG):
        await a_job(engine, organization, await a_problem(engine, organization), days=days)
    await engine.dispose()


async def count(url: str) -> dict[str, int]:
    engine = create_async_engine(url, poolclass=NullPool)
    found = await counts(engine)
    await engine.dispose()
    return found


def rows(result: Result) -> dict[str, int]:
    assert result.exit_code == 0, result.output
    return {table["table"]: table["rows"] for table in json.loads(result.stdout)["tables"]}


def test_a_dry_run_shows_what_the_real_run_removes(fresh_database: FreshDatabase) -> None:
    url = fresh_database()
    asyncio.run(fill(url))
    before = asyncio.run(count(url))
    told = run("--dry-run", "--json", DATABASE_URL=url)
    assert asyncio.run(count(url)) == before
    problems = next(table for table in json.loads(told.stdout)["tables"] if table["table"] == "problems")
    assert problems["bytes"] > 0
    assert problems["oldest"] == problems["newest"]
    shown = run("--dry-run", DATABASE_URL=url)
    assert "this was a dry run" in shown.stderr
    assert [line.split()[:3] for line in shown.stdout.splitlines() if line.startswith("jobs ")] == [
        ["jobs", "1", "rows"]
    ]

    assert rows(run("--json", DATABASE_URL=url)) == rows(told)
    after = asyncio.run(count(url))
    assert {table: before[table] - after[table] for table in before if before[table] != after[table]} == dict.fromkeys(
        (
            *("jobs", "problems", "solve_jobs", "solve_tasks"),
            *("solve_attempts", "timetables", "timetable_variants", "job_states"),
        ),
        1,
    )


def test_it_keeps_what_the_environment_says(fresh_database: FreshDatabase) -> None:
    url = fresh_database()
    asyncio.run(fill(url))
    for_ever = {"JOB_RETENTION_DAYS": "0", "PROBLEM_RETENTION_DAYS": "0", "OUTBOX_DEAD_AFTER_DAYS": "0"}
    assert rows(run("--json", DATABASE_URL=url, **for_ever)) == {}
    assert rows(run("--dry-run", "--json", DATABASE_URL=url, JOB_RETENTION_DAYS="38"))["jobs"] == 2


def test_a_bad_setting_and_an_absent_database_are_told_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = "postgresql+psycopg://127.0.0.1:1/x"
    refused = run("--dry-run", DATABASE_URL=nowhere, JOB_RETENTION_DAYS="10")
    assert refused.exit_code == 2
    assert "JOB_RETENTION_DAYS" in refused.stderr
    absent = run(DATABASE_URL=nowhere)
    assert absent.exit_code == 1
    assert "cannot be cleaned up" in absent.stderr

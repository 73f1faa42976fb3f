"""`horarium cleanup`: what the services remove on their schedule, shown or removed now.

Owns what it prints. The rules and their settings are the services' own, read from the same environment; files on a
service's disk are its own business too. Must not know what the rules say.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from horarium.commands.database import DatabaseUrl, first_line
from horarium.commands.terminal import EXIT_UNREACHABLE, note, refuse, say

if TYPE_CHECKING:
    from services.runtime.retention import Found, Rule

# A person waits; but nobody for ever.
_STATEMENT_TIMEOUT_S = 300


def cleanup(
    database_url: DatabaseUrl,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, remove nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Remove old jobs with their results, unused problems and dead events from the database, now."""
    from sqlalchemy.exc import SQLAlchemyError

    from services.api.settings import ApiRetentionSettings
    from services.runtime.settings import load

    rules = _rules(load(ApiRetentionSettings))
    try:
        tables, complete = asyncio.run(_preview(database_url, rules) if dry_run else _sweep(database_url, rules))
    except SQLAlchemyError as error:
        refuse(f"The database cannot be cleaned up: {first_line(error)}", EXIT_UNREACHABLE)
    if as_json:
        say(json.dumps({"dry_run": dry_run, "complete": complete, "tables": tables}, indent=2))
    else:
        _show(tables)
        note("Nothing was removed: this was a dry run." if dry_run else "Removed.")
    if not complete:
        refuse("A service is cleaning up at this moment; what it leaves is for another run.", EXIT_UNREACHABLE)


def _rules(settings: Any) -> dict[str, list[Rule]]:
    """By service, in the order in which one makes room for the next."""
    from services.api import retention as api
    from services.persister import retention as persister
    from services.solver import retention as solver

    return {
        "api": api.rules(
            job_retention=settings.job_retention,
            problem_retention=settings.problem_retention,
            outbox_dead_after=settings.outbox_dead_after,
        ),
        "solver": solver.rules(job_retention=settings.job_retention),
        "persister": persister.rules(job_retention=settings.job_retention),
    }


async def _preview(database_url: str, rules: dict[str, list[Rule]]) -> tuple[list[dict[str, Any]], bool]:
    from services.runtime.retention import preview

    engine = _engine(database_url)
    try:
        found = await preview(engine, [rule for service in rules.values() for rule in service])
    finally:
        await engine.dispose()
    return [_told(one) for one in found], True


async def _sweep(database_url: str, rules: dict[str, list[Rule]]) -> tuple[list[dict[str, Any]], bool]:
    from services.runtime.retention import sweep

    engine = _engine(database_url)
    tables: list[dict[str, Any]] = []
    complete = True
    try:
        for service, of_service in rules.items():
            swept = await sweep(engine, service, of_service)
            tables += [{"table": table, "rows": rows} for table, rows in swept.removed.items()]
            complete = complete and swept.complete
    finally:
        await engine.dispose()
    return tables, complete


def _engine(database_url: str) -> Any:
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    options = f"-c statement_timeout={_STATEMENT_TIMEOUT_S * 1000}"
    arguments = {"connect_timeout": 5, "application_name": "horarium-cleanup", "options": options}
    return create_async_engine(database_url, poolclass=NullPool, hide_parameters=True, connect_args=arguments)


def _told(found: Found) -> dict[str, Any]:
    told = asdict(found)
    table, stored_bytes = told.pop("what"), told.pop("stored_bytes")
    times = {name: at.isoformat() if isinstance(at, datetime) else None for name, at in told.items() if name != "rows"}
    return {"table": table, "rows": found.rows, "bytes": stored_bytes, **times}


def _show(tables: Sequence[dict[str, Any]]) -> None:
    if not tables:
        say("Everything is kept for ever.")
        return
    for table in tables:
        size = "" if not table.get("bytes") else f"  {table['bytes'] / 2**20:,.1f} MiB"
        ages = "" if not table.get("oldest") else f"  {table['oldest'][:10]} to {table['newest'][:10]}"
        say(f"{table['table']:<16}{table['rows']:>10,} rows{size}{ages}")

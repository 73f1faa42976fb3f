"""A whole Horarium on this machine: the local stack, migrations, topics, a first user, the four services.

Owns the order in which a fresh installation comes up; the demo and `horarium up` share it. Must not know what is
solved.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from rich.console import Console

from deploy.local import LocalStack
from deploy.local.server import write_private
from deploy.local.services import LocalServices
from horarium.commands.topics import apply_topics
from services.api.migrate import upgrade
from services.api.seed import seed_demo

EMAIL = "planner@demo.example"
ORGANIZATION = "Demo University"
# Whoever tries things out on the own machine should not meet the limit of ten an hour that others begin with.
GENERATE_PER_HOUR = 100_000
# All share one machine: whoever waits for an answer comes before what works through a queue.
QUEUE_NICE = 5


@dataclass(frozen=True, slots=True)
class Running:
    """A running Horarium: where it answers and who may sign in."""

    api_url: str
    progress_url: str
    email: str
    password: str
    broker: str


@contextmanager
def platform(console: Console, folder: Path, *, stays: bool = False, api_port: int | None = None) -> Iterator[Running]:
    """Everything up while the block runs, and down after it, whatever happens in between.

    With `stays` everything goes on after the block (unless it raised); `deploy.local.stop_recorded(folder)` stops it.
    """
    with ExitStack() as undo:
        started = monotonic()
        stack = LocalStack(folder, stays=stays)
        stack.start()
        undo.callback(stack.stop)
        _say(console, "PostgreSQL, Redis and broker answer", started)

        started = monotonic()
        upgrade(stack.addresses.database_url)
        asyncio.run(apply_topics(stack.addresses.kafka_bootstrap_servers))
        password = _password(folder)
        seed_demo(stack.addresses.database_url, EMAIL, password, ORGANIZATION, generate_per_hour=GENERATE_PER_HOUR)
        _say(console, "Database migrated, topics created, demo user seeded", started)

        started = monotonic()
        services = LocalServices(stack.addresses, folder, api_port=api_port, stays=stays, queue_nice=QUEUE_NICE)
        services.start()
        undo.callback(services.stop)
        _say(console, "api, solver, progress and persister are ready", started)
        broker = "embedded broker" if stack.broker is not None else "your broker"
        yield Running(services.api.url, services.progress.url, EMAIL, password, broker)
        if stays:
            undo.pop_all()


def _say(console: Console, what: str, started: float) -> None:
    console.print(f"  [green]✓[/] {what} [dim]({monotonic() - started:.1f} s)[/]")


def _password(folder: Path) -> str:
    """The demo user's password: random, made once per data folder, readable by its owner only."""
    file = folder / "demo-password"
    if not file.exists():
        write_private(file, secrets.token_urlsafe(12))
    return file.read_text().strip()

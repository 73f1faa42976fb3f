"""`horarium up` and `horarium down`: a whole Horarium on this machine that stays until it is stopped.

Owns what a person is told: where to look and how to sign in. How it comes up is `horarium.demo.platform`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from horarium.commands.terminal import EXIT_UNREACHABLE, refuse, say

DEFAULT_FOLDER = Path(".horarium") / "up"

Folder = Annotated[Path, typer.Option(envvar="HORARIUM_FOLDER", help="Where data and logs are kept.")]


def up(
    folder: Folder = DEFAULT_FOLDER,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="The api's port; a free one if omitted.")] = None,
) -> None:
    """Start PostgreSQL, Redis, a broker and the four services, and leave them running."""
    from rich.console import Console

    from deploy.local import MissingServerError, PortTakenError, ProcessFailedError, StackRunningError
    from horarium.demo.platform import platform

    try:
        with platform(Console(highlight=False, stderr=True), folder, stays=True, api_port=port) as running:
            say(f"api       {running.api_url}  (its OpenAPI document: {running.api_url}/openapi.json)")
            say(f"progress  {running.progress_url}")
            say(f"sign in   {running.email}  password {running.password}")
            say(f"logs      {folder / 'logs'}")
            say("Stop everything with `make down` (`horarium down`); the data stays.")
    except (MissingServerError, PortTakenError, ProcessFailedError, StackRunningError) as error:
        refuse(str(error), EXIT_UNREACHABLE)


def down(folder: Folder = DEFAULT_FOLDER) -> None:
    """Stop what `up` started; the data stays."""
    from deploy.local import stop_recorded

    stopped = stop_recorded(folder)
    say(f"Stopped {', '.join(stopped)}." if stopped else f"Nothing was running in {folder}.")

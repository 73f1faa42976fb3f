"""The command line `horarium`: which commands there are.

Owns their names and the last line of defence against a traceback for a mistake that is the user's. Each command's own
module says what it does.
"""

from __future__ import annotations

from typing import Annotated

import typer

from horarium.commands.accounts import organization_limits, user_disable, user_enable, user_list, user_token
from horarium.commands.alternatives import alternatives
from horarium.commands.cleanup import cleanup
from horarium.commands.compare import compare
from horarium.commands.convert import convert
from horarium.commands.database import migrate, user_add
from horarium.commands.dlq import dlq_drop, dlq_list, dlq_replay, dlq_show
from horarium.commands.evaluate import evaluate
from horarium.commands.generate import generate_university
from horarium.commands.jobs import attempts, cancel, stop, submit, watch
from horarium.commands.platform import down, up
from horarium.commands.solve import solve
from horarium.commands.topics import topics_apply
from horarium.commands.warmup import warmup

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
topics = typer.Typer(no_args_is_help=True, help="Kafka topics.")
user = typer.Typer(no_args_is_help=True, help="Users.")
organization = typer.Typer(no_args_is_help=True, help="Organisations and their limits.")
dlq = typer.Typer(no_args_is_help=True, help="Dead letters: messages that could not be processed.")
app.add_typer(topics, name="topics")
app.add_typer(dlq, name="dlq")
app.add_typer(user, name="user")
app.add_typer(organization, name="organization")

app.command()(solve)
app.command()(evaluate)
app.command()(compare)
app.command()(alternatives)
app.command()(convert)
app.command(name="generate-university")(generate_university)
app.command()(warmup)
app.command()(up)
app.command()(down)
app.command()(submit)
app.command()(watch)
app.command()(stop)
app.command()(cancel)
app.command()(attempts)
app.command()(migrate)
app.command()(cleanup)
topics.command(name="apply")(topics_apply)
user.command(name="add")(user_add)
user.command(name="list")(user_list)
user.command(name="disable")(user_disable)
user.command(name="enable")(user_enable)
user.command(name="token")(user_token)
organization.command(name="limits")(organization_limits)
dlq.command(name="list")(dlq_list)
dlq.command(name="show")(dlq_show)
dlq.command(name="replay")(dlq_replay)
dlq.command(name="drop")(dlq_drop)


@topics.callback()
def _topics() -> None:
    """Kafka topics."""


@user.callback()
def _user() -> None:
    """Users."""


@organization.callback()
def _organization() -> None:
    """Organisations."""


@app.callback()
def _horarium(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.", is_eager=True)] = False,
) -> None:
    """Event-driven university timetabling."""
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"horarium {installed('horarium')}")
        raise typer.Exit


def main() -> None:
    """What the console script runs."""
    app()


if __name__ == "__main__":
    main()

"""`python -m deploy.local up|down|status|env`: the local stack without the services; it stays until `down`."""

import argparse
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from deploy.local.process import ProcessFailedError
from deploy.local.server import MissingServerError, PortTakenError
from deploy.local.stack import DEFAULT_FOLDER, LocalStack, Ports, StackRunningError
from deploy.local.state import read_state, stop_recorded


def up(options: argparse.Namespace) -> int:
    """Starts the stack and leaves it running."""
    ports = Ports(options.postgres_port, options.redis_port, options.broker_port)
    stack = LocalStack(options.data, broker=options.broker, ports=ports, stays=True)
    try:
        stack.start()
    except (StackRunningError, MissingServerError, PortTakenError, ProcessFailedError) as error:
        print(error, file=sys.stderr)  # noqa: T201  # a command speaks to its user
        return 1
    return status(options)


def down(options: argparse.Namespace) -> int:
    """Stops whatever is recorded in the data folder, services included."""
    stopped = stop_recorded(options.data)
    print("stopped " + ", ".join(stopped) if stopped else "nothing was running")  # noqa: T201  # a command speaks to its user
    return 0


def status(options: argparse.Namespace) -> int:
    """Prints what runs; exit code 0 when everything recorded runs, 3 when not."""
    state = read_state(options.data)
    if state is None:
        print(f"nothing is running in {options.data}")  # noqa: T201  # a command speaks to its user
        return 3
    living = state.living
    for process in state.processes:
        print(f"{process.name}: {'running' if process in living else 'GONE'}, process {process.pid}")  # noqa: T201  # as above
    return 0 if len(living) == len(state.processes) else 3


def environment(options: argparse.Namespace) -> int:
    """Prints the variables the services read, passwords included, in a form a shell can evaluate."""
    state = read_state(options.data)
    if state is None:
        return status(options)
    for name, value in state.addresses.as_environment().items():
        print(f"export {name}={shlex.quote(value)}")  # noqa: T201  # a command speaks to its user
    return 0


def main() -> int:
    """Parses the command line."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT_FOLDER, help="data folder (default: %(default)s)")
    commands = parser.add_subparsers(required=True)
    up_parser = commands.add_parser("up", help="start PostgreSQL, Redis and the broker and leave them running")
    up_parser.add_argument("--broker", choices=("embedded", "kafka"), default="embedded")
    for name in ("postgres", "redis", "broker"):
        up_parser.add_argument(f"--{name}-port", type=int, help="default: a free one")
    up_parser.set_defaults(run=up)
    commands.add_parser("down", help="stop them; the data stays").set_defaults(run=down)
    commands.add_parser("status", help="what runs").set_defaults(run=status)
    commands.add_parser("env", help="the addresses, to be evaluated by a shell").set_defaults(run=environment)
    options = parser.parse_args()
    run: Callable[[argparse.Namespace], int] = options.run
    return run(options)


if __name__ == "__main__":
    sys.exit(main())

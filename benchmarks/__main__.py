"""`python -m benchmarks [NAME ...]`: measure and print a table in Markdown.

Owns the choice of measurements. Figures of a shared machine are noisy: quote medians, with machine and command.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from benchmarks import (
    bounds,
    curriculum,
    dispatch,
    enrolment,
    interactive,
    itc2019,
    load,
    responsiveness,
    service,
    university,
)
from benchmarks.kept import kept
from benchmarks.runs import Runs

# What a run of all leaves out: hours.
_BY_NAME_ONLY = {"itc2019", "enrolment", "bounds"}


def main() -> int:
    """Parse the command line and run one measurement, or all in turn."""
    options = _parser().parse_args()
    with Runs(options.jobs, options.record) as runs:
        return _measure(options, runs)


def _measure(options: argparse.Namespace, runs: Runs) -> int:
    limits = options.seconds, options.seeds, options.workers, options.instances
    measurements: dict[str, Callable[[], None]] = {
        "curriculum": lambda: curriculum.measure(runs, *limits),
        "itc2019": lambda: itc2019.measure(runs, *limits),
        "enrolment": lambda: enrolment.measure(runs, *limits),
        "bounds": lambda: bounds.measure(options.seconds, options.workers, options.instances),
        "university": lambda: university.measure(options.seconds, options.workers),
        "service": service.measure,
        "dispatch": lambda: dispatch.measure(options.broker),
        "responsiveness": responsiveness.measure,
        "load": load.measure,
        "interactive": interactive.measure,
    }
    for name in options.what or [name for name in measurements if name not in _BY_NAME_ONLY]:
        if name not in measurements:
            raise SystemExit(f"no measurement '{name}'; there are {', '.join(measurements)}")
        with kept(_mark(name, options), _command(name, options)) if options.keep else nullcontext():
            measurements[name]()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "what", nargs="*", default=[], help="measurements by name; all but the longest if none is named"
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="search time per run (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="runs per instance; the median is shown")
    parser.add_argument("--broker", choices=["embedded", "kafka"], default="embedded", help="of `dispatch`")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--instances", nargs="+", metavar="NAME", help="only these instances")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, each in a process of its own")
    parser.add_argument(
        "--record", type=Path, help="file that keeps every run, by which an interrupted measurement goes on"
    )
    parser.add_argument("--keep", action="store_true", help="write the table into docs/benchmarks.md")
    return parser


def _mark(name: str, options: argparse.Namespace) -> str:
    return f"{name}, {options.seconds:g} s, {options.workers} worker(s)"


def _command(name: str, options: argparse.Namespace) -> str:
    named = f" --instances {' '.join(options.instances)}" if options.instances else ""
    return (
        f"python -m benchmarks {name} --seconds {options.seconds:g} --seeds {options.seeds}"
        f" --workers {options.workers} --jobs {options.jobs}{named}"
    )


if __name__ == "__main__":
    sys.exit(main())

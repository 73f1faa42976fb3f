"""`python -m horarium.demo`: start everything, have a whole university timetabled, keep the result, stop everything.

Owns the order of the demo's steps and what it prints. Exit code 0 only if the referee finds no hard violation.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

from rich.console import Console

from deploy.local import MissingServerError, PortTakenError, ProcessFailedError, StackRunningError
from horarium.client import RefusedError
from horarium.demo.platform import platform
from horarium.demo.scenario import SIZES, run_scenario


def main() -> int:
    """Run the demo; size from HORARIUM_DEMO_SIZE (full, small), results into HORARIUM_DEMO_OUT (`out/demo`).

    HORARIUM_DEMO_SVG names a file for a picture of what was printed (the one in the README is made so).
    """
    picture = os.environ.get("HORARIUM_DEMO_SVG", "")
    # Wide enough for every line, so that a log reads as the terminal does.
    console = Console(highlight=False, record=bool(picture), width=None if sys.stdout.isatty() else 110)
    size = os.environ.get("HORARIUM_DEMO_SIZE", "full")
    if size not in SIZES:
        console.print(f"HORARIUM_DEMO_SIZE must be one of {', '.join(SIZES)}, not {size!r}.")
        return 2
    # `make` and terminals end a program with SIGTERM too: leave by the same door as Ctrl-C, which stops everything.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with platform(console, Path(".horarium") / "demo") as running:
            code = run_scenario(console, running, SIZES[size], Path(os.environ.get("HORARIUM_DEMO_OUT", "out/demo")))
    except (MissingServerError, PortTakenError, ProcessFailedError, StackRunningError, RefusedError) as error:
        console.print(f"[bold red]The demo could not go on:[/] {error}")
        return 1
    except KeyboardInterrupt:
        console.print("\nStopped; nothing is left running.")
        return 130
    if picture:
        # Without the fonts that the library would have a reader's browser fetch: any fixed-width font does.
        Path(picture).write_text(re.sub(r"@font-face \{.*?\}", "", console.export_svg(title="make demo"), flags=re.S))
    return code


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())

"""What a person sees of running searches: one line per variant on standard error.

Owns the lines. Must not know what is searched, nor what is said at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from horarium.commands.terminal import is_watched

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from services.solver.solve import SolveReport


class Display:
    """One line per variant on standard error while a person watches; nothing otherwise."""

    def __init__(self, progress: Progress | None, variants: int) -> None:
        self._progress = progress
        self._tasks: list[TaskID] = []
        if progress is not None:
            for n in range(1, variants + 1):
                label = f"variant {n}" if variants > 1 else ""
                self._tasks.append(progress.add_task("waiting", total=1.0, label=label, best=""))

    def shower(self, variant: int) -> Shower:
        return Shower(self, variant)

    def show(self, variant: int, report: SolveReport) -> None:
        if self._progress is None:
            return
        best = "" if report.cost is None else f"{report.hard_violations} hard violations, cost {report.cost:,}"
        if report.bound:
            best += f" (at least {report.bound:,})"
        self._progress.update(
            self._tasks[variant - 1],
            description=report.stage.value,
            completed=report.share,
            best=best or report.message,
        )


class Shower:
    """Shows one variant's reports."""

    def __init__(self, display: Display, variant: int) -> None:
        self._display = display
        self._variant = variant

    def __call__(self, report: SolveReport) -> None:
        self._display.show(self._variant, report)


@contextmanager
def display(variants: int) -> Iterator[Display]:
    """Shows progress while a person watches; nothing otherwise."""
    if not is_watched():
        yield Display(None, variants)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.fields[label]}"),
        TextColumn("{task.description:>12}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[best]}"),
    )
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=5, transient=True) as progress:
        yield Display(progress, variants)

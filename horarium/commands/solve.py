"""`horarium solve`: the engine alone, without broker or database.

Owns what a person sees of a solve on a terminal, and that Ctrl-C keeps the best timetable. Must not know how anything
is searched.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from horarium.commands.terminal import EXIT_VIOLATIONS, is_watched, note, refuse, refuse_findings, say
from schemas.events.job import MAX_TIME_LIMIT_S, MAX_VARIANTS

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from schemas.problem.expand import ExpandedProblem
    from services.solver.solve import SolveReport, SolveResult

MAX_REASONS = 20


def solve(
    file: Annotated[Path, typer.Argument(help="The problem: .ctt, .tim, native .json, .xlsx or a .zip of CSVs.")],
    time_limit: Annotated[
        float, typer.Option(min=0.1, max=MAX_TIME_LIMIT_S, help="Search time per variant, seconds.")
    ] = 60.0,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Variant n is searched with seed + n - 1.")] = 0,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Cores to use.")] = 1,
    variants: Annotated[int, typer.Option(min=1, max=MAX_VARIANTS, help="How many timetables to compute.")] = 1,
    solution: Annotated[
        Path | None, typer.Option(help="Where to write the best timetable (variant n > 1: NAME.n.SUFFIX).")
    ] = None,
    target: Annotated[int, typer.Option(min=0, help="Stop at the first timetable that costs no more.")] = 0,
    moves: Annotated[
        int | None, typer.Option(min=1, help="Moves instead of seconds: with one worker every run is the same.")
    ] = None,
) -> None:
    """Compute a timetable and print its cost by part.

    Exit code 0: no hard violation; 3: best effort, with what is violated and why; 2: bad input. Ctrl-C stops the search
    and keeps the best timetable.
    """
    from horarium.commands.files import expand_file, read_problem_file, write_solution_file
    from horarium.commands.verdict import print_distance, print_verdict
    from schemas.problem.findings import InvalidProblemError
    from schemas.referee import judge
    from services.solver.solve import solve_problem

    problem, kind = read_problem_file(file)
    expanded = expand_file(file, problem)
    note(f"{problem.name}: {_size(expanded)}")
    # Variants share the cores: side by side as far as there are any, because a core each beats helpers for one.
    together = min(variants, workers)

    def run(variant: int) -> SolveResult:
        return solve_problem(
            expanded,
            seconds=time_limit,
            seed=seed + variant - 1,
            workers=workers // together,
            target=target,
            moves=moves,
            on_progress=display.shower(variant),
            should_stop=stop.is_set,
        )

    stop = threading.Event()
    try:
        with _keeping_the_best(stop), _display(variants) as display, ThreadPoolExecutor(together) as pool:
            results = list(pool.map(run, range(1, variants + 1)))
    except InvalidProblemError as error:
        refuse_findings(file, error)
    verdicts = [judge(problem, result.timetable) for result in results]
    best = min(range(variants), key=lambda n: verdicts[n].score.rank)
    if variants > 1:
        for n, verdict in enumerate(verdicts):
            mark = "  (best)" if n == best else ""
            say(f"variant {n + 1}: {verdict.score.hard_violations} hard violations, cost {verdict.score.total:,}{mark}")
    result, verdict = results[best], verdicts[best]
    print_verdict(verdict)
    print_distance(problem, kind, result.timetable)
    _print_provenance(result)
    if solution is not None:
        for n in range(variants):
            path = solution if n == best else solution.with_name(f"{solution.stem}.{n + 1}{solution.suffix}")
            write_solution_file(path, problem, kind, results[n].timetable)
            say(f"Written to {path}")
    if (result.hard_violations, result.cost) != verdict.score.rank:
        refuse(
            f"The engine counted {result.hard_violations} hard violations and cost {result.cost}, the referee"
            f" {verdict.score.hard_violations} and {verdict.score.total}."
            " This is an error in Horarium; please report it.",
            code=1,
        )
    if not verdict.feasible:
        raise typer.Exit(EXIT_VIOLATIONS)


def _size(expanded: ExpandedProblem) -> str:
    figures = {
        "courses": len(expanded.courses),
        "classes": len(expanded.classes),
        "rooms": len(expanded.problem.rooms),
        "times": len(expanded.times),
        "students": len(expanded.requests),
    }
    return ", ".join(f"{number:,} {what}" for what, number in figures.items() if number)


def _print_provenance(result: SolveResult) -> None:
    if result.optimal:
        say(f"Optimal: no timetable costs less than {result.cost:,}.")
    elif result.bound:
        say(f"No timetable costs less than {result.bound:,} (proven).")
    if result.hard_violations:
        if result.proven_infeasible:
            say("There is no timetable without hard violations (proven):")
        elif result.reasons:
            say("What stands in the way:")
        for reason in result.reasons[:MAX_REASONS]:
            say(f"  - {reason}")
    say(f"Method: {result.method} ({result.method_reason}); {result.moves:,} moves.")


@contextmanager
def _keeping_the_best(stop: threading.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM ask the search to stop; a second one ends the program."""

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        note("Stopping; the best timetable so far is kept.")

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Display:
    """One line per variant on standard error while a person watches; nothing otherwise."""

    def __init__(self, progress: Progress | None, variants: int) -> None:
        self._progress = progress
        self._tasks: list[TaskID] = []
        if progress is not None:
            for n in range(1, variants + 1):
                label = f"variant {n}" if variants > 1 else ""
                self._tasks.append(progress.add_task("waiting", total=1.0, label=label, best=""))

    def shower(self, variant: int) -> _Shower:
        return _Shower(self, variant)

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


class _Shower:
    """Shows one variant's reports."""

    def __init__(self, display: _Display, variant: int) -> None:
        self._display = display
        self._variant = variant

    def __call__(self, report: SolveReport) -> None:
        self._display.show(self._variant, report)


@contextmanager
def _display(variants: int) -> Iterator[_Display]:
    if not is_watched():
        yield _Display(None, variants)
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
        yield _Display(progress, variants)

"""`horarium solve`: the engine alone, without broker or database.

Owns what a person sees of a solve on a terminal, and that Ctrl-C keeps the best timetable. Must not know how anything
is searched.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from horarium.commands import change
from horarium.commands.terminal import EXIT_VIOLATIONS, note, refuse, refuse_findings, say
from schemas.events.job import MAX_TIME_LIMIT_S, MAX_VARIANTS

if TYPE_CHECKING:
    from schemas.change.report import Changes
    from schemas.problem.expand import ExpandedProblem
    from services.solver.solve import SolveResult

MAX_REASONS = 20


def solve(
    file: Annotated[
        Path, typer.Argument(help="The problem: .ctt, .ectt, .xml, native .json, .xlsx or a .zip of CSVs.")
    ],
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
    author: Annotated[str, typer.Option(help="Who made it, for ITC-2019 solutions.")] = "",
    institution: Annotated[str, typer.Option(help="Where, for ITC-2019 solutions.")] = "",
    country: Annotated[str, typer.Option(help="In which country, for ITC-2019 solutions.")] = "",
    base: change.Base = None,
    keep_weight: change.KeepWeight = None,
    max_changes: change.MaxChanges = None,
    pin: change.PinBoth = None,
    pin_time: change.PinTime = None,
    pin_room: change.PinRoom = None,
) -> None:
    """Compute a timetable and print its cost by part.

    Exit code 0: no hard violation; 3: best effort, with what is violated and why, or with more changed classes than
    allowed; 2: bad input. Ctrl-C stops the search and keeps the best timetable.
    """
    from horarium.commands.files import expand_file, read_problem_file, read_solution_file, write_solution_file
    from horarium.commands.search_display import display
    from horarium.commands.verdict import print_verdict
    from schemas.change.baseline import Baseline, KeepWeights
    from schemas.change.pins import with_pins
    from schemas.formats.itc2019_solution import Credits
    from schemas.problem.findings import InvalidProblemError
    from schemas.referee import judge
    from services.solver.solve import solve_problem

    keep = KeepWeights(**change.read_keep_weights(keep_weight))
    if base is None and (keep_weight is not None or max_changes is not None):
        refuse("--keep-weight and --max-changes need a timetable to stay close to: give --base.")
    problem, kind = read_problem_file(file)
    published = None if base is None else read_solution_file(base, problem)
    try:
        problem = with_pins(problem, change.read_pins(pin, pin_time, pin_room), published)
    except InvalidProblemError as error:
        refuse_findings("pins", error)
    expanded = expand_file(file, problem)
    if published is not None:
        expanded = replace(expanded, baseline=Baseline(published, keep, max_changes))
    note(f"{problem.name}: {_size(expanded)}")
    # Variants share the cores: side by side as far as there are any, because a core each beats helpers for one.
    together = min(variants, workers)

    def run(variant: int) -> tuple[SolveResult, float]:
        began = time.monotonic()
        result = solve_problem(
            expanded,
            seconds=time_limit,
            seed=seed + variant - 1,
            workers=workers // together,
            target=target,
            moves=moves,
            on_progress=shown.shower(variant),
            should_stop=stop.is_set,
        )
        return result, time.monotonic() - began

    stop = threading.Event()
    try:
        with _keeping_the_best(stop), display(variants) as shown, ThreadPoolExecutor(together) as pool:
            runs = list(pool.map(run, range(1, variants + 1)))
    except InvalidProblemError as error:
        refuse_findings(file, error)
    results = [result for result, _ in runs]
    verdicts = [judge(problem, result.timetable, expanded.baseline) for result in results]
    best = min(
        range(variants),
        key=lambda n: (results[n].hard_violations, results[n].over_budget, verdicts[n].score.total),
    )
    if variants > 1:
        for n, verdict in enumerate(verdicts):
            mark = "  (best)" if n == best else ""
            say(f"variant {n + 1}: {verdict.score.hard_violations} hard violations, cost {verdict.score.total:,}{mark}")
    result, verdict = results[best], verdicts[best]
    print_verdict(verdict)
    _print_provenance(result)
    changes = _changes(expanded, result)
    if changes is not None:
        change.print_changes(changes)
    if solution is not None:
        for n in range(variants):
            path = solution if n == best else solution.with_name(f"{solution.stem}.{n + 1}{solution.suffix}")
            found, seconds = runs[n]
            made = Credits.of(found.method, seconds, workers // together)
            credits = replace(made, author=author, institution=institution, country=country)
            write_solution_file(path, problem, kind, found.timetable, credits)
            say(f"Written to {path}")
    if (result.hard_violations, result.cost) != verdict.score.rank:
        refuse(
            f"The engine counted {result.hard_violations} hard violations and cost {result.cost}, the referee"
            f" {verdict.score.hard_violations} and {verdict.score.total}."
            " This is an error in Horarium; please report it.",
            code=1,
        )
    if not verdict.feasible or (changes is not None and changes.over_budget):
        raise typer.Exit(EXIT_VIOLATIONS)


def _changes(expanded: ExpandedProblem, result: SolveResult) -> Changes | None:
    """What departs from the base timetable, if there is one."""
    from schemas.change.difference import difference
    from schemas.change.report import report_changes

    baseline = expanded.baseline
    if baseline is None:
        return None
    return report_changes(
        difference(expanded.problem, baseline.timetable, result.timetable),
        max_changes=baseline.max_changes,
        forced=result.forced,
        budget_impossible=result.budget_impossible,
    )


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

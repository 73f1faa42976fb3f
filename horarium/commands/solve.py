"""`horarium solve`: the engine alone, without broker or database.

Owns what a person sees of a solve on a terminal, and that Ctrl-C keeps the best timetable. Must not know how anything
is searched.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from horarium.commands import change
from horarium.commands.terminal import EXIT_VIOLATIONS, note, refuse, refuse_findings, say
from schemas.events import SearchEnd
from schemas.events.job import MAX_TIME_LIMIT_S, MAX_VARIANTS
from schemas.variants.profiles import Profile

if TYPE_CHECKING:
    from schemas.change.baseline import Baseline
    from schemas.change.report import Changes
    from schemas.problem.expand import ExpandedProblem
    from schemas.problem.model import Problem
    from schemas.referee import Verdict
    from services.solver.solve import SolveResult

MAX_REASONS = 20
ENDS = {
    SearchEnd.TIME: "its time was used up",
    SearchEnd.MOVES: "its moves were made",
    SearchEnd.TARGET: "the cost met the target",
    SearchEnd.GAP: "the cost met the target gap",
    SearchEnd.PATIENCE: "nothing better was found for as long as it was to wait",
    SearchEnd.OPTIMAL: "nothing better is possible",
    SearchEnd.INFEASIBLE: "every timetable has hard violations, which is proven",
    SearchEnd.STOPPED: "it was stopped",
}


def solve(
    file: Annotated[
        Path, typer.Argument(help="The problem: .ctt, .ectt, .tim, .xml, native .json, .xlsx or a .zip of CSVs.")
    ],
    time_limit: Annotated[
        float, typer.Option(min=0.1, max=MAX_TIME_LIMIT_S, help="Search time per variant, seconds.")
    ] = 60.0,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Variant n is searched with seed + n - 1.")] = 0,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Cores to use.")] = 1,
    variants: Annotated[
        int | None, typer.Option(min=1, max=MAX_VARIANTS, help="How many timetables to compute (default: 1).")
    ] = None,
    profile: Annotated[
        list[Profile] | None,
        typer.Option(help="Whom variants are good for first; repeat it for one variant of each."),
    ] = None,
    solution: Annotated[
        Path | None, typer.Option(help="Where to write the best timetable (variant n > 1: NAME.n.SUFFIX).")
    ] = None,
    target: Annotated[int, typer.Option(min=0, help="Stop at the first timetable that costs no more.")] = 0,
    target_gap: Annotated[
        float | None,
        typer.Option(min=0.0, max=0.99, help="Stop when this close to a proven lower bound: 0.05 for 5 %."),
    ] = None,
    no_improvement: Annotated[
        float | None,
        typer.Option(min=1.0, max=MAX_TIME_LIMIT_S, help="Stop when nothing better was found for these seconds."),
    ] = None,
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
    from horarium.commands.verdict import print_distance, print_verdict
    from schemas.change.baseline import Baseline, KeepWeights
    from schemas.change.pins import with_pins
    from schemas.formats.itc2019_solution import Credits
    from schemas.problem.findings import InvalidProblemError
    from schemas.referee import judge
    from schemas.variants.profiles import with_profile
    from services.solver.solve import solve_problem

    if moves is not None and not (target_gap is None and no_improvement is None):
        refuse("--moves makes every run the same; --target-gap and --no-improvement look at the clock: leave one out.")
    keep = KeepWeights(**change.read_keep_weights(keep_weight))
    if base is None and (keep_weight is not None or max_changes is not None):
        refuse("--keep-weight and --max-changes need a timetable to stay close to: give --base.")
    problem, kind = read_problem_file(file)
    published = None if base is None else read_solution_file(base, problem, kind)
    try:
        problem = with_pins(problem, change.read_pins(pin, pin_time, pin_room), published)
    except InvalidProblemError as error:
        refuse_findings("pins", error)
    baseline = None if published is None else Baseline(published, keep, max_changes)
    profiles = profile or [Profile.BALANCED]
    number = variants or len(profiles)
    # Each profile is the same problem with other weights; by its own weights variants are compared.
    weighed = {
        name: replace(expand_file(file, with_profile(problem, name)), baseline=baseline) for name in set(profiles)
    }
    searched = [weighed[profiles[n % len(profiles)]] for n in range(number)]
    note(f"{problem.name}: {_size(searched[0])}")
    # Variants share the cores: side by side as far as there are any, because a core each beats helpers for one.
    together = min(number, workers)

    def run(n: int) -> tuple[SolveResult, float]:
        began = time.monotonic()
        result = solve_problem(
            searched[n],
            seconds=time_limit,
            seed=seed + n,
            workers=workers // together,
            target=target,
            target_gap=target_gap,
            no_improvement_s=no_improvement,
            moves=moves,
            on_progress=shown.shower(n + 1),
            should_stop=stop.is_set,
        )
        return result, time.monotonic() - began

    stop = threading.Event()
    try:
        with _keeping_the_best(stop), display(number) as shown, ThreadPoolExecutor(together) as pool:
            runs = list(pool.map(run, range(number)))
    except InvalidProblemError as error:
        refuse_findings(file, error)
    results = [result for result, _ in runs]
    verdicts = [judge(problem, result.timetable, baseline) for result in results]
    best = min(range(number), key=lambda n: (*results[n].priority, verdicts[n].score.total))
    if number > 1:
        _print_variants(problem, results, verdicts, [profiles[n % len(profiles)] for n in range(number)], best)
    result, verdict = results[best], verdicts[best]
    print_verdict(verdict)
    print_distance(problem, kind, result.timetable)
    _print_provenance(result)
    changes = _changes(problem, baseline, result)
    if changes is not None:
        change.print_changes(changes)
    if solution is not None:
        for n in range(number):
            path = solution if n == best else solution.with_name(f"{solution.stem}.{n + 1}{solution.suffix}")
            found, seconds = runs[n]
            made = Credits.of(found.method, seconds, workers // together)
            credits = replace(made, author=author, institution=institution, country=country)
            write_solution_file(path, problem, kind, found.timetable, credits)
            say(f"Written to {path}")
    counted = judge(searched[best].problem, result.timetable, baseline).score
    if (result.hard_violations, result.cost) != counted.rank:
        refuse(
            f"The engine counted {result.hard_violations} hard violations and cost {result.cost}, the referee"
            f" {counted.hard_violations} and {counted.total}. This is an error in Horarium; please report it.",
            code=1,
        )
    if not verdict.feasible or (changes is not None and changes.over_budget):
        raise typer.Exit(EXIT_VIOLATIONS)


def _print_variants(
    problem: Problem,
    results: Sequence[SolveResult],
    verdicts: Sequence[Verdict],
    profiles: Sequence[Profile],
    best: int,
) -> None:
    """A line for each variant, by the problem's own weights, and how different they are."""
    from horarium.commands.compare import print_diversity
    from schemas.variants.comparison import compare

    for n, (verdict, profile) in enumerate(zip(verdicts, profiles, strict=True)):
        violations, cost = verdict.score.rank
        mark = "  (best)" if n == best else ""
        name = "" if len(set(profiles)) == 1 else f" ({profile.value})"
        say(f"variant {n + 1}{name}: {violations} hard violations, cost {cost:,}{mark}")
    timetables = {n: result.timetable for n, result in enumerate(results, start=1)}
    print_diversity(compare(problem, timetables).diversity)


def _changes(problem: Problem, baseline: Baseline | None, result: SolveResult) -> Changes | None:
    """What departs from the base timetable, if there is one."""
    from schemas.change.difference import difference
    from schemas.change.report import report_changes

    if baseline is None:
        return None
    return report_changes(
        difference(problem, baseline.timetable, result.timetable),
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
        if result.relaxations:
            say("What would help:")
        for relaxation in result.relaxations:
            say(f"  - {relaxation}")
    say(f"Method: {result.method} ({result.method_reason}); {result.moves:,} moves.")
    say(f"The search ended because {ENDS[result.search_end]}.")


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

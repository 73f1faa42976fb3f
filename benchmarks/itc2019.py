"""ITC-2019 instances: violations and cost after a time limit, and the gap to the best known cost.

Best-known costs are those that the README beside the instances lists; those of instances without a competition-grade
value are left out of the mean gap. Owns the table only; the referee counts, the engine searches.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

from benchmarks.instances import folder_of
from schemas.problem.read import ProblemFormat, load_problem
from schemas.referee import judge
from services.solver.solve import SolveReport, solve_problem

# None: no value is sourced.
BEST_KNOWN: dict[str, int | None] = {
    "lums-sum17": 16, "wbg-fal10": None, "pu-cs-fal07": 1_310, "lums-spr18": 95, "muni-fi-spr17": 3_738,
    "muni-fsps-spr17": 868, "muni-fi-spr16": 3_752, "tg-fal17": 4_215, "nbi-spr18": 18_014, "mary-spr17": 14_910,
    "bet-fal17": 289_452, "pu-d5-spr17": 15_184,
}  # fmt: skip
# Sourced from solutions that were no competition entries: shown, but no measure of quality.
WEAK = {"lums-sum17", "pu-cs-fal07"}


@dataclass(frozen=True, slots=True)
class Run:
    """One solve: hard violations and cost by the referee's count, and when the first timetable without any came."""

    violations: int
    cost: int
    feasible_after: float | None

    @property
    def rank(self) -> tuple[int, int]:
        return (self.violations, self.cost)


def measure(seconds: float, seeds: int, workers: int, names: list[str] | None = None) -> None:
    """Solve the shared instances (or those named) with each seed and print a row each, all checked by the referee.

    Raises SystemExit for an unknown name, or if the referee and the engine count differently.
    """
    folder = folder_of("itc2019", "itc2019", BEST_KNOWN, names)
    if folder is None:
        return
    print(f"\nITC-2019, {seconds:g} s, {workers} worker(s), {seeds} seed(s); the median run by (violations, cost)\n")
    print("| instance | best known | violations | cost | gap | first without violations | each seed |")
    print("|---|---:|---:|---:|---:|---:|---|")
    gaps: list[float] = []
    infeasible = 0
    for name in names or BEST_KNOWN:
        runs = [_run(folder, name, seconds, seed, workers) for seed in range(1, seeds + 1)]
        shown = sorted(runs, key=lambda run: run.rank)[len(runs) // 2]
        infeasible += shown.violations > 0
        best_known = BEST_KNOWN[name]
        gap = None if best_known is None or shown.violations else shown.cost / best_known - 1
        if gap is not None and name not in WEAK:
            gaps.append(gap)
        times = [run.feasible_after for run in runs if run.feasible_after is not None]
        print(
            f"| {name} | {'none' if best_known is None else f'{best_known:,}'}{' (weak)' if name in WEAK else ''}"
            f" | {shown.violations} | {shown.cost:,} | {'' if gap is None else f'{gap:+.1%}'}"
            f" | {f'{median(times):.1f} s' if len(times) == len(runs) else 'not always' if times else 'never'}"
            f" | {' '.join(_short(run) for run in runs)} |",
            flush=True,
        )
    if gaps:
        print(
            f"\nMean gap {mean(gaps):+.1%}, over {len(gaps)} instance(s) without violations and with a best known cost"
        )
        print(f"of competition grade. Instances with violations left: {infeasible}.")


def _run(folder: Path, name: str, seconds: float, seed: int, workers: int) -> Run:
    path = next(p for p in (folder / f"{name}.xml.gz", folder / f"{name}.xml") if p.exists())
    expanded = load_problem(path.read_bytes(), ProblemFormat.ITC2019)
    first: list[float] = []

    def watch(report: SolveReport) -> None:
        if not first and report.hard_violations == 0:
            first.append(report.share * seconds)

    result = solve_problem(
        expanded,
        seconds=seconds,
        seed=seed,
        workers=workers,
        target=BEST_KNOWN[name] or 0,
        on_progress=watch,
        should_stop=lambda: False,
    )
    score = judge(expanded.problem, result.timetable).score
    if (score.hard_violations, score.total) != (result.hard_violations, result.cost):
        raise SystemExit(
            f"{name}, seed {seed}: the referee counts {score}, the engine"
            f" {result.hard_violations} violations and {result.cost}"
        )
    return Run(score.hard_violations, score.total, first[0] if first else None)


def _short(run: Run) -> str:
    return f"{run.cost:,}" if run.violations == 0 else f"{run.cost:,} ({run.violations} violated)"

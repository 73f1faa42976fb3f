"""ITC-2019 instances: violations and cost after a time limit, and the gap to the best known cost.

Best-known costs are those that the README beside the instances lists; those of instances without a competition-grade
value are left out of the mean gap. Owns the table only; the referee counts, the engine searches.
"""

from __future__ import annotations

from statistics import mean, median

from benchmarks.instances import file_of, folder_of
from benchmarks.runs import Run, Runs, tasks_of
from schemas.problem.read import ProblemFormat

# None: no value is sourced.
BEST_KNOWN: dict[str, int | None] = {
    "lums-sum17": 16, "wbg-fal10": None, "pu-cs-fal07": 1_310, "lums-spr18": 95, "muni-fi-spr17": 3_738,
    "muni-fsps-spr17": 868, "muni-fi-spr16": 3_752, "tg-fal17": 4_215, "nbi-spr18": 18_014, "mary-spr17": 14_910,
    "bet-fal17": 289_452, "pu-d5-spr17": 15_184,
}  # fmt: skip
# Sourced from solutions that were no competition entries: shown, but no measure of quality.
WEAK = {"lums-sum17", "pu-cs-fal07"}


def measure(runs: Runs, seconds: float, seeds: int, workers: int, names: list[str] | None = None) -> None:
    """Solve the shared instances (or those named) with each seed and print a row each, all checked by the referee.

    Raises SystemExit for an unknown name, or if the referee and the engine count differently.
    """
    folder = folder_of("itc2019", "itc2019", BEST_KNOWN, names)
    if folder is None:
        return
    files = {name: file_of(folder, name, ".xml") for name in names or BEST_KNOWN}
    targets = {name: known for name, known in BEST_KNOWN.items() if known is not None}
    tasks = tasks_of(
        files, ProblemFormat.ITC2019, "general", seconds=seconds, seeds=seeds, workers=workers, targets=targets
    )
    runs.begin(tasks)
    print(f"\nITC-2019, {seconds:g} s, {workers} worker(s), {seeds} seed(s); the median run by (violations, cost)\n")
    print("| instance | best known | violations | cost | gap | first without violations | each seed |")
    print("|---|---:|---:|---:|---:|---:|---|")
    gaps: list[float] = []
    infeasible = 0
    for name, listed in tasks.items():
        found = [runs[task] for task in listed]
        shown = sorted(found, key=lambda one: one.rank)[len(found) // 2]
        infeasible += shown.violations > 0
        best_known = BEST_KNOWN[name]
        gap = None if best_known is None or shown.violations else shown.cost / best_known - 1
        if gap is not None and name not in WEAK:
            gaps.append(gap)
        times = [one.feasible_after for one in found if one.feasible_after is not None]
        print(
            f"| {name} | {'none' if best_known is None else f'{best_known:,}'}{' (weak)' if name in WEAK else ''}"
            f" | {shown.violations} | {shown.cost:,} | {'' if gap is None else f'{gap:+.1%}'}"
            f" | {f'{median(times):.1f} s' if len(times) == len(found) else 'not always' if times else 'never'}"
            f" | {' '.join(map(_short, found))} |",
            flush=True,
        )
    if gaps:
        print(
            f"\nMean gap {mean(gaps):+.1%}, over {len(gaps)} instance(s) without violations and with a best known cost"
        )
        print(f"of competition grade. Instances with violations left: {infeasible}.")


def _short(one: Run) -> str:
    return f"{one.cost:,}" if one.violations == 0 else f"{one.cost:,} ({one.violations} violated)"

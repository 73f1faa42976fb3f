"""ITC-2007 curriculum-based instances: cost after a time limit, beside the best known.

Best-known costs are of the UD2 formulation, as the README beside the instances lists them.
"""

from __future__ import annotations

from statistics import median

from benchmarks.instances import folder_of
from benchmarks.runs import Runs, tasks_of
from schemas.problem.read import ProblemFormat

BEST_KNOWN = {
    "comp01": 5, "comp02": 24, "comp03": 62, "comp05": 284, "comp06": 27, "comp08": 37, "comp10": 4,
    "comp11": 0, "comp13": 59, "comp15": 62, "comp16": 18, "comp17": 56, "comp19": 57, "comp21": 74,
}  # fmt: skip


def measure(runs: Runs, seconds: float, seeds: int, workers: int, names: list[str] | None = None) -> None:
    """Solve every shared comp instance (or those named) with each seed; print costs, all checked by the referee.

    Raises SystemExit for an unknown name, or if the referee and the engine count differently.
    """
    folder = folder_of("curriculum", "itc2007/cbctt/ctt", BEST_KNOWN, names)
    if folder is None:
        return
    files = {name: folder / f"{name}.ctt" for name in names or BEST_KNOWN}
    tasks = tasks_of(
        files, ProblemFormat.CTT, "grid", seconds=seconds, seeds=seeds, workers=workers, targets=BEST_KNOWN
    )
    runs.begin(tasks)
    print(f"\nITC-2007 track 3, {seconds:g} s, {workers} worker(s), median of {seeds} seed(s)\n")
    print("| instance | cost | each seed | best known | method |")
    print("|---|---:|---|---:|---|")
    total = 0.0
    for name, listed in tasks.items():
        found = [runs[task] for task in listed]
        for seed, one in enumerate(found, start=1):
            if one.violations:
                raise SystemExit(f"{name}, seed {seed}: {one.violations} hard violations are left")
        costs, method = [one.cost for one in found], found[-1].method
        total += median(costs)
        print(
            f"| {name} | {median(costs):g} | {' '.join(map(str, costs))} | {BEST_KNOWN[name]} | {method} |", flush=True
        )
    print(f"| sum | {total:g} | | {sum(BEST_KNOWN[name] for name in tasks)} | |")

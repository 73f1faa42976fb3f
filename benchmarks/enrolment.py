"""ITC-2002 and ITC-2007 post-enrolment instances: first timetable without violations, and cost after a time limit.

No best-known cost was sourced; 0 is optimal where it is reached.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median
from time import process_time

from benchmarks.instances import folder_of
from benchmarks.runs import run
from schemas.problem.read import ProblemFormat, load_problem

# Names of instances by folder.
INSTANCES = {
    "itc2002": tuple(f"competition{n:02d}" for n in (1, 2, 4, 6, 7, 9, 10, 12, 13, 15, 17, 18, 19)),
    "itc2007/postenrol": tuple(f"comp-2007-2-{n}" for n in (1, 2, 4, 5, 7, 8, 9, 11, 13, 14, 16, 18, 19, 21, 23, 24)),
}
TITLES = {"itc2002": "ITC-2002", "itc2007/postenrol": "ITC-2007 track 2"}


def measure(seconds: float, seeds: int, workers: int, names: list[str] | None = None) -> None:
    """Solve the shared instances (or those named) with each seed and print a row each, all checked by the referee.

    Raises SystemExit for an unknown name, or if the referee and the engine count differently.
    """
    known = [name for listed in INSTANCES.values() for name in listed]
    for family, listed in INSTANCES.items():
        folder = folder_of("enrolment", family, known, names)
        wanted = [name for name in listed if names is None or name in names]
        if folder is None or not wanted:
            continue
        print(f"\n{TITLES[family]}, {seconds:g} s, {workers} worker(s), median of {seeds} seed(s)\n")
        print("| instance | violations | cost | each seed | first feasible s | CPU s |")
        print("|---|---:|---:|---|---:|---:|")
        for name in wanted:
            file = next(p for p in (folder / f"{name}.tim.gz", folder / f"{name}.tim") if p.exists())
            _measure_one(file, seconds, seeds, workers)


def _measure_one(file: Path, seconds: float, seeds: int, workers: int) -> None:
    expanded = load_problem(file.read_bytes(), ProblemFormat.TIM)
    cpu = process_time()
    runs = [run(file.name, expanded, seconds=seconds, seed=seed, workers=workers) for seed in range(1, seeds + 1)]
    feasible_s = [one.feasible_after for one in runs if one.feasible_after is not None]
    name = file.name.split(".")[0]
    first = f"{median(feasible_s):.1f}" if feasible_s else "-"
    print(
        f"| {name} | {median(one.violations for one in runs):g} | {median(one.cost for one in runs):g}"
        f" | {' '.join(str(one.cost) for one in runs)} | {first} |"
        f" {(process_time() - cpu) / seeds:.1f} |",
        flush=True,
    )

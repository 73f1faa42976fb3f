"""ITC-2002 and ITC-2007 post-enrolment instances: first timetable without violations, and cost after a time limit.

No best-known cost was sourced; 0 is optimal where it is reached.
"""

from __future__ import annotations

from statistics import mean, median

from benchmarks.instances import file_of, folder_of
from benchmarks.runs import Run, Runs, tasks_of
from schemas.problem.read import ProblemFormat

# Names of instances by folder.
INSTANCES = {
    "itc2002": tuple(f"competition{n:02d}" for n in (1, 2, 4, 6, 7, 9, 10, 12, 13, 15, 17, 18, 19)),
    "itc2007/postenrol": tuple(f"comp-2007-2-{n}" for n in (1, 2, 4, 5, 7, 8, 9, 11, 13, 14, 16, 18, 19, 21, 23, 24)),
}
TITLES = {"itc2002": "ITC-2002", "itc2007/postenrol": "ITC-2007 track 2"}


def measure(runs: Runs, seconds: float, seeds: int, workers: int, names: list[str] | None = None) -> None:
    """Solve the shared instances (or those named) with each seed and print a row each, all checked by the referee.

    Raises SystemExit for an unknown name, or if the referee and the engine count differently.
    """
    known = [name for listed in INSTANCES.values() for name in listed]
    for family, listed in INSTANCES.items():
        folder = folder_of("enrolment", family, known, names)
        wanted = [name for name in listed if names is None or name in names]
        if folder is None or not wanted:
            continue
        files = {name: file_of(folder, name, ".tim") for name in wanted}
        tasks = tasks_of(files, ProblemFormat.TIM, "enrolment", seconds=seconds, seeds=seeds, workers=workers)
        runs.begin(tasks)
        print(f"\n{TITLES[family]}, {seconds:g} s, {workers} worker(s), median of {seeds} seed(s)\n")
        print("| instance | violations | cost | each seed | first feasible s | CPU s |")
        print("|---|---:|---:|---|---:|---:|")
        for name, its in tasks.items():
            _print(name, [runs[task] for task in its])


def _print(name: str, found: list[Run]) -> None:
    feasible_s = [one.feasible_after for one in found if one.feasible_after is not None]
    print(
        f"| {name} | {median(one.violations for one in found):g} | {median(one.cost for one in found):g}"
        f" | {' '.join(str(one.cost) for one in found)} | {f'{median(feasible_s):.1f}' if feasible_s else '-'} |"
        f" {mean(one.cpu_s for one in found):.1f} |",
        flush=True,
    )

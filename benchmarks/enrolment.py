"""ITC-2002 and ITC-2007 post-enrolment instances: first timetable without violations, and cost after a time limit.

No best-known cost was sourced; 0 is optimal where it is reached.
"""

from __future__ import annotations

import os
from pathlib import Path
from statistics import median
from time import monotonic, process_time

from schemas.problem.read import ProblemFormat, load_problem
from schemas.referee import judge
from services.solver.solve import SolveReport, solve_problem

VARIABLE = "HORARIUM_BENCHMARKS"
DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "benchmarks"
FOLDERS = {"ITC-2002": "itc2002", "ITC-2007 track 2": "itc2007/postenrol"}


def measure(seconds: float, seeds: int, workers: int) -> None:
    """Solve every shared instance with each seed and print violations and cost, all counted by the referee."""
    for title, folder in FOLDERS.items():
        files = sorted((Path(os.environ.get(VARIABLE, DEFAULT)) / folder).glob("*.tim*"))
        if not files:
            print(f"enrolment: no instances in {folder}; set {VARIABLE} to the folder that has them")
            continue
        print(f"\n{title}, {seconds:g} s, {workers} worker(s), median of {seeds} seed(s)\n")
        print("| instance | violations | cost | each seed | first feasible s | CPU s |")
        print("|---|---:|---:|---|---:|---:|")
        for file in files:
            _measure_one(file, seconds, seeds, workers)


def _measure_one(file: Path, seconds: float, seeds: int, workers: int) -> None:
    expanded = load_problem(file.read_bytes(), ProblemFormat.TIM)
    violations, costs, feasible_s = [], [], []
    cpu = process_time()
    for seed in range(1, seeds + 1):
        began = monotonic()
        met: list[float] = []

        def watch(report: SolveReport, began: float = began, met: list[float] = met) -> None:
            if not met and report.hard_violations == 0:
                met.append(monotonic() - began)

        result = solve_problem(
            expanded, seconds=seconds, seed=seed, workers=workers, on_progress=watch, should_stop=lambda: False
        )
        score = judge(expanded.problem, result.timetable).score
        if (score.hard_violations, score.total) != (result.hard_violations, result.cost):
            raise SystemExit(f"{file.name}, seed {seed}: the referee counts {score}, the engine {result.cost}")
        violations.append(score.hard_violations)
        costs.append(score.total)
        feasible_s += met
    name = file.name.split(".")[0]
    first = f"{median(feasible_s):.1f}" if feasible_s else "-"
    print(
        f"| {name} | {median(violations):g} | {median(costs):g} | {' '.join(map(str, costs))} | {first} |"
        f" {(process_time() - cpu) / seeds:.1f} |",
        flush=True,
    )

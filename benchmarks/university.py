"""A whole generated university: time to the first timetable without hard violation, cost over time, memory."""

from __future__ import annotations

import resource
from time import monotonic

from horarium.university import generate_university
from schemas.problem.expand import expand
from schemas.referee import judge
from services.solver.solve import SolveReport, solve_problem

SIZES = {"full size": (1_800, 19_000, 2_320), "double size": (3_600, 38_000, 4_640)}


def measure(seconds: float, workers: int) -> None:
    """Solve the generated universities (seed 1) and print when they became feasible, and what they cost."""
    print(f"\nGenerated universities, {seconds:g} s, {workers} worker(s), seed 1\n")
    print("| size | expand s | first feasible s | cost | student conflicts' share | referee s | peak memory MiB |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, (courses, students, faculty) in SIZES.items():
        problem = generate_university(courses=courses, students=students, faculty=faculty, seed=1)
        started = monotonic()
        expanded = expand(problem)
        expanded_s = monotonic() - started
        feasible_s: float | None = None
        started = monotonic()

        def watch(report: SolveReport, began: float = started) -> None:
            nonlocal feasible_s
            if feasible_s is None and report.hard_violations == 0:
                feasible_s = monotonic() - began

        result = solve_problem(
            expanded, seconds=seconds, seed=1, workers=workers, on_progress=watch, should_stop=lambda: False
        )
        started = monotonic()
        score = judge(problem, result.timetable).score
        judged_s = monotonic() - started
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        shown = "none" if feasible_s is None else f"{feasible_s:.1f}"
        student = score.cost.get("student", 0) / max(1, score.total)
        print(
            f"| {name} | {expanded_s:.1f} | {shown} | {score.total:,} ({score.hard_violations} hard) | {student:.0%} "
            f"| {judged_s:.1f} | {memory:.0f} |",
            flush=True,
        )

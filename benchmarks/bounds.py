"""Lower bounds by times alone, beside the best known costs: how far a timetable may still be from the optimum.

Owns the table only; the bound is the engine's, as a second core gets it in the first part of a search.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import monotonic

from benchmarks import curriculum, itc2019
from benchmarks.instances import file_of, folder_of
from schemas.problem.expand import ExpandedProblem
from schemas.problem.read import ProblemFormat, load_problem
from services.solver.choice import BOUND_SIZE
from services.solver.compile.exact import compile_exact, times_size
from services.solver.engine.exact.bound import lower_bound
from services.solver.engine.search import Limits


def measure(seconds: float, workers: int, names: list[str] | None = None) -> None:
    """Ask a bound of every shared curriculum-based and ITC-2019 instance (or those named) that is small enough.

    Raises SystemExit for an unknown name, or for a bound above a cost that somebody has reached.
    """
    print(f"\nLower bounds, {seconds:g} s, {workers} worker(s)\n")
    print("| instance | literals | lower bound | last raised after | best known | of it |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, file, form, known in _instances(names):
        expanded = load_problem(file.read_bytes(), form)
        size = times_size(expanded)
        if size > BOUND_SIZE:
            print(f"| {name} | {size:,} | too large | | {_number(known)} | |", flush=True)
            continue
        bound, after = _bound(expanded, seconds, workers)
        if known is not None and bound > known:
            raise SystemExit(f"{name}: a bound of {bound} above the known {known}")
        share = "" if not known else f"{bound / known:.0%}"
        print(f"| {name} | {size:,} | {bound:,} | {after:.0f} s | {_number(known)} | {share} |", flush=True)


def _bound(expanded: ExpandedProblem, seconds: float, workers: int) -> tuple[int, float]:
    """The bound, and the seconds after which it was raised last."""
    began = monotonic()
    best = (0, 0.0)

    def raise_to(bound: int) -> None:
        nonlocal best
        best = (bound, monotonic() - began)

    lower_bound(compile_exact(expanded), Limits(seconds), raise_to, lambda: False, workers)
    return best


def _instances(names: list[str] | None) -> Iterator[tuple[str, Path, ProblemFormat, int | None]]:
    known: dict[str, int | None] = {**curriculum.BEST_KNOWN, **itc2019.BEST_KNOWN}
    comps = folder_of("bounds", "itc2007/cbctt/ctt", known, names)
    universities = folder_of("bounds", "itc2019", known, names)
    for name in names or known:
        if name in curriculum.BEST_KNOWN:
            if comps is not None:
                yield name, comps / f"{name}.ctt", ProblemFormat.CTT, known[name]
        elif universities is not None:
            yield name, file_of(universities, name, ".xml"), ProblemFormat.ITC2019, known[name]


def _number(known: int | None) -> str:
    return "none" if known is None else f"{known:,}"

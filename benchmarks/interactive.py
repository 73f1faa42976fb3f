"""What somebody at a screen waits for: a child's start to its first timetable, and answers about single moves.

The child is the real program with its real order; kernels are compiled before. Moves are asked of a full-size
timetable.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
from collections.abc import Callable
from functools import partial
from statistics import median
from time import monotonic

from benchmarks.university import SIZES
from horarium.university import generate_university
from schemas.problem.expand import expand
from schemas.problem.model import Problem
from schemas.whatif.alternatives import alternatives
from schemas.whatif.answers import Move
from schemas.whatif.board import Board
from schemas.whatif.evaluate import evaluate
from services.solver.order import Contents, Order
from services.solver.packing import pack
from services.solver.portfolio import load_kernel
from services.solver.runner import SolverChild, Work, child_command, child_environment
from services.solver.settings import SolverSettings
from services.solver.solve import solve_problem

_SIZES = {"small (60 courses)": (60, 600, 80), "full size": SIZES["full size"]}
_STARTS = 3
_ASKED = 200


def measure() -> None:
    """Print seconds from a child's start to its first moves, and milliseconds per question about a timetable."""
    problems = {
        name: generate_university(courses=courses, students=students, faculty=faculty, seed=1)
        for name, (courses, students, faculty) in _SIZES.items()
    }
    for problem in problems.values():
        load_kernel(expand(problem))
    print(f"\nStart of a child process to its first moves, median of {_STARTS}\n")
    print("| problem | process started | problem read and checked | compiled, first timetable | all |")
    print("|---|---:|---:|---:|---:|")
    for name, problem in problems.items():
        starts = [asyncio.run(_start(problem)) for _ in range(_STARTS)]
        started, loaded, moved = (median(values) for values in zip(*starts, strict=True))
        steps = " | ".join(f"{took:.2f} s" for took in (started, loaded, moved, started + loaded + moved))
        print(f"| {name} | {steps} |", flush=True)
    _moves(problems["full size"])


async def _start(problem: Problem) -> tuple[float, float, float]:
    """Seconds from the start of the process to when it takes an order, from there to the loaded problem, to moves."""
    content = problem.model_dump_json(by_alias=True, exclude_none=True, exclude_defaults=True).encode()
    order = Order(
        format="native",
        sha256=hashlib.sha256(content).hexdigest(),
        weights={},
        seconds=20.0,
        seed=1,
        workers=1,
        target=0,
        variant=1,
        searched_s=0.0,
        best_interval_s=5.0,
    )
    settings = SolverSettings.model_validate(
        {"kafka_bootstrap_servers": "127.0.0.1:1", "database_url": "postgresql://127.0.0.1/none"}
    )
    packed = pack(content)
    began = monotonic()
    child = await SolverChild.start(child_command(settings, Work.SEARCH), child_environment(settings, os.environ))
    try:
        child.order(order, Contents(packed, None, None, None))
        seen: dict[str, float] = {}
        async for frame in child.frames():
            seen.setdefault(frame.kind, monotonic())
            if frame.kind == "progress" and frame.header.get("cost") is not None:
                break
        reading, loaded, moved = seen["progress"], seen.get("loaded", seen["progress"]), monotonic()
        return reading - began, loaded - reading, moved - loaded
    finally:
        await child.kill()


def _moves(problem: Problem) -> None:
    result = solve_problem(
        expand(problem), seconds=15, seed=1, workers=1, on_progress=lambda _: None, should_stop=lambda: False
    )
    began = monotonic()
    board = Board(problem, result.timetable)
    ready = monotonic() - began
    choice = random.Random(1)  # noqa: S311  # which classes are asked about, no secret
    placed = [choice.choice(result.timetable.placements) for _ in range(_ASKED)]
    others = [choice.choice(result.timetable.placements) for _ in range(_ASKED)]
    moved = [
        _milliseconds(partial(evaluate, board, Move.model_validate({"class": a.class_id, "time": b.time})))
        for a, b in zip(placed, others, strict=True)
    ]
    listed = [_milliseconds(partial(alternatives, board, a.class_id)) for a in placed]
    print(f"\nQuestions about a full-size timetable, {_ASKED} classes at random; made ready in {ready:.1f} s\n")
    print("| question | p50 | p99 | longest |")
    print("|---|---:|---:|---:|")
    for name, values in (("what would this move cost", moved), ("the ten best other places", listed)):
        ranked = sorted(values)
        print(f"| {name} | {median(ranked):.1f} ms | {ranked[int(0.99 * len(ranked))]:.1f} ms | {ranked[-1]:.1f} ms |")


def _milliseconds(ask: Callable[[], object]) -> float:
    began = monotonic()
    ask()
    return 1000 * (monotonic() - began)

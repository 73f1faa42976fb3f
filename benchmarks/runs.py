"""Solves of benchmark instances as the tables need them, recounted by the referee.

Owns the check that engine and referee agree, how many solves run at a time, and the record by which a measurement of
hours goes on where it was interrupted. Must not know instances, best-known costs or tables.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache, partial
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from time import monotonic, process_time
from types import TracebackType
from typing import Self

from schemas.problem.read import ProblemFormat, load_problem
from schemas.referee import judge
from services.solver.solve import SolveReport, solve_problem

SOLVER = Path(__file__).resolve().parents[1] / "services" / "solver"


@dataclass(frozen=True, slots=True)
class Task:
    """One solve: of which file, with which limits, by which of the engine's families (`grid`, `general`, ...)."""

    name: str
    file: Path
    format: ProblemFormat
    family: str
    seconds: float
    seed: int
    workers: int
    target: int = 0


def tasks_of(
    files: Mapping[str, Path],
    form: ProblemFormat,
    family: str,
    *,
    seconds: float,
    seeds: int,
    workers: int,
    targets: Mapping[str, int] | None = None,
) -> dict[str, list[Task]]:
    """Each instance's tasks, one for each of the seeds 1, 2, ...; `targets` are costs at which a solve may end."""
    return {
        name: [
            Task(name, file, form, family, seconds, seed, workers, (targets or {}).get(name, 0))
            for seed in range(1, seeds + 1)
        ]
        for name, file in files.items()
    }


@dataclass(frozen=True, slots=True)
class Run:
    """Hard violations and cost by the referee's count, seconds to the first timetable without any, and the method."""

    violations: int
    cost: int
    feasible_after: float | None
    method: str
    cpu_s: float

    @property
    def rank(self) -> tuple[int, int]:
        return (self.violations, self.cost)


class Runs:
    """Solves up to `jobs` tasks at a time, each in a process of its own, and keeps each outcome in `record`, if any.

    A task that the record knows, solved by the same engine with the same number of tasks at a time, is not solved
    again. Leaving the context drops what has not begun.
    """

    def __init__(self, jobs: int = 1, record: Path | None = None) -> None:
        self._jobs = jobs
        self._record = record
        self._known = _read(record) if record is not None and record.exists() else {}
        # A process that has solved before would have its kernels loaded and its memory grown.
        self._pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), max_tasks_per_child=1)
        self._futures: dict[Task, Future[Run]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def begin(self, tasks: Mapping[str, Iterable[Task]]) -> None:
        """Have each instance's tasks solved in this order, as far as the record does not know them."""
        for task in chain.from_iterable(tasks.values()):
            key = self._key(task)
            if key in self._known or task in self._futures:
                continue
            future = self._pool.submit(solve, task)
            future.add_done_callback(partial(self._keep, key))
            self._futures[task] = future

    def __getitem__(self, task: Task) -> Run:
        """The outcome, as soon as it is known; raises SystemExit if the referee and the engine count differently."""
        if (known := self._known.get(self._key(task))) is not None:
            return known
        self.begin({task.name: [task]})
        return self._futures[task].result()

    def _key(self, task: Task) -> str:
        named = f"{task.name} {task.seconds:g} s, seed {task.seed}, {task.workers} worker(s)"
        return f"{named}, {self._jobs} at a time, {task.family} {version(task.family)}"

    def _keep(self, key: str, done: Future[Run]) -> None:
        if self._record is None or done.cancelled() or done.exception() is not None:
            return
        self._record.parent.mkdir(parents=True, exist_ok=True)
        with self._record.open("a") as lines:
            at = datetime.now(UTC).isoformat(timespec="seconds")
            lines.write(json.dumps({"run": key, "at": at, **asdict(done.result())}) + "\n")


def _read(record: Path) -> dict[str, Run]:
    """What is recorded; a last line that a kill cut short is taken off the file."""
    text = record.read_text()
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        record.write_text(whole)
    known: dict[str, Run] = {}
    for line in whole.splitlines():
        values = json.loads(line)
        key = values.pop("run")
        del values["at"]
        known[key] = Run(**values)
    return known


@cache
def version(family: str) -> str:
    """A digest of the sources that decide what a search of this family finds."""
    patterns = ("engine/*.py", f"engine/{family}/*.py", f"compile/{family}*.py")
    files = [file for pattern in patterns for file in SOLVER.glob(pattern)]
    files += [SOLVER / f"{name}.py" for name in ("meeting", "members", "portfolio", "solve")]
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:10]


def solve(task: Task) -> Run:
    """Solve it; raises SystemExit if the referee and the engine count differently."""
    expanded = load_problem(task.file.read_bytes(), task.format)
    began, cpu = monotonic(), process_time()
    first: list[float] = []

    def watch(report: SolveReport) -> None:
        if not first and report.hard_violations == 0:
            first.append(monotonic() - began)

    result = solve_problem(
        expanded,
        seconds=task.seconds,
        seed=task.seed,
        workers=task.workers,
        target=task.target,
        on_progress=watch,
        should_stop=lambda: False,
    )
    cpu = process_time() - cpu
    score = judge(expanded.problem, result.timetable).score
    if score.rank != (result.hard_violations, result.cost):
        raise SystemExit(
            f"{task.name}, seed {task.seed}: the referee counts {score}, the engine"
            f" {result.hard_violations} violations and {result.cost}"
        )
    return Run(score.hard_violations, score.total, first[0] if first else None, result.method, round(cpu, 1))

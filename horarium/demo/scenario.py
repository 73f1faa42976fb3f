"""The demo's main job: generate a university, upload it, ask for a timetable, watch, fetch, check, save, summarise.

Owns the steps and their timings. Speaks to the services only over HTTP; judges what comes back with the referee.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from horarium.client import Client, Submitted
from horarium.demo.platform import Running
from horarium.university import generate_university
from schemas.fold import TERMINAL_STATUSES
from schemas.problem.model import Problem
from schemas.referee import judge
from schemas.timetable import Timetable

_PERSISTED_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Size:
    """How large a university, and how long to search."""

    courses: int
    students: int
    faculty: int
    time_limit_s: float
    seed: int = 1


SIZES = {
    "full": Size(courses=1_800, students=19_000, faculty=2_320, time_limit_s=60.0),
    "small": Size(courses=60, students=600, faculty=80, time_limit_s=2.0),
}


@dataclass(slots=True)
class Timings:
    """When each step was seen to be over, in seconds; those after the request are counted from the request."""

    rows: list[tuple[str, float]] = field(default_factory=list)

    def note(self, step: str, seconds: float) -> None:
        self.rows.append((step, seconds))


def run_scenario(console: Console, running: Running, size: Size, out: Path) -> int:
    """Run the steps; 0 if the referee finds no hard violation, else 1."""
    timings = Timings()
    console.print(f"  api at {running.api_url}, progress at {running.progress_url}, {running.broker}")
    started = monotonic()
    problem = generate_university(courses=size.courses, students=size.students, faculty=size.faculty, seed=size.seed)
    content = problem.model_dump_json(exclude_none=True, exclude_defaults=True, by_alias=True).encode()
    timings.note("university generated", monotonic() - started)
    classes = sum(len(s.classes) for c in problem.courses for k in c.configs for s in k.subparts)
    requests = sum(len(s.courses) for s in problem.students)
    console.print(
        f"\n[bold]{problem.name}[/]: {len(problem.courses):,} courses, {classes:,} classes, "
        f"{len(problem.rooms):,} rooms, {len(problem.instructors):,} faculty, {len(problem.students):,} students, "
        f"{requests:,} course requests "
        f"({len(content) / 1e6:.1f} MB)"
    )
    with Client(running.api_url) as client:
        client.sign_in(running.email, running.password)
        started = monotonic()
        uploaded = client.upload(content)
        timings.note("problem uploaded and checked", monotonic() - started)

        requested = monotonic()
        job = client.generate(uploaded["id"], time_limit_s=size.time_limit_s, seed=size.seed, workers=2)
        timings.note("request answered (202)", monotonic() - requested)
        console.print(f"Job {job.job_id} accepted; progress at {job.progress_url}\n")
        last = _watch(console, client, job, requested, timings)
        if last["status"] != "completed":
            console.print(f"[bold red]The job ended as {last['status']}:[/] {last.get('message') or last}")
            return 1
        stored = _await_persisted(client, job)
        timings.note("result persisted and readable", monotonic() - requested)
        best = int(stored["best_variant"] or 1)
        out.mkdir(parents=True, exist_ok=True)
        files = _save(client, job, best, problem, out)
    return _summarise(console, problem, stored, files, timings, out)


def _watch(console: Console, client: Client, job: Submitted, requested: float, timings: Timings) -> dict[str, Any]:
    """Show progress until the job ends; returns the terminal report."""
    seen: set[str] = set()
    columns = (
        TextColumn("{task.description:>13}"),
        BarColumn(bar_width=36),
        TaskProgressColumn(),
        TextColumn("{task.fields[best]}"),
        TimeElapsedColumn(),
    )
    shown_stage = ""
    with Progress(*columns, console=console, refresh_per_second=5) as bar:
        task = bar.add_task("queued", total=100, best="")
        while True:
            for report in _reports(client, job):
                now = monotonic() - requested
                status, stage = str(report["status"]), str(report.get("stage") or "")
                if status == "running" and "running" not in seen:
                    seen.add("running")
                    timings.note("solve started and first progress seen", now)
                score = report.get("best_score")
                if score and "score" not in seen:
                    seen.add("score")
                    timings.note("first timetable seen", now)
                if score and not score["hard_violations"] and "feasible" not in seen:
                    seen.add("feasible")
                    timings.note("first timetable without hard violation seen", now)
                best = "" if not score else f"{score['hard_violations']} hard violations, cost {score['total']:,}"
                bar.update(task, completed=float(report["progress"]), description=stage or status, best=best)
                if not console.is_terminal and (stage or status) != shown_stage:
                    # A log has no moving bar: one line per stage says the same.
                    shown_stage = stage or status
                    console.print(f"  {now:6.1f} s  {report['progress']:5.1f} %  {shown_stage}  {best}")
                if status in TERMINAL_STATUSES:
                    timings.note(f"{status} seen", now)
                    return report


def _reports(client: Client, job: Submitted) -> Iterator[dict[str, Any]]:
    """The event stream, or after it broke (a service restarted) the snapshot; the caller asks again until the end."""
    try:
        yield from client.reports(job.progress_url)
    except httpx.HTTPError:
        report = None
    else:
        report = client.progress(job.progress_url)
    if report is not None:
        yield report
    sleep(0.2)


def _await_persisted(client: Client, job: Submitted) -> dict[str, Any]:
    """The job as PostgreSQL has it, once its result is there."""
    deadline = monotonic() + _PERSISTED_WITHIN_S
    while True:
        stored = client.job(job.job_id)
        if stored.get("variants"):
            return stored
        if monotonic() > deadline:
            raise TimeoutError(f"the result of job {job.job_id} was not persisted within {_PERSISTED_WITHIN_S:g} s")
        sleep(0.05)


def _save(client: Client, job: Submitted, variant: int, problem: Problem, out: Path) -> dict[str, Path]:
    """Timetable as JSON and CSV, and the busiest room's calendar."""
    files = {"json": out / "timetable.json", "csv": out / "timetable.csv", "problem": out / "problem.json"}
    content = client.variant(job.job_id, variant, format="json")
    files["json"].write_bytes(content)
    files["csv"].write_bytes(client.variant(job.job_id, variant, format="csv"))
    files["problem"].write_text(problem.model_dump_json(exclude_none=True, by_alias=True))
    uses: dict[str, int] = {}
    for placement in Timetable.model_validate_json(content).placements:
        if placement.room is not None:
            uses[placement.room] = uses.get(placement.room, 0) + 1
    if uses:
        room = max(sorted(uses), key=uses.__getitem__)
        files["ics"] = out / f"room-{''.join(c if c.isalnum() or c in '-_' else '_' for c in room)}.ics"
        files["ics"].write_bytes(client.variant(job.job_id, variant, format="ics", room=room))
    return files


def _summarise(
    console: Console, problem: Problem, stored: dict[str, Any], files: dict[str, Path], timings: Timings, out: Path
) -> int:
    timetable = Timetable.model_validate_json(files["json"].read_bytes())
    verdict = judge(problem, timetable)
    sectioned = sum(len(s.courses) for s in problem.students) - len(timetable.unsectioned)
    best = next(v for v in stored["variants"] if v["variant"] == (stored["best_variant"] or 1))

    result = Table(title="Timetable", title_justify="left", show_header=False, box=None, padding=(0, 2))
    result.add_row("hard violations (referee)", f"{verdict.score.hard_violations}")
    result.add_row("cost", f"{verdict.score.total:,}")
    for part, cost in sorted(verdict.score.cost.items(), key=lambda item: -item[1]):
        result.add_row(f"  {part}", f"{cost:,}")
    result.add_row("classes placed", f"{len(timetable.placements):,} (unplaced: {len(timetable.unplaced)})")
    result.add_row("course requests sectioned", f"{sectioned:,} (not: {len(timetable.unsectioned)})")
    result.add_row("method", f"{best['provenance']['method']}, seed {best['provenance']['seed']}")
    console.print(result)
    for missing in timetable.unsectioned[:10]:
        console.print(f"    {missing.student} without {missing.course}: {missing.reason}")
    if len(timetable.unsectioned) > 10:
        console.print(f"    and {len(timetable.unsectioned) - 10} more, all of them in {files['json']}")
    for violation in verdict.violations[:10]:
        console.print(f"    [red]{violation.rule}[/]: {violation.message}")

    steps = Table(title="\nTimings", title_justify="left", box=None, padding=(0, 2))
    steps.add_column("step")
    steps.add_column("seconds", justify="right")
    for step, seconds in timings.rows:
        steps.add_row(step, f"{seconds:.2f}")
    console.print(steps)
    summary = {
        "finished_at": datetime.now().astimezone().isoformat(timespec="seconds"),
        "score": verdict.score.model_dump(),
        "timings_s": dict(timings.rows),
        "provenance": best["provenance"],
    }
    (out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    console.print("\nSaved " + ", ".join(str(path) for path in files.values()))
    return 0 if verdict.score.hard_violations == 0 else 1

"""`horarium submit`, `watch`, `stop`, `cancel`, `attempts`: jobs of a running Horarium, over HTTP.

Owns what a person types and reads. Must not know the services' code, only `horarium.client`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from horarium.commands import change
from horarium.commands.terminal import EXIT_UNREACHABLE, EXIT_VIOLATIONS, is_watched, note, read_file, refuse, say
from schemas.events.job import MAX_TIME_LIMIT_S, MAX_VARIANTS
from schemas.fold import TERMINAL_STATUSES
from schemas.problem.read import MAX_PROBLEM_BYTES, ProblemFormat, TableFormat, guess_format
from schemas.variants.profiles import Profile

if TYPE_CHECKING:
    from horarium.client import Client


Url = Annotated[str, typer.Option(envvar="HORARIUM_URL", help="Where the api answers.")]
Token = Annotated[str, typer.Option(envvar="HORARIUM_TOKEN", help="A bearer token, instead of --email.")]
Email = Annotated[str, typer.Option(envvar="HORARIUM_EMAIL", help="Sign in; the password is asked for or read.")]
Job = Annotated[str, typer.Argument(help="The job's id.")]

DEFAULT_URL = "http://127.0.0.1:8000"

_MEDIA_TYPES = {
    ProblemFormat.NATIVE: "application/json",
    ProblemFormat.CTT: "text/plain",
    ProblemFormat.TIM: "application/x-tim",
    ProblemFormat.ITC2019: "application/xml",
    TableFormat.CSV: "application/zip",
    TableFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def submit(
    file: Annotated[
        Path, typer.Argument(help="The problem: .ctt, .ectt, .tim, .xml, native .json, .xlsx or a .zip of CSVs.")
    ],
    url: Url = DEFAULT_URL,
    token: Token = "",
    email: Email = "",
    time_limit: Annotated[float, typer.Option(min=1, max=MAX_TIME_LIMIT_S, help="Seconds per variant.")] = 60.0,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1)] = 0,
    workers: Annotated[int, typer.Option(min=1, max=64)] = 1,
    variants: Annotated[int | None, typer.Option(min=1, max=MAX_VARIANTS, help="1, or one for each profile.")] = None,
    profile: Annotated[
        list[Profile] | None, typer.Option(help="Whom variants are good for first; repeat it for one of each.")
    ] = None,
    base_job: Annotated[str | None, typer.Option(help="A finished job: change its timetable little.")] = None,
    base_variant: Annotated[int | None, typer.Option(min=1, help="Which of its variants; the best one.")] = None,
    keep_weight: change.KeepWeight = None,
    max_changes: change.MaxChanges = None,
    pin: change.PinBoth = None,
    pin_time: change.PinTime = None,
    pin_room: change.PinRoom = None,
    follow: Annotated[bool, typer.Option("--watch", help="Watch the job until it ends.")] = False,
) -> None:
    """Upload a problem and ask for timetables; prints the job's id."""
    from schemas.problem.findings import InvalidProblemError

    pins = change.read_pins(pin, pin_time, pin_room)
    asked = {
        "variants": variants,
        "profiles": [name.value for name in profile or ()] or None,
        "base_job_id": base_job,
        "base_variant": base_variant,
        "keep_weights": change.read_keep_weights(keep_weight) or None,
        "max_changes": max_changes,
        "pins": [p.model_dump(mode="json", by_alias=True, exclude_none=True) for p in pins] or None,
    }
    given = {name: value for name, value in asked.items() if value is not None}
    content = read_file(file, MAX_PROBLEM_BYTES)
    try:
        kind = guess_format(file.name, content)
    except InvalidProblemError as error:
        refuse(f"{file}: {error.findings[0].message}")
    with _signed_in(url, token, email) as client:
        uploaded = client.upload(content, _MEDIA_TYPES[kind], file.name)
        job = client.generate(uploaded["id"], time_limit_s=time_limit, seed=seed, workers=workers, **given)
        say(job.job_id)
        if follow:
            _follow(client, job.progress_url)


def watch(job: Job, url: Url = DEFAULT_URL, token: Token = "", email: Email = "") -> None:
    """Show a job's progress until it ends. Exit code 0 when it completed, 3 when hard violations are left."""
    with _signed_in(url, token, email) as client:
        known = client.job(job)
        _follow(client, str(known.get("progress_url") or f"/api/progress/{job}"))


def stop(job: Job, url: Url = DEFAULT_URL, token: Token = "", email: Email = "") -> None:
    """End a job and keep its best timetable."""
    with _signed_in(url, token, email) as client:
        client.control(job, "stop")
    say(f"Job {job} is asked to stop; its best timetable is kept.")


def cancel(job: Job, url: Url = DEFAULT_URL, token: Token = "", email: Email = "") -> None:
    """End a job and discard what it found."""
    with _signed_in(url, token, email) as client:
        client.control(job, "cancel")
    say(f"Job {job} is asked to end; what it found is discarded.")


def attempts(job: Job, url: Url = DEFAULT_URL, token: Token = "", email: Email = "") -> None:
    """Show who has worked on a job, how each attempt ended, and what its variants wait for."""
    with _signed_in(url, token, email) as client:
        variants = client.attempts(job)["variants"]
    if not variants:
        say("No solver has taken the job in yet.")
        return
    rows: list[tuple[str, ...]] = [("variant", "attempt", "worker", "started", "seconds", "end", "detail")]
    rows += [_attempt(variant["variant"], attempt) for variant in variants for attempt in variant["attempts"]]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        say("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
    say()
    for variant in variants:
        say(f"variant {variant['variant']}: {', '.join(_standing(variant))}")


def _attempt(variant: int, attempt: dict[str, Any]) -> tuple[str, ...]:
    started = datetime.fromisoformat(attempt["started_at"])
    ended = datetime.fromisoformat(attempt["ended_at"]) if attempt["ended_at"] else None
    return (
        str(variant),
        str(attempt["attempt"]),
        str(attempt["worker"]),
        f"{started:%Y-%m-%d %H:%M:%S}",
        f"{(ended - started).total_seconds():.1f}" if ended else "",
        str(attempt["end"] or "running"),
        str(attempt["detail"] or ""),
    )


def _standing(variant: dict[str, Any]) -> Iterator[str]:
    yield str(variant["status"])
    if variant["run_after"]:
        yield f"to be tried again at {datetime.fromisoformat(variant['run_after']):%Y-%m-%d %H:%M:%S}"
    if variant["checkpoint_age_s"] is not None:
        yield f"last checkpoint {variant['checkpoint_age_s']:.0f} s ago"
    if variant["attempts_left_out"]:
        yield f"{variant['attempts_left_out']} earlier attempts not shown"


@contextmanager
def _signed_in(url: str, token: str, email: str) -> Iterator[Client]:
    import httpx

    from horarium.client import Client, RefusedError
    from horarium.commands.database import read_password

    if not token and not email:
        refuse("Say who you are: --token (or HORARIUM_TOKEN), or --email (or HORARIUM_EMAIL) and a password.")
    try:
        with Client(url, token) as client:
            if not token:
                client.sign_in(email, read_password())
            yield client
    except RefusedError as error:
        refuse(str(error), EXIT_UNREACHABLE)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        refuse(f"{url} does not answer: {error or type(error).__name__}", EXIT_UNREACHABLE)


def _follow(client: Client, progress_url: str) -> None:
    """Reports as lines (a new one for a new stage or best), or in place while a person watches."""
    shown = ""
    last: dict[str, Any] = {}
    for last in client.reports(progress_url):
        line = _line(last)
        if is_watched():
            typer.echo(f"\r\x1b[K{line}", nl=False, err=True)
        elif line.split("%", 1)[-1] != shown.split("%", 1)[-1]:
            note(line)
        shown = line
        if last.get("status") in TERMINAL_STATUSES:
            break
    if is_watched():
        note("")
    status = str(last.get("status", "unknown"))
    say(f"{status}: {_best(last)}" if _best(last) else status)
    if status == "infeasible":
        raise typer.Exit(EXIT_VIOLATIONS)
    if status not in ("completed", "stopped", "timed_out"):
        refuse(str(last.get("message") or f"The job ended as {status}."), EXIT_UNREACHABLE)


def _line(report: dict[str, Any]) -> str:
    stage = report.get("stage") or report.get("status") or "unknown"
    return f"{float(report.get('progress') or 0.0):5.1f} %  {stage}  {_best(report)}"


def _best(report: dict[str, Any]) -> str:
    score = report.get("best_score") or {}
    if "total" not in score:
        return ""
    return f"{score.get('hard_violations', 0)} hard violations, cost {score['total']:,}"

"""Who has worked on a job, as the api tells it from rows as the solver writes them."""

from __future__ import annotations

import uuid
from datetime import datetime

import httpx
from typer.testing import CliRunner

from horarium.cli import app
from services.api.bodies import ATTEMPT_ENDS
from services.api.store.attempts import MAX_ATTEMPTS
from services.solver.outcome import EndReason
from services.solver.tasks import FAILED_ENDS
from tests.integration.api.conftest import RunningApi, refused, requested


def taken_in(api: RunningApi, job_id: str, *statuses: str, organization_id: uuid.UUID | None = None) -> None:
    """The job with one task per status, as intake and workers leave them."""
    organization = organization_id or api.organization_id
    api.sql(
        "INSERT INTO solve_jobs (job_id, organization_id, options, problem_sha256, correlation_id, requested_at)"
        " VALUES (%s, %s, '{}', '', 'x', now())",
        *(job_id, organization),
    )
    for variant, status in enumerate(statuses, start=1):
        api.sql(
            "INSERT INTO solve_tasks (job_id, variant, organization_id, priority, status) VALUES (%s, %s, %s, 0, %s)",
            *(job_id, variant, organization, status),
        )


def attempted(api: RunningApi, job_id: str, variant: int, attempt: int, end: str | None, detail: str = "") -> None:
    api.sql(
        "INSERT INTO solve_attempts (token, job_id, variant, attempt, worker, started_at, ended_at, end_reason, detail)"
        " VALUES ((SELECT coalesce(max(token), 0) + 1 FROM solve_attempts), %s, %s, %s, %s,"
        " '2026-01-01T10:00:00Z', %s::timestamptz, %s, %s)",
        *(
            job_id,
            variant,
            attempt,
            f"worker-{attempt}",
            "2026-01-01T10:00:07.5Z" if end else None,
            end,
            detail or None,
        ),
    )


def test_every_variant_is_told_with_its_attempts_in_order(api: RunningApi, planner: httpx.Client) -> None:
    job_id = requested(planner, variants=3)
    url = f"/api/timetables/{job_id}/attempts"
    assert planner.get(url).json() == {"job_id": job_id, "variants": []}, "no solver has taken it in"

    taken_in(api, job_id, "done", "running", "queued")
    attempted(api, job_id, 1, 1, "finished")
    attempted(api, job_id, 2, 1, "lease_expired", "worker-1 was silent")
    attempted(api, job_id, 2, 2, None)
    attempted(api, job_id, 3, 1, "error", "no memory")
    api.sql("UPDATE solve_tasks SET checkpoint_at = now() - interval '9 s' WHERE job_id = %s AND variant < 3", job_id)
    api.sql("UPDATE solve_tasks SET run_after = now() + interval '1 h' WHERE job_id = %s AND variant > 1", job_id)

    first, second, third = planner.get(url).json()["variants"]
    assert [v["status"] for v in (first, second, third)] == ["ended", "running", "queued"]
    assert [[a["end"] for a in v["attempts"]] for v in (first, second, third)] == [
        ["finished"],
        ["lease_expired", None],
        ["error"],
    ]
    assert first["checkpoint_age_s"] is None, "an ended variant has nothing to lose"
    assert 9 <= second["checkpoint_age_s"] < 3600
    assert third["checkpoint_age_s"] is None
    assert (first["run_after"], second["run_after"]) == (None, None)
    assert datetime.fromisoformat(third["run_after"]) > datetime.fromisoformat(third["attempts"][0]["ended_at"])
    assert second["attempts"][0] == {
        "attempt": 1,
        "worker": "worker-1",
        "started_at": "2026-01-01T10:00:00Z",
        "ended_at": "2026-01-01T10:00:07.500000Z",
        "end": "lease_expired",
        "detail": "worker-1 was silent",
    }


def test_a_long_history_is_told_from_its_end(api: RunningApi, planner: httpx.Client) -> None:
    job_id = requested(planner)
    taken_in(api, job_id, "running")
    for attempt in range(1, MAX_ATTEMPTS + 8):
        attempted(api, job_id, 1, attempt, "released")
    [variant] = planner.get(f"/api/timetables/{job_id}/attempts").json()["variants"]
    assert [a["attempt"] for a in variant["attempts"]] == list(range(8, MAX_ATTEMPTS + 8))
    assert variant["attempts_left_out"] == 7


def test_what_another_organisation_has_under_the_same_id_is_not_told(api: RunningApi, planner: httpx.Client) -> None:
    job_id = requested(planner)
    taken_in(api, job_id, "running", organization_id=uuid.uuid4())
    attempted(api, job_id, 1, 1, None)
    assert planner.get(f"/api/timetables/{job_id}/attempts").json()["variants"] == []
    refused(planner.get(f"/api/timetables/{uuid.uuid4()}/attempts"), 404, "job_not_found")


def test_every_end_that_a_solver_writes_is_explained(api: RunningApi) -> None:
    """A task that fails ends with the attempt's `error`; a hand-over has no end reason of its own."""
    assert set(ATTEMPT_ENDS) == {*EndReason, *FAILED_ENDS, "released"} - {EndReason.FAILED}
    schema = httpx.get(f"{api.url}/openapi.json").json()["components"]["schemas"]["AttemptAnswer"]
    assert all(f"`{word}`" in schema["properties"]["end"]["description"] for word in ATTEMPT_ENDS)


def test_the_command_shows_a_line_per_attempt_and_what_is_waited_for(api: RunningApi, planner: httpx.Client) -> None:
    job_id = requested(planner, variants=2)
    token = planner.headers["Authorization"].removeprefix("Bearer ")

    def shown() -> str:
        result = CliRunner().invoke(app, ["attempts", job_id, "--url", api.url, "--token", token])
        assert result.exit_code == 0, result.output
        return result.stdout

    assert shown() == "No solver has taken the job in yet.\n"
    taken_in(api, job_id, "queued", "running")
    attempted(api, job_id, 1, 1, "error", "no memory")
    attempted(api, job_id, 2, 1, None)
    api.sql("UPDATE solve_tasks SET run_after = now() + interval '1 h' WHERE job_id = %s AND variant = 1", job_id)
    lines = shown().splitlines()
    assert lines[0].split() == ["variant", "attempt", "worker", "started", "seconds", "end", "detail"]
    assert lines[1].split() == ["1", "1", "worker-1", "2026-01-01", "10:00:00", "7.5", "error", "no", "memory"]
    assert lines[2].split() == ["2", "1", "worker-1", "2026-01-01", "10:00:00", "running"]
    assert lines[4].startswith("variant 1: queued, to be tried again at ")
    assert lines[5] == "variant 2: running"

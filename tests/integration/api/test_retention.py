"""A running api forgets a job that ended long ago, by itself, and answers as if it had never been."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from deploy.local.addresses import Addresses
from tests.conftest import FreshDatabase
from tests.integration.api.conftest import RunningApi, a_running_api, refused, requested


@pytest.fixture(scope="module")
def tidy_api(
    addresses: Addresses, fresh_database: FreshDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningApi]:
    """Cleans up every second, with its uploads in a folder of its own."""
    folder = tmp_path_factory.mktemp("tidy")
    left = folder / "horarium-upload-left"
    left.write_bytes(b"half a problem")
    os.utime(left, (0, 0))
    own = replace(addresses, database_url=fresh_database())
    running = a_running_api(own, folder, CLEANUP_EVERY_S="1", TMPDIR=str(folder))
    try:
        yield running
    finally:
        running.process.process.stop()


def test_an_old_job_is_unknown_once_it_was_removed(tidy_api: RunningApi) -> None:
    with closing(tidy_api.client()) as planner:
        old, young = requested(planner), requested(planner)
        for job, days in ((old, 100), (young, 10)):
            ended = datetime.now(UTC) - timedelta(days=days)
            tidy_api.sql("UPDATE jobs SET created_at = %s WHERE id = %s", ended, job)
            state = {
                "job_id": job,
                "organization_id": str(tidy_api.organization_id),
                "status": "cancelled",
                "updated_at": ended.isoformat(),
            }
            tidy_api.sql(
                "INSERT INTO job_states (job_id, organization_id, status, state, version, updated_at)"
                " VALUES (%s, %s, 'cancelled', %s, 2, %s)",
                job,
                tidy_api.organization_id,
                json.dumps(state),
                ended,
            )
        deadline = time.monotonic() + 60
        while tidy_api.sql("SELECT 1 FROM jobs WHERE id = %s", old) and time.monotonic() < deadline:
            time.sleep(0.1)
        refused(planner.get(f"/api/timetables/{old}"), 404, "job_not_found")
        assert planner.get(f"/api/timetables/{young}").status_code == 200
        listed = [job["job_id"] for job in planner.get("/api/timetables").json()["items"]]
        assert (old in listed, young in listed) == (False, True)
    told = httpx.get(f"{tidy_api.url}/metrics").text
    assert 'horarium_cleanup_removed_total{what="jobs"} 1.0' in told
    assert 'horarium_cleanup_removed_total{what="upload_files"} 1.0' in told
    assert 'horarium_cleanup_last_success_timestamp_seconds{what="jobs"}' in told

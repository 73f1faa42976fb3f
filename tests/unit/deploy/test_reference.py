"""The generated tables: committed as the code makes them, complete, and nothing in the code that they do not have."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY, Histogram

import services
from horarium import reference
from schemas.topics import DEAD_LETTER_SUFFIX, JOB_CONTROL, JOB_REQUESTED, SOLVE_COMPLETED, SOLVE_PROGRESS, all_topics
from tests.unit.deploy.sources import SERVICES

AGAIN = "run `make docs` and look at the difference"

# Durations of solves: half an hour and more must still fall into a bucket.
_LONG = {
    "horarium_job_generation_seconds",
    "horarium_solver_solve_seconds",
    "horarium_solver_queue_wait_seconds",
    "horarium_solver_first_progress_seconds",
    "horarium_outbox_publish_delay_seconds",
}


@pytest.mark.parametrize("path", list(reference.documents()), ids=lambda path: path.name)
def test_a_committed_table_is_what_the_code_makes(path: Path) -> None:
    assert path.exists(), AGAIN
    assert path.read_text() == reference.documents()[path], AGAIN


def test_the_list_of_metrics_is_closed() -> None:
    """Whatever any module of a service registers is defined in that service's metrics.py, and so is on the page."""
    for service in (*SERVICES, "runtime"):
        package = importlib.import_module(f"services.{service}")
        for module in pkgutil.walk_packages(package.__path__, f"{services.__name__}.{service}."):
            if not module.name.endswith(("__main__", ".env", ".child")) and ".versions" not in module.name:
                importlib.import_module(module.name)
    listed = {reference.metric_name(metric) for defined in reference.metrics().values() for metric in defined}
    registered = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in REGISTRY.collect()
        if family.name.startswith("horarium_")
    }
    assert registered == listed
    page = reference.METRICS_PAGE.read_text()
    assert set(re.findall(r"^\| `(horarium_\w+)` \|", page, flags=re.MULTILINE)) == listed


def test_every_metric_is_named_described_and_bounded() -> None:
    for owner, defined in reference.metrics().items():
        for metric in defined:
            name = reference.metric_name(metric)
            described = next(iter(metric.describe()))
            assert re.fullmatch(r"horarium_[a-z0-9_]+", name), f"{owner}: {name}"
            assert len(described.documentation) > 10, f"{name} needs a meaning"
            assert (described.type == "counter") == name.endswith("_total"), name
            unbounded = {"job_id", "organization_id", "user", "email", "path", "url"}
            assert not unbounded & set(reference.labels(metric)), f"{name} would have a series for each of these"
            if name in _LONG:
                assert isinstance(metric, Histogram)
                assert reference.buckets(metric)[-1] >= 3600, f"{name} measures what may take half an hour"


def test_the_metrics_that_every_installation_is_asked_for_exist() -> None:
    """Creation, completion, failure, time, queue, hit rate; and what our own design can suffer from."""
    names = {reference.metric_name(metric) for defined in reference.metrics().values() for metric in defined}
    assert names >= {
        "horarium_jobs_requested_total",
        "horarium_solver_jobs_ended_total",
        "horarium_job_generation_seconds",
        "horarium_solver_jobs",
        "horarium_redis_lookups_total",
        "horarium_solver_oldest_queued_seconds",
        "horarium_solver_leases_lost_total",
        "horarium_outbox_oldest_age_seconds",
        "horarium_projector_lag_seconds",
        "horarium_messages_total",
        "horarium_solver_fenced_total",
        "horarium_solver_referee_mismatches_total",
        "horarium_sse_clients",
        "horarium_event_loop_lag_seconds",
        "horarium_solver_slots_used",
        "horarium_solver_slots",
    }


def test_every_setting_of_every_service_is_in_the_table_and_secrets_are_marked() -> None:
    page = reference.SETTINGS_PAGE.read_text()
    for service in SERVICES:
        for variable in reference.variables(service):
            assert f"| `{variable}` |" in page, f"{service} reads {variable}; {AGAIN}"
        for name, field in reference.SETTINGS[service].model_fields.items():
            assert field.description, f"{service}: say what {name.upper()} is for, beside its definition"
    for secret in ("DATABASE_URL", "REDIS_URL", "JWT_SECRET"):
        rows = [line for line in page.splitlines() if line.startswith(f"| `{secret}` |") and "horarium " not in line]
        assert rows
        assert all("**Secret.**" in row for row in rows), secret


def test_the_operations_page_tells_how_long_topics_keep_their_messages() -> None:
    """Operators must not shorten it below their oldest backup's age, so they must know it."""
    kept = {topic.name: topic.retention.days for topic in all_topics()}
    [requests] = {kept[name] for name in (JOB_REQUESTED, JOB_CONTROL, SOLVE_COMPLETED)}
    [letters] = {days for name, days in kept.items() if name.endswith(DEAD_LETTER_SUFFIX)}
    page = " ".join((reference.ROOT / "docs" / "operations.md").read_text().split())
    assert f"Topics keep {requests} days (progress {kept[SOLVE_PROGRESS]}, dead letters {letters})" in page
    assert f"lie in `<topic>.dlq` for {letters} days" in page

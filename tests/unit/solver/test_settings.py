"""Slots follow the processors that the container really has; settings that contradict one another are refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from services.solver.runner import Work, child_command
from services.solver.settings import (
    SolverSettings,
    available_memory_mb,
    available_processors,
    memory_of_a_child_mb,
)


def the_settings(**given: Any) -> SolverSettings:
    return SolverSettings.model_validate({"kafka_bootstrap_servers": "h:1", "database_url": "postgresql://h/d"} | given)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "200000 100000"}, 2),
        ({"cpu.max": "250000 100000"}, 2),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu.max": "max 100000"}, 8),
        ({"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
        ({}, 8),
    ],
)
def test_processors_are_those_of_the_cgroup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)))
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert available_processors(tmp_path) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"memory.max": f"{6 * 2**30}"}, 6144),
        ({"memory.max": "max"}, None),
        ({"memory/memory.limit_in_bytes": f"{3 * 2**30}"}, 3072),
        ({"memory/memory.limit_in_bytes": "9223372036854771712"}, None),
        ({}, None),
    ],
)
def test_memory_is_that_of_the_cgroup(tmp_path: Path, files: dict[str, str], expected: int | None) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert available_memory_mb(tmp_path) == expected


@pytest.mark.parametrize(("limit_mib", "slots", "each"), [(6144, 2, 2816), (12_288, 4, 2944), (1024, 4, 512)])
def test_searches_share_what_the_service_leaves_of_the_containers_memory(
    tmp_path: Path, limit_mib: int, slots: int, each: int
) -> None:
    (tmp_path / "memory.max").write_text(f"{limit_mib * 2**20}\n")
    assert memory_of_a_child_mb(slots, tmp_path) == each


def test_a_search_is_started_with_its_share_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "memory.max").write_text(f"{2560 * 2**20}\n")
    monkeypatch.setattr("services.solver.settings._CGROUP_ROOT", tmp_path)

    def limit(**given: Any) -> str | None:
        command = child_command(the_settings(solver_slots=2, **given), Work.SEARCH)
        return command[command.index("--memory-mb") + 1] if "--memory-mb" in command else None

    assert limit() == "1024"
    assert limit(solver_child_memory_mb=700) == "700"
    (tmp_path / "memory.max").write_text("max\n")
    assert limit() is None


def test_a_lease_that_one_late_renewal_would_lose_is_refused() -> None:
    with pytest.raises(ValidationError, match="SOLVER_RENEW_S must be at most half"):
        the_settings(solver_lease_s=5, solver_renew_s=3)

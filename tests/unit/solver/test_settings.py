"""Slots follow the processors that the container really has; settings that contradict one another are refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from services.solver.settings import SolverSettings, available_processors


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


def test_a_lease_that_one_late_renewal_would_lose_is_refused() -> None:
    with pytest.raises(ValidationError, match="SOLVER_RENEW_S must be at most half"):
        the_settings(solver_lease_s=5, solver_renew_s=3)

"""The solver service's settings.

Owns names, defaults and bounds, and how many processors and how much memory this process may use. Must not know what
the values do.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from services.runtime.retention import RetentionSettings
from services.runtime.settings import RuntimeSettings

_CGROUP_ROOT = Path("/sys/fs/cgroup")
# What the service itself takes: 104 MB when it starts (measured), and room for results of 64 MiB on their way.
_OF_THE_SERVICE_MB = 512
# A search of a full-size university has 284 MB of data (measured); a limit below that would end what might well fit.
_LEAST_SHARE_MB = 512
# Version 1 has no word for "no limit" but a number of bytes that no machine has.
_NO_LIMIT_BYTES = 2**60


def available_processors(cgroup_root: Path = _CGROUP_ROOT) -> int:
    """Processors that the cgroup quota and the affinity mask leave us, at least 1; a fraction counts as none."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota_v2(cgroup_root / "cpu.max") or _quota_v1(cgroup_root / "cpu")
    return max(1, usable if quota is None else min(usable, int(quota)))


def _quota_v2(file: Path) -> float | None:
    fields = _read(file).split()
    if len(fields) != 2 or fields[0] == "max":
        return None
    return int(fields[0]) / int(fields[1])


def _quota_v1(folder: Path) -> float | None:
    quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
    if not quota or not period or int(quota) <= 0 or int(period) <= 0:
        return None
    return int(quota) / int(period)


def available_memory_mb(cgroup_root: Path = _CGROUP_ROOT) -> int | None:
    """Memory that the cgroup leaves us, MiB; None without a limit."""
    text = _read(cgroup_root / "memory.max") or _read(cgroup_root / "memory" / "memory.limit_in_bytes")
    if not text.isdecimal() or int(text) >= _NO_LIMIT_BYTES:
        return None
    return int(text) // 2**20


def memory_of_a_child_mb(slots: int, cgroup_root: Path = _CGROUP_ROOT) -> int | None:
    """What each of `slots` searches may take, so that all together leave the service its own; None without a limit.

    Never less than a university's search needs: in a container that is too small for its slots, the kernel has the last
    word, and a search that it kills is made again.
    """
    available = available_memory_mb(cgroup_root)
    if available is None:
        return None
    return max(_LEAST_SHARE_MB, (available - _OF_THE_SERVICE_MB) // slots)


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""


class SolverSettings(RuntimeSettings, RetentionSettings):
    """What the solver adds to the shared settings."""

    http_port: int = Field(default=8002, ge=0, le=65535, description="Probes and metrics; 0: any free port.")
    solver_slots: int = Field(
        default_factory=available_processors, ge=1, le=256, description="Variants solved at once by this replica."
    )
    solver_max_workers: int = Field(
        default_factory=available_processors, ge=1, le=64, description="Cores that one variant may use at most."
    )
    solver_lease_s: float = Field(default=15.0, gt=0, le=600, description="A worker silent for this long is lost.")
    solver_renew_s: float = Field(
        default=5.0, gt=0, le=300, description="How often a lease is renewed; at most half of SOLVER_LEASE_S."
    )
    solver_poll_s: float = Field(
        default=1.0, gt=0, le=60, description="How often an idle worker looks for work without having been woken."
    )
    solver_progress_min_interval_s: float = Field(default=0.5, ge=0, le=60, description="Progress at most this often.")
    solver_heartbeat_s: float = Field(default=5.0, gt=0, le=60, description="Progress at least this often.")
    solver_checkpoint_s: float = Field(default=10.0, gt=0, le=600, description="Search that a lost worker may cost.")
    solver_hard_limit_s: float = Field(
        default=1800.0, gt=0, description="From a job's first claim; then the best is kept and the job timed out."
    )
    solver_max_attempts: int = Field(default=3, ge=1, le=20, description="Failed attempts after which a task fails.")
    solver_retry_delay_s: float = Field(
        default=60.0, ge=0, le=3600, description="Wait before a failed attempt is made again."
    )
    solver_max_running_jobs: int = Field(
        default=10, ge=1, description="Running jobs of an organisation that the database has no limit for."
    )
    solver_stop_grace_s: float = Field(
        default=5.0, gt=0, le=60, description="From asking the child to stop its search to killing it."
    )
    solver_handover_s: float = Field(
        default=3.0, gt=0, le=30, description="At SIGTERM: how long the child has to hand out its best."
    )
    solver_overrun_s: float = Field(
        default=60.0, gt=0, le=600, description="Search past its time limit after which the child is stopped."
    )
    solver_verify_limit_s: float = Field(default=300.0, gt=0, le=1800, description="How long the referee may take.")
    solver_republish_after_s: float = Field(
        default=60.0, gt=0, le=86400, description="Ends that nobody recorded are published again at this age, doubling."
    )
    solver_child_memory_mb: int | None = Field(
        default=None,
        ge=256,
        description="Limit on a child's data, MiB; none: what the cgroup's limit leaves to each slot, if it has one.",
    )
    solver_child_nice: int = Field(
        default=5, ge=0, le=19, description="So that a full machine still lets the service renew its leases."
    )
    numba_cache_dir: Path | None = Field(
        default=None, description="Where children keep compiled kernels; by default they choose (see jit_cache)."
    )

    @property
    def child_memory_mb(self) -> int | None:
        """The limit on a child's data, as given or as the container leaves it."""
        return self.solver_child_memory_mb or memory_of_a_child_mb(self.solver_slots, _CGROUP_ROOT)

    @model_validator(mode="after")
    def _renewed_in_time(self) -> Self:
        if self.solver_renew_s * 2 > self.solver_lease_s:
            raise ValueError("SOLVER_RENEW_S must be at most half of SOLVER_LEASE_S, or one late renewal loses a lease")
        return self

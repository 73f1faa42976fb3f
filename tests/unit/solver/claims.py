"""A claim and settings for tests that need no database."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from schemas.events import SolveOptions
from schemas.timetable import Placement, Score, Timetable
from services.solver.claim import Checkpoint, Claim
from services.solver.packing import pack
from services.solver.settings import SolverSettings


def the_settings(**given: Any) -> SolverSettings:
    """Short where a test waits for the time to pass, so that tests take tenths of seconds; long where it must not."""
    short = {
        "kafka_bootstrap_servers": "h:1",
        "database_url": "postgresql://h/d",
        "solver_lease_s": 30.0,
        "solver_renew_s": 0.1,
        "solver_stop_grace_s": 60,
        "solver_handover_s": 30,
        "solver_overrun_s": 0.3,
        "solver_progress_min_interval_s": 0.02,
        "solver_heartbeat_s": 0.1,
    }
    return SolverSettings.model_validate(short | given)


def a_claim(**changed: Any) -> Claim:
    claim = Claim(
        job_id=uuid.uuid4(),
        variant=1,
        organization_id=uuid.uuid4(),
        attempt=1,
        token=7,
        worker="w",
        options=SolveOptions(time_limit_s=30),
        correlation_id="c",
        problem_sha256="0" * 64,
        problem_id=None,
        control=None,
        checkpoint=None,
        waited_s=0.0,
        remaining_s=60.0,
    )
    return replace(claim, **changed)


def a_checkpoint(cost: int = 9, searched_s: float = 10.0) -> Checkpoint:
    timetable = Timetable(placements=[Placement(class_id="c", time="t")])
    return Checkpoint(pack(timetable.model_dump_json().encode()), Score(hard_violations=0, total=cost), searched_s)

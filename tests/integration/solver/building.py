"""Small builders: requests, results and checkpoints as the solver's tests need them, and what the database says."""

from __future__ import annotations

import json
import random
import uuid
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.events import JobRequested, Provenance, SolveCompleted, SolveOptions, VariantResult
from schemas.tables import solve_attempts, solve_jobs, solve_tasks
from schemas.timetable import Placement, Score, Timetable
from services.solver.claim import Checkpoint, Claim, TaskResult
from services.solver.intake import new_job
from services.solver.jobs import Jobs
from services.solver.outcome import EndReason
from services.solver.packing import pack, unpack
from services.solver.tasks import Tasks


def a_problem() -> dict[str, Any]:
    """Two classes of one instructor, two times, one room: solved at once, at cost 0."""
    times = [{"id": f"t{n}", "weeks": "1", "days": "1", "start": n, "length": 1} for n in range(2)]
    classes = [
        {
            "id": f"c{n}",
            "limit": 0,
            "times": [{"time": "t0"}, {"time": "t1"}],
            "rooms": [{"room": "r"}],
            "instructors": ["i"],
        }
        for n in range(2)
    ]
    return {
        "format": "horarium.problem/1",
        "name": "two classes",
        "calendar": {"weeks": 1, "days": 1, "slots_per_day": 2},
        "times": times,
        "rooms": [{"id": "r", "capacity": 10}],
        "instructors": [{"id": "i"}],
        "courses": [
            {
                "id": "x",
                "configs": [{"id": "k", "subparts": [{"id": f"s{n}", "classes": [classes[n]]} for n in range(2)]}],
            }
        ],
    }


def a_request(organization: UUID | None = None, *, variants: int = 1, priority: int = 0, **fields: Any) -> JobRequested:
    return JobRequested(
        job_id=uuid.uuid4(),
        organization_id=organization or uuid.uuid4(),
        priority=priority,
        **({"problem": a_problem(), "options": SolveOptions(variants=variants)} | fields),
    )


async def requested(jobs: Jobs, organization: UUID | None = None, **options: Any) -> JobRequested:
    """A request that intake has stored."""
    event = a_request(organization, **options)
    await jobs.accept(new_job(event))
    return event


def a_timetable() -> Timetable:
    return Timetable(placements=[Placement(class_id="c0", time="t0", room="r")])


def a_result(claim: Claim, *, cost: int = 7, hard: int = 0, reason: EndReason = EndReason.FINISHED) -> TaskResult:
    """What the child of this claim might have sent."""
    result = VariantResult(
        variant=claim.variant,
        score=Score(hard_violations=hard, total=cost, hard={"unplaced": hard} if hard else {}),
        timetable=a_timetable(),
        provenance=Provenance(
            engine_version="1", ortools_version="1", input_sha256="0" * 64, seed=0, workers=1, method="test"
        ),
        elapsed_s=1.0,
    )
    return TaskResult(reason, pack(result.model_dump_json(by_alias=True).encode()))


def a_checkpoint(cost: int = 9) -> Checkpoint:
    packed = pack(a_timetable().model_dump_json(by_alias=True).encode())
    return Checkpoint(packed, Score(hard_violations=0, total=cost), 12.5)


async def claimed(tasks: Tasks, worker: str = "worker") -> Claim:
    claim = await tasks.claim(worker)
    assert claim is not None, "nothing to claim"
    return claim


async def completed_events(engine: AsyncEngine, job_id: UUID) -> list[SolveCompleted]:
    """The end of a job as it is stored: none or one."""
    async with engine.connect() as connection:
        packed = await connection.scalar(select(solve_jobs.c.completed_event).where(solve_jobs.c.job_id == job_id))
    return [] if packed is None else [SolveCompleted.model_validate(json.loads(unpack(packed, 2**26)))]


async def the_end(engine: AsyncEngine, job_id: UUID) -> SolveCompleted:
    events = await completed_events(engine, job_id)
    assert events, f"job {job_id} has not ended"
    return events[0]


async def task_row(engine: AsyncEngine, job_id: UUID, variant: int = 1) -> Any:
    async with engine.connect() as connection:
        statement = select(solve_tasks).where(solve_tasks.c.job_id == job_id, solve_tasks.c.variant == variant)
        return (await connection.execute(statement)).one()


async def attempt_ends(engine: AsyncEngine, job_id: UUID) -> list[str | None]:
    async with engine.connect() as connection:
        statement = select(solve_attempts.c.end_reason).where(solve_attempts.c.job_id == job_id)
        return list((await connection.scalars(statement.order_by(solve_attempts.c.token))).all())


async def started_at(engine: AsyncEngine, token: int) -> datetime:
    """When a claim was made."""
    async with engine.connect() as connection:
        found = await connection.scalar(select(solve_attempts.c.started_at).where(solve_attempts.c.token == token))
    assert isinstance(found, datetime)
    return found


async def let_leases_run_out(engine: AsyncEngine) -> None:
    """What a lease's length of silence does, without the wait."""
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE solve_tasks SET lease_until = clock_timestamp() - interval '1 s' WHERE status = 'running'")
        )


async def make_due(engine: AsyncEngine) -> None:
    """What a retry's delay does, without the wait."""
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE solve_tasks SET run_after = clock_timestamp() WHERE status = 'queued'"))


def a_long_search(seed: int = 1) -> str:
    """A CB-CTT problem of 360 lectures whose cost cannot reach 0, so that its search uses all its time.

    No room is large enough for most courses, and curricula pull lectures together while courses spread them: no exact
    method proves anything about it within minutes.
    """
    draw = random.Random(seed)  # noqa: S311  # a problem, no secret
    courses = [f"c{n:03} t{n % 50} 3 3 {draw.randint(20, 90)}" for n in range(120)]
    rooms = [f"r{n} {15 + 5 * n}" for n in range(11)]
    curricula = [f"q{n} 4 {' '.join(f'c{m:03}' for m in draw.sample(range(120), 4))}" for n in range(50)]
    counts = [("Courses", courses), ("Rooms", rooms), ("Curricula", curricula)]
    head = ["Name: long", *(f"{name}: {len(lines)}" for name, lines in counts[:2]), "Days: 5", "Periods_per_day: 8"]
    head += [f"Curricula: {len(curricula)}", "Constraints: 0"]
    sections = [line for name, lines in counts for line in ("", f"{name.upper()}:", *lines)]
    return "\n".join([*head, *sections, "", "UNAVAILABILITY_CONSTRAINTS:", "", "END.", ""])

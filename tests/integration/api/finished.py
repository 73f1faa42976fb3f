"""Finished jobs without a solver: rows as the persister writes them."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass

import httpx

from schemas.change.difference import ChangedClass, Place
from schemas.change.report import Changes
from schemas.events import Outcome, Provenance, SolveCompleted, VariantResult
from schemas.timetable import Placement, Score, Timetable
from services.persister.packing import timetable_row, variant_rows
from services.persister.repository import Repository, Result
from services.runtime.database import create_engine
from services.runtime.settings import RuntimeSettings
from tests.integration.api.conftest import RunningApi

A_PROVENANCE = Provenance(
    engine_version="1", ortools_version="9", input_sha256="0" * 64, seed=0, workers=1, method="grid-annealing"
)
# What departs from a timetable that was published before.
A_CHANGE = Changes(
    base_job_id=uuid.uuid4(),
    base_variant=1,
    compared=2,
    classes=1,
    times=1,
    rooms=0,
    sections=0,
    students=0,
    forced=1,
    max_changes=0,
    over_budget=1,
    changed=[ChangedClass(class_id="c1", before=Place(time="mon", room="r1"), after=Place(time="tue", room="r1"))],
)


@dataclass(frozen=True)
class Variant:
    """A variant to store; its number is its place in the list."""

    timetable: Timetable
    total: int = 5
    changes: Changes | None = None
    own_total: int | None = None
    profile: str | None = None


def finished(
    api: RunningApi, client: httpx.Client, problem_id: str, *timetables: Timetable | Variant, **fields: object
) -> str:
    """A job of the caller's organisation whose end the persister has stored; `fields` are the event's."""
    answer = client.post("/api/timetables/generate", json={"problem_id": problem_id})
    job_id: str = answer.json()["job_id"]
    given = timetables or (Timetable(placements=[Placement(class_id="c1", time="mon", room="r1")]),)
    variants = [t if isinstance(t, Variant) else Variant(t) for t in given]
    event = SolveCompleted.model_validate(
        {
            "job_id": uuid.UUID(job_id),
            "organization_id": api.organization_id,
            "outcome": Outcome.COMPLETED,
            "variants": [
                VariantResult(
                    variant=n,
                    score=Score(hard_violations=0, total=v.total, cost={"time": v.total}),
                    own_score=None if v.own_total is None else Score(hard_violations=0, total=v.own_total),
                    timetable=v.timetable,
                    provenance=A_PROVENANCE.model_copy(update={"profile": v.profile}),
                    elapsed_s=1.5,
                    changes=v.changes,
                )
                for n, v in enumerate(variants, start=1)
            ],
            **fields,
        }
    )
    asyncio.run(_store(api, event))
    return job_id


async def _store(api: RunningApi, event: SolveCompleted) -> None:
    settings = RuntimeSettings(kafka_bootstrap_servers="unused:1", database_url=api.addresses.database_url)
    engine = create_engine(settings, "finished-jobs")
    try:
        await Repository(engine).apply([event], Result(timetable_row(event), variant_rows(event)))
    finally:
        await engine.dispose()

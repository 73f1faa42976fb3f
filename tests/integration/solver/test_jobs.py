"""One solver as a process, with its real children, broker and database: what becomes of the jobs it is given."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from typer.testing import CliRunner

from deploy.local.addresses import Addresses
from horarium.cli import app
from horarium.dead_letters.replay import replayed_job_id
from schemas.events import ControlAction, JobRequested, Outcome, SolveCompleted, SolveOptions, SolveProgress, Stage
from schemas.events.cloudevents import decode, encode
from schemas.problem.read import ProblemFormat, read_problem
from schemas.referee import judge
from schemas.tables import organizations, problems
from schemas.topics import BY_NAME, JOB_REQUESTED, SOLVE_COMPLETED, SOLVE_PROGRESS
from services.solver.intake import new_job
from services.solver.packing import pack
from tests.integration.solver.building import a_long_search, a_request, attempt_ends, completed_events
from tests.integration.solver.replicas import (
    Replica,
    Solvers,
    a_world,
    accepted_by_the_referee,
    eventually,
    messages,
    start_replica,
)
from tests.unit.schemas.itc2019_files import SMALL

log = logging.getLogger(__name__)

CANCEL = ControlAction.CANCEL


@pytest.fixture(scope="module")
def world() -> Iterator[Addresses]:
    with a_world() as stack:
        yield stack.addresses


@pytest.fixture
async def engine(world: Addresses) -> AsyncIterator[AsyncEngine]:
    made = create_async_engine(world.database_url)
    yield made
    await made.dispose()


@pytest.fixture(scope="module")
def service(world: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replica]:
    """One replica for the whole module."""
    with ExitStack() as exits:
        yield start_replica(world, tmp_path_factory.mktemp("logs"), exits, "steady", SOLVER_SLOTS="2")


@pytest.fixture
def solvers(world: Addresses, engine: AsyncEngine, service: Replica, tmp_path: Path) -> Iterator[Solvers]:
    with ExitStack() as exits:
        yield Solvers(world, engine, tmp_path, exits)


async def test_a_request_on_the_broker_becomes_progress_and_one_result(solvers: Solvers, world: Addresses) -> None:
    event = a_request(problem=a_long_search(), problem_format="ctt")
    event = event.model_copy(update={"options": SolveOptions(time_limit_s=4, variants=2, seed=5)})
    wire = encode(event, source="/test")
    producer = AIOKafkaProducer(bootstrap_servers=world.kafka_bootstrap_servers)
    await producer.start()
    try:
        headers = [(name, value.encode()) for name, value in wire.headers.items()]
        for _ in range(2):  # every delivery is at least once
            await producer.send_and_wait(wire.topic, wire.value, wire.key, headers=headers)
    finally:
        await producer.stop()

    stored = await solvers.end(event.job_id)

    assert stored.outcome is Outcome.COMPLETED
    assert [v.variant for v in stored.variants] == [1, 2]
    assert [v.provenance.seed for v in stored.variants] == [5, 6]
    assert accepted_by_the_referee(stored, a_long_search())

    async def published() -> list[Any]:
        return await messages(world, SOLVE_COMPLETED, event.job_id)

    ends = await eventually("the end on the broker", published)
    assert [decode(m.value, m.headers, [SolveCompleted]) for m in ends] == [stored]
    progress = [
        decode(m.value, m.headers, [SolveProgress]) for m in await messages(world, SOLVE_PROGRESS, event.job_id)
    ]
    for variant in (1, 2):
        told = [p for p in progress if p.variant == variant]
        assert [p.sequence for p in told] == list(range(1, len(told) + 1))
        assert [p.percent for p in told] == sorted(p.percent for p in told)
        assert told[-1].stage is Stage.FINISHED
        scores = [p.score.rank for p in told if p.score]
        assert scores == sorted(scores, reverse=True)


async def test_a_killed_child_is_replaced_and_its_search_goes_on_from_the_checkpoint(
    solvers: Solvers, service: Replica
) -> None:
    event = await solvers.request()
    saved = await solvers.checkpointed(event.job_id)
    for child in service.children():
        child.kill()

    resumed = await solvers.checkpointed(event.job_id, attempt=2)
    await solvers.jobs.control(event.job_id, event.organization_id, ControlAction.STOP)
    end = await solvers.end(event.job_id)

    assert resumed.checkpoint_score["total"] <= saved.checkpoint_score["total"]
    assert resumed.checkpoint_elapsed_s > saved.checkpoint_elapsed_s, "search time counts over all attempts"
    assert (end.outcome, end.attempt) == (Outcome.STOPPED, 2)
    assert await attempt_ends(solvers.engine, event.job_id) == ["error", "stopped"]
    assert accepted_by_the_referee(end, a_long_search())


@pytest.mark.parametrize("action", list(ControlAction))
async def test_a_control_takes_effect_in_mid_search(solvers: Solvers, service: Replica, action: ControlAction) -> None:
    """The bar is two seconds: they are logged. What counts here is that the search does not go on."""
    event = await solvers.request()
    await solvers.checkpointed(event.job_id)
    asked_at = monotonic()
    await solvers.jobs.control(event.job_id, event.organization_id, action)

    end = await solvers.end(event.job_id)

    async def idle() -> bool:
        return not service.children()

    await eventually("the child's end", idle)
    log.info("%s: %.2f s to a free slot", action, monotonic() - asked_at)
    assert await attempt_ends(solvers.engine, event.job_id) == ["cancelled" if action is CANCEL else "stopped"]
    if action is CANCEL:
        assert (end.outcome, end.variants) == (Outcome.CANCELLED, [])
    else:
        assert end.outcome is Outcome.STOPPED
        assert accepted_by_the_referee(end, a_long_search())


async def test_an_itc_2019_problem_in_a_request_is_solved(solvers: Solvers) -> None:
    event = await solvers.request(seconds=3, problem=SMALL, problem_format="itc2019")

    end = await solvers.end(event.job_id)

    assert end.outcome is Outcome.COMPLETED
    (variant,) = end.variants
    assert [p.class_id for p in variant.timetable.placements] == ["1", "2", "3", "4", "5"]
    assert variant.score.hard_violations == 0
    problem = read_problem(SMALL.encode(), ProblemFormat.ITC2019)
    assert judge(problem, variant.timetable).score == variant.score


async def test_an_object_under_the_name_of_a_text_format_is_refused(solvers: Solvers) -> None:
    event = await solvers.request(problem={"name": "x"}, problem_format="itc2019")

    end = await solvers.end(event.job_id)

    assert end.outcome is Outcome.FAILED
    assert end.error is not None
    assert "'problem_format' is 'itc2019', but the problem is a JSON object" in end.error.message


async def test_bad_input_fails_once_and_names_the_place(solvers: Solvers) -> None:
    broken = await solvers.request(problem={"format": "horarium.problem/1", "name": "x"}, problem_format="native")
    truncated = await solvers.request(problem=a_long_search()[:400])
    missing = await solvers.request(problem=None, problem_ref={"problem_id": uuid.uuid4(), "sha256": "0" * 64})

    ends = [await solvers.end(event.job_id) for event in (broken, truncated, missing)]

    assert [end.error.code for end in ends if end.error] == ["invalid_problem", "invalid_problem", "problem_not_found"]
    assert all((end.outcome, end.attempt) == (Outcome.FAILED, 1) for end in ends)
    assert ends[0].error is not None
    assert "/calendar" in json.dumps(ends[0].error.details)
    assert ends[1].error is not None
    assert "line" in json.dumps(ends[1].error.details)


async def test_a_stored_problem_is_solved_for_its_organisation_and_for_no_other(
    solvers: Solvers, engine: AsyncEngine
) -> None:
    owner, problem_id = uuid.uuid4(), uuid.uuid4()
    content = json.dumps(a_request().problem).encode()
    sha256 = new_job(a_request(problem=content.decode())).problem_sha256
    async with engine.begin() as connection:
        await connection.execute(insert(organizations).values(id=owner, name=str(owner)))
        await connection.execute(
            insert(problems).values(
                id=problem_id,
                organization_id=owner,
                name="small",
                format="native",
                sha256=sha256,
                content_zstd=pack(content),
                size_bytes=len(content),
                summary={},
            )
        )
    reference = {"problem_id": problem_id, "sha256": sha256}
    own = await solvers.request(organization=owner, problem=None, problem_ref=reference)
    foreign = await solvers.request(problem=None, problem_ref=reference)

    assert (await solvers.end(own.job_id)).outcome is Outcome.COMPLETED
    error = (await solvers.end(foreign.job_id)).error
    assert error is not None
    assert error.code == "problem_not_found"


async def test_a_job_whose_child_crashes_at_each_attempt_is_one_dead_letter_and_a_replay_is_one_new_job(
    solvers: Solvers, service: Replica, world: Addresses
) -> None:
    event = await solvers.request(seconds=6)  # longer than it takes us to see a child

    async def ended() -> list[SolveCompleted]:
        for child in service.children():
            child.kill()
        return await completed_events(solvers.engine, event.job_id)

    (end,) = await eventually("the job's end", ended)
    assert end.outcome is Outcome.FAILED
    assert end.error is not None
    assert end.error.code == "child_crashed"

    async def letters() -> list[Any]:
        return await messages(world, BY_NAME[JOB_REQUESTED].dead_letter, event.job_id)

    (letter,) = await eventually("the dead letter", letters)
    headers = {name: value.decode() for name, value in letter.headers}
    assert (headers["dlq_reason"], headers["dlq_attempts"]) == ("attempts_exhausted", "3")
    assert headers["dlq_error"].startswith("child_crashed: ")
    assert decode(letter.value, letter.headers, [JobRequested]) == event

    for _ in range(2):
        replay = ["dlq", "replay", f"{letter.topic}:{letter.partition}:{letter.offset}"]
        said = await asyncio.to_thread(CliRunner().invoke, app, replay, env=world.as_environment())
        assert said.exit_code == 0, said.output
    new_job_id = replayed_job_id(event.job_id)
    assert str(new_job_id) in said.stdout
    again = await solvers.end(new_job_id)
    assert again.outcome is Outcome.COMPLETED
    assert accepted_by_the_referee(again, a_long_search())
    assert len(await letters()) == 3, "the letter, and a marker of each replay"
    assert len(await messages(world, SOLVE_COMPLETED, event.job_id)) == 1


async def test_an_end_that_no_persister_has_recorded_is_published_again(solvers: Solvers, world: Addresses) -> None:
    event = await solvers.request(problem=a_request().problem, problem_format="native")
    stored = await solvers.end(event.job_id)
    replica = solvers.start("again", SOLVER_REPUBLISH_AFTER_S="0.5")

    async def published() -> list[Any] | None:
        found = await messages(world, SOLVE_COMPLETED, event.job_id)
        return found if len(found) > 1 else None

    ends = await eventually("the end to be published again", published)
    assert all(decode(m.value, m.headers, [SolveCompleted]) == stored for m in ends)

    async def told() -> bool:
        counted = re.search(r"^horarium_solver_ends_republished_total [1-9]", replica.metrics(), re.MULTILINE)
        return bool(counted) and "ends_republished" in replica.log()

    await eventually("the operator to be told", told)

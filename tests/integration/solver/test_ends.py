"""Ends that got lost, ends that the broker refuses, and requests that become dead letters: what reaches the broker."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.event import listen
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from schemas.events import ControlAction, ErrorInfo, JobRequested, SolveCompleted
from schemas.events.cloudevents import WireMessage, decode
from schemas.tables import job_states, solve_jobs
from schemas.topics import BY_NAME, JOB_REQUESTED, SOLVE_COMPLETED
from services.solver.dead_letters import DeadLetters
from services.solver.ends import Ends
from services.solver.intake import new_job
from services.solver.jobs import Jobs
from services.solver.notifications import Doorbell
from services.solver.packing import unpack
from services.solver.publisher import Publisher
from services.solver.tasks import Tasks
from tests.integration.solver.building import a_problem, a_request, a_result, claimed, make_due, requested, the_end
from tests.unit.schemas.itc2019_files import SMALL

AFTER = timedelta(minutes=1)
CRASH = ErrorInfo(code="child_crashed", message="SIGKILL", retryable=True)
MISMATCH = ErrorInfo(code="referee_mismatch", message="They differ.")
BAD_INPUT = ErrorInfo(code="invalid_problem", message="/courses: none")


class Broker:
    """Keeps what it is sent; `refuse` says which messages it will not have."""

    def __init__(self, refuse: Callable[[WireMessage], bool] = lambda _: False) -> None:
        self.refuse = refuse
        self.away = False
        self.sent: list[WireMessage] = []

    async def publish(self, message: WireMessage) -> None:
        if self.away:
            raise ConnectionError("away")
        if self.refuse(message):
            raise ValueError("too large for us")
        self.sent.append(message)

    @property
    def jobs(self) -> list[UUID]:
        return [UUID(message.key.decode()) for message in self.sent]


def a_publisher(engine: AsyncEngine, broker: Broker) -> Publisher:
    return Publisher(Ends(engine, AFTER), broker.publish, Doorbell(), AFTER)


async def an_ended_job(jobs: Jobs, tasks: Tasks) -> JobRequested:
    event = await requested(jobs)
    claim = await claimed(tasks)
    assert await tasks.finish(claim, a_result(claim))
    return event


async def let_pass(engine: AsyncEngine, time: timedelta) -> None:
    """What waiting does to ended jobs, without the wait."""
    async with engine.begin() as connection:
        for statement in (
            "UPDATE solve_jobs SET published_at = published_at - :time, created_at = created_at - :time",
            "UPDATE solve_tasks SET finished_at = finished_at - :time",
        ):
            await connection.execute(text(statement), {"time": time})


async def record(engine: AsyncEngine, event: JobRequested, status: str) -> None:
    """What the persister does, as far as we look."""
    async with engine.begin() as connection:
        await connection.execute(
            insert(job_states).values(
                job_id=event.job_id,
                organization_id=event.organization_id,
                status=status,
                state={},
                version=1,
                updated_at=func.now(),
            )
        )


async def test_an_end_that_nobody_records_is_published_again_at_doubling_ages_with_the_same_id(
    jobs: Jobs, tasks: Tasks, engine: AsyncEngine
) -> None:
    event = await an_ended_job(jobs, tasks)
    broker = Broker()
    publisher = a_publisher(engine, broker)
    assert await publisher.publish_new() == 1
    # So that no look falls together with the moment of a doubled age, where milliseconds would decide.
    await let_pass(engine, timedelta(seconds=7))

    ages = []
    for seconds in range(7, 1000, 20):
        if await publisher.publish_lost():
            ages.append(seconds)
        assert await a_publisher(engine, broker).publish_lost() == 0, "another replica sees that it is done"
        await let_pass(engine, timedelta(seconds=20))

    assert ages == [67, 147, 307, 627], "the first look after 60 s, and after twice the age of each"
    ids = {decode(m.value, m.headers, [SolveCompleted]).event_id for m in broker.sent}
    assert ids == {(await the_end(engine, event.job_id)).event_id}


@pytest.mark.parametrize(("status", "again"), [("completed", 0), ("cancelled", 0), ("queued", 1), ("running", 1)])
async def test_only_an_end_without_a_terminal_state_is_lost(
    jobs: Jobs, tasks: Tasks, engine: AsyncEngine, status: str, again: int
) -> None:
    event = await an_ended_job(jobs, tasks)
    publisher = a_publisher(engine, Broker())
    await publisher.publish_new()
    await record(engine, event, status)
    await let_pass(engine, 2 * AFTER)

    assert await publisher.publish_lost() == again


async def test_an_end_older_than_its_topic_is_given_up(jobs: Jobs, tasks: Tasks, engine: AsyncEngine) -> None:
    await an_ended_job(jobs, tasks)
    publisher = a_publisher(engine, Broker())
    await publisher.publish_new()
    await let_pass(engine, BY_NAME[SOLVE_COMPLETED].retention - timedelta(minutes=1))
    assert await publisher.publish_lost() == 1

    await let_pass(engine, timedelta(minutes=2))
    async with engine.begin() as connection:
        await connection.execute(update(solve_jobs).values(published_at=func.now() - 2 * AFTER))
    assert await publisher.publish_lost() == 0


async def test_an_end_that_the_broker_refuses_or_that_is_damaged_holds_up_no_other(
    jobs: Jobs, tasks: Tasks, engine: AsyncEngine
) -> None:
    refused, damaged, *good = [await an_ended_job(jobs, tasks) for _ in range(5)]
    async with engine.begin() as connection:
        await connection.execute(
            update(solve_jobs).where(solve_jobs.c.job_id == damaged.job_id).values(completed_event=b"no zstd")
        )
    broker = Broker(refuse=lambda message: message.key == refused.key)
    publisher = a_publisher(engine, broker)

    await publisher.publish_new()

    assert broker.jobs == [event.job_id for event in good]
    broker.refuse = lambda _: False
    # Another replica, or this one after its pause, tries again.
    await a_publisher(engine, broker).publish_new()
    assert broker.jobs[-1] == refused.job_id


async def test_an_end_that_does_not_get_through_lets_the_others_pass_while_its_partition_is_away(
    jobs: Jobs, tasks: Tasks, engine: AsyncEngine
) -> None:
    stuck, other = [await an_ended_job(jobs, tasks) for _ in range(2)]

    class HalfAway(Broker):
        async def publish(self, message: WireMessage) -> None:
            if message.key == stuck.key:
                raise ConnectionError("its partition has no leader")
            await super().publish(message)

    broker = HalfAway()
    publisher = a_publisher(engine, broker)
    for _ in range(10):
        with suppress(ConnectionError):  # so that the loop is started again, after a pause
            await publisher.publish_new()
        if broker.sent:
            break
    assert broker.jobs == [other.job_id]


async def fail(tasks: Tasks, engine: AsyncEngine, error: ErrorInfo, times: int = 3) -> None:
    for _ in range(times):
        await tasks.retry(await claimed(tasks), error)
        await make_due(engine)


def headers_of(letter: WireMessage) -> dict[str, str]:
    return {name: value for name, value in letter.headers.items() if name.startswith("dlq_")}


async def test_a_job_whose_every_attempt_failed_leaves_one_dead_letter_that_asks_for_the_same(
    jobs: Jobs, tasks: Tasks, engine: AsyncEngine
) -> None:
    event = a_request(priority=7, requested_by="a planner\x00", correlation_id="c-1")
    await jobs.accept(new_job(event))
    await fail(tasks, engine, CRASH)
    broker = Broker()

    letters = DeadLetters(Ends(engine, AFTER), broker.publish)
    assert await letters.publish() == 1
    assert await letters.publish() == 0

    (letter,) = broker.sent
    assert (letter.topic, letter.key) == ("job.requested.dlq", event.key)
    assert headers_of(letter) == {
        "dlq_reason": "attempts_exhausted",
        "dlq_error": "child_crashed: SIGKILL",
        "dlq_attempts": "3",
        "dlq_topic": "job.requested",
        "dlq_group": "solver.intake",
        "dlq_service": "solver",
    }
    assert letter.headers["ce_id"] == str(event.event_id)
    assert letter.headers["ce_time"] == event.occurred_at.isoformat()
    again = decode(letter.value, letter.headers, [JobRequested])
    assert again == event.model_copy(update={"requested_by": "a planner�"})


@pytest.mark.parametrize(
    "fields",
    [
        {"problem": a_problem() | {"name": "Zürich 東京 \u2028 \x7f", "ratio": 1e22, "tiny": 5e-324, "big": 2**70}},
        {"problem": a_problem() | {"not": float("nan"), "much": float("inf")}},
        {"problem": json.dumps(a_problem(), indent=3) + "\n"},
        {"problem": "Name: x\r\n\ttab\r\n", "problem_format": "ctt"},
        {"problem": SMALL.replace("\n", "\r\n"), "problem_format": "itc2019"},
        {"problem": "[" * 5000},
    ],
    ids=["object", "no-json-numbers", "text-of-its-own-layout", "ctt", "itc2019", "nested"],
)
async def test_the_problem_in_a_dead_letter_is_the_one_that_was_stored_byte_by_byte(
    jobs: Jobs, tasks: Tasks, engine: AsyncEngine, fields: dict[str, Any]
) -> None:
    event = a_request(**fields)
    await jobs.accept(new_job(event))
    await fail(tasks, engine, CRASH)
    broker = Broker()
    assert await DeadLetters(Ends(engine, AFTER), broker.publish).publish() == 1

    again = new_job(decode(broker.sent[0].value, broker.sent[0].headers, [JobRequested]))

    async with engine.connect() as connection:
        row = (await connection.execute(select(solve_jobs.c.problem_sha256, solve_jobs.c.problem_zstd))).one()
    assert again.problem_sha256 == row.problem_sha256
    assert again.problem_zstd is not None
    assert hashlib.sha256(unpack(again.problem_zstd, 2**26)).hexdigest() == row.problem_sha256
    assert unpack(again.problem_zstd, 2**26) == unpack(bytes(row.problem_zstd), 2**26)


async def test_a_request_by_reference_stays_one(jobs: Jobs, tasks: Tasks, engine: AsyncEngine) -> None:
    reference = {"problem_id": uuid.uuid4(), "sha256": "0" * 64}
    event = a_request(problem=None, problem_ref=reference)
    await jobs.accept(new_job(event))
    await fail(tasks, engine, MISMATCH, times=1)
    broker = Broker()
    await DeadLetters(Ends(engine, AFTER), broker.publish).publish()

    (letter,) = broker.sent
    assert letter.headers["dlq_reason"] == "referee_mismatch"
    assert decode(letter.value, letter.headers, [JobRequested]) == event


async def test_bad_input_cancelled_and_half_successful_jobs_leave_no_dead_letter(
    jobs: Jobs, tasks: Tasks, engine: AsyncEngine
) -> None:
    await requested(jobs)
    await fail(tasks, engine, BAD_INPUT, times=1)
    await jobs.accept(new_job(a_request(problem={})))  # fails as it arrives
    cancelled = await requested(jobs)
    await jobs.control(cancelled.job_id, cancelled.organization_id, ControlAction.CANCEL)
    await requested(jobs, variants=2)
    first, second = await claimed(tasks), await claimed(tasks)
    await tasks.retry(first, MISMATCH)
    await tasks.finish(second, a_result(second))
    broker = Broker()

    assert await DeadLetters(Ends(engine, AFTER), broker.publish).publish() == 0
    assert await a_publisher(engine, broker).publish_new() == 4
    assert Counter(message.topic for message in broker.sent) == {SOLVE_COMPLETED: 4}


async def test_a_dead_letter_waits_for_the_broker(jobs: Jobs, tasks: Tasks, engine: AsyncEngine) -> None:
    await requested(jobs)
    await fail(tasks, engine, CRASH)
    broker = Broker()
    broker.away = True
    letters = DeadLetters(Ends(engine, AFTER), broker.publish)
    with pytest.raises(ConnectionError):
        await letters.publish()

    broker.away = False
    assert await letters.publish() == 1
    assert {message.topic for message in broker.sent} == {BY_NAME[JOB_REQUESTED].dead_letter}


def ended_jobs() -> float:
    """As Prometheus has it, whatever the outcome."""
    (family,) = (f for f in REGISTRY.collect() if f.name == "horarium_solver_jobs_ended")
    return sum(sample.value for sample in family.samples if sample.name.endswith("_total"))


async def test_an_end_that_is_not_committed_is_neither_counted_nor_logged_until_it_is(
    jobs: Jobs, tasks: Tasks, engine: AsyncEngine
) -> None:
    """A connection that breaks at the commit has the worker try again; that is still one job."""
    await requested(jobs)
    claim = await claimed(tasks)
    to_fail = ["finish", "accept"]

    def break_once(_: object) -> None:
        if to_fail:
            raise OperationalError("COMMIT", {}, Exception(to_fail.pop(0)))

    before = ended_jobs()
    with capture_logs() as lines:
        listen(engine.sync_engine, "commit", break_once)
        failing = a_request(problem={})
        with pytest.raises(OperationalError):
            await tasks.finish(claim, a_result(claim))
        with pytest.raises(OperationalError):
            await jobs.accept(new_job(failing))
        assert ended_jobs() == before
        assert await tasks.finish(claim, a_result(claim))
        await jobs.accept(new_job(failing))
    assert ended_jobs() == before + 2
    told = [line["job_id"] for line in lines if line["event"] == "job_ended"]
    assert told == [str(claim.job_id), str(failing.job_id)]

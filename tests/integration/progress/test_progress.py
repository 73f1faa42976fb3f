"""A job's progress over HTTP, from real events through a real Redis."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import uuid
from contextlib import AsyncExitStack
from time import monotonic

import httpx
import pytest
import redis.asyncio

from deploy.local.services import ServiceProcess
from schemas.events import ControlAction, Event, Outcome
from schemas.fold import JobState, fold
from tests.integration.progress.speaking import Publisher, Reader, frames, headers_of
from tests.job_events import JobEvents

log = logging.getLogger(__name__)


async def test_each_report_is_readable_as_soon_as_it_is_published(http: httpx.AsyncClient, publish: Publisher) -> None:
    """The bar is a second: the seconds are logged."""
    job = JobEvents()
    reader = Reader(http, job)
    await publish(job.requested())
    assert (await reader.until(status="queued"))["progress"] == 0
    waits = []
    for sequence in range(1, 21):
        await publish(job.progress(sequence))
        started = monotonic()
        await reader.until(progress=float(sequence))
        waits.append(monotonic() - started)
    log.info("seconds waited: %s", [round(w, 3) for w in sorted(waits)])


async def test_what_redis_holds_is_the_contract(
    http: httpx.AsyncClient, publish: Publisher, stored: redis.asyncio.Redis
) -> None:
    job = JobEvents(variants=2)
    await publish(job.requested(), job.progress(30), job.completed())
    await Reader(http, job).until(status="completed")
    key, result = f"progress:job:{job.job_id}", f"result:job:{job.job_id}"
    body = json.loads(await stored.get(key) or b"{}")
    assert {"job_id", "progress", "status", "stage", "message", "timestamp", "organization_id", "state"} <= body.keys()
    assert 0 < await stored.ttl(key) <= 2 * 3600
    async with asyncio.timeout(10):
        while not await stored.exists(result):  # noqa: ASYNC110  # another process writes it
            await asyncio.sleep(0.01)
    summary = json.loads(await stored.get(result) or b"{}")
    assert [v["score"]["total"] for v in summary["variants"]] == [10, 20]
    assert 2 * 3600 < await stored.ttl(result) <= 24 * 3600
    assert 0 < await stored.ttl(f"progress:events:{job.job_id}") <= 2 * 3600


async def test_shuffled_and_repeated_events_give_the_same_end(
    http: httpx.AsyncClient, publish: Publisher, stored: redis.asyncio.Redis
) -> None:
    job = JobEvents(variants=2)
    life: list[Event] = [job.requested()]
    life += [job.progress(n, variant=v, token=v) for n in range(1, 11) for v in (1, 2)]
    life.append(job.completed())
    in_order: JobState | None = None
    for event in life:
        in_order = fold(in_order, event)
    shuffled = life * 2
    random.Random(7).shuffle(shuffled)  # noqa: S311  # the same order every time
    await publish(*shuffled, job.progress(99))
    await Reader(http, job).until(status="completed", requested_at=life[0].occurred_at.isoformat())
    body = json.loads(await stored.get(f"progress:job:{job.job_id}") or b"{}")
    state = JobState.model_validate(body["state"])
    assert in_order is not None
    lasting = {"status", "best_score", "best_variant", "finished_at", "requested_at", "organization_id", "requested"}
    assert state.model_dump(include=lasting) == in_order.model_dump(include=lasting)


async def test_a_cancelled_jobs_late_result_does_not_revive_it(http: httpx.AsyncClient, publish: Publisher) -> None:
    job = JobEvents()
    reader = Reader(http, job)
    await publish(job.requested(), job.control(ControlAction.CANCEL))
    await reader.until(status="cancelled")
    await publish(job.progress(50), job.completed())
    after = JobEvents()
    await publish(after.requested(), after.completed())
    await Reader(http, after).until(status="completed")
    assert (await reader.get()).json()["status"] == "cancelled"


async def test_who_has_no_token_or_another_organisations_learns_nothing(
    http: httpx.AsyncClient, publish: Publisher
) -> None:
    job = JobEvents()
    reader = Reader(http, job)
    await publish(job.requested())
    await reader.until(status="queued")
    stranger = headers_of(uuid.uuid4())

    async def learns_nothing(path: str) -> None:
        anonymous = await http.get(path)
        assert (anonymous.status_code, anonymous.json()["code"]) == (401, "unauthenticated")
        forged = await http.get(path, headers={"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."})
        assert forged.status_code == 401
        foreign, nobody = await asyncio.gather(
            http.get(path, headers=stranger, timeout=30),
            http.get(path.replace(str(job.job_id), str(uuid.uuid4())), headers=stranger, timeout=30),
        )
        assert foreign.status_code == nobody.status_code == 404
        assert foreign.headers["Retry-After"] == nobody.headers["Retry-After"] == "1"
        assert foreign.headers["Content-Type"] == "application/problem+json"
        assert foreign.json()["code"] == nobody.json()["code"] == "unknown_job"
        assert foreign.json()["detail"] == nobody.json()["detail"]

    await asyncio.gather(learns_nothing(reader.path), learns_nothing(f"{reader.path}/events"))


async def test_an_unchanged_snapshot_is_not_sent_again(http: httpx.AsyncClient, publish: Publisher) -> None:
    job = JobEvents()
    reader = Reader(http, job)
    await publish(job.requested())
    await reader.until(status="queued")
    tag = (await reader.get()).headers["ETag"]
    assert (await reader.get(**{"If-None-Match": tag})).status_code == 304
    await publish(job.progress(1))
    await reader.until(status="running")
    assert (await reader.get(**{"If-None-Match": tag})).status_code == 200


async def test_a_stream_begins_with_the_snapshot_and_ends_with_the_job(
    http: httpx.AsyncClient, publish: Publisher
) -> None:
    job = JobEvents()
    reader = Reader(http, job)
    # One after the other: the two are on different topics, and either may be read first.
    await publish(job.requested())
    await reader.until(status="queued")
    await publish(job.progress(10))
    await reader.until(progress=10.0)
    async with asyncio.timeout(30), reader.stream() as (answer, messages):
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert "no-cache" in answer.headers["Cache-Control"]
        assert answer.headers["X-Accel-Buffering"] == "no"
        first = await anext(messages)
        assert (first.event, first.body["progress"]) == ("progress", 10.0)
        await publish(job.progress(20), job.progress(30))
        await reader.until(progress=30.0)
        await publish(job.completed())
        rest = frames([message async for message in messages])
    assert [m.body["progress"] for m in rest] == [20.0, 30.0, 100.0]
    assert [m.event for m in rest] == ["progress", "progress", "finished"]
    ids = [tuple(int(part) for part in m.id.split("-")) for m in (first, *rest)]
    assert ids == sorted(set(ids))


async def test_a_client_that_comes_back_gets_exactly_what_it_missed(
    http: httpx.AsyncClient, publish: Publisher
) -> None:
    job = JobEvents()
    reader = Reader(http, job)
    await publish(job.requested())
    await reader.until(status="queued")
    async with asyncio.timeout(30), reader.stream() as (_, messages):
        seen = await anext(messages)
    for sequence in (11, 12, 13):
        await publish(job.progress(sequence))
    await reader.until(progress=13.0)
    async with asyncio.timeout(30), reader.stream(seen.id) as (_, messages):
        missed = [await anext(messages) for _ in range(3)]
    assert [m.body["progress"] for m in missed] == [11.0, 12.0, 13.0]
    await publish(job.completed())
    await reader.until(status="completed")
    (end,) = await reader.follow(missed[-1].id)
    assert end.body["status"] == "completed"


async def test_a_client_that_has_seen_the_end_is_told_to_stop(http: httpx.AsyncClient, publish: Publisher) -> None:
    """A browser's EventSource reconnects for ever after a stream has ended, unless the answer is 204."""
    job = JobEvents()
    await publish(job.requested(), job.completed(Outcome.STOPPED))
    reader = Reader(http, job)
    await reader.until(status="stopped")
    (end,) = await reader.follow()
    async with reader.stream(end.id) as (answer, _):
        assert answer.status_code == 204


@pytest.mark.parametrize("stale", ["1-1", "99999999999999-1", "garbage", "0-0"])
async def test_an_id_that_is_not_kept_begins_with_a_snapshot(
    http: httpx.AsyncClient, publish: Publisher, stale: str
) -> None:
    job = JobEvents()
    reader = Reader(http, job)
    await publish(job.requested(), job.progress(5))
    await reader.until(progress=5.0)
    async with asyncio.timeout(30), reader.stream(stale) as (_, messages):
        assert (await anext(messages)).body["progress"] == 5.0


async def test_a_stream_may_be_opened_before_the_job_has_arrived(http: httpx.AsyncClient, publish: Publisher) -> None:
    job = JobEvents()
    reader = Reader(http, job)
    following = asyncio.create_task(reader.follow())
    await asyncio.sleep(0)
    await publish(job.requested(), job.completed())
    messages = await following
    assert messages[-1].body["status"] == "completed"


async def test_a_silent_stream_has_a_heartbeat(http: httpx.AsyncClient, publish: Publisher) -> None:
    job = JobEvents()
    reader = Reader(http, job)
    await publish(job.requested())
    await reader.until(status="queued")
    async with asyncio.timeout(30), reader.stream() as (_, messages):
        kinds = [(await anext(messages)).event for _ in range(3)]
    assert kinds == ["progress", "comment", "comment"]


async def test_a_client_that_leaves_frees_its_place_and_too_many_are_refused(
    http: httpx.AsyncClient, publish: Publisher, progress: ServiceProcess
) -> None:
    job = JobEvents()
    reader = Reader(http, job)
    await publish(job.requested())
    await reader.until(status="queued")
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=progress.url, limits=limits, timeout=30) as many:
        async with AsyncExitStack() as open_streams:
            streams = [await open_streams.enter_async_context(Reader(many, job).stream()) for _ in range(30)]
            for answer, messages in streams:
                assert answer.status_code == 200
                await anext(messages)
            async with Reader(many, job).stream() as (refused, _):
                assert refused.status_code == 503
                assert json.loads(await refused.aread())["code"] == "too_many_streams"
            assert (await reader.get()).status_code == 200, "snapshots are still answered"
        async with asyncio.timeout(20):
            while "horarium_sse_clients 0.0" not in (await http.get("/metrics")).text:  # noqa: ASYNC110  # a process
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("path", ["/api/progress/not-a-uuid", "/api/progress/", "/api/nothing"])
async def test_a_wrong_address_is_a_problem_answer(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path, headers=headers_of(uuid.uuid4()))
    assert answer.status_code in (404, 422)
    assert answer.headers["Content-Type"] == "application/problem+json"

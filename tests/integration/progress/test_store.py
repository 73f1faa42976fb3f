"""The store's promises on a real Redis and on a real Redis Cluster, which refuses any command that spans two slots."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import redis as redis_client

from schemas.events import Event, SolveCompleted
from schemas.fold import JobState, fold
from services.progress.snapshot import Revision
from services.progress.store import (
    EPOCH,
    POSITIONS,
    AwayError,
    Frame,
    Position,
    Store,
    job_key,
    read_feed,
    result_key,
    stream_key,
)
from tests.integration.progress.cluster import ClusterOfOne, a_cluster
from tests.job_events import JobEvents


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterOfOne]:
    with a_cluster() as server:
        yield server


@pytest.fixture(params=["redis", "cluster"])
async def store(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[Store]:
    url = redis_url if request.param == "redis" else request.getfixturevalue("cluster").cluster_url
    store = Store(url)
    await complete(store)
    yield store
    await store.close()


async def complete(store: Store) -> None:
    """A cluster needs a moment to find itself complete."""
    async with asyncio.timeout(30):
        while True:
            try:
                await store.epoch()
            except AwayError:
                await asyncio.sleep(0.1)
            else:
                return


async def put(store: Store, *events: Event, offset: int = 0) -> JobState:
    """Fold events into the store as the projector does."""
    epoch = await store.epoch()
    state: JobState | None = None
    for event in events:
        loaded = await store.load(event.job_id)
        state = fold(loaded.state, event)
        assert await store.swap(loaded.digest, state, epoch)
        at = ("topic", 0, Position(offset, 1))
        await store.settle(state, epoch, announce=True, end=None, store_result=False, position=at)
    assert state is not None
    return state


async def test_a_write_that_was_overtaken_changes_nothing(store: Store) -> None:
    job = JobEvents()
    await put(store, job.requested())
    epoch = await store.epoch()
    mine, theirs = await store.load(job.job_id), await store.load(job.job_id)
    assert mine.state is not None
    newer = fold(mine.state, job.progress(2))
    assert await store.swap(theirs.digest, newer, epoch)
    assert not await store.swap(mine.digest, fold(mine.state, job.progress(1)), epoch)
    assert (await store.load(job.job_id)).state == newer


async def test_of_many_writers_of_a_new_job_one_wins(store: Store) -> None:
    job = JobEvents()
    epoch = await store.epoch()
    states = [fold(None, job.progress(n)) for n in range(1, 21)]
    won = await asyncio.gather(*(store.swap("", state, epoch) for state in states))
    assert won.count(True) == 1


async def test_a_frame_is_published_once_and_kept_for_those_who_come_back(store: Store) -> None:
    job = JobEvents()
    async with store.feed() as feed:
        state = await put(store, job.requested(), job.progress(1), job.progress(2))
        epoch = await store.epoch()
        again = await store.settle(
            state, epoch, announce=True, end=None, store_result=False, position=("topic", 0, Position(1, 1))
        )
        assert not again
        live: list[Frame] = []
        async with asyncio.timeout(10):
            while len(live) < 3:
                frame = await read_feed(feed, 1.0)
                if frame is not None and frame.job_id == job.job_id:
                    live.append(frame)
    assert [frame.revision.version for frame in live] == [1, 2, 3]
    assert await store.frames_since(job.job_id, live[0].revision) == live[1:]
    assert await store.frames_since(job.job_id, Revision(1, 1)) is None
    assert await store.snapshot(job.job_id) == live[-1]


async def test_after_a_catch_up_each_job_is_told_once_and_its_result_outlives_its_progress(store: Store) -> None:
    job = JobEvents()
    epoch = await store.epoch()
    for offset, event in enumerate((job.requested(), job.progress(1), job.completed())):
        loaded = await store.load(job.job_id)
        state = fold(loaded.state, event)
        assert await store.swap(loaded.digest, state, epoch)
        end = event if isinstance(event, SolveCompleted) else None
        at = ("catch-up", 3, Position(offset, 1))
        await store.settle(state, epoch, announce=False, end=end, store_result=end is not None, position=at)
    assert await store.announce([job.job_id], epoch) == 1
    assert await store.announce([job.job_id], epoch) == 0
    await store.advance(epoch, {("catch-up", 3): Position(7, 1)})
    assert (await store.positions(epoch))[("catch-up", 3)] == Position(7, 1)
    await store._redis.delete(job_key(job.job_id))  # as its time to live does after two hours
    last = await store.snapshot(job.job_id)
    assert last is not None
    assert last.terminal


async def test_positions_of_another_epoch_are_not_believed(store: Store) -> None:
    await put(store, JobEvents().requested(), offset=41)
    epoch = await store.epoch()
    assert (await store.positions(epoch))[("topic", 0)] == Position(41, 1)
    assert ("topic", 0) not in await store.positions(epoch + 1)


async def test_a_server_that_is_away_is_told_from_a_defect() -> None:
    store = Store("redis://127.0.0.1:1/0", timeout_s=0.5)
    with pytest.raises(AwayError):
        await store.load(JobEvents().job_id)
    await store.close()


async def test_a_server_that_answers_and_takes_no_writes_is_away(cluster: ClusterOfOne) -> None:
    """Else events would be set aside as if they were wrong, and nobody told that the projection stands still."""
    store = Store(cluster.cluster_url)
    await complete(store)
    job = JobEvents()
    state, epoch = fold(None, job.requested()), await store.epoch()
    at = ("topic", 0, Position(0, 1))
    with cluster.full():
        assert await store.snapshot(job.job_id) is None, "it answers"
        for write in (
            store.ping(),
            store.swap("", state, epoch),
            store.settle(state, epoch, announce=True, end=None, store_result=False, position=at),
            store.settle(state, epoch, announce=False, end=None, store_result=False, position=at),
            store.advance(epoch, {("topic", 0): Position(0, 1)}),
        ):
            with pytest.raises(AwayError):
                await write
    await store.ping()
    await store.close()


async def test_every_key_of_a_job_expires_by_itself(redis_url: str) -> None:
    """Nobody cleans Redis up: what a job leaves there goes with its time to live, also after it was written again."""
    store = Store(redis_url)
    job = JobEvents()
    events = (job.requested(), job.progress(1), job.completed())
    epoch = await store.epoch()
    with redis_client.Redis.from_url(redis_url, decode_responses=True) as client:
        for event in events:
            loaded = await store.load(job.job_id)
            state = fold(loaded.state, event)
            assert await store.swap(loaded.digest, state, epoch)
            end = event if isinstance(event, SolveCompleted) else None
            at = ("topic", 0, Position(0, 1))
            await store.settle(state, epoch, announce=True, end=end, store_result=end is not None, position=at)
            await store.announce([job.job_id], epoch)
            of_job = set(client.scan_iter(f"*{job.job_id}*", count=1000))
            assert all(0 < client.pttl(key) <= 24 * 3600 * 1000 for key in of_job), of_job
        await store.close()
        assert of_job == {job_key(job.job_id), result_key(job.job_id), stream_key(job.job_id)}
        # Of all that the service writes, only what names no job stays: two keys of a bounded size.
        lasting = {key for key in client.scan_iter("*", count=1000) if client.ttl(key) == -1}
        assert {key for key in lasting if key.startswith(("progress:", "result:"))} <= {EPOCH, POSITIONS}

"""The reaper: lost workers' tasks come back, and after an outage the living have the length of a lease to speak up."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from services.solver import reaper
from services.solver.jobs import Jobs
from services.solver.tasks import Backlog, Tasks
from tests.unit.solver.claims import the_settings

LEASE_S = 12.0
NOTHING = Backlog(
    tasks={}, runnable_tasks=0, queued_jobs=0, running_jobs=0, oldest_queued_s=0.0, oldest_running_s=0.0, unpublished=0
)


class World:
    """A clock that only the reaper's own pauses move, and a database that is away from one moment to another."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, away: tuple[float, float], until: float) -> None:
        self.now = 0.0
        self.reaped_at: list[float] = []
        self._away, self._until = away, until
        monkeypatch.setattr(reaper, "monotonic", lambda: self.now)
        monkeypatch.setattr(reaper, "sleep_unless", self.pause)

    async def pause(self, stop: asyncio.Event, seconds: float) -> bool:
        self.now += seconds
        return self.now >= self._until

    async def expire(self) -> int:
        self._answer()
        self.reaped_at.append(self.now)
        return 0

    async def backlog(self) -> Backlog:
        self._answer()
        return NOTHING

    async def forget_early_controls(self, _older_than: object) -> int:
        self._answer()
        return 0

    def _answer(self) -> None:
        if self._away[0] <= self.now < self._away[1]:
            raise ConnectionError("the database is away")


async def reap(world: World, *, pause_s: float) -> None:
    """Run the reaper to the world's end, begun again some seconds after each failure, as a background loop is."""
    one = reaper.Reaper(cast("Tasks", world), cast("Jobs", world), the_settings(solver_lease_s=LEASE_S))
    while True:
        try:
            await one.run(asyncio.Event())
        except ConnectionError:
            world.now += pause_s
        else:
            return


@pytest.mark.parametrize("pause_s", [0.0, 5.0, 20.0])
async def test_after_an_outage_nothing_is_reaped_for_a_lease_from_the_first_answer(
    monkeypatch: pytest.MonkeyPatch, pause_s: float
) -> None:
    world = World(monkeypatch, away=(30.0, 60.0), until=150.0)
    await reap(world, pause_s=pause_s)
    assert [at for at in world.reaped_at if at < 30.0], "it reaps as long as the database is there"
    assert not [at for at in world.reaped_at if 30.0 <= at < 60.0 + LEASE_S]
    assert [at for at in world.reaped_at if at >= 60.0 + LEASE_S], "and again when the living have had their time"


async def test_a_database_that_hangs_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hung(World):
        hangs = True

        async def expire(self) -> int:
            if self.hangs:
                self.hangs = False
                await asyncio.Event().wait()
            return await super().expire()

    world = Hung(monkeypatch, away=(0.0, 0.0), until=3.0)
    one = reaper.Reaper(cast("Tasks", world), cast("Jobs", world), the_settings(solver_lease_s=0.4))
    with pytest.raises(TimeoutError):
        await one.run(asyncio.Event())
    hung_at = world.now
    await one.run(asyncio.Event())
    assert world.reaped_at
    assert world.reaped_at[0] >= hung_at + 0.4

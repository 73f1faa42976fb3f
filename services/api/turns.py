"""Few places, many organisations: who gets the next one.

Owns the order. Must not know what is done in a place, nor how many may wait. Whoever has the fewest places is next, and
among those who was served the longest ago; within an organisation, who came first. So what one organisation asks for at
once delays another by no more than what is being worked on already.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID


class Turns:
    """`at_once` places for work of one event loop."""

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._held: Counter[UUID] = Counter()
        # While somebody waits, no place is free.
        self._waiting: dict[UUID, deque[asyncio.Future[None]]] = {}
        # Of those that hold a place or wait for one: the number of the turn that they had last.
        self._served: dict[UUID, int] = {}
        self._turn = 0

    @asynccontextmanager
    async def of(self, organization_id: UUID) -> AsyncIterator[None]:
        """A place while the block runs, after waiting for it."""
        await self._take(organization_id)
        try:
            yield
        finally:
            self._give_back(organization_id)

    async def _take(self, whose: UUID) -> None:
        if self._free:
            self._grant(whose)
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(whose, deque()).append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.cancelled():
                self._leave(whose, place)
            else:  # it was given in the very moment
                self._give_back(whose)
            raise

    def _grant(self, whose: UUID) -> None:
        self._free -= 1
        self._held[whose] += 1
        self._turn += 1
        self._served[whose] = self._turn

    def _give_back(self, whose: UUID) -> None:
        self._free += 1
        self._held[whose] -= 1
        if not self._held[whose]:
            del self._held[whose]
        while self._waiting:
            after = min(self._waiting, key=lambda other: (self._held[other], self._served.get(other, 0)))
            place = self._waiting[after][0]
            self._leave(after, place)
            if not place.cancelled():  # else whoever waited is about to notice
                self._grant(after)
                place.set_result(None)
                break
        if whose not in self._held and whose not in self._waiting:
            self._served.pop(whose, None)

    def _leave(self, whose: UUID, place: asyncio.Future[None]) -> None:
        """Out of the line, where the place may be no more."""
        line = self._waiting.get(whose)
        if line is None or place not in line:
            return
        line.remove(place)
        if not line:
            del self._waiting[whose]

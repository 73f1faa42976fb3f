"""Whose turn it is: organisations in turn, nobody lost, no place lost."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from uuid import UUID, uuid4

import pytest

from services.api.turns import Turns

ONE, TWO, THREE = (uuid4() for _ in range(3))


async def served(turns: Turns, asked: list[UUID]) -> list[UUID]:
    """Who asks at once, in the order in which they are served; each gives the place back after a moment."""
    order: list[UUID] = []

    async def ask(whose: UUID) -> None:
        async with turns.of(whose):
            order.append(whose)
            await asyncio.sleep(0)

    await asyncio.gather(*(ask(whose) for whose in asked))
    return order


async def test_organisations_take_turns_however_many_requests_one_has() -> None:
    order = await served(Turns(1), [ONE] * 5 + [TWO] * 2 + [THREE])
    assert order == [ONE, TWO, THREE, ONE, TWO, ONE, ONE, ONE]


async def test_who_holds_the_fewest_places_is_next() -> None:
    turns = Turns(2)
    places = [turns.of(ONE), turns.of(ONE)]
    for place in places:
        await place.__aenter__()
    waiting = [asyncio.create_task(turns.of(whose).__aenter__()) for whose in (ONE, ONE, TWO)]
    await asyncio.sleep(0)
    await places[0].__aexit__(None, None, None)
    await asyncio.sleep(0)
    assert [task.done() for task in waiting] == [False, False, True]
    for task in waiting:
        task.cancel()


@pytest.mark.parametrize("seed", range(20))
async def test_no_place_is_lost_whoever_gives_up_whenever(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311  # the same every time
    turns, at_once, running = Turns(3), Counter[str](), 0

    async def ask(whose: UUID) -> None:
        nonlocal running
        async with turns.of(whose):
            running += 1
            at_once["most"] = max(at_once["most"], running)
            try:
                for _ in range(dice.randrange(4)):
                    await asyncio.sleep(0)
            finally:
                running -= 1

    tasks = [asyncio.create_task(ask(dice.choice([ONE, TWO, THREE]))) for _ in range(60)]
    while any(not task.done() for task in tasks):
        await asyncio.sleep(0)
        dice.choice(tasks).cancel()
    assert at_once["most"] <= 3
    # All three places are there again, at once.
    async with turns.of(ONE), turns.of(ONE), turns.of(TWO):
        pass

"""Random choices that are the same on every Python version.

Owns the only source of randomness of the generator. Of `random.Random` just `random()` is promised to repeat from one
version to the next, so everything here is made of it.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """A seeded source of choices."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311  # a generator of test data, not of secrets

    def below(self, n: int) -> int:
        """0 <= result < n."""
        return int(self._random.random() * n)

    def between(self, low: int, high: int) -> int:
        """low <= result <= high."""
        return low + self.below(high - low + 1)

    def chance(self, percent: int) -> bool:
        return self.below(100) < percent

    def pick(self, items: Sequence[T]) -> T:
        return items[self.below(len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        mixed = list(items)
        for i in range(len(mixed) - 1, 0, -1):
            j = self.below(i + 1)
            mixed[i], mixed[j] = mixed[j], mixed[i]
        return mixed


class Weighted:
    """Draws positions of a list of positive integer weights, heavier ones more often."""

    def __init__(self, weights: Sequence[int]) -> None:
        self._sums = list(accumulate(weights))

    def draw(self, dice: Dice) -> int:
        return bisect_right(self._sums, dice.below(self._sums[-1]))

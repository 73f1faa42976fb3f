"""The searches' own random numbers: xorshift64* on one uint64 per search.

Owns the generator. Must not share state between searches: several run in threads of one process, and each must give the
same numbers whatever the others do. (G. Marsaglia 2003; multiplier of S. Vigna 2014.)
"""

from __future__ import annotations

import numpy as np
from numba import njit

from services.solver.engine.jit import LEAF, Array, Int


@njit(**LEAF)
def next_random(random: Array) -> Int:
    """64 random bits; `random` is uint64[1] and never 0."""
    x = random[0]
    x ^= x >> np.uint64(12)
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    random[0] = x
    return x * np.uint64(2685821657736338717)


@njit(**LEAF)
def below(bits: Int, count: Int) -> Int:
    """An index in [0, count) from the low 20 of the bits (the bias is at most count / 2**20)."""
    return (np.int64(bits & np.uint64(0xFFFFF)) * np.int64(count)) >> 20


def seeded(seed: int) -> Array:
    """A generator's state; nearby seeds start far apart (splitmix64)."""
    x = (seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return np.array([(x ^ (x >> 31)) or 1], np.uint64)

"""The search's own random numbers: xorshift64* on one uint64 per search.

Owns the generator. Must not share state between searches: several run in threads of one process, and each must give the
same numbers whatever the others do. (G. Marsaglia 2003; multiplier of S. Vigna 2014.)
"""

from __future__ import annotations

import numpy as np
from numba import njit

from services.solver.engine.general.jit import LEAF, Array, Float, Int


@njit(**LEAF)
def draw(rng: Array) -> Int:
    """32 random bits."""
    x = rng[0]
    x ^= x >> np.uint64(12)
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    rng[0] = x
    return np.int64((x * np.uint64(2685821657736338717)) >> np.uint64(32))


@njit(**LEAF)
def below(rng: Array, n: int) -> Int:
    """A random whole number in [0, n), n up to 2^31 (multiplication instead of division: no bias that matters)."""
    return (draw(rng) * n) >> 32


@njit(**LEAF)
def unit(rng: Array) -> Float:
    """A random number in (0, 1]."""
    return (draw(rng) + 1) / 4294967296.0


def seeded(seed: int) -> Array:
    """A generator's state; nearby seeds start far apart (splitmix64)."""
    z = (seed + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return np.array([(z ^ (z >> 31)) | 1], np.uint64)


# Size of the table of Gumbel-distributed numbers, a power of two: the option with the least (cost - temperature x such
# a number) is drawn with probability exp(-cost / temperature), without an exponential per option (E. Gumbel 1954).
NOISE = 1 << 14


def gumbel_noise() -> Array:
    """float64[NOISE]: equally likely quantiles in an order that is the same for every search."""
    quantiles = (np.arange(NOISE) + 0.5) / NOISE
    return np.random.default_rng(0).permutation(-np.log(-np.log(quantiles)))

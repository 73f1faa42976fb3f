"""What the general search draws: whole numbers, shares, and the noise by which a likely option is drawn.

Owns the ways from random bits to these. Must not know where the bits come from: `services.solver.engine.random`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from services.solver.engine.jit import LEAF, Array, Float, Int
from services.solver.engine.random import next_random


@njit(**LEAF)
def draw(rng: Array) -> Int:
    """32 random bits."""
    return np.int64(next_random(rng) >> np.uint64(32))


@njit(**LEAF)
def below(rng: Array, n: int) -> Int:
    """A random whole number in [0, n), n up to 2^31 (multiplication instead of division: no bias that matters)."""
    return (draw(rng) * n) >> 32


@njit(**LEAF)
def unit(rng: Array) -> Float:
    """A random number in (0, 1]."""
    return (draw(rng) + 1) / 4294967296.0


# Size of the table of Gumbel-distributed numbers, a power of two: the option with the least (cost - temperature x such
# a number) is drawn with probability exp(-cost / temperature), without an exponential per option (E. Gumbel 1954).
NOISE = 1 << 14


def gumbel_noise() -> Array:
    """float64[NOISE]: equally likely quantiles in an order that is the same for every search."""
    quantiles = (np.arange(NOISE) + 0.5) / NOISE
    return np.random.default_rng(0).permutation(-np.log(-np.log(quantiles)))

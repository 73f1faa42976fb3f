"""How numba compiles the enrolment search's functions, and the search's own random numbers.

Owns the compiler's options and the generator. Must not know the functions that use them.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numba import njit

# Kernels see arrays of fixed dtypes; naming the dtypes in every signature would hide the arguments' meaning.
Array = Any
Int: TypeAlias = Any
Bool: TypeAlias = Any

# Without numba's runtime nobody counts references to arrays, which are all the caller's and outlive the call. Counting
# takes two atomic operations per array and call, and took a third of the search's time; slices are copied in loops.
# `_nrt` is not documented; a function that needs the runtime after all fails to compile.
_BASE: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}
# Called from Python: kept on disk with everything that it calls.
KERNEL: dict[str, Any] = {**_BASE, "cache": True}
# Called from kernels only.
INNER: dict[str, Any] = {**_BASE, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


@njit(**INNER)
def next_random(random: Array) -> Int:
    """64 random bits (xorshift64*, S. Vigna 2014); `random` is uint64[1] and never 0."""
    x = random[0]
    x ^= x >> np.uint64(12)
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    random[0] = x
    return x * np.uint64(2685821657736338717)


@njit(**INNER)
def below(bits: Int, count: Int) -> Int:
    """An index in [0, count) from the low 20 of the bits (the bias is at most count / 2**20)."""
    return (np.int64(bits & np.uint64(0xFFFFF)) * np.int64(count)) >> 20


def seeded(seed: int) -> Any:
    """A generator's state; nearby seeds start far apart (splitmix64)."""
    x = (seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return np.array([(x ^ (x >> 31)) or 1], np.uint64)

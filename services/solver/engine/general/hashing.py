"""A hash table from pairs of courses to positions: filled once by the compiler, read by the kernels.

Owns the formula, for both sides. Must not know what is looked up.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from services.solver.engine.general.jit import LEAF, Array, Int
from services.solver.engine.general.model import MATE_KEY, MATE_POSITION, Int64s

FACTOR, SHIFT = 0x2545F4914F6CDD1D, 24


@njit(**LEAF)
def look_up(key: int, table: Array) -> Int:
    """The value of a key that is in the table."""
    mask = table.shape[0] - 1
    h = ((key * FACTOR) >> SHIFT) & mask
    while table[h, MATE_KEY] != key:
        h = (h + 1) & mask
    return table[h, MATE_POSITION]


def hash_table(keys: Int64s, values: Int64s) -> Int64s:
    """An open-addressing table, at most half full, of distinct keys from 0 on."""
    size = 1 << int(2 * len(keys)).bit_length()
    table = np.full((size, 2), -1, np.int64)
    at = ((keys * np.int64(FACTOR)) >> np.int64(SHIFT)) & (size - 1)
    waiting = np.arange(len(keys))
    while len(waiting):
        free = waiting[table[at[waiting], MATE_KEY] < 0]
        _, first = np.unique(at[free], return_index=True)
        placed = free[first]
        table[at[placed], MATE_KEY] = keys[placed]
        table[at[placed], MATE_POSITION] = values[placed]
        waiting = waiting[table[at[waiting], MATE_KEY] != keys[waiting]]
        at[waiting] = (at[waiting] + 1) & (size - 1)
    return table

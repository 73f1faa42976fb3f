"""Which times of a class's list overlap a time: what is worked out beforehand, and counting with it.

Owns the arrays `lists` and `overlaps` and how `prospects` is changed by them. Must not know who meets whom, nor why.

Classes share lists, so this is told once for each distinct one. Where a time overlaps several of a list (a university's
grid of fifty minutes), one byte says so for each, and a row is added as a whole, eight at a time; where it overlaps
hardly any (a problem with weeks), their places are written down. Where even that takes too long, gaps are looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from services.solver.engine.general.layout import (
    LIST_AT,
    LIST_BLOCKS,
    LIST_COLUMNS,
    LIST_ROWS,
    PROSPECT_TIME,
)
from services.solver.engine.general.model import TIMES_AT, TIMES_LEN, GeneralModel
from services.solver.engine.general.rules import gap_between
from services.solver.engine.jit import KERNEL, LEAF, Array, Index, Int

# Columns of `prospects` come in blocks of so many: what a processor adds at once.
BLOCK = 8
# Looks at pairs of times while the rows are made, a nanosecond or two each; there are at most 4 bytes for each.
MAX_LOOKS = 30_000_000
# From so many times of a list on that a time overlaps on average, a row of bytes is added sooner than they are listed.
DENSE = 2.5


@dataclass(frozen=True, slots=True)
class Overlaps:
    """See `layout`. `columns` is how many columns `prospects` has to have."""

    lists: np.ndarray[Any, Any]
    overlaps: np.ndarray[Any, Any]
    columns: int


def tell_overlaps(model: GeneralModel) -> Overlaps:
    """Make the rows of every distinct list of times, in the form that suits the problem."""
    n_classes, n_times = model.n_classes, len(model.times)
    blocks = -(-model.classes[:, TIMES_LEN] // BLOCK)
    head = np.zeros((n_classes, LIST_COLUMNS), np.int64)
    head[:, LIST_AT] = BLOCK * (np.cumsum(blocks) - blocks)
    head[:, LIST_BLOCKS] = blocks
    columns = BLOCK * int(blocks.sum())
    nothing = np.zeros(0, np.int8)
    distinct, of_class = np.unique(model.classes[:, [TIMES_AT, TIMES_LEN]], axis=0, return_inverse=True)
    of_class = of_class.reshape(-1)
    if int(distinct[:, 1].sum()) * n_times > MAX_LOOKS:
        return Overlaps(head.reshape(-1).astype(np.int32), nothing, columns)
    counts = np.zeros((len(distinct), n_times), np.int64)
    count_overlaps(distinct, model.times, model.gaps, model.pool, counts)
    if counts.mean() >= DENSE:
        widths = BLOCK * -(-distinct[:, 1] // BLOCK)
        starts = n_times * (np.cumsum(widths) - widths)
        head[:, LIST_ROWS] = starts[of_class]
        overlaps = np.zeros(n_times * int(widths.sum()), np.int8)
        mark_overlaps(distinct, starts, widths, model.times, model.gaps, model.pool, overlaps)
        return Overlaps(head.reshape(-1).astype(np.int32), overlaps, columns)
    head[:, LIST_ROWS] = head.size + of_class * n_times
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]) + head.size + counts.size + 1
    places = np.zeros(offsets[-1] - offsets[0], np.int64)
    lists = np.concatenate([head.reshape(-1), offsets, places]).astype(np.int32)
    list_overlaps(distinct, model.times, model.gaps, model.pool, lists, np.int64(offsets[0]))
    return Overlaps(lists, nothing, columns)


@njit(**LEAF)
def _list_of(i: int, lists: Array) -> tuple[Int, Int, Int]:
    """Class i's first column in `prospects`, how many it has there, and where the rows of its list begin."""
    head = Index(LIST_COLUMNS * i)
    blocks = Index(lists[head + Index(LIST_BLOCKS)])
    return Index(lists[head + Index(LIST_AT)]), blocks * Index(BLOCK), Index(lists[head + Index(LIST_ROWS)])


@njit(**LEAF)
def meet(
    i: int,
    v: int,
    what: int,
    amount: int,
    times: Array,
    gaps: Array,
    classes: Array,
    prospects: Array,
    lists: Array,
    overlaps: Array,
) -> None:
    """Class i meets `amount` more at all of its times that overlap time v."""
    row = Index(what)
    at, width, rows = _list_of(i, lists)
    if overlaps.shape[0] > 0:
        rows += Index(v) * width
        more = np.int32(amount)
        for k in range(width):
            prospects[row, at + k] += np.int32(more * np.int32(overlaps[rows + k]))
    elif lists.shape[0] > LIST_COLUMNS * classes.shape[0]:
        rows += Index(v)
        for k in range(Index(lists[rows]), Index(lists[rows + Index(1)])):
            prospects[row, at + Index(lists[k])] += amount
    else:
        for k in range(at, at + Index(classes[i, TIMES_LEN])):
            prospects[row, k] += amount * np.int64(gap_between(v, prospects[PROSPECT_TIME, k], times, gaps) < 0)


@njit(**LEAF)
def shift(
    i: int,
    was: int,
    now: int,
    what: int,
    amount: int,
    times: Array,
    gaps: Array,
    classes: Array,
    prospects: Array,
    lists: Array,
    overlaps: Array,
) -> None:
    """What class i met at its times that overlap time `was`, it meets at those that overlap time `now`."""
    if overlaps.shape[0] == 0:
        meet(i, was, what, -amount, times, gaps, classes, prospects, lists, overlaps)
        meet(i, now, what, amount, times, gaps, classes, prospects, lists, overlaps)
        return
    row = Index(what)
    at, width, rows = _list_of(i, lists)
    old, new = rows + Index(was) * width, rows + Index(now) * width
    more = np.int32(amount)
    for k in range(width):
        change = np.int32(np.int32(overlaps[new + k]) - np.int32(overlaps[old + k]))
        prospects[row, at + k] += np.int32(more * change)


@njit(**KERNEL)
def count_overlaps(distinct: Array, times: Array, gaps: Array, pool: Array, counts: Array) -> None:
    """How many times of each list overlap each time: counts[lists, times]; distinct[lists, 2]: place and length."""
    for d in range(distinct.shape[0]):
        for v in range(times.shape[0]):
            for k in range(distinct[d, 1]):
                counts[d, v] += np.int64(gap_between(v, pool[distinct[d, 0] + 2 * k], times, gaps) < 0)


@njit(**KERNEL)
def mark_overlaps(
    distinct: Array, starts: Array, widths: Array, times: Array, gaps: Array, pool: Array, overlaps: Array
) -> None:
    """Write a 1 for each time of a list that overlaps a time, in that time's row."""
    for d in range(distinct.shape[0]):
        for v in range(times.shape[0]):
            at = starts[d] + v * widths[d]
            for k in range(distinct[d, 1]):
                overlaps[at + k] = np.int8(gap_between(v, pool[distinct[d, 0] + 2 * k], times, gaps) < 0)


@njit(**KERNEL)
def list_overlaps(distinct: Array, times: Array, gaps: Array, pool: Array, lists: Array, at: int) -> None:
    """Write the places of the times of each list that overlap each time, from `at` on."""
    for d in range(distinct.shape[0]):
        for v in range(times.shape[0]):
            for k in range(distinct[d, 1]):
                if gap_between(v, pool[distinct[d, 0] + 2 * k], times, gaps) < 0:
                    lists[at] = k
                    at += 1

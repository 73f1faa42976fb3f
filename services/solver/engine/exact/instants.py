"""Start instants: the cliques of times that overlap one another.

Two times that overlap share the moment at which the later of them starts, on some day of some week. So "no two
overlap" is exactly "at most one at every start instant", with far fewer and far stronger constraints than pairs.
(Cutting the day into fixed cells instead would make times clash that only touch the same cell.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from services.solver.engine.exact.model import Span


def representative_bits(masks: Iterable[int], width: int) -> list[tuple[int, int]]:
    """(bit, how many bits are like it): weeks that no time tells apart are one week."""
    distinct = sorted(set(masks))
    groups: dict[tuple[bool, ...], list[int]] = {}
    for bit in range(width):
        groups.setdefault(tuple(bool(mask >> bit & 1) for mask in distinct), []).append(bit)
    return [(bits[0], len(bits)) for bits in groups.values()]


def start_instants(spans: Sequence[Span], weeks: int, days: int) -> list[frozenset[int]]:
    """For every distinct start instant, the times that cover it (indices into `spans`); subsets of others left out."""
    found: set[frozenset[int]] = set()
    for week, _ in representative_bits((s.weeks for s in spans), weeks):
        in_week = [i for i, s in enumerate(spans) if s.weeks >> week & 1]
        for day in range(days):
            on_day = [i for i in in_week if spans[i].days >> day & 1]
            for start in {spans[i].start for i in on_day}:
                found.add(frozenset(i for i in on_day if spans[i].start <= start < spans[i].end))
    return maximal(found)


def maximal(sets: Iterable[frozenset[int]]) -> list[frozenset[int]]:
    """The sets that are no subset of another, in a fixed order."""
    kept: list[frozenset[int]] = []
    containing: dict[int, list[frozenset[int]]] = {}
    for candidate in sorted(set(sets), key=lambda s: (-len(s), sorted(s))):
        if not candidate:
            continue
        rarest = min(candidate, key=lambda item: (len(containing.get(item, ())), item))
        if any(candidate <= larger for larger in containing.get(rarest, ())):
            continue
        kept.append(candidate)
        for item in candidate:
            containing.setdefault(item, []).append(candidate)
    return kept

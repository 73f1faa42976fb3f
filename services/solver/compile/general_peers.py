"""Lists of the classes that each class must not, or should not, clash with.

Owns merging them: clash sets (a pair in several is one violation), soft curricula (the penalties add up) and
the constraints NotOverlap and SameAttendees (each counts its own pairs). Must not know the kernels.

One flat list of all that a class keeps clear of is read many times faster than one list per constraint: in tg-fal17 a
class has 218 such peers, and nothing else to speak of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from schemas.problem.expand import ExpandedProblem
from schemas.problem.findings import Finding, InvalidProblemError
from services.solver.engine.general.model import Int64s, peer

# Bound on hostile input: pairs in the lists, 8 bytes each.
MAX_PAIRS = 200_000_000
# The largest constraint whose pairs are listed, and how many all constraints' may be; others are counted as rules.
MAX_PAIRED = 2_000
MAX_RULE_PAIRS = 20_000_000
# Pairs that are collected before they are merged.
MERGE_ABOVE = 20_000_000


@dataclass(slots=True)
class Peers:
    """Pairs of classes that constraints keep apart, both ways: class, entry for the other (`peer`), weight."""

    classes: list[Int64s] = field(default_factory=list)
    peers: list[Int64s] = field(default_factory=list)
    weights: list[Int64s] = field(default_factory=list)
    size: int = 0

    def takes(self, members: int) -> bool:
        """True if the pairs of a constraint on so many classes may be added."""
        return members <= MAX_PAIRED and self.size + members * (members - 1) <= MAX_RULE_PAIRS

    def add(self, members: Int64s, weight: int, *, walk: bool) -> None:
        """All pairs of a constraint; with `walk` the time to walk between the rooms counts."""
        a, b = np.nonzero(~np.eye(len(members), dtype=bool))
        self.classes.append(members[a])
        self.peers.append(peer(members[b], walk=walk))
        self.weights.append(np.full(len(a), weight, np.int64))
        self.size += len(a)


def must_not_clash(expanded: ExpandedProblem, by_rule: Peers) -> tuple[Int64s, Int64s]:
    """One flat list of `peer` entries, and int64[classes, 3]: where each class's part begins, where its constraints'
    peers do, where it ends. Raises `InvalidProblemError` if there are too many.
    """
    n = len(expanded.classes)
    keys = np.zeros(0, np.int64)
    fresh: list[Int64s] = []
    waiting = 0
    sets = [(members, False) for members in expanded.clash_sets] + [(m, True) for m in expanded.instructor_sets]
    for members, alternatives in sets:
        a, b = _pairs(expanded, members, alternatives)
        fresh.append(a * n + b)
        waiting += len(a)
        if waiting > MERGE_ABOVE:
            keys, fresh, waiting = np.unique(np.concatenate([keys, *fresh])), [], 0
            if len(keys) > MAX_PAIRS:
                raise _too_many_pairs()
    keys = np.unique(np.concatenate([keys, *fresh])) if fresh else keys
    peers, _, at = _lists(n, keys, np.zeros(len(keys), np.int64), by_rule)
    return peers, at


def should_not_clash(expanded: ExpandedProblem, by_rule: Peers) -> tuple[Int64s, Int64s, Int64s]:
    """As `must_not_clash`, of soft curricula (a pair counts once for each), with the weighted penalties second."""
    n = len(expanded.classes)
    weight = expanded.problem.weights.distribution
    keys = np.zeros(0, np.int64)
    sums = np.zeros(0, np.int64)
    for members, penalty in expanded.soft_curricula:
        if penalty == 0 or weight == 0:
            continue
        a, b = _pairs(expanded, members, alternatives=False)
        merged = np.concatenate([keys, a * n + b])
        amounts = np.concatenate([sums, np.full(len(a), penalty * weight, np.int64)])
        keys, where = np.unique(merged, return_inverse=True)
        sums = np.zeros(len(keys), np.int64)
        np.add.at(sums, where, amounts)
        if len(keys) > MAX_PAIRS:
            raise _too_many_pairs()
    return _lists(n, keys, sums, by_rule)


def _pairs(expanded: ExpandedProblem, listed: Sequence[int], alternatives: bool) -> tuple[Int64s, Int64s]:
    """The pairs (i, j), both ways, of a set; without `alternatives` only those that one student could attend."""
    if len(listed) ** 2 > MAX_PAIRS:
        raise _too_many_pairs()
    members = np.array(listed, np.int64)
    tied = ~np.eye(len(members), dtype=bool)
    if not alternatives:
        course, config, subpart = (
            np.array([getattr(expanded.classes[i], name) for i in listed]) for name in ("course", "config", "subpart")
        )
        same_course = course[:, None] == course[None, :]
        tied &= ~(same_course & ((config[:, None] != config[None, :]) | (subpart[:, None] == subpart[None, :])))
    a, b = np.nonzero(tied)
    return members[a], members[b]


def _lists(n: int, keys: Int64s, weights: Int64s, by_rule: Peers) -> tuple[Int64s, Int64s, Int64s]:
    """The pairs `keys` (i * n + j) and those by constraints as one list by class: peers, weights, int64[n, 3]."""
    by_set = np.bincount(keys // n, minlength=n)
    classes = np.concatenate([keys // n, *by_rule.classes])
    order = np.argsort(classes, kind="stable")
    ends = np.cumsum(np.bincount(classes, minlength=n))
    starts = np.concatenate([np.zeros(1, np.int64), ends[:-1]])
    peers = np.concatenate([peer(keys % n, walk=True), *by_rule.peers])[order]
    return peers, np.concatenate([weights, *by_rule.weights])[order], np.stack([starts, starts + by_set, ends], axis=1)


def _too_many_pairs() -> InvalidProblemError:
    return InvalidProblemError(
        [
            Finding(
                "problem_too_large",
                "/curricula",
                f"Curricula and instructors tie more than {MAX_PAIRS:,} pairs of classes; split the sets.",
            )
        ]
    )

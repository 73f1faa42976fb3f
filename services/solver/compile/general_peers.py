"""Everything that ties two classes, merged into one list per class for the general search.

Owns the merging: a pair that stands in many rules of one kind (in mary-spr17 125 pairs per class are 8) is looked at
once. Must not know where the rules come from, nor the kernels.
"""

from __future__ import annotations

import numpy as np

from schemas.problem.findings import Finding, InvalidProblemError
from services.solver.engine.general.model import (
    CLASH_AT,
    CLASH_END,
    DIFFERENT_ROOM,
    MIN_GAP,
    PEERS_AT,
    PEERS_END,
    PRECEDENCE,
    ROOM_PEERS_AT,
    ROOM_PEERS_END,
    RULE_A,
    RULE_AT,
    RULE_END,
    RULE_HARD,
    RULE_KIND,
    RULE_PENALTY,
    RULE_WHOLE,
    SAME_ATTENDEES,
    SAME_ROOM,
    SOFT_AT,
    SOFT_END,
    WORK_DAY,
    Int32s,
    Int64s,
)

# Bound on hostile input: ordered pairs of classes in all pair rules together (about 50 bytes each while merging).
MAX_PAIRS = 40_000_000


def peers_of(
    classes: Int64s, pool: Int64s, rules: Int64s, soft_peers: Int64s, soft_weights: Int64s, distribution_weight: int
) -> tuple[Int32s, Int64s]:
    """(`peers`, `ties`) of `GeneralModel`; fills the columns of `classes` that lead there.

    Ties of rooms (SameRoom, DifferentRoom) stand apart from those of times. Raises `InvalidProblemError` when the rules
    tie more pairs than memory should hold.
    """
    n = len(classes)
    owner, peer, kind, a, first, hard, soft = _all_pairs(
        classes, pool, rules, soft_peers, soft_weights, distribution_weight
    )
    predicates, predicate = np.unique(np.stack([kind, a, first], axis=1), axis=0, return_inverse=True)
    keys, where = np.unique((owner * n + peer) * len(predicates) + predicate.reshape(-1), return_inverse=True)
    hards = np.bincount(where, weights=hard, minlength=len(keys)).astype(np.int64)
    softs = np.zeros(len(keys), np.int64)
    np.add.at(softs, where, soft)  # exact, where `bincount` would add floating-point numbers
    predicate = keys % max(1, len(predicates))
    pair = keys // max(1, len(predicates))
    rows = np.concatenate([predicates[predicate], hards[:, None], softs[:, None]], axis=1).reshape(-1, 5)
    ties, tie = np.unique(rows, axis=0, return_inverse=True)
    of_rooms = np.isin(rows[:, 0], (SAME_ROOM, DIFFERENT_ROOM))
    peers: list[Int32s] = []
    at = 0
    for group, columns in ((~of_rooms, [PEERS_AT, PEERS_END]), (of_rooms, [ROOM_PEERS_AT, ROOM_PEERS_END])):
        peers.append(np.stack([pair[group] % n, tie.reshape(-1)[group]], axis=1).astype(np.int32))
        bounds = np.searchsorted(pair[group] // n, np.arange(n + 1)) + at
        classes[:, columns[0]], classes[:, columns[1]] = bounds[:-1], bounds[1:]
        at += len(peers[-1])
    return np.concatenate(peers), ties


def _all_pairs(
    classes: Int64s, pool: Int64s, rules: Int64s, soft_peers: Int64s, soft_weights: Int64s, distribution_weight: int
) -> tuple[Int64s, ...]:
    """Columns (owner, peer, kind, parameter, owner first, violations, cost), one row per pair, rule and owner."""
    blocks: list[Int64s] = [np.zeros((0, 7), np.int64)]
    waiting = 0
    for row in rules:
        hard, soft = int(row[RULE_HARD]), int(row[RULE_PENALTY]) * distribution_weight
        if row[RULE_WHOLE] or (not hard and not soft):
            continue
        members = pool[row[RULE_AT] : row[RULE_END]]
        waiting += len(members) ** 2
        if waiting > MAX_PAIRS:
            raise InvalidProblemError(
                [
                    Finding(
                        "problem_too_large",
                        "/distributions",
                        f"Distribution constraints tie more than {MAX_PAIRS:,} pairs of classes; split the sets.",
                    )
                ]
            )
        x, y = np.nonzero(~np.eye(len(members), dtype=bool))
        kind = int(row[RULE_KIND])
        block = np.zeros((len(x), 7), np.int64)
        block[:, 0], block[:, 1], block[:, 2] = members[x], members[y], kind
        block[:, 3] = row[RULE_A] if kind in (WORK_DAY, MIN_GAP) else 0
        block[:, 4] = x < y if kind == PRECEDENCE else 0
        block[:, 5], block[:, 6] = hard, 0 if hard else soft
        blocks.append(block)
    n = len(classes)
    lengths = classes[:, CLASH_END] - classes[:, CLASH_AT]
    clash = np.zeros((int(lengths.sum()), 7), np.int64)
    clash[:, 0] = np.repeat(np.arange(n), lengths)
    starts = np.cumsum(lengths) - lengths
    clash[:, 1] = pool[np.arange(len(clash)) - np.repeat(starts - classes[:, CLASH_AT], lengths)]
    clash[:, 2], clash[:, 5] = SAME_ATTENDEES, 1
    wanted = np.zeros((len(soft_peers), 7), np.int64)
    wanted[:, 0] = np.repeat(np.arange(n), classes[:, SOFT_END] - classes[:, SOFT_AT])
    wanted[:, 1], wanted[:, 2], wanted[:, 6] = soft_peers, SAME_ATTENDEES, soft_weights
    together = np.concatenate([*blocks, clash, wanted])
    return tuple(together[:, k] for k in range(7))

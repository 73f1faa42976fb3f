"""A model of some classes only: what is impossible for them is impossible for all.

Owns what may be kept of each rule when some of its classes are missing. Must not know CP-SAT.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from services.solver.engine.exact.model import ClashSet, ExactModel, Rule

# With some of the classes left out, these could demand what only the missing ones would give.
_NEEDS_ALL = frozenset({"MinWorkingDays", "IsolatedLectures"})


def restrict(model: ExactModel, units: Collection[int]) -> ExactModel:
    """The model of some units only, without students: a relaxation, so what is impossible here is so in the whole."""
    kept = sorted(units)
    index = {g: n for n, g in enumerate(kept)}
    return replace(
        model,
        units=tuple(model.units[g] for g in kept),
        clash_sets=tuple(c for c in (_restrict_clash(c, index) for c in model.clash_sets) if len(c.units) > 1),
        rules=tuple(r for r in (_restrict_rule(r, index) for r in model.rules) if r.units),
        soft_pairs=(),
        courses=(),
        requests=(),
        limits=tuple(model.limits[g] for g in kept),
        parents=tuple(None for _ in kept),
        kept=None,
    )


def _restrict_clash(clash_set: ClashSet, index: dict[int, int]) -> ClashSet:
    at = [n for n, g in enumerate(clash_set.units) if g in index]
    return replace(
        clash_set,
        units=tuple(index[clash_set.units[n]] for n in at),
        alternatives=tuple(clash_set.alternatives[n] for n in at) if clash_set.alternatives else (),
    )


def _restrict_rule(rule: Rule, index: dict[int, int]) -> Rule:
    units = tuple(index[g] for g in rule.units if g in index)
    return replace(rule, units=() if rule.kind in _NEEDS_ALL and len(units) < len(rule.units) else units)

"""What the referee says: the score, and each violation in words a person can act on.

Owns the verdict and its bounded bookkeeping. Must not know any rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from schemas.timetable import Score

# Enough to see what kind of thing is wrong; a random timetable has a violation for every pair of classes.
MAX_VIOLATIONS_PER_RULE = 100


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule: who is concerned (ids of classes, then students), where (room), when, and a sentence.

    `whose`: of two classes that must not clash, whose they are ("instructor 'noether'").
    """

    rule: str
    who: tuple[str, ...]
    message: str
    where: str | None = None
    when: str | None = None
    whose: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The referee's count; `violations` lists at most `MAX_VIOLATIONS_PER_RULE` per rule, `total_violations` is all."""

    score: Score
    violations: list[Violation]

    @property
    def total_violations(self) -> int:
        return self.score.hard_violations

    @property
    def feasible(self) -> bool:
        return self.score.hard_violations == 0


class Tally:
    """Collects violations and costs while the rules are counted."""

    def __init__(self) -> None:
        self._hard: Counter[str] = Counter()
        self._cost: Counter[str] = Counter()
        self._listed: dict[str, list[Violation]] = {}

    def violate(self, rule: str, describe: Callable[[], Violation], count: int = 1) -> None:
        """Counts `count` violations of a rule; `describe` is called only while the rule's list has room."""
        self._hard[rule] += count
        listed = self._listed.setdefault(rule, [])
        if len(listed) < MAX_VIOLATIONS_PER_RULE:
            listed.append(describe())

    def charge(self, part: str, cost: int) -> None:
        """Adds weighted soft cost to a part."""
        self._cost[part] += cost

    def verdict(self) -> Verdict:
        hard = {rule: count for rule, count in self._hard.items() if count}
        cost = {part: count for part, count in self._cost.items() if count}
        score = Score(hard_violations=sum(hard.values()), total=sum(cost.values()), hard=hard, cost=cost)
        return Verdict(score, [violation for listed in self._listed.values() for violation in listed])

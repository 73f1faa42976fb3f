"""The referee's verdict as `solve` and `evaluate` print it.

Owns the wording. Must not know how the timetable came about.
"""

from __future__ import annotations

from horarium.commands.terminal import say
from schemas.referee import Verdict

MAX_MESSAGES = 20


def print_verdict(verdict: Verdict) -> None:
    """Cost by part, then each kind of hard violation with examples in words."""
    score = verdict.score
    rows = [*sorted(score.cost.items(), key=lambda item: (-item[1], item[0])), ("total", score.total)]
    width = max(len(part) for part, _ in rows)
    say(f"{'cost':<{width}}  {'':>12}")
    for part, cost in rows:
        say(f"  {part:<{width}}  {cost:>12,}")
    if verdict.feasible:
        say("No hard violation (counted by the referee).")
        return
    say(f"{_count(score.hard_violations, 'hard violation')} (counted by the referee):")
    for rule, count in sorted(score.hard.items(), key=lambda item: (-item[1], item[0])):
        say(f"  {rule:<{max(width, 16)}}  {count:>8,}")
    for violation in verdict.violations[:MAX_MESSAGES]:
        say(f"  - {violation.rule}: {violation.message}")
    if verdict.total_violations > MAX_MESSAGES:
        say(f"  … and {verdict.total_violations - min(MAX_MESSAGES, len(verdict.violations)):,} more.")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"

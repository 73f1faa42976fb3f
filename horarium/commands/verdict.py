"""The referee's verdict as `solve` and `evaluate` print it.

Owns the wording. Must not know how the timetable came about.
"""

from __future__ import annotations

from horarium.commands.terminal import say
from schemas.formats.tim_solution import distance_to_feasibility
from schemas.problem.model import Problem
from schemas.problem.read import AnyFormat, ProblemFormat
from schemas.referee import Verdict
from schemas.timetable import Timetable

MAX_MESSAGES = 20
MAX_LEFT_OUT = 10


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


def print_distance(problem: Problem, kind: AnyFormat, timetable: Timetable) -> None:
    """For post-enrolment problems: what the competition ranks by before the cost."""
    if kind is not ProblemFormat.TIM:
        return
    distance = distance_to_feasibility(problem, timetable)
    out = distance.left_out
    named = ", ".join(out[:MAX_LEFT_OUT]) + (f" and {len(out) - MAX_LEFT_OUT} more" if len(out) > MAX_LEFT_OUT else "")
    which = f" ({_count(len(out), 'event')} left out: {named})" if out else ""
    say(f"Distance to feasibility: {distance.students:,}{which}")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"

"""The referee: the rules of a timetable counted in plain Python, independently of whatever produced it."""

from schemas.referee.judge import judge
from schemas.referee.verdict import Verdict, Violation

__all__ = ["Verdict", "Violation", "judge"]

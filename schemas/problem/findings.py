"""Findings: what is wrong with an input, where, and what would mend it.

Owns the shape that every reader, check and expansion reports in. Must not know HTTP or a terminal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MAX_FINDINGS = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong: a stable `code`, a JSON `pointer` (`line N` in line-based formats), a sentence for a person."""

    code: str
    pointer: str
    message: str


class InvalidInputError(Exception):
    """What was given cannot be used; `findings` say why, all of them at once (at most `MAX_FINDINGS` of `total`)."""

    MAX_FINDINGS = MAX_FINDINGS

    def __init__(self, findings: Sequence[Finding], total: int | None = None) -> None:
        if not findings:
            raise ValueError("an input error needs at least one finding")
        self.total = len(findings) if total is None else total
        self.findings = tuple(findings[: self.MAX_FINDINGS])
        first = self.findings[0]
        more = f" (and {self.total - 1} more)" if self.total > 1 else ""
        super().__init__(f"{first.pointer}: {first.message}{more}")

    def __reduce__(self) -> tuple[type[InvalidInputError], tuple[Sequence[Finding], int]]:
        # Exceptions pickle by their message; this one must cross process borders with its findings.
        return type(self), (self.findings, self.total)


class InvalidProblemError(InvalidInputError):
    """The problem cannot be used."""


class InvalidTimetableError(InvalidInputError):
    """The timetable or solution file cannot be read against its problem."""

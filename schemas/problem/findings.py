"""Findings: what is wrong with a problem, where, and what would mend it.

Owns the shape that every reader, check and expansion reports in. Must not know HTTP or a terminal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong: a stable `code`, a JSON `pointer` (or `line N` for line-based formats), a sentence for a person."""

    code: str
    pointer: str
    message: str


class InvalidProblemError(Exception):
    """The problem cannot be used; `findings` say why, all of them at once (at most `MAX_FINDINGS`)."""

    MAX_FINDINGS = 100

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.total = len(findings)
        self.findings = tuple(findings[: self.MAX_FINDINGS])
        first = self.findings[0]
        more = f" (and {self.total - 1} more)" if self.total > 1 else ""
        super().__init__(f"{first.pointer}: {first.message}{more}")

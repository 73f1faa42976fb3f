"""Where in an ITC-2019 file each part of the problem stands.

Owns the way from a JSON pointer into the native problem to a line of the file. Must not know how either is read.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass, field

from schemas.problem.findings import Finding


def no_lines() -> array[int]:
    """An empty list of lines, one to come for each item of a list."""
    return array("I")


@dataclass(slots=True)
class Lines:
    """Where each part of the problem begins in the file: a line by JSON pointer, or one for each item of a list."""

    of: dict[str, int | array[int]] = field(default_factory=dict)

    def place(self, pointer: str) -> str:
        """`line N` of the part itself, or of the nearest that encloses it and has a line."""
        steps = pointer.split("/")
        for known in range(len(steps), 1, -1):
            line = self.of.get("/".join(steps[:known]))
            if isinstance(line, array):
                if known < len(steps) and steps[known].isdecimal() and int(steps[known]) < len(line):
                    return f"line {line[int(steps[known])]}"
            elif line is not None:
                return f"line {line}"
        return "line 1"

    def translated(self, findings: list[Finding]) -> list[Finding]:
        """The findings with lines instead of pointers, in the words of the file."""
        return [Finding(f.code, self.place(f.pointer), re.sub(r" /(\w+)", r" <\1>", f.message)) for f in findings]

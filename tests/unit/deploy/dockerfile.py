"""A Dockerfile as its stages and instructions; enough to ask what ours promise."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, its continuation lines joined."""

    name: str
    text: str


@dataclass(slots=True)
class Stage:
    """A stage: what it starts from, its name, what is done in it."""

    base: str
    name: str
    instructions: list[Instruction] = field(default_factory=list)

    def of(self, name: str) -> list[str]:
        return [instruction.text for instruction in self.instructions if instruction.name == name]

    def variables(self) -> dict[str, str]:
        """What ENV sets here."""
        return dict(pair.split("=", 1) for text in self.of("ENV") for pair in shlex.split(text))


def parse(path: Path) -> tuple[dict[str, str], list[Stage]]:
    """The arguments before the first stage with their defaults, and the stages in order."""
    text = re.sub(r"\\\n(?:\s*#.*\n)*", " ", path.read_text())
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, _, rest = line.strip().partition(" ")
        if name == "FROM":
            base, _, alias = rest.partition(" AS ")
            stages.append(Stage(base.strip(), alias.strip()))
        elif not stages:
            assert name == "ARG", f"{name} before the first stage"
            key, _, value = rest.partition("=")
            arguments[key] = value
        else:
            stages[-1].instructions.append(Instruction(name, rest.strip()))
    return arguments, stages

"""Where the shared benchmark instances are; tests that need one are skipped loudly where they are absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

VARIABLE = "HORARIUM_BENCHMARKS"
DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "benchmarks"


def folder() -> Path:
    """The folder of instances: from the environment, else beside the checkout."""
    return Path(os.environ.get(VARIABLE, DEFAULT))


def instance(name: str) -> Path:
    """The file of an instance; skips the test, naming the variable, where there is none."""
    file = folder() / name
    if not file.exists():
        pytest.skip(f"no benchmark instance {file}: set {VARIABLE} to the folder that has it")
    return file

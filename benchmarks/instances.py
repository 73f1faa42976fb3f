"""The shared benchmark instances: where they are, and which of them are to be measured."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

VARIABLE = "HORARIUM_BENCHMARKS"
DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "benchmarks"


def folder_of(measurement: str, family: str, known: Collection[str], names: Collection[str] | None) -> Path | None:
    """The folder of a family of instances; None, and a sentence on the terminal, where it is absent.

    Raises SystemExit if one of the names asked for is not known.
    """
    folder = Path(os.environ.get(VARIABLE, DEFAULT)) / family
    if not folder.is_dir():
        print(f"{measurement}: no instances in {folder}; set {VARIABLE} to the folder that has them")
        return None
    unknown = sorted(set(names or ()) - set(known))
    if unknown:
        raise SystemExit(f"{measurement}: no instance {', '.join(unknown)}; there are {', '.join(known)}")
    return folder


def file_of(folder: Path, name: str, suffix: str) -> Path:
    """The instance's file, compressed or not; raises StopIteration if there is neither."""
    return next(path for path in (folder / f"{name}{suffix}.gz", folder / f"{name}{suffix}") if path.exists())

"""A table that is measured again replaces the one in the document, and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.kept import kept


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "benchmarks.md"
    path.write_text("# Benchmarks\n\nWords before.\n")
    return path


def measured(document: Path, name: str, told: str) -> None:
    with kept(name, f"python -m benchmarks {name}", document):
        sys.stdout.write(f"{told}\n")


def test_a_first_table_goes_to_the_end_and_a_later_one_takes_its_place(document: Path) -> None:
    measured(document, "a", "| 1 |")
    measured(document, "b", "| 2 |")
    measured(document, "a", "| 3 |")
    assert document.read_text() == (
        "# Benchmarks\n\nWords before.\n\n"
        "<!-- a -->\n\n`python -m benchmarks a`\n\n| 3 |\n\n<!-- end of a -->\n\n"
        "<!-- b -->\n\n`python -m benchmarks b`\n\n| 2 |\n\n<!-- end of b -->\n"
    )


def test_a_measurement_that_fails_leaves_the_document_as_it_was(document: Path) -> None:
    before = document.read_text()

    def fails_half_way() -> None:
        with kept("a", "python -m benchmarks a", document):
            sys.stdout.write("| half a table |")
            raise SystemExit("the referee counts otherwise")

    with pytest.raises(SystemExit):
        fails_half_way()
    assert document.read_text() == before

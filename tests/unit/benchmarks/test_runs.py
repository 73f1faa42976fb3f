"""A measurement of hours goes on where it was interrupted, and only with what the same engine has found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import runs as module
from benchmarks.runs import Runs, Task
from schemas.problem.read import ProblemFormat

TWO_LECTURES = """Name: small
Courses: 1
Rooms: 1
Days: 1
Periods_per_day: 2
Curricula: 1
Constraints: 0

COURSES:
c teacher 2 1 10

ROOMS:
r 20

CURRICULA:
q 1 c

UNAVAILABILITY_CONSTRAINTS:

END.
"""


@pytest.fixture
def task(tmp_path: Path) -> Task:
    file = tmp_path / "small.ctt"
    file.write_text(TWO_LECTURES)
    return Task("small", file, ProblemFormat.CTT, "grid", seconds=30.0, seed=1, workers=1)


def test_a_run_that_the_record_knows_is_not_made_again(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "kept" / "runs.jsonl"
    with Runs(record=record) as runs:
        first = runs[task]
    assert (first.violations, first.cost) == (0, 0)
    kept = record.read_text().splitlines()
    assert [json.loads(line)["cost"] for line in kept] == [0]

    task.file.unlink()  # whoever solves it now fails
    with Runs(record=record) as runs:
        assert runs[task] == first
        with pytest.raises(FileNotFoundError):
            runs[replace(task, seed=2)]
    with Runs(jobs=2, record=record) as runs, pytest.raises(FileNotFoundError):
        runs[task]
    monkeypatch.setattr(module, "version", lambda _family: "another engine")
    with Runs(record=record) as runs, pytest.raises(FileNotFoundError):
        runs[task]
    assert record.read_text().splitlines() == kept  # and what failed is not kept


def test_a_record_cut_short_by_a_kill_is_read_up_to_there(task: Task, tmp_path: Path) -> None:
    record = tmp_path / "runs.jsonl"
    with Runs(record=record) as runs:
        first = runs[task]
    record.write_text(record.read_text() + record.read_text()[:20])
    with Runs(record=record) as runs:
        assert runs[task] == first
        runs[replace(task, seed=2)]
    assert len([json.loads(line) for line in record.read_text().splitlines()]) == 2

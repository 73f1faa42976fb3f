"""Benchmark instances through the command line: known costs are reached. How soon, `benchmarks` measures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from horarium.cli import app

INSTANCES = Path(os.environ.get("HORARIUM_BENCHMARKS", Path(__file__).parents[4] / "shared" / "benchmarks"))

pytestmark = [
    pytest.mark.benchmark_instances,
    pytest.mark.skipif(
        not (INSTANCES / "itc2007" / "cbctt").is_dir(),
        reason=f"no benchmark instances in {INSTANCES}: set HORARIUM_BENCHMARKS",
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "cost"), [("toy", 0), ("comp01", 5), ("comp11", 0)])
def test_known_optimum_is_reached(name: str, cost: int, tmp_path: Path) -> None:
    """It takes seconds; the time limit is for a machine that has better things to do."""
    problem, out = INSTANCES / "itc2007" / "cbctt" / f"{name}.ectt", tmp_path / "solution"
    options = ["--time-limit", "120", "--target", str(cost), "--seed", "1", "--solution", str(out)]
    solved = CliRunner().invoke(app, ["solve", str(problem), *options])
    assert solved.exit_code == 0, solved.output
    evaluated = CliRunner().invoke(app, ["evaluate", str(problem), str(out)])
    assert evaluated.exit_code == 0, evaluated.output
    found = next(int(line.split()[1]) for line in evaluated.stdout.splitlines() if line.split()[:1] == ["total"])
    assert found == cost

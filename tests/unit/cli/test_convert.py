"""`horarium convert`, and the other commands with spreadsheets: what goes in comes out, mistakes are named."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from horarium.university import generate_university
from schemas.formats.tables.template import template_workbook
from schemas.problem.model import Problem
from schemas.problem.read import guess_format, load_problem
from tests.unit.cli.test_cli import CTT, run
from tests.unit.schemas.sheets import some_sheets, workbook


def problem_in(path: Path) -> Problem:
    content = path.read_bytes()
    return load_problem(content, guess_format(path.name, content)).problem


def test_a_problem_goes_through_every_format_unchanged(tmp_path: Path) -> None:
    (tmp_path / "mini.ctt").write_text(CTT)
    names = ["mini.ctt", "a.json", "b.xlsx", "c.zip", "d.json.gz", "e.xlsx"]
    for before, after in pairwise(names):
        result = run("convert", tmp_path / before, tmp_path / after)
        assert result.exit_code == 0, result.output
        assert "3 courses, 5 classes" in result.stderr
        assert problem_in(tmp_path / after) == problem_in(tmp_path / "mini.ctt")
    assert (tmp_path / "b.xlsx").read_bytes() == (tmp_path / "e.xlsx").read_bytes()


@pytest.mark.parametrize("suffix", ["xlsx", "zip"])
def test_a_university_is_generated_as_a_spreadsheet(tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"university.{suffix}"
    result = run("generate-university", "--out", out, "--courses", 5, "--students", 30, "--faculty", 5, "--seed", 2)
    assert result.exit_code == 0, result.output
    assert problem_in(out) == generate_university(5, 30, 5, seed=2)


def test_the_template_is_solved_and_evaluated(tmp_path: Path) -> None:
    template, solution = tmp_path / "template.xlsx", tmp_path / "timetable.json"
    template.write_bytes(template_workbook())
    solved = run("solve", template, "--time-limit", 10, "--solution", solution)
    assert solved.exit_code == 0, solved.output
    assert "No hard violation" in solved.stdout
    assert run("evaluate", template, solution).exit_code == 0


def test_mistakes_in_a_spreadsheet_are_named_by_their_cells(tmp_path: Path) -> None:
    path = tmp_path / "term.xlsx"
    courses: list[list[object]] = [["Course", "Expected students", "Times"], ["x", 500, "Mon 09:00-10:00"]]
    path.write_bytes(workbook(some_sheets(Courses=courses)))
    result = run("convert", path, tmp_path / "term.json")
    assert result.exit_code == 2
    assert f"{path}: Courses, row 2" in result.stderr
    assert not (tmp_path / "term.json").exists()


def test_a_name_that_says_no_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mini.ctt").write_text(CTT)
    result = run("convert", tmp_path / "mini.ctt", tmp_path / "out.ods")
    assert result.exit_code == 2
    assert ".xlsx" in result.stderr

"""ITC-2019 files on the command line: solved, written for the competition's validator, evaluated, converted."""

from __future__ import annotations

import gzip
from pathlib import Path
from xml.etree import ElementTree

import pytest

from horarium.university import generate_university
from schemas.problem.model import Problem
from schemas.problem.read import guess_format, load_problem
from schemas.problem.sizes import classes_of
from tests.unit.cli.test_cli import run, total
from tests.unit.schemas.itc2019_files import SMALL, SMALL_SOLUTION


@pytest.fixture(params=["small.xml", "small.xml.gz"])
def xml(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / str(request.param)
    path.write_bytes(gzip.compress(SMALL.encode()) if path.suffix == ".gz" else SMALL.encode())
    return path


def problem_in(path: Path) -> Problem:
    content = path.read_bytes()
    return load_problem(content, guess_format(path.name, content)).problem


def test_a_solved_problem_is_written_as_xml_that_evaluates_to_the_printed_cost(xml: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.xml"
    solved = run("solve", xml, "--time-limit", 10, "--seed", 1, "--solution", out)
    assert solved.exit_code == 0, solved.output
    assert "No hard violation" in solved.stdout
    root = ElementTree.fromstring(out.read_bytes())  # noqa: S314  # our own text
    assert (root.tag, root.get("name"), root.get("cores")) == ("solution", "small", "1")
    assert float(root.get("runtime", "")) < 60
    assert root.get("technique", "").startswith("Horarium (")
    assert [cls.get("id") for cls in root] == ["1", "2", "3", "4", "5"]
    assert {student.get("id") for cls in root for student in cls} == {"1", "2"}
    evaluated = run("evaluate", xml, out)
    assert evaluated.exit_code == 0, evaluated.output
    assert total(evaluated.stdout) == total(solved.stdout)


def test_who_made_a_solution_is_said_as_given(tmp_path: Path) -> None:
    path, out = tmp_path / "small.xml", tmp_path / "out.xml"
    path.write_text(SMALL)
    credits = ("--author", "Emmy Noether", "--institution", "Göttingen", "--country", "Germany")
    assert run("solve", path, "--time-limit", 5, "--target", 10**6, "--solution", out, *credits).exit_code == 0
    root = ElementTree.fromstring(out.read_bytes())  # noqa: S314  # our own text
    assert [root.get(name) for name in ("author", "institution", "country")] == ["Emmy Noether", "Göttingen", "Germany"]


def test_the_name_of_the_solution_says_which_format(tmp_path: Path) -> None:
    path = tmp_path / "small.xml"
    path.write_text(SMALL)
    natively = run("solve", path, "--time-limit", 5, "--target", 10**6, "--solution", tmp_path / "out.json")
    assert natively.exit_code == 0, natively.output
    assert (tmp_path / "out.json").read_text().startswith("{")
    assert run("evaluate", path, tmp_path / "out.json").exit_code == 0

    native = tmp_path / "university.json"
    native.write_text(generate_university(3, 10, 3, seed=1).model_dump_json(by_alias=True, exclude_none=True))
    solved = run("solve", native, "--time-limit", 5, "--target", 10**6, "--solution", tmp_path / "native.xml")
    assert solved.exit_code == 0, solved.output
    evaluated = run("evaluate", native, tmp_path / "native.xml")
    assert (evaluated.exit_code, total(evaluated.stdout)) == (0, total(solved.stdout))


def test_a_solution_with_violations_exits_3_and_names_them(xml: Path, tmp_path: Path) -> None:
    solution = tmp_path / "solution.xml"
    solution.write_text(SMALL_SOLUTION.replace('days="01000" start="100"', 'days="10100" start="90"'))
    result = run("evaluate", xml, solution)
    assert result.exit_code == 3
    assert "Room '1' holds" in result.stdout


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ('start="102"', 'start="noon"', "line 20: 'start' of <time> must be a whole number"),
        ("</problem>", "", "line 75: The file ends in the middle"),
        (
            'days="10000" start="60" length="12" weeks="1100"',
            'days="11111" start="0" length="288" weeks="1111"',
            "line 36: Class '4'",
        ),
    ],
    ids=["a word", "broken off", "a room that is always closed"],
)
def test_a_mistake_in_a_problem_exits_2_with_its_line(tmp_path: Path, old: str, new: str, where: str) -> None:
    path = tmp_path / "small.xml"
    assert old in SMALL
    path.write_text(SMALL.replace(old, new))
    for command in (("solve", path), ("evaluate", path, path), ("convert", path, tmp_path / "out.json")):
        result = run(*command)
        assert result.exit_code == 2
        assert f"{path}: {where}" in result.stderr
    assert not (tmp_path / "out.json").exists()


def test_a_mistake_in_a_solution_exits_2_with_its_line(xml: Path, tmp_path: Path) -> None:
    solution = tmp_path / "solution.xml"
    solution.write_text(SMALL_SOLUTION.replace('<student id="2"/>', '<student id="7"/>', 1))
    result = run("evaluate", xml, solution)
    assert result.exit_code == 2
    assert f"{solution}: line 4: Student '7' is not in the problem." in result.stderr


@pytest.mark.parametrize("out", ["out.json", "out.json.gz", "out.xlsx", "out.zip"])
def test_a_problem_is_converted_to_every_format_unchanged(tmp_path: Path, out: str) -> None:
    path = tmp_path / "small.xml"
    path.write_text(SMALL)
    result = run("convert", path, tmp_path / out)
    assert result.exit_code == 0, result.output
    assert "2 courses, 5 classes, 2 rooms, 2 students" in result.stderr
    assert problem_in(tmp_path / out) == problem_in(path)
    assert len(list(classes_of(problem_in(tmp_path / out)))) == 5


@pytest.mark.parametrize("out", ["out.xml", "out.xml.gz", "out.ctt.gz"])
def test_a_problem_is_not_written_under_a_name_that_says_another_format(tmp_path: Path, out: str) -> None:
    path = tmp_path / "small.xml"
    path.write_text(SMALL)
    assert run("convert", path, tmp_path / out).exit_code == 2
    made = run("generate-university", "--courses", 3, "--students", 5, "--faculty", 3, "--out", tmp_path / out)
    assert made.exit_code == 2
    assert "must end in .json" in made.stderr
    assert not (tmp_path / out).exists()

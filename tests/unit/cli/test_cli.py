"""The command line as a person or a script meets it: exit codes, messages, files."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from horarium.cli import app
from schemas.problem.model import Problem
from schemas.timetable import Timetable

CTT = """Name: mini
Courses: 3
Rooms: 2
Days: 2
Periods_per_day: 3
Curricula: 1
Constraints: 1

COURSES:
algebra noether 2 2 30
botany linne 2 2 20
chemistry curie 1 1 10

ROOMS:
hall 40
cell 15

CURRICULA:
first 2 algebra botany

UNAVAILABILITY_CONSTRAINTS:
algebra 0 0

END.
"""


def run(*arguments: str | Path | int, text: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], input=text)


@pytest.fixture
def ctt(tmp_path: Path) -> Path:
    path = tmp_path / "mini.ctt"
    path.write_text(CTT)
    return path


def edited(path: Path, old: str, new: str) -> Path:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    return path


def test_a_solved_problem_exits_0_with_a_solution_that_evaluates_to_the_printed_cost(ctt: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "mini.sol"
    solved = run("solve", ctt, "--time-limit", 10, "--seed", 1, "--solution", out)
    assert solved.exit_code == 0, solved.output
    assert "No hard violation" in solved.stdout
    assert "Method:" in solved.stdout
    assert "The search ended because nothing better is possible." in solved.stdout
    lines = out.read_text().split("\n")
    assert [line.split()[0] for line in lines if line] == ["algebra", "algebra", "botany", "botany", "chemistry"]
    evaluated = run("evaluate", ctt, out)
    assert evaluated.exit_code == 0
    assert total(evaluated.stdout) == total(solved.stdout)


def total(output: str) -> str:
    return next(line.split()[-1] for line in output.splitlines() if line.split()[:1] == ["total"])


def test_a_gzipped_problem_and_a_json_solution(ctt: Path, tmp_path: Path) -> None:
    packed = tmp_path / "mini.ctt.gz"
    packed.write_bytes(gzip.compress(ctt.read_bytes()))
    out = tmp_path / "mini.json"
    assert run("solve", packed, "--time-limit", 10, "--solution", out).exit_code == 0
    assert len(Timetable.model_validate_json(out.read_bytes()).placements) == 5
    assert run("evaluate", packed, out).exit_code == 0


def test_several_variants_are_written_beside_one_another(ctt: Path, tmp_path: Path) -> None:
    result = run("solve", ctt, "--time-limit", 10, "--variants", 2, "--workers", 2, "--solution", tmp_path / "v.sol")
    assert result.exit_code == 0
    assert result.stdout.count("variant ") == 2
    assert len(list(tmp_path.glob("v*.sol"))) == 2


def test_a_variant_for_each_profile_and_how_they_compare(ctt: Path, tmp_path: Path) -> None:
    out = tmp_path / "v.sol"
    profiles = ("--profile", "students_first", "--profile", "rooms_first", "--profile", "balanced")
    result = run("solve", ctt, *profiles, "--time-limit", 5, "--solution", out)
    assert result.exit_code == 0, result.output
    for n, name in enumerate(("students_first", "rooms_first", "balanced"), start=1):
        assert f"variant {n} ({name}): 0 hard violations, cost" in result.stdout
    assert "Diversity:" in result.stdout
    written = sorted(tmp_path.glob("v*.sol"))
    assert len(written) == 3
    compared = run("compare", ctt, *written)
    assert compared.exit_code == 0, compared.output
    assert "1 and 2:" in compared.stdout
    assert "2 and 3:" in compared.stdout
    assert total(compared.stdout) == total(result.stdout)
    assert run("compare", ctt, out).exit_code == 2
    assert run("solve", ctt, "--profile", "commuters_first").exit_code == 2


def test_two_timetables_show_what_they_place_differently(ctt: Path, tmp_path: Path) -> None:
    a, b = tmp_path / "a.sol", tmp_path / "b.sol"
    lines = ["algebra hall 0 2", "algebra hall 1 0", "botany hall 0 1", "botany hall 1 1"]
    a.write_text("\n".join([*lines, "chemistry cell 0 0"]))
    b.write_text("\n".join([*reversed(lines), "chemistry hall 0 0"]))
    result = run("compare", ctt, a, b)
    assert "1 and 2: 1 of 5 classes differ (0 in time, 1 in room)" in result.stdout
    assert "chemistry#1: 0-0 in cell -> 0-0 in hall" in result.stdout


def test_the_other_places_of_a_class_are_ranked_with_what_they_would_disturb(ctt: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.sol"
    out.write_text("algebra hall 0 2\nalgebra hall 1 0\nbotany hall 0 1\nbotany hall 1 1\nchemistry cell 0 0\n")
    result = run("alternatives", ctt, out, "chemistry#1", "--limit", 50)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("chemistry#1 is 0-0 (")
    assert lines[1].lstrip().startswith("1. 0-0 (")
    assert "in hall: cost +0" in lines[1]
    assert "+1 hard violations" in result.stdout
    assert "room_conflict: Room 'hall' holds" in result.stdout
    assert "algebra" in result.stdout
    unknown = run("alternatives", ctt, out, "alchemy")
    assert unknown.exit_code == 2
    assert "no class 'alchemy'" in unknown.stderr


def test_a_published_timetable_is_changed_little_and_the_changes_are_printed(ctt: Path, tmp_path: Path) -> None:
    published, again = tmp_path / "published.sol", tmp_path / "again.sol"
    assert run("solve", ctt, "--time-limit", 10, "--seed", 1, "--solution", published).exit_code == 0
    place = next(line.split() for line in published.read_text().splitlines() if line.startswith("chemistry"))
    other = "1-2" if place[2:] != ["1", "2"] else "0-2"
    options = ("--base", published, "--keep-weight", "7,3", "--time-limit", 10)
    moved = ("--pin-time", f"chemistry#1={other}", "--pin", "algebra#1")
    result = run("solve", ctt, *options, *moved, "--max-changes", 2, "--solution", again)
    assert result.exit_code == 0, result.output
    assert "which 1 had to" in result.stdout
    assert f"chemistry#1: {place[2]}-{place[3]} in" in result.stdout
    assert f"-> {other} in" in result.stdout
    counted = run("evaluate", ctt, again, "--base", published, "--keep-weight", "7,3")
    assert counted.exit_code == 0
    assert total(counted.stdout) == total(result.stdout)
    assert "change" in counted.stdout
    # Nobody may change, and somebody must.
    result = run("solve", ctt, *options, *moved, "--max-changes", 0)
    assert result.exit_code == 3
    assert "budget of 0 changed classes is not kept: 1 too many. More than that must change (proven)." in result.stdout


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--max-changes", 3], "--base"),
        (["--keep-weight", 3], "--base"),
        (["--base", "published.sol", "--keep-weight", "many"], "TIME,ROOM,SECTION"),
        (["--pin", "algebra"], "no class 'algebra'"),
        (["--pin", "algebra#1"], "no base timetable"),
        (["--pin-time", "algebra#1=never"], "no time 'never'"),
        (["--base", "nowhere.sol"], "nowhere.sol"),
    ],
)
def test_options_of_a_change_that_cannot_be_meant_exit_2(ctt: Path, options: list[object], word: str) -> None:
    result = run("solve", ctt, *(str(option) for option in options))
    assert result.exit_code == 2
    assert word in result.stderr


@pytest.mark.parametrize(("option", "value"), [("--target-gap", "0.1"), ("--no-improvement", "5")])
def test_a_repeatable_search_does_not_look_at_gap_or_clock(ctt: Path, option: str, value: str) -> None:
    result = run("solve", ctt, "--moves", 1000, option, value)
    assert result.exit_code == 2
    assert option in result.stderr


def test_an_impossible_problem_exits_3_and_says_why(ctt: Path) -> None:
    edited(ctt, "chemistry curie 1", "chemistry noether 6")
    result = run("solve", ctt, "--time-limit", 2)
    assert result.exit_code == 3
    assert "hard violation" in result.stdout
    assert "proven" in result.stdout
    assert "Instructor 'noether': 8 classes" in result.stdout


def test_a_solution_with_violations_exits_3_and_names_them(ctt: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.sol"
    bad.write_text("algebra hall 0 1\nalgebra hall 0 1\nbotany cell 1 0\n")
    result = run("evaluate", ctt, bad)
    assert result.exit_code == 3
    assert "room_conflict" in result.stdout
    assert "'hall'" in result.stdout
    assert "unplaced" in result.stdout


@pytest.mark.parametrize(
    ("old", "new", "place", "word"),
    [
        ("algebra noether 2 2 30", "algebra noether two 2 30", "line 10", "whole number"),
        ("first 2 algebra botany", "first 2 algebra biology", "line 19", "biology"),
        ("END.\n", "", "line", "truncated"),
    ],
)
def test_a_broken_problem_exits_2_with_file_and_line(ctt: Path, old: str, new: str, place: str, word: str) -> None:
    result = run("solve", edited(ctt, old, new))
    assert result.exit_code == 2
    assert str(ctt) in result.stderr
    assert place in result.stderr
    assert word in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("p.json", b'{"format": "horarium.problem/1"', ["malformed"]),
        ("p.json", b'{"name": "x", "oops": 1}', ["/oops", "/calendar", "required"]),
        ("p.json", b"", ["empty"]),
        ("p.bin", b"\x00\x01", ["format cannot be told"]),
        ("p.ctt.gz", b"\x1f\x8bgarbage", ["gzip"]),
    ],
)
def test_bad_input_exits_2_with_the_place(tmp_path: Path, name: str, content: bytes, words: list[str]) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    result = run("solve", path)
    assert result.exit_code == 2
    assert all(word in result.stderr for word in words), result.stderr


@pytest.mark.parametrize("arguments", [("solve", "none.ctt"), ("evaluate", "none.ctt", "none.sol"), ("solve", ".")])
def test_a_file_that_cannot_be_read_is_one_sentence(arguments: Sequence[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_garbled_solution_exits_2_with_its_line(ctt: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.sol"
    bad.write_text("algebra hall 0 1\nalgebra attic 0 2\n")
    result = run("evaluate", ctt, bad)
    assert result.exit_code == 2
    assert "line 2" in result.stderr
    assert "attic" in result.stderr


def test_a_garbled_json_solution_exits_2_with_a_pointer(ctt: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text('{"placements": [{"class": "algebra#1"}]}')
    result = run("evaluate", ctt, bad)
    assert result.exit_code == 2
    assert "/placements/0/time" in result.stderr


def test_the_same_seed_generates_the_same_university(tmp_path: Path) -> None:
    sizes = ("--courses", 12, "--students", 60, "--faculty", 15)
    for name in ("a.json", "b.json.gz"):
        assert run("generate-university", *sizes, "--seed", 5, "--out", tmp_path / name).exit_code == 0
    assert run("generate-university", *sizes, "--seed", 6, "--out", tmp_path / "c.json").exit_code == 0
    a, b, c = (tmp_path / name for name in ("a.json", "b.json.gz", "c.json"))
    assert a.read_bytes() == gzip.decompress(b.read_bytes()) != c.read_bytes()
    assert len(Problem.model_validate_json(a.read_bytes()).courses) == 12


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_solve_keeps_the_best(tmp_path: Path, number: signal.Signals) -> None:
    problem, out = tmp_path / "big.json", tmp_path / "big.sol.json"
    made = run("generate-university", "--courses", 30, "--students", 200, "--faculty", 40, "--out", problem)
    assert made.exit_code == 0
    options = ["--time-limit", "900", "--solution", str(out)]
    command = [sys.executable, "-m", "horarium.cli", "solve", str(problem), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as solving:
        try:
            assert solving.stderr is not None
            assert "courses" in solving.stderr.readline()  # read and checked: the search begins
            time.sleep(1.0)  # anywhere in the search will do
            os.kill(solving.pid, number)
            stdout, stderr = solving.communicate(timeout=120)
        finally:
            solving.kill()
    assert solving.returncode in (0, 3), stderr
    assert "Stopping" in stderr
    assert "Traceback" not in stderr
    assert "The search ended because it was stopped." in stdout
    assert run("evaluate", problem, out).exit_code == solving.returncode


@pytest.mark.parametrize("command", ["submit", "watch", "stop", "cancel"])
def test_a_server_that_is_away_is_one_sentence(command: str, ctt: Path) -> None:
    target = str(ctt) if command == "submit" else "00000000-0000-0000-0000-000000000000"
    result = run(command, target, "--url", "unix://nowhere", "--token", "t")
    assert result.exit_code == 1
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_who_one_is_must_be_said(ctt: Path) -> None:
    result = run("submit", ctt)
    assert result.exit_code == 2
    assert "--token" in result.stderr


def test_a_short_password_is_refused() -> None:
    result = run(
        "user", "add", "--database-url", "postgresql+psycopg://nowhere/x", "--email", "a@b.example",
        "--organization", "Demo", text="short\n",
    )  # fmt: skip
    assert result.exit_code == 2
    assert "12 characters" in result.stderr

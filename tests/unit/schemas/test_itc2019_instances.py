"""The real ITC-2019 instances: all are read, with the sizes that were published; their timetables can be written."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.formats.itc2019_solution import Credits, read_itc2019_solution, write_itc2019_solution
from schemas.problem.expand import ExpandedProblem
from schemas.problem.model import Problem
from schemas.problem.read import guess_format, load_problem, parse_problem
from schemas.problem.sizes import classes_of
from schemas.referee import judge
from schemas.timetable import Placement, Timetable
from tests.benchmark_instances import folder, instance

pytestmark = pytest.mark.benchmark_instances

FOLDER = "itc2019"
# courses, classes, those with one placement only, rooms, students, requests, hard and soft distributions, weeks
PUBLISHED = {
    "lums-sum17.xml": (19, 20, 0, 62, 0, 0, 3, 0, 9),
    "wbg-fal10.xml": (21, 150, 0, 7, 19, 97, 56, 26, 16),
    "pu-cs-fal07.xml": (44, 174, 0, 13, 2_002, 2_393, 69, 34, 15),
    "lums-spr18.xml.gz": (313, 487, 2, 73, 0, 0, 449, 69, 20),
    "muni-fi-spr17.xml.gz": (186, 516, 63, 35, 1_469, 9_137, 650, 60, 14),
    "muni-fsps-spr17.xml.gz": (226, 561, 188, 44, 865, 6_715, 331, 69, 19),
    "muni-fi-spr16.xml.gz": (228, 575, 128, 35, 1_543, 9_633, 645, 95, 15),
    "tg-fal17.xml.gz": (36, 711, 74, 23, 0, 0, 461, 42, 14),
    "nbi-spr18.xml.gz": (404, 782, 41, 67, 2_293, 13_833, 585, 11, 15),
    "mary-spr17.xml.gz": (544, 882, 63, 90, 3_666, 10_552, 3_155, 796, 16),
    "bet-fal17.xml.gz": (353, 983, 79, 62, 3_018, 18_827, 861, 390, 16),
    "pu-d5-spr17.xml.gz": (212, 1_061, 115, 84, 13_497, 19_614, 1_262, 273, 15),
}
# time, room, distribution, student
WEIGHTS = {
    "lums-sum17.xml": (1, 1, 10, 10),
    "muni-fsps-spr17.xml.gz": (25, 1, 15, 100),
    "tg-fal17.xml.gz": (2, 1, 20, 0),
    "bet-fal17.xml.gz": (60, 1, 30, 6),
    "pu-d5-spr17.xml.gz": (3, 1, 16, 8),
}


def loaded(path: Path) -> ExpandedProblem:
    content = path.read_bytes()
    return load_problem(content, guess_format(path.name, content))


def sizes(problem: Problem) -> tuple[int, ...]:
    classes = list(classes_of(problem))
    return (
        len(problem.courses),
        len(classes),
        sum(len(c.times or ()) * len(c.rooms or ("none",)) == 1 for c in classes),
        len(problem.rooms),
        len(problem.students),
        sum(len(s.courses) for s in problem.students),
        sum(d.required for d in problem.distributions),
        sum(not d.required for d in problem.distributions),
        problem.calendar.weeks,
    )


@pytest.mark.parametrize("name", PUBLISHED)
def test_sizes_are_those_published(name: str) -> None:
    expanded = loaded(instance(f"{FOLDER}/{name}"))
    assert sizes(expanded.problem) == PUBLISHED[name]
    assert expanded.problem.name == name.partition(".")[0]
    assert all(c.times and c.rooms != () for c in expanded.classes)


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_are_those_published(name: str) -> None:
    weights = loaded(instance(f"{FOLDER}/{name}")).problem.weights
    assert (weights.time, weights.room, weights.distribution, weights.student) == WEIGHTS[name]


def test_every_instance_is_read() -> None:
    instance(FOLDER)
    files = [path for path in sorted((folder() / FOLDER).iterdir()) if ".xml" in path.name]
    assert len(files) >= 12
    for path in files:
        assert loaded(path).classes, path.name


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_timetable_of_an_instance_survives_its_solution_file(name: str) -> None:
    path = instance(f"{FOLDER}/{name}")
    problem = parse_problem(path.read_bytes(), guess_format(path.name))
    placements = [
        Placement(class_id=c.id, time=(c.times or [])[-1].time, room=c.rooms[-1].room if c.rooms else None)
        for c in classes_of(problem)
    ]
    timetable = Timetable(placements=placements)
    again = read_itc2019_solution(problem, write_itc2019_solution(problem, timetable, Credits()))
    assert again.placements == placements
    assert judge(problem, again).score == judge(problem, timetable).score

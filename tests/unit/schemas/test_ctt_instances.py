"""The real curriculum-based instances: all are read, and their sizes are those that were published."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.problem.expand import ExpandedProblem
from schemas.problem.read import guess_format, load_problem
from tests.benchmark_instances import folder, instance

pytestmark = pytest.mark.benchmark_instances

FOLDER = "itc2007/cbctt"
# courses, lectures, rooms, curricula, unavailable periods, teachers
PUBLISHED = {
    "toy.ectt": (4, 16, 3, 2, 8, 4),
    "ctt/comp01.ctt": (30, 160, 6, 14, 53, 24),
    "comp01.ectt": (30, 160, 6, 14, 53, 24),
    "ctt/comp05.ctt": (54, 152, 9, 139, 771, 47),
    "comp21.ectt": (94, 327, 18, 78, 463, 76),
    "DDS1.ectt": (201, 900, 21, 99, 11948, 145),
    "EA07.ectt": (159, 653, 51, 61, 1134, 105),
    "Udine1.ectt": (142, 360, 21, 83, 841, 106),
    "erlangen2012_1.ectt.gz": (764, 829, 110, 3442, 6283, 340),
}


def loaded(path: Path) -> ExpandedProblem:
    content = path.read_bytes()
    return load_problem(content, guess_format(path.name, content))


@pytest.mark.parametrize("name", PUBLISHED)
def test_sizes_are_those_published(name: str) -> None:
    expanded = loaded(instance(f"{FOLDER}/{name}"))
    problem = expanded.problem
    # Every lecture of a course leaves out the same times.
    unavailable = sum(
        len(problem.times) - len(course.configs[0].subparts[0].classes[0].times or ()) for course in problem.courses
    )
    sizes = (len(problem.courses), len(expanded.classes), len(problem.rooms), len(problem.curricula))
    assert (*sizes, unavailable, len(problem.instructors)) == PUBLISHED[name]


def test_every_instance_is_read() -> None:
    instance(FOLDER)
    files = [path for path in sorted((folder() / FOLDER).rglob("*")) if ".ctt" in path.name or ".ectt" in path.name]
    assert len(files) >= 41
    for path in files:
        expanded = loaded(path)
        assert expanded.classes, path.name
        assert all(len(c.times) > 0 and c.rooms for c in expanded.classes), path.name


def test_both_file_kinds_hold_the_same_problem() -> None:
    for name in ("comp01", "comp11", "comp21"):
        one, other = (loaded(instance(f"{FOLDER}/{path}")) for path in (f"ctt/{name}.ctt", f"{name}.ectt"))
        assert one.problem == other.problem, name

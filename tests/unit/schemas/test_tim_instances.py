"""The competitions' post-enrolment instances: all are read, and their sizes are those that were published."""

from __future__ import annotations

import pytest

from schemas.problem.read import guess_format, load_problem
from tests.benchmark_instances import folder, instance

pytestmark = pytest.mark.benchmark_instances

# events, rooms, features, students, enrolments
PUBLISHED = {
    "itc2007/postenrol": {
        "comp-2007-2-1": (400, 10, 10, 500, 10_510),
        "comp-2007-2-2": (400, 10, 10, 500, 10_515),
        "comp-2007-2-4": (200, 20, 10, 1000, 13_396),
        "comp-2007-2-5": (400, 20, 20, 300, 6_275),
        "comp-2007-2-7": (200, 20, 20, 500, 6_733),
        "comp-2007-2-8": (200, 20, 20, 500, 6_916),
        "comp-2007-2-9": (400, 10, 20, 500, 10_714),
        "comp-2007-2-11": (200, 10, 10, 1000, 13_608),
        "comp-2007-2-13": (400, 20, 10, 300, 6_358),
        "comp-2007-2-14": (400, 20, 10, 300, 6_257),
        "comp-2007-2-16": (200, 10, 20, 500, 6_819),
        "comp-2007-2-18": (200, 10, 10, 500, 10_285),
        "comp-2007-2-19": (300, 10, 10, 1000, 13_435),
        "comp-2007-2-21": (500, 20, 20, 300, 6_201),
        "comp-2007-2-23": (400, 20, 30, 1000, 21_367),
        "comp-2007-2-24": (400, 20, 30, 1000, 13_337),
    },
    "itc2002": {
        "competition01": (400, 10, 10, 200, 3_551),
        "competition02": (400, 10, 10, 200, 3_446),
        "competition04": (400, 10, 5, 300, 5_230),
        "competition06": (350, 10, 5, 300, 5_332),
        "competition07": (350, 10, 5, 350, 6_117),
        "competition09": (440, 11, 6, 220, 3_819),
        "competition10": (400, 10, 5, 200, 3_556),
        "competition12": (400, 10, 5, 200, 3_515),
        "competition13": (400, 10, 6, 250, 4_422),
        "competition15": (350, 10, 10, 300, 5_274),
        "competition17": (350, 10, 10, 300, 5_301),
        "competition18": (400, 10, 10, 200, 3_512),
        "competition19": (400, 10, 5, 300, 5_312),
    },
}


@pytest.mark.parametrize("where", PUBLISHED)
def test_sizes_are_those_published(where: str) -> None:
    for name, sizes in PUBLISHED[where].items():
        path = instance(f"{where}/{name}.tim.gz")
        content = path.read_bytes()
        expanded = load_problem(content, guess_format(path.name, content))
        problem = expanded.problem
        events, rooms, features, students, enrolments = sizes
        assert (len(problem.courses), len(problem.rooms), len(problem.students)) == (events, rooms, students), name
        assert sum(len(s.courses) for s in problem.students) == enrolments, name
        assert {f for r in problem.rooms for f in r.features} <= {f"F{f}" for f in range(features)}, name
        assert bool(problem.distributions) == where.startswith("itc2007"), name


def test_no_shared_instance_is_left_out() -> None:
    instance("itc2002")
    for where, published in PUBLISHED.items():
        assert {path.name.removesuffix(".tim.gz") for path in (folder() / where).glob("*.tim.gz")} <= set(published)

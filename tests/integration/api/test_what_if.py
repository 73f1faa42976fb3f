"""What if a class were moved, over HTTP: consequences by name, alternatives, and who may ask."""

from __future__ import annotations

import httpx
import pytest

from schemas.timetable import Enrolment, Placement, Timetable
from tests.integration.api.conftest import RunningApi, refused, uploaded
from tests.integration.api.finished import finished

PUBLISHED = Timetable(
    placements=[
        Placement(class_id="c1", time="mon", room="r1"),
        Placement(class_id="c2", time="tue", room="r1"),
    ],
    enrolments=[Enrolment(student="s1", classes=["c1", "c2"])],
)


@pytest.fixture
def variant(api: RunningApi, planner: httpx.Client) -> str:
    return f"/api/timetables/{finished(api, planner, uploaded(planner), PUBLISHED)}/variants/1"


def test_a_move_names_what_it_breaks_and_costs(viewer: httpx.Client, variant: str) -> None:
    answer = viewer.post(f"{variant}/moves/evaluate", json={"class": "c1", "time": "tue"})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["before"] == {"time": "mon", "room": "r1"}
    assert found["after"] == {"time": "tue", "room": "r1"}
    assert found["hard"] == {"room_conflict": 1, "class_conflict": 1}
    assert (found["hard_violations"], found["cost"], found["student_conflicts"]) == (2, {"student": 1}, 1)
    assert {c["rule"] for c in found["new"]} == {"room_conflict", "class_conflict"}
    assert all(set(c["who"]) == {"c1", "c2"} and c["message"] for c in found["new"])
    same = viewer.post(f"{variant}/moves/evaluate", json={"class": "c1", "time": "mon", "room": "r1"}).json()
    assert (same["hard"], same["cost"], same["new"]) == ({}, {}, [])


def test_alternatives_are_ranked(viewer: httpx.Client, variant: str) -> None:
    answer = viewer.get(f"{variant}/alternatives", params={"class": "c1", "limit": 5})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["class"], found["considered"]) == ("c1", 1)
    [only] = found["alternatives"]
    assert (only["after"]["time"], only["hard_violations"]) == ("tue", 2)


def test_questions_that_cannot_be_meant_are_refused_with_their_place(viewer: httpx.Client, variant: str) -> None:
    for body, pointer in (
        ({"class": "c9", "time": "tue"}, "/class"),
        ({"class": "c1", "time": "never"}, "/time"),
        ({"class": "c1", "room": "attic"}, "/room"),
        ({"time": "tue"}, "/class"),
        ({"class": "c1", "hour": 3}, "/hour"),
    ):
        refusal = refused(viewer.post(f"{variant}/moves/evaluate", json=body), 422, "invalid_request")
        assert refusal["errors"][0]["pointer"] == pointer
    refusal = refused(viewer.get(f"{variant}/alternatives", params={"class": "c9"}), 422, "invalid_request")
    assert refusal["errors"][0]["code"] == "unknown_class"
    refused(viewer.get(f"{variant}/alternatives"), 422, "invalid_request")
    refused(viewer.get(f"{variant}/alternatives", params={"class": "c1", "limit": 1000}), 422, "invalid_request")


def test_strangers_and_deleted_problems_get_no_answer(
    api: RunningApi, planner: httpx.Client, stranger: httpx.Client
) -> None:
    problem_id = uploaded(planner)
    variant = f"/api/timetables/{finished(api, planner, problem_id, PUBLISHED)}/variants/1"
    move = {"class": "c1", "time": "tue"}
    refused(stranger.post(f"{variant}/moves/evaluate", json=move), 404, "variant_not_found")
    refused(stranger.get(f"{variant}/alternatives", params={"class": "c1"}), 404, "variant_not_found")
    api.sql("DELETE FROM problems WHERE id = %s", problem_id)
    refused(planner.post(f"{variant}/moves/evaluate", json=move), 410, "problem_deleted")

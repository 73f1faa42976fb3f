"""Variants by weight profile over HTTP: asked for, told apart, compared."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from schemas.events import JobRequested
from schemas.events.cloudevents import decode
from schemas.timetable import Enrolment, Placement, Timetable
from tests.integration.api.conftest import RunningApi, messages_of, refused, requested, uploaded
from tests.integration.api.finished import Variant, finished


def of(first: str, second: str) -> Timetable:
    return Timetable(
        placements=[
            Placement(class_id="c1", time=first, room="r1"),
            Placement(class_id="c2", time=second, room="r1"),
        ],
        enrolments=[Enrolment(student="s1", classes=["c1", "c2"])],
    )


@pytest.mark.parametrize(
    ("asked", "variants"), [({}, 2), ({"variants": 4}, 4), ({"variants": 1}, 1)], ids=["one each", "more", "fewer"]
)
def test_profiles_travel_with_the_request(
    api: RunningApi, planner: httpx.Client, asked: dict[str, Any], variants: int
) -> None:
    profiles = ["students_first", "balanced"]
    request = {"problem_id": uploaded(planner), "profiles": profiles, **asked}
    answer = planner.post("/api/timetables/generate", json=request)
    assert answer.status_code == 202, answer.text
    [message] = messages_of(api.addresses.kafka_bootstrap_servers, "job.requested", answer.json()["job_id"])
    options = decode(message.value, message.headers, [JobRequested]).options
    assert (options.profiles, options.variants) == (profiles, variants)
    assert [options.profile_of(n) for n in (1, 2, 3)] == ["students_first", "balanced", "students_first"]


def test_an_unknown_profile_is_refused_with_its_place(planner: httpx.Client) -> None:
    content = json.dumps({"problem_id": uploaded(planner), "profiles": ["balanced", "commuters_first"]})
    answer = planner.post("/api/timetables/generate", content=content, headers={"Content-Type": "application/json"})
    assert refused(answer, 422, "invalid_request")["errors"][0]["pointer"] == "/profiles/1"


def test_finished_variants_are_compared_by_the_problems_own_weights(api: RunningApi, planner: httpx.Client) -> None:
    variants = [
        Variant(of("mon", "tue"), 40, own_total=9, profile="students_first"),
        Variant(of("tue", "mon"), 30, own_total=12, profile="rooms_first"),
        Variant(of("mon", "tue"), 7, profile="balanced"),
    ]
    job_id = finished(api, planner, uploaded(planner), *variants)
    job = planner.get(f"/api/timetables/{job_id}").json()
    assert job["best_variant"] == 3
    assert [v["own_score"] and v["own_score"]["total"] for v in job["variants"]] == [9, 12, None]
    assert job["variants"][0]["provenance"]["profile"] == "students_first"

    answer = planner.get(f"/api/timetables/{job_id}/comparison")
    found = answer.json()
    assert [(v["variant"], v["profile"], v["score"]["total"]) for v in found["variants"]] == [
        (1, "students_first", 9),
        (2, "rooms_first", 12),
        (3, "balanced", 7),
    ]
    assert [(p["a"], p["b"], p["classes"]) for p in found["pairs"]] == [(1, 2, 2), (1, 3, 0), (2, 3, 2)]
    assert found["diversity"] == {"classes": 0.6667, "times": 0.6667, "rooms": 0.0}
    assert found["changed"] == []

    pair = planner.get(f"/api/timetables/{job_id}/comparison", params={"variants": "2,1"}).json()
    assert [v["variant"] for v in pair["variants"]] == [1, 2]
    assert [(c["class"], c["before"]["time"], c["after"]["time"]) for c in pair["changed"]] == [
        ("c1", "mon", "tue"),
        ("c2", "tue", "mon"),
    ]

    etag = answer.headers["etag"]
    again = planner.get(f"/api/timetables/{job_id}/comparison", headers={"If-None-Match": etag})
    assert again.status_code == 304


def test_a_comparison_that_cannot_be_made_says_why(
    api: RunningApi, planner: httpx.Client, stranger: httpx.Client
) -> None:
    problem_id = uploaded(planner)
    job_id = finished(api, planner, problem_id, of("mon", "tue"))
    path = f"/api/timetables/{job_id}/comparison"
    body = refused(planner.get(path, params={"variants": "1,2"}), 422, "invalid_request")
    assert (body["errors"][0]["pointer"], body["errors"][0]["code"]) == ("/query/variants", "unknown_variant")
    refused(planner.get(path, params={"variants": "one"}), 422, "invalid_request")
    refused(stranger.get(path), 404, "variant_not_found")
    refused(planner.get(f"/api/timetables/{requested(planner)}/comparison"), 404, "variant_not_found")
    api.sql("DELETE FROM problems WHERE id = %s", problem_id)
    refused(planner.get(path), 410, "problem_deleted")

"""A published timetable changed little, over HTTP: what is asked for, what is refused, what the answers tell."""

from __future__ import annotations

import json
import uuid
from typing import Any

import httpx
import pytest

from schemas.change.difference import ChangedClass, Place
from schemas.change.pins import Keep, PinnedClass
from schemas.change.report import Changes
from schemas.events import JobRequested
from schemas.events.cloudevents import decode
from schemas.timetable import Placement, Timetable
from tests.integration.api.conftest import RunningApi, messages_of, refused, uploaded
from tests.integration.api.finished import Variant, finished

PUBLISHED = Timetable(
    placements=[
        Placement(class_id="c1", time="mon", room="r1"),
        Placement(class_id="c2", time="tue", room="r1"),
    ]
)


def asked(api: RunningApi, answer: httpx.Response) -> JobRequested:
    """The event of an accepted request."""
    assert answer.status_code == 202, answer.text
    [message] = messages_of(api.addresses.kafka_bootstrap_servers, "job.requested", answer.json()["job_id"])
    return decode(message.value, message.headers, [JobRequested])


def test_a_request_names_its_base_and_travels_with_pins_weights_and_budget(
    api: RunningApi, planner: httpx.Client
) -> None:
    problem_id = uploaded(planner)
    base = finished(api, planner, problem_id, Variant(PUBLISHED, 9), Variant(PUBLISHED, 5))
    answer = planner.post(
        "/api/timetables/generate",
        json={
            "base_job_id": base,
            "keep_weights": {"time": 3, "room": 2, "section": 1},
            "max_changes": 1,
            "pins": [{"class": "c1", "time": "tue"}, {"class": "c2", "keep": "room"}],
        },
    )
    event = asked(api, answer)
    options = event.options
    assert (str(options.base_job_id), options.base_variant) == (base, 2), "the best variant, if none is named"
    assert (options.keep_weights.model_dump(), options.max_changes) == ({"time": 3, "room": 2, "section": 1}, 1)
    assert options.pins == [PinnedClass(class_id="c1", time="tue"), PinnedClass(class_id="c2", keep=Keep.ROOM)]
    assert event.problem_ref is not None
    assert str(event.problem_ref.problem_id) == problem_id, "the base job's problem, if none is named"
    job = planner.get(answer.json()["status_url"]).json()
    assert (job["options"]["base_job_id"], job["options"]["base_variant"]) == (base, 2)
    assert len(job["options"]["pins"]) == 2
    listed = next(j for j in planner.get("/api/timetables").json()["items"] if j["job_id"] == job["job_id"])
    assert (listed["options"]["base_job_id"], listed["options"]["pins"]) == (base, [])


def test_another_version_of_the_problem_may_be_solved_close_to_the_base(api: RunningApi, planner: httpx.Client) -> None:
    base = finished(api, planner, uploaded(planner), PUBLISHED)
    newer = uploaded(planner)
    event = asked(
        api,
        planner.post("/api/timetables/generate", json={"problem_id": newer, "base_job_id": base, "base_variant": 1}),
    )
    assert event.problem_ref is not None
    assert str(event.problem_ref.problem_id) == newer


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"base_variant": 7}, "/base_job_id"),
        ({"base_job_id": str(uuid.uuid4())}, "/base_job_id"),
        ({"base_job_id": None, "max_changes": 3}, ""),
        ({"base_job_id": None, "keep_weights": {"time": 3}}, ""),
        ({"keep_weights": {"minutes": 3}}, "/keep_weights/minutes"),
        ({"keep_weights": {"time": -1}}, "/keep_weights/time"),
        ({"max_changes": -1}, "/max_changes"),
        ({"pins": [{"class": "c1", "hour": "mon"}]}, "/pins/0/hour"),
        ({"pins": [{"time": "mon"}]}, "/pins/0/class"),
        ({"pins": [{"class": "c", "keep": "all"}]}, "/pins/0/keep"),
        ({"pins": [{"class": "c"}] * 5_001}, "/pins"),
    ],
)
def test_a_request_that_cannot_be_meant_is_refused_with_its_place(
    api: RunningApi, planner: httpx.Client, change: dict[str, Any], pointer: str
) -> None:
    problem_id = uploaded(planner)
    base = finished(api, planner, problem_id, PUBLISHED)
    request = {"problem_id": problem_id, "base_job_id": base} | change
    content = json.dumps({name: value for name, value in request.items() if value is not None})
    answer = planner.post("/api/timetables/generate", content=content, headers={"Content-Type": "application/json"})
    assert refused(answer, 422, "invalid_request")["errors"][0]["pointer"] == pointer


def test_a_job_that_has_not_ended_and_a_strangers_timetable_are_no_base(
    api: RunningApi, planner: httpx.Client, stranger: httpx.Client
) -> None:
    problem_id = uploaded(planner)
    base = finished(api, planner, problem_id, PUBLISHED)
    waiting = planner.post("/api/timetables/generate", json={"problem_id": problem_id}).json()["job_id"]
    answer = planner.post("/api/timetables/generate", json={"base_job_id": waiting})
    assert refused(answer, 422, "invalid_request")["errors"][0]["code"] == "unknown_base"
    answer = stranger.post("/api/timetables/generate", json={"base_job_id": base, "problem_id": uploaded(stranger)})
    assert refused(answer, 422, "invalid_request")["errors"][0]["code"] == "unknown_base"


def test_a_variant_tells_what_departs_from_its_base(api: RunningApi, planner: httpx.Client) -> None:
    changed = ChangedClass(class_id="c1", before=Place(time="mon", room="r1"), after=Place(time="tue", room="r1"))
    changes = Changes(
        base_job_id=uuid.uuid4(), base_variant=1, compared=2, classes=1, times=1, rooms=0, sections=0, students=0,
        forced=1, max_changes=0, over_budget=1, changed=[changed],
    )  # fmt: skip
    job_id = finished(api, planner, uploaded(planner), Variant(PUBLISHED, changes=changes), PUBLISHED)
    first, second = planner.get(f"/api/timetables/{job_id}").json()["variants"]
    assert first["changes"] == changes.model_dump(mode="json", exclude={"changed"})
    assert (second["changes"], second["changes_url"]) == (None, None)
    whole = planner.get(first["changes_url"])
    assert Changes.model_validate(whole.json()) == changes
    assert whole.json()["changed"][0]["class"] == "c1"
    refused(planner.get(f"/api/timetables/{job_id}/variants/2/changes"), 404, "changes_not_found")

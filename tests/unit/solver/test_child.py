"""The real child program on real problems: what it says for good input and for bad."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schemas.change.baseline import KeepWeights
from schemas.change.pins import PinnedClass
from schemas.events import VariantResult
from schemas.problem.read import ProblemFormat, read_problem
from schemas.referee import judge
from schemas.timetable import Timetable
from schemas.variants.profiles import FACTOR
from services.solver.frames import Frame
from services.solver.order import ChangeOrder, Contents, Order
from services.solver.packing import pack, unpack
from services.solver.runner import SolverChild, Work, child_command, child_environment
from tests.integration.solver.building import a_problem
from tests.unit.solver.claims import the_settings


def an_order(content: bytes, **changed: Any) -> Order:
    order = Order(
        format="native",
        sha256=hashlib.sha256(content).hexdigest(),
        weights={},
        seconds=5.0,
        seed=3,
        workers=1,
        target=0,
        variant=2,
        searched_s=0.0,
        best_interval_s=1.0,
    )
    return replace(order, **changed)


async def said_by_child(
    content: bytes,
    *,
    packed: bytes | None = None,
    start: Timetable | None = None,
    base: Timetable | None = None,
    change: ChangeOrder | None = None,
    **changed: Any,
) -> dict[str, Frame]:
    """The last frame of each kind that the child sent before it left by itself."""
    settings = the_settings()
    order = an_order(content, **changed)
    command = child_command(settings, Work.SEARCH if order.seconds else Work.JUDGE)
    child = await SolverChild.start(command, child_environment(settings, os.environ))
    try:
        start_zstd, base_zstd = (
            None if timetable is None else pack(timetable.model_dump_json(by_alias=True).encode())
            for timetable in (start, base)
        )
        child.order(order, Contents(packed or pack(content), start_zstd, base_zstd, change))
        frames = {frame.kind: frame async for frame in child.frames()}
    finally:
        end = await child.kill()
    assert end.reason == "ok", end
    return frames


async def test_a_problem_comes_back_as_a_result_that_the_referee_counted() -> None:
    content = json.dumps(a_problem()).encode()
    frames = await said_by_child(content)
    result = VariantResult.model_validate_json(unpack(frames["result"].body, 2**20))
    problem = read_problem(content, ProblemFormat.NATIVE)
    assert judge(problem, result.timetable).score == result.score
    assert (result.score.rank, result.variant) == ((0, 0), 2)
    assert (result.provenance.seed, result.provenance.input_sha256) == (3, hashlib.sha256(content).hexdigest())
    assert frames["best"].header["final"]


async def test_weights_of_the_order_replace_the_problems_own() -> None:
    problem = a_problem()
    for subpart in problem["courses"][0]["configs"][0]["subparts"]:
        subpart["classes"][0]["times"] = [{"time": "t0", "penalty": 2}, {"time": "t1", "penalty": 2}]
    frames = await said_by_child(json.dumps(problem).encode(), weights={"time": 10})
    assert frames["result"].header["score"]["cost"] == {"time": 40}


async def test_what_departs_from_a_base_is_priced_counted_and_listed() -> None:
    content = json.dumps(a_problem()).encode()
    base = (await said_by_child(content))["result"]
    published = VariantResult.model_validate_json(unpack(base.body, 2**20)).timetable
    job_id = uuid.uuid4()
    moved = published.placements[0]
    other = next(t for t in ("t0", "t1") if t != moved.time)
    change = ChangeOrder(
        pins=[PinnedClass(class_id=moved.class_id, time=other)],
        base_job_id=job_id,
        base_variant=1,
        keep_weights=KeepWeights(time=7),
    )
    frames = await said_by_child(content, base=published, change=change)
    result = VariantResult.model_validate_json(unpack(frames["result"].body, 2**20))
    changes = result.changes
    assert changes is not None
    assert (changes.base_job_id, changes.base_variant, changes.forced) == (job_id, 1, 1)
    assert result.score.cost["change"] == 7 * changes.times + 10 * changes.rooms
    listed = {c.class_id: c for c in changes.changed}
    assert len(listed) == changes.classes
    before, after = listed[moved.class_id].before, listed[moved.class_id].after
    assert before is not None
    assert after is not None
    assert (before.time, after.time) == (moved.time, other)
    # An interrupted search leaves the same: its last timetable, judged against the base.
    frames = await said_by_child(content, seconds=0.0, start=result.timetable, base=published, change=change)
    judged = VariantResult.model_validate_json(unpack(frames["result"].body, 2**20))
    assert (judged.score, judged.changes) == (result.score, changes)


async def test_a_profile_weighs_and_the_problems_own_weights_are_counted_beside_it() -> None:
    problem = a_problem()
    for subpart in problem["courses"][0]["configs"][0]["subparts"]:
        subpart["classes"][0]["rooms"] = [{"room": "r", "penalty": 2}]
    content = json.dumps(problem).encode()
    frames = await said_by_child(content, profile="rooms_first", weights={"room": 5})
    result = VariantResult.model_validate_json(unpack(frames["result"].body, 2**20))
    assert result.score.cost == {"room": 2 * 2 * 5 * FACTOR}
    assert result.own_score is not None
    assert result.own_score.cost == {"room": 4}
    provenance = result.provenance
    assert provenance.weights is not None
    assert (provenance.profile, provenance.weights.room, provenance.weights.time) == ("rooms_first", 20, 1)
    plain = VariantResult.model_validate_json(unpack((await said_by_child(content))["result"].body, 2**20))
    assert (plain.own_score, plain.provenance.profile) == (None, None)
    error = (await said_by_child(content, profile="commuters_first"))["error"].header
    assert (error["code"], error["retryable"]) == ("unknown_profile", False)


async def test_a_pin_that_cannot_be_meant_fails_the_job_with_its_place() -> None:
    change = ChangeOrder(pins=[PinnedClass(class_id="nobody", time="t0")])
    error = (await said_by_child(json.dumps(a_problem()).encode(), change=change))["error"].header
    assert (error["code"], error["retryable"]) == ("invalid_pins", False)
    assert error["details"][0]["pointer"] == "/pins/0/class"


async def test_a_base_that_cannot_be_read_fails_the_job() -> None:
    content = json.dumps(a_problem()).encode()
    settings = the_settings()
    child = await SolverChild.start(child_command(settings, Work.SEARCH), child_environment(settings, os.environ))
    try:
        child.order(an_order(content), Contents(pack(content), None, b"no timetable", ChangeOrder()))
        frames = {frame.kind: frame async for frame in child.frames()}
    finally:
        await child.kill()
    assert frames["error"].header["code"] == "base_damaged"


async def test_a_checkpoint_is_judged_without_a_search() -> None:
    content = json.dumps(a_problem()).encode()
    half = Timetable.model_validate({"placements": [{"class": "c0", "time": "t0", "room": "r"}], "unplaced": []})
    frames = await said_by_child(content, seconds=0.0, start=half)
    assert frames["result"].header["score"]["hard"] == {"unplaced": 1}
    foreign = Timetable.model_validate({"placements": [{"class": "other", "time": "t9", "room": "r"}]})
    frames = await said_by_child(content, seconds=0.0, start=foreign)
    assert frames["error"].header["code"] == "checkpoint_mismatch"


@pytest.mark.parametrize(
    ("content", "packed", "changed", "code"),
    [
        (b'{"format": "horarium.problem/1"}', None, {}, "invalid_problem"),
        (b"not a problem", None, {"format": "ctt"}, "invalid_problem"),
        (b"{}", pack(b"{} "), {}, "problem_mismatch"),
        (b"{}", b"no zstd", {}, "problem_damaged"),
        (bytes(70_000_000), None, {}, "problem_too_large"),
    ],
    ids=["schema", "syntax", "hash", "compression", "size"],
)
async def test_what_cannot_be_solved_is_classified_and_not_to_be_tried_again(
    content: bytes, packed: bytes | None, changed: dict[str, Any], code: str
) -> None:
    error = (await said_by_child(content, packed=packed, **changed))["error"].header
    assert (error["code"], error["retryable"]) == (code, False)
    if code == "invalid_problem":
        assert all(detail["message"] for detail in error["details"])
        assert error["details"]


async def test_a_child_whose_service_is_gone_leaves() -> None:
    settings = the_settings()
    command = [*child_command(settings, Work.SEARCH)]
    command[command.index("--parent") + 1] = "1"
    child = await SolverChild.start(command, child_environment(settings, os.environ))
    assert [frame async for frame in child.frames()] == []
    assert (await child.kill()).reason == "ok"


async def test_a_child_that_talks_to_nobody_can_be_killed(tmp_path: Path) -> None:
    """It has said more than is read ahead of a listener, so nothing behind that is seen, its end included."""
    told = tmp_path / "told"
    flood = f"""
import os
while True:
    os.write(1, bytes(65536))
    with open({str(told)!r}, "a") as file:
        file.write(".")
"""
    child = await SolverChild.start([sys.executable, "-c", flood], {})
    async with asyncio.timeout(60):
        before = -1
        while (now := told.stat().st_size if told.exists() else 0) != before or now < 16:
            before = now
            await asyncio.sleep(0.2)
        assert (await child.kill()).ours


def test_a_child_knows_none_of_our_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)  # else it is a setting of ours, which a child is told
    own = {"PATH": "/bin", "DATABASE_URL": "postgresql://u:secret@h/d", "REDIS_URL": "r", "NUMBA_NUM_THREADS": "1"}
    assert child_environment(the_settings(), own) == {"PATH": "/bin", "NUMBA_NUM_THREADS": "1"}
    assert sys.executable in child_command(the_settings(), Work.JUDGE)

"""What the world is told of a job's state."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import ControlAction, ErrorInfo, Event, Outcome, Stage
from schemas.fold import JobState, fold
from services.progress.bodies import Snapshot, UnknownProgress, VariantProgress
from services.progress.snapshot import Revision, picture, result_summary, unknown
from tests.job_events import JobEvents


def state_after(*events: Event) -> JobState:
    state: JobState | None = None
    for event in events:
        state = fold(state, event)
    assert state is not None
    return state


def test_the_contracts_fields_are_at_the_top_level() -> None:
    job = JobEvents()
    body = picture(state_after(job.requested(), job.progress(40)), Revision(7, 2))
    assert body["job_id"] == str(job.job_id)
    assert (body["progress"], body["status"], body["stage"]) == (40.0, "running", "improving")
    assert body["message"] == "report 40"
    assert body["timestamp"] >= body["requested_at"]
    assert body["revision"] == "7-2"


@pytest.mark.parametrize("variants", [1, 2])
def test_a_picture_is_what_the_contract_says_field_by_field(variants: int) -> None:
    job = JobEvents(variants=variants)
    life = [job.requested(), job.progress(40), job.completed()]
    for count in range(1, len(life) + 1):
        body = picture(state_after(*life[:count]), Revision(7, count))
        assert Snapshot.model_validate_json(json.dumps(body)).revision == f"7-{count}"
        assert body.keys() == Snapshot.model_fields.keys()
        for variant in body["variants"]:
            assert variant.keys() == VariantProgress.model_fields.keys()
    away = unknown(job.job_id, "2026-11-27T10:00:00+00:00")
    assert UnknownProgress.model_validate_json(json.dumps(away))
    assert away.keys() == UnknownProgress.model_fields.keys()


def test_the_stage_is_that_of_the_variant_furthest_behind() -> None:
    job = JobEvents(variants=2)
    body = picture(
        state_after(
            job.requested(),
            job.progress(1, variant=1, token=1, stage=Stage.VERIFYING),
            job.progress(1, variant=2, token=2, stage=Stage.CONSTRUCTING),
        ),
        Revision(1, 1),
    )
    assert body["stage"] == "constructing"
    assert body["message"] == "variant 2 of 2: report 1"


@pytest.mark.parametrize("outcome", list(Outcome))
def test_an_ended_job_is_finished_whatever_its_last_report_said(outcome: Outcome) -> None:
    job = JobEvents()
    error = ErrorInfo(code="bad_problem", message="room R1 does not exist") if outcome is Outcome.FAILED else None
    end = job.completed(outcome, error=error)
    state = state_after(job.requested(), job.progress(10), end)
    body = picture(state, Revision(1, 3))
    assert (body["progress"], body["status"], body["stage"]) == (100.0, outcome.value, "finished")
    assert body["message"] == "room R1 does not exist" or error is None
    assert result_summary(state, end)["variants"] == [] or outcome not in (Outcome.FAILED, Outcome.CANCELLED)


def test_a_stop_that_was_asked_for_is_told_at_once() -> None:
    job = JobEvents()
    queued = picture(state_after(job.requested(), job.control(ControlAction.STOP)), Revision(1, 2))
    assert (queued["status"], queued["control"]) == ("queued", "stop")
    assert queued["message"] == "stopping: nothing has been found yet; the job ends as soon as a solver answers"
    running = picture(
        state_after(job.requested(), job.progress(10), job.control(ControlAction.STOP), job.progress(11)),
        Revision(1, 4),
    )
    assert (running["status"], running["control"]) == ("running", "stop")
    assert running["message"] == "stopping: the best timetable is kept as soon as a solver answers"


def test_a_cancelled_job_has_ended_whatever_was_asked_before() -> None:
    job = JobEvents()
    state = state_after(job.requested(), job.control(ControlAction.STOP), job.control(ControlAction.CANCEL))
    body = picture(state, Revision(1, 3))
    assert (body["status"], body["control"], body["message"]) == ("cancelled", "cancel", "cancelled")


def test_a_summary_counts_and_never_carries_a_timetable() -> None:
    job = JobEvents(variants=2)
    end = job.completed()
    summary = result_summary(state_after(job.requested(), end), end)
    assert [v["placed"] for v in summary["variants"]] == [3, 3]
    assert "placements" not in str(summary)


@given(st.integers(0, 10**14), st.integers(0, 10**9))
def test_a_revision_survives_its_text(epoch: int, version: int) -> None:
    assert Revision.parse(str(Revision(epoch, version))) == (epoch, version)


@given(st.text(max_size=50))
def test_any_text_is_a_revision_or_none(text: str) -> None:
    parsed = Revision.parse(text)
    assert parsed is None or parsed.epoch >= 0


@pytest.mark.parametrize("text", ["", "-", "1-", "-1", "1-2-3", "1.5-2", "٣-١", "9" * 40 + "-1"])
def test_what_is_no_revision_is_none(text: str) -> None:
    assert Revision.parse(text) is None

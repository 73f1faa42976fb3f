"""How a job ended follows from how its tasks ended, and the event that says so fits the broker."""

from __future__ import annotations

import uuid

import pytest

from schemas.events import ControlAction, ErrorInfo, Infeasibility, Outcome, Provenance, VariantResult
from schemas.timetable import Placement, Score, Timetable
from services.solver import outcome
from services.solver.outcome import (
    JOB_FAILED_REASONS,
    EndedJob,
    EndReason,
    TaskEnd,
    completed_event,
    dead_letter_reason,
    outcome_of,
    sized_event,
)

STOP, CANCEL = ControlAction.STOP, ControlAction.CANCEL
ERROR = ErrorInfo(code="child_crashed", message="SIGKILL", retryable=True)
MISMATCH = ErrorInfo(code="referee_mismatch", message="They differ.")
BAD_INPUT = ErrorInfo(code="invalid_problem", message="/courses: none")


def a_result(variant: int = 1, *, hard: int = 0, cost: int = 0, classes: int = 1) -> VariantResult:
    return VariantResult(
        variant=variant,
        score=Score(hard_violations=hard, total=cost),
        timetable=Timetable(placements=[Placement(class_id=f"c{n}", time="t") for n in range(classes)]),
        provenance=Provenance(
            engine_version="1", ortools_version="1", input_sha256="", seed=0, workers=1, method="test"
        ),
        elapsed_s=1,
    )


def done(variant: int = 1, reason: EndReason = EndReason.FINISHED, **score: int) -> TaskEnd:
    return TaskEnd(variant, reason, result=a_result(variant, **score))


def failed(variant: int = 1) -> TaskEnd:
    return TaskEnd(variant, EndReason.FAILED, error=ERROR)


def a_job(control: ControlAction | None = None) -> EndedJob:
    return EndedJob(uuid.uuid4(), uuid.uuid4(), "c", None, control)


@pytest.mark.parametrize(
    ("control", "ends", "expected"),
    [
        (None, [done()], Outcome.COMPLETED),
        (None, [done(1, hard=3), done(2)], Outcome.COMPLETED),
        (None, [done(1, hard=3), done(2, hard=1)], Outcome.INFEASIBLE),
        (None, [failed(1), failed(2)], Outcome.FAILED),
        (None, [failed(1), done(2)], Outcome.COMPLETED),
        (None, [done(1), TaskEnd(2, EndReason.TIMED_OUT)], Outcome.TIMED_OUT),
        (None, [TaskEnd(1, EndReason.TIMED_OUT)], Outcome.TIMED_OUT),
        (STOP, [done(1), TaskEnd(2, EndReason.STOPPED)], Outcome.STOPPED),
        (STOP, [done(1, EndReason.STOPPED, hard=2)], Outcome.STOPPED),
        (STOP, [done(1)], Outcome.COMPLETED),  # the stop came when all was over
        (CANCEL, [done(1), TaskEnd(2, EndReason.CANCELLED)], Outcome.CANCELLED),
    ],
)
def test_the_outcome_of_a_job(control: ControlAction | None, ends: list[TaskEnd], expected: Outcome) -> None:
    assert outcome_of(control, ends) is expected


@pytest.mark.parametrize(
    ("ends", "reason"),
    [
        ([failed(1), failed(2)], "attempts_exhausted"),
        ([failed(1), TaskEnd(2, EndReason.FAILED, error=MISMATCH)], "referee_mismatch"),
        ([failed(1), done(2)], None),  # somebody has a timetable
        ([TaskEnd(1, EndReason.FAILED, error=BAD_INPUT)], None),  # the requester's, who is told
        ([failed(1), TaskEnd(2, EndReason.FAILED, error=BAD_INPUT)], None),  # would fail again
        ([done(1)], None),
        ([TaskEnd(1, EndReason.TIMED_OUT)], None),
        ([failed(1), TaskEnd(2, EndReason.STOPPED)], None),
    ],
)
def test_which_job_is_a_dead_letter(ends: list[TaskEnd], reason: str | None) -> None:
    assert dead_letter_reason(outcome_of(None, ends), ends) == reason
    assert reason is None or reason in JOB_FAILED_REASONS


def test_a_cancelled_job_keeps_nothing() -> None:
    event = completed_event(a_job(CANCEL), [done(1), failed(2)])
    assert (event.variants, event.error, event.infeasibility) == ([], None, None)


def test_some_failed_variants_are_named_beside_the_good_ones() -> None:
    event = completed_event(a_job(), [failed(1), done(2), failed(3)])
    assert [variant.variant for variant in event.variants] == [2]
    assert event.error is not None
    assert "1, 3 of 3" in event.error.message


def test_reasons_for_infeasibility_are_told_once_and_only_if_no_variant_is_free_of_violations() -> None:
    told = [
        TaskEnd(
            n,
            EndReason.FINISHED,
            result=a_result(n, hard=1),
            infeasibility=Infeasibility(proven=p, reasons=["r"], relaxations=helpful),
        )
        for n, p, helpful in ((1, False, []), (2, True, ["first", "then"]), (3, False, ["other"]))
    ]
    expected = Infeasibility(proven=True, reasons=["r"], relaxations=["first", "then"])
    assert completed_event(a_job(), told).infeasibility == expected
    assert completed_event(a_job(), [*told, done(4)]).infeasibility is None


def test_the_worst_variants_are_left_out_of_an_event_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = [TaskEnd(n, EndReason.FINISHED, result=a_result(n, cost=10 - n, classes=50)) for n in (1, 2, 3)]
    event = completed_event(a_job(), ends)
    limit = len(sized_event(event)[1]) - 100
    monkeypatch.setattr(outcome, "MAX_EVENT_BYTES", limit)

    smaller, value = sized_event(event)

    assert len(value) <= limit
    assert [variant.variant for variant in smaller.variants] == [2, 3]
    assert smaller.error is not None
    assert smaller.error.code == "result_too_large"
    assert smaller.event_id == event.event_id

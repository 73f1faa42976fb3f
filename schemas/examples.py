"""Example events, one file's worth for each thing that a reader of the contracts may meet.

Owns the choice of examples: fixed ids and times, so that the generated files change only when an event does. Must not
know where they are written.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from schemas.change.baseline import KeepWeights
from schemas.change.difference import ChangedClass, Place
from schemas.change.pins import Keep, PinnedClass
from schemas.change.report import Changes
from schemas.events import (
    ControlAction,
    ErrorInfo,
    Event,
    Infeasibility,
    JobControl,
    JobRequested,
    Outcome,
    ProblemFormat,
    ProblemReference,
    Provenance,
    SearchEnd,
    SolveCompleted,
    SolveOptions,
    SolveProgress,
    Stage,
    UsedWeights,
    VariantResult,
    WeightOverrides,
)
from schemas.example_problems import CTT_PROBLEM, NATIVE_PROBLEM, TIM_PROBLEM, XML_PROBLEM
from schemas.timetable import Enrolment, Placement, Score, Timetable, Unplaced, Unsectioned

_JOB = UUID("0b6f5c1e-4f3a-4c52-9a57-2f0f9f1b6c01")
_CHANGE_JOB = UUID("0b6f5c1e-4f3a-4c52-9a57-2f0f9f1b6c04")
_ORGANIZATION = UUID("7d1f3c58-90c5-4b52-8a51-0a2a4c1f5e02")
_PROBLEM = UUID("c3f4d1aa-6f1e-4d3b-9a0e-5d7f2b8c9e03")
_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_START = datetime(2026, 9, 1, 8, 30, tzinfo=UTC)
_CORRELATION = "registrar-autumn-2026"


def examples() -> dict[str, Event]:
    """Events by name; the name begins with the event's type without its version."""
    return {
        "job.requested-by-reference": _requested_by_reference(),
        "job.requested-change": _requested_change(),
        "job.requested-inline": _requested_inline(),
        "job.requested-inline-ctt": _requested_ctt(),
        "job.requested-inline-itc2019": _requested_xml(),
        "job.requested-inline-tim": _requested_tim(),
        "job.control-stop": _control(5, ControlAction.STOP),
        "job.control-cancel": _control(6, ControlAction.CANCEL),
        "solve.progress-constructing": _progress_constructing(),
        "solve.progress-improving": _progress_improving(),
        "solve.completed-completed": _completed(),
        "solve.completed-changed": _changed(),
        "solve.completed-infeasible": _infeasible(),
        "solve.completed-failed": _failed(),
    }


def _event_id(number: int) -> UUID:
    return UUID(f"5e0c2f34-1d7a-4f68-8a33-1b2c3d4e5f{number:02x}")


def _requested_by_reference() -> JobRequested:
    return JobRequested(
        event_id=_event_id(1),
        job_id=_JOB,
        occurred_at=_START,
        correlation_id=_CORRELATION,
        organization_id=_ORGANIZATION,
        requested_by="planner@university.example",
        priority=10,
        options=SolveOptions(
            variants=2,
            time_limit_s=300,
            seed=42,
            workers=2,
            target_cost=100,
            target_gap=0.02,
            no_improvement_s=60,
            weights=WeightOverrides(student=5),
            profiles=["balanced", "instructors_first"],
        ),
        problem_ref=ProblemReference(problem_id=_PROBLEM, sha256=_SHA256),
    )


def _requested_change() -> JobRequested:
    """The published timetable again, with one class at another time and at most five others changed."""
    return JobRequested(
        event_id=_event_id(12),
        job_id=_CHANGE_JOB,
        occurred_at=_START + timedelta(days=30),
        correlation_id=_CORRELATION,
        organization_id=_ORGANIZATION,
        requested_by="planner@university.example",
        options=SolveOptions(
            time_limit_s=60,
            base_job_id=_JOB,
            base_variant=1,
            keep_weights=KeepWeights(time=20, room=10, section=5),
            max_changes=6,
            pins=[
                PinnedClass(class_id="ALG-1/1", time="tue-9"),
                PinnedClass(class_id="TOP-1/1", keep=Keep.BOTH),
                PinnedClass(class_id="ALG-1/lab", keep=Keep.ROOM),
            ],
        ),
        problem_ref=ProblemReference(problem_id=_PROBLEM, sha256=_SHA256),
    )


def _requested_inline() -> JobRequested:
    return JobRequested(
        event_id=_event_id(2),
        job_id=_JOB,
        occurred_at=_START,
        correlation_id=_CORRELATION,
        organization_id=_ORGANIZATION,
        requested_by="nightly-import",
        options=SolveOptions(time_limit_s=10),
        problem=NATIVE_PROBLEM,
    )


def _requested_ctt() -> JobRequested:
    return JobRequested(
        event_id=_event_id(3),
        job_id=_JOB,
        occurred_at=_START,
        correlation_id=_CORRELATION,
        organization_id=_ORGANIZATION,
        options=SolveOptions(time_limit_s=10, target_cost=0),
        problem=CTT_PROBLEM,
        problem_format=ProblemFormat.CTT,
    )


def _requested_xml() -> JobRequested:
    return JobRequested(
        event_id=_event_id(15),
        job_id=_JOB,
        occurred_at=_START,
        correlation_id=_CORRELATION,
        organization_id=_ORGANIZATION,
        options=SolveOptions(time_limit_s=10),
        problem=XML_PROBLEM,
        problem_format=ProblemFormat.ITC2019,
    )


def _requested_tim() -> JobRequested:
    return JobRequested(
        event_id=_event_id(14),
        job_id=_JOB,
        occurred_at=_START,
        correlation_id=_CORRELATION,
        organization_id=_ORGANIZATION,
        options=SolveOptions(time_limit_s=10, target_cost=0),
        problem=TIM_PROBLEM,
        problem_format=ProblemFormat.TIM,
    )


def _control(number: int, action: ControlAction) -> JobControl:
    return JobControl(
        event_id=_event_id(number),
        job_id=_JOB,
        occurred_at=_START + timedelta(seconds=90),
        correlation_id=_CORRELATION,
        organization_id=_ORGANIZATION,
        action=action,
        requested_by="planner@university.example",
    )


def _progress_constructing() -> SolveProgress:
    return SolveProgress(
        event_id=_event_id(7),
        job_id=_JOB,
        occurred_at=_START + timedelta(seconds=3),
        correlation_id=_CORRELATION,
        organization_id=_ORGANIZATION,
        variant=1,
        variants=2,
        attempt=1,
        token=17,
        sequence=2,
        stage=Stage.CONSTRUCTING,
        percent=0.7,
        elapsed_s=2.1,
        message="1,204 of 4,930 classes placed",
        worker="solver-5c9d/1",
    )


def _progress_improving() -> SolveProgress:
    return SolveProgress(
        event_id=_event_id(8),
        job_id=_JOB,
        occurred_at=_START + timedelta(seconds=153),
        correlation_id=_CORRELATION,
        organization_id=_ORGANIZATION,
        variant=1,
        variants=2,
        attempt=1,
        token=17,
        sequence=61,
        stage=Stage.IMPROVING,
        percent=50.4,
        score=Score(hard_violations=0, total=1840, cost={"time": 210, "room": 130, "student": 1500}),
        lower_bound=920,
        gap=0.5,
        elapsed_s=151.2,
        message="best after 148.9 s",
        worker="solver-5c9d/1",
    )


def _provenance(seed: int) -> Provenance:
    return Provenance(
        engine_version="0.1.0",
        ortools_version="9.15.6755",
        input_sha256=_SHA256,
        seed=seed,
        workers=2,
        method="general-annealing+cp-sat",
        method_reason="Students are to be sectioned; too large for a proof.",
        search_end=SearchEnd.TIME,
    )


def _completed() -> SolveCompleted:
    timetable = Timetable(
        placements=[
            Placement(class_id="ALG-1/1", time="mon-9", room="A-101"),
            Placement(class_id="ALG-1/lab", time="tue-9", room="L-3"),
            Placement(class_id="TOP-1/1", time="wed-9", room="A-101"),
        ],
        enrolments=[Enrolment(student="s-1", classes=["ALG-1/1", "ALG-1/lab", "TOP-1/1"])],
    )
    return SolveCompleted(
        event_id=_event_id(9),
        job_id=_JOB,
        occurred_at=_START + timedelta(seconds=305),
        correlation_id=_CORRELATION,
        organization_id=_ORGANIZATION,
        outcome=Outcome.COMPLETED,
        attempt=1,
        token=17,
        started_at=_START + timedelta(seconds=1),
        variants=[
            VariantResult(
                variant=1,
                score=Score(hard_violations=0, total=2, cost={"time": 2}),
                timetable=timetable,
                provenance=_provenance(42),
                optimal=True,
                lower_bound=2,
                elapsed_s=300.4,
            ),
            VariantResult(
                variant=2,
                score=Score(hard_violations=0, total=8, cost={"time": 8}),
                own_score=Score(hard_violations=0, total=2, cost={"time": 2}),
                timetable=timetable,
                provenance=_provenance(43).model_copy(
                    update={
                        "profile": "instructors_first",
                        "weights": UsedWeights(time=4, room=1, distribution=1, student=5),
                        "factors": {"MaxDays": 4},
                    }
                ),
                elapsed_s=300.3,
            ),
        ],
    )


def _changed() -> SolveCompleted:
    """What became of `job.requested-change`: two classes changed places."""
    first = _completed().variants[0]
    moved = {"ALG-1/1": "tue-9", "ALG-1/lab": "mon-9"}
    timetable = first.timetable.model_copy(
        update={
            "placements": [
                placed.model_copy(update={"time": moved.get(placed.class_id, placed.time)})
                for placed in first.timetable.placements
            ]
        }
    )
    return SolveCompleted(
        event_id=_event_id(13),
        job_id=_CHANGE_JOB,
        occurred_at=_START + timedelta(days=30, seconds=12),
        correlation_id=_CORRELATION,
        organization_id=_ORGANIZATION,
        outcome=Outcome.COMPLETED,
        attempt=1,
        token=18,
        started_at=_START + timedelta(days=30, seconds=1),
        variants=[
            VariantResult(
                variant=1,
                score=Score(hard_violations=0, total=42, cost={"time": 2, "change": 40}),
                timetable=timetable,
                provenance=_provenance(0),
                optimal=True,
                lower_bound=42,
                elapsed_s=10.7,
                changes=Changes(
                    base_job_id=_JOB,
                    base_variant=1,
                    compared=3,
                    classes=2,
                    times=2,
                    rooms=0,
                    sections=0,
                    students=0,
                    forced=1,
                    max_changes=6,
                    changed=[
                        ChangedClass(
                            class_id="ALG-1/1",
                            before=Place(time="mon-9", room="A-101"),
                            after=Place(time="tue-9", room="A-101"),
                        ),
                        ChangedClass(
                            class_id="ALG-1/lab",
                            before=Place(time="tue-9", room="L-3"),
                            after=Place(time="mon-9", room="L-3"),
                        ),
                    ],
                ),
            )
        ],
    )


def _infeasible() -> SolveCompleted:
    timetable = Timetable(
        placements=[Placement(class_id="ALG-1/1", time="mon-9", room="A-101")],
        unplaced=[Unplaced(class_id="TOP-1/1", reason="E. Noether teaches at every time that is left.")],
        unsectioned=[Unsectioned(student="s-1", course="TOP-1", reason="No class of the course is placed.")],
    )
    return SolveCompleted(
        event_id=_event_id(10),
        job_id=_JOB,
        occurred_at=_START + timedelta(seconds=305),
        correlation_id=_CORRELATION,
        organization_id=_ORGANIZATION,
        outcome=Outcome.INFEASIBLE,
        attempt=1,
        token=17,
        started_at=_START + timedelta(seconds=1),
        variants=[
            VariantResult(
                variant=1,
                score=Score(hard_violations=2, total=0, hard={"unplaced": 1, "unsectioned": 1}),
                timetable=timetable,
                provenance=_provenance(42),
                elapsed_s=300.2,
                violations=["unplaced: TOP-1/1 has no time", "unsectioned: s-1 is not in TOP-1"],
            )
        ],
        infeasibility=Infeasibility(
            proven=True,
            reasons=["E. Noether teaches 2 classes and has 1 time for them."],
            relaxations=["If class 'algebra' is taught by somebody else than 'noether', no hard violation is left."],
        ),
    )


def _failed() -> SolveCompleted:
    return SolveCompleted(
        event_id=_event_id(11),
        job_id=_JOB,
        occurred_at=_START + timedelta(seconds=2),
        correlation_id=_CORRELATION,
        organization_id=_ORGANIZATION,
        outcome=Outcome.FAILED,
        attempt=0,
        error=ErrorInfo(
            code="invalid_problem",
            message="Room 'r9' is not defined in /rooms. Define it there or correct the id.",
            details=[
                {
                    "code": "unknown_room",
                    "pointer": "/courses/0/configs/0/subparts/0/classes/0/rooms/0/room",
                    "message": "Room 'r9' is not defined in /rooms. Define it there or correct the id.",
                }
            ],
        ),
    )

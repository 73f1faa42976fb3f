"""The fold: whatever order and however often events arrive, a job ends once, and never goes backwards."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.change.report import Changes
from schemas.events import ControlAction, Event, JobControl, Outcome
from schemas.fold import JobState, JobStatus, UnfoldableEventError, fold
from tests.job_events import JobEvents, a_result, a_score

ORDER = {JobStatus.QUEUED: 0, JobStatus.RUNNING: 1}


def folded(events: Sequence[Event], state: JobState | None = None) -> JobState:
    for event in events:
        state = fold(state, event)
    assert state is not None
    return state


@st.composite
def lives(draw: st.DrawFn) -> list[Event]:
    """Everything that one job's topics may carry: one or more variants, retries under new claims, one end."""
    job = JobEvents(variants=draw(st.integers(1, 3)))
    events: list[Event] = [job.requested()]
    if draw(st.booleans()):
        events.append(job.control(ControlAction.STOP))
    token = 0
    for variant in range(1, job.variants + 1):
        for attempt in range(1, draw(st.integers(1, 3)) + 1):
            token += 1
            for sequence in range(1, draw(st.integers(1, 4)) + 1):
                events.append(job.progress(sequence, variant=variant, attempt=attempt, token=token))
    end = draw(st.sampled_from([*Outcome]))
    events.append(job.completed(end, token=draw(st.sampled_from([0, token]))))
    return events


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Event], list[Event]]:
    """A life as it happened, and as it may be delivered: any order, each event at least once."""
    life = draw(lives())
    again = draw(st.lists(st.sampled_from(life), max_size=10))
    return life, draw(st.permutations([*life, *again]))


def what_lasts(state: JobState) -> dict[str, object]:
    """All that the end of a job fixes, and what is not a matter of how far its reports had come by then."""
    return state.model_dump(exclude={"variants", "version", "started_at", "updated_at", "control"})


@given(deliveries())
@settings(max_examples=100, deadline=None)
def test_any_order_with_repeats_ends_in_the_same_terminal_state(case: tuple[list[Event], list[Event]]) -> None:
    life, delivered = case
    assert what_lasts(folded(delivered)) == what_lasts(folded(life))


@given(deliveries())
@settings(max_examples=100, deadline=None)
def test_no_event_moves_a_job_backwards(case: tuple[list[Event], list[Event]]) -> None:
    _, delivered = case
    state: JobState | None = None
    for event in delivered:
        after = fold(state, event)
        if state is not None:
            assert ORDER.get(after.status, 2) >= ORDER.get(state.status, 2)
            assert after.version == state.version + (after is not state), "the version counts changes, nothing else"
            assert after.updated_at >= state.updated_at
            for number, variant in state.variants.items():
                assert after.variants[number].rank >= variant.rank
            if state.status.terminal:
                assert (after.status, after.finished_at) == (state.status, state.finished_at)
        state = after


@given(deliveries())
@settings(max_examples=50, deadline=None)
def test_a_second_delivery_of_everything_changes_nothing(case: tuple[list[Event], list[Event]]) -> None:
    _, delivered = case
    state = folded(delivered)
    assert folded(delivered, state) is state


@given(lives(), st.data())
@settings(max_examples=50, deadline=None)
def test_the_first_end_wins(life: list[Event], data: st.DataObject) -> None:
    """A cancel and an end race; whoever is first decides, and the loser changes nothing at all."""
    end = life[-1]
    cancel = JobControl(
        job_id=end.job_id, organization_id=folded(life[:1]).organization_id, action=ControlAction.CANCEL
    )
    before = folded(life[: data.draw(st.integers(1, len(life) - 1))])
    for first, second in ((end, cancel), (cancel, end)):
        state = fold(before, first)
        assert state.status.terminal
        assert fold(state, second) is state


@given(lives())
@settings(max_examples=40, deadline=None)
def test_another_organisations_events_change_nothing(life: list[Event]) -> None:
    stranger = uuid.uuid4()
    state: JobState | None = None
    for event in life:
        state = fold(state, event)
        for hostile in life:
            assert fold(state, hostile.model_copy(update={"organization_id": stranger})) is state


def test_the_request_takes_its_job_back_from_a_stranger_who_was_faster() -> None:
    job = JobEvents()
    hostile = job.control(ControlAction.CANCEL).model_copy(update={"organization_id": uuid.uuid4()})
    state = folded([hostile, job.requested()])
    assert (state.organization_id, state.status) == (job.organization_id, JobStatus.QUEUED)
    assert state.version > folded([hostile]).version


def test_a_report_from_a_lost_claim_is_older_than_its_successors_first_word() -> None:
    job = JobEvents()
    thawed = job.progress(500, token=1)
    state = folded([job.requested(), job.progress(1, token=2, attempt=2)])
    assert fold(state, thawed) is state


def test_an_end_from_a_lost_claim_changes_nothing() -> None:
    job = JobEvents()
    state = folded([job.requested(), job.progress(1, token=7)])
    assert fold(state, job.completed(token=6)) is state
    assert fold(state, job.completed(token=7)).status is JobStatus.COMPLETED


def test_an_end_from_a_claim_that_nobody_reported_yet_ends_the_job() -> None:
    """Its reports travel on another topic and may be late; a variant without any may have been the last to end."""
    job = JobEvents(variants=2)
    state = folded([job.requested(), job.progress(1, variant=1, token=5)])
    assert fold(state, job.completed(token=3)).status is JobStatus.COMPLETED
    single = JobEvents()
    state = folded([single.requested(), single.progress(1, token=5)])
    assert fold(state, single.completed(token=9)).status is JobStatus.COMPLETED


def test_an_event_of_another_job_is_a_defect() -> None:
    with pytest.raises(ValueError, match="folded into job"):
        fold(folded([JobEvents().requested()]), JobEvents().requested())


def test_an_event_without_meaning_for_jobs_is_a_defect() -> None:
    class Other(Event):
        TYPE = "other.v1"
        TOPIC = "other"
        VERSION = 1

    with pytest.raises(UnfoldableEventError):
        fold(None, Other(job_id=uuid.uuid4()))


def test_variants_of_different_weights_are_ranked_by_the_problems_own() -> None:
    job = JobEvents(variants=2)
    cheap = a_result(1).model_copy(update={"score": a_score(5), "own_score": a_score(90)})
    good = a_result(2).model_copy(update={"score": a_score(70), "own_score": a_score(40)})
    state = folded([job.requested(), job.completed(variants=[cheap, good])])
    assert (state.best_variant, state.best_score) == (2, a_score(40))


def test_a_variant_within_its_budget_of_changes_is_better_than_a_cheaper_one_beyond() -> None:
    job = JobEvents(variants=2)
    changes = {"compared": 9, "classes": 4, "times": 4, "rooms": 0, "sections": 0, "students": 0, "max_changes": 3}
    beyond = a_result(1).model_copy(update={"changes": Changes.model_validate({**changes, "over_budget": 1})})
    within = a_result(2).model_copy(update={"changes": Changes.model_validate({**changes, "classes": 3})})
    assert beyond.score.total < within.score.total
    assert folded([job.requested(), job.completed(variants=[beyond, within])]).best_variant == 2

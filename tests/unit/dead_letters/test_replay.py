"""What a replay sends: the message as it was, or one and the same new job for a job that is over."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace

import pytest

from horarium.dead_letters.letters import Record, Resolution, Resolved
from horarium.dead_letters.replay import NotReplayableError, Replay, replay_of, replayed_job_id
from schemas.events import ControlAction, JobRequested
from schemas.events.cloudevents import decode, encode
from schemas.topics import JOB_CONTROL, JOB_REQUESTED
from services.solver.intake import new_job
from tests.job_events import JobEvents
from tests.unit.dead_letters.records import a_letter_id, a_marker, a_record, as_headers


def a_dead_request(event: JobRequested, reason: str, offset: int = 0) -> Record:
    wire = encode(event, source="/test", traceparent="00-1-2-03")
    headers = as_headers({**wire.headers, "dlq_reason": reason, "dlq_attempts": "3", "dlq_topic": wire.topic})
    return Record(a_letter_id(offset), 5, event.key, wire.value, headers)


def sent(replay: Replay) -> JobRequested:
    return decode(replay.value, replay.headers, [JobRequested])


def test_a_message_is_sent_as_it_was_without_the_headers_of_its_death() -> None:
    event = JobEvents().requested()
    record = a_dead_request(event, "handler_error")
    replay = replay_of(record)
    assert (replay.topic, replay.key, replay.value) == (JOB_REQUESTED, record.key, record.value)
    assert replay.headers == tuple(h for h in record.headers if not h[0].startswith("dlq_"))
    assert (replay.unreadable, replay.new_job_id) == ("", None)
    assert sent(replay) == event


def test_a_message_goes_where_its_topic_says_whatever_its_headers_say() -> None:
    control = encode(JobEvents().control(ControlAction.STOP), source="/test")
    headers = as_headers({**control.headers, "dlq_reason": "handler_error", "dlq_topic": "solve.completed"})
    record = Record(a_letter_id(topic="job.control.dlq"), 0, control.key, control.value, headers)
    assert replay_of(record).topic == JOB_CONTROL


@pytest.mark.parametrize("value", [b"\xff\x00", b"", b"[" * 100_000, b"{}"])
def test_what_no_reader_understands_is_told_and_keeps_its_bytes(value: bytes) -> None:
    replay = replay_of(a_record(0, value, dlq_reason="attempts_exhausted"))
    assert replay.unreadable
    assert (replay.value, replay.new_job_id) == (value, None)


@pytest.mark.parametrize("reason", ["attempts_exhausted", "referee_mismatch"])
def test_a_job_that_is_over_is_asked_again_as_a_new_one(reason: str) -> None:
    problem = {"name": "Zürich", "ratio": 1e22, "third": 0.1 + 0.2, "big": 2**70, "deep": [{"a": None}] * 3}
    event = JobEvents().requested(problem=problem, priority=5)
    replay = replay_of(a_dead_request(event, reason))
    again = sent(replay)
    assert (replay.old_job_id, replay.new_job_id) == (event.job_id, again.job_id)
    assert again.job_id != event.job_id
    assert again.event_id != event.event_id, "nobody may take it for the old request"
    changed = {"job_id": event.job_id, "event_id": event.event_id, "occurred_at": event.occurred_at}
    assert again.model_copy(update=changed) == event
    assert new_job(again).problem_sha256 == new_job(event).problem_sha256
    headers = dict(replay.headers)
    assert replay.key == headers["ce_subject"] == str(again.job_id).encode()
    assert headers["ce_id"] == str(again.event_id).encode()
    assert not [name for name in headers if name.startswith("dlq_")]


def test_replaying_twice_or_a_letter_that_was_written_twice_asks_for_one_job() -> None:
    event = JobEvents().requested()
    first, again, twin = (replay_of(a_dead_request(event, "attempts_exhausted", offset)) for offset in (3, 3, 4))
    assert len({(sent(r).job_id, sent(r).event_id, r.key) for r in (first, again, twin)}) == 1


def test_a_replayed_job_that_fails_too_can_be_replayed_in_its_turn() -> None:
    job = uuid.uuid4()
    chain = [job, replayed_job_id(job), replayed_job_id(replayed_job_id(job))]
    assert len(set(chain)) == 3


def test_a_new_job_keeps_numbers_that_json_does_not_have() -> None:
    event = JobEvents().requested(problem="{}")
    record = a_dead_request(event, "attempts_exhausted")
    body = json.loads(record.value) | {"problem": {"x": float("nan"), "y": float("inf")}}
    replay = replay_of(replace(record, value=json.dumps(body).encode()))
    assert b'{"x":NaN,"y":Infinity}' in replay.value


def test_a_marker_and_a_record_of_a_foreign_topic_cannot_be_replayed() -> None:
    with pytest.raises(NotReplayableError, match="notes that another"):
        replay_of(a_marker(3, a_letter_id(0), Resolved(Resolution.DROPPED)))
    with pytest.raises(NotReplayableError, match="no dead-letter topic of ours"):
        replay_of(a_record(topic="somebody.else.dlq"))

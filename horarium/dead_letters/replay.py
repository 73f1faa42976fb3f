"""What is sent when a dead letter is replayed: its message as it was, or a new job in place of one that is over.

Owns why a replay is safe. A message keeps its bytes and ids, so whoever did process it takes it for a redelivery. A
request whose job has failed for good would be taken for one by everybody; so it becomes the request of a new job, whose
ids follow from the old job's: replaying it again, or a letter that was written twice, asks for that same job. Must not
know a broker client.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid5

from horarium.dead_letters.letters import LetterId, Record, marker_of
from schemas.events import Event, JobControl, JobRequested, SolveCompleted, SolveProgress
from schemas.events.cloudevents import UndecodableMessageError, decode
from schemas.topics import BY_NAME, DEAD_LETTER_SUFFIX, JOB_REQUESTED
from services.solver.outcome import JOB_FAILED_REASONS

SOURCE = "/horarium/dlq"
# Names for the ids of a replayed job, so that they are a function of the job that failed.
_REPLAYS = UUID("5b1e4a0c-94b7-4c52-8e6f-1f0f6f1f6f0d")
_TYPES: dict[str, type[Event]] = {
    event.TOPIC: event for event in (JobRequested, JobControl, SolveProgress, SolveCompleted)
}


class NotReplayableError(Exception):
    """The record cannot be sent anywhere; the text says why."""


@dataclass(frozen=True, slots=True)
class Replay:
    """A message to send. `unreadable`: why its readers would only dead-letter it again; "" if they would not."""

    letter: LetterId
    topic: str
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    unreadable: str = ""
    old_job_id: UUID | None = None
    new_job_id: UUID | None = None


def replay_of(record: Record, now: datetime | None = None) -> Replay:
    """What to send for a dead letter. Raises NotReplayableError."""
    if marker_of(record) is not None:
        raise NotReplayableError(f"{record.id} is no dead letter: it notes that another one was resolved.")
    topic = record.id.topic.removesuffix(DEAD_LETTER_SUFFIX)
    if topic == record.id.topic or topic not in BY_NAME:
        raise NotReplayableError(f"{record.id} is in no dead-letter topic of ours, so nobody knows where it came from.")
    headers = tuple((name, value) for name, value in record.headers if not name.startswith("dlq_"))
    try:
        event = decode(record.value, headers, [_TYPES[topic]])
    except UndecodableMessageError as error:
        return Replay(record.id, topic, record.key, record.value, headers, unreadable=str(error))
    if isinstance(event, JobRequested) and record.text("dlq_reason") in JOB_FAILED_REASONS:
        return _as_new_job(record, event, headers, now or datetime.now(UTC))
    return Replay(record.id, topic, record.key, record.value, headers, old_job_id=event.job_id)


def replayed_job_id(job_id: UUID) -> UUID:
    """The job that takes the place of one that failed."""
    return uuid5(_REPLAYS, str(job_id))


def _as_new_job(record: Record, event: JobRequested, headers: tuple[tuple[str, bytes], ...], now: datetime) -> Replay:
    job_id = replayed_job_id(event.job_id)
    event_id = uuid5(job_id, JobRequested.TYPE)
    # Not by way of the model: the problem must stay what it is, to the last digit.
    body = json.loads(record.value)
    body |= {"job_id": str(job_id), "event_id": str(event_id), "occurred_at": now.isoformat()}
    changed = {
        "ce_id": str(event_id),
        "ce_source": SOURCE,
        "ce_time": now.isoformat(),
        "ce_subject": str(job_id),
    }
    return Replay(
        record.id,
        JOB_REQUESTED,
        str(job_id).encode(),
        json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
        tuple((name, changed[name].encode() if name in changed else value) for name, value in headers),
        old_job_id=event.job_id,
        new_job_id=job_id,
    )

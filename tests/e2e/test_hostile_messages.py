"""Messages that are no events of ours go to the dead-letter topic with their bytes, and the work goes on."""

from __future__ import annotations

import json
import secrets
import uuid
from typing import Any

import pytest

from schemas.topics import TOPICS, Topic
from tests.e2e.conftest import System, wait_for
from tests.e2e.kafka_reading import everything_on
from tests.e2e.kafka_writing import Message, publish
from tests.e2e.problems import a_department

# Whatever else an event of the topic says: this cannot be meant.
NONSENSE: dict[str, dict[str, Any]] = {
    "job.requested": {"problem": {}, "options": {"variants": 10_000}},
    "job.control": {"action": "explode"},
    "solve.progress": {
        "variant": 0,
        "variants": 1,
        "attempt": -1,
        "token": 1,
        "sequence": 1,
        "stage": "x",
        "percent": 7,
    },
    "solve.completed": {"outcome": "perhaps", "variants": [{"variant": "all"}]},
}


def hostile(topic: str, marker: bytes) -> list[Message]:
    """Messages that each reader of the topic must refuse; the marker is in all of them."""
    body = {"job_id": str(uuid.uuid4()), "organization_id": str(uuid.uuid4()), "m": marker.decode()}
    typed = (("ce_type", f"{topic}.v1".encode()),)
    return [
        Message(topic, value, b"poison", headers)
        for value, headers in (
            (b"\xff\x00\xfe" + marker, typed),
            (b"{" + marker, typed),
            (json.dumps(body | NONSENSE[topic]).encode(), typed),
            (json.dumps(body).encode(), (("ce_type", f"{topic}.v99".encode()),)),
            (b"[" * 100_000 + marker, typed),
            (json.dumps({"job_id": "../../etc/passwd", "m": marker.decode()}).encode(), (*typed, ("bad", b"\xff\xfe"))),
        )
    ]


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_undecodable_messages_are_kept_and_the_next_job_runs(system: System, topic: Topic) -> None:
    marker = secrets.token_hex(8).encode()
    messages = hostile(topic.name, marker)
    readers = {service.name for service in system.services.all} & set(topic.read_by)
    assert len(readers) >= 2
    publish(system, messages)

    uploaded = system.client.upload(json.dumps(a_department(name=f"after the poison on {topic.name}")).encode())
    job = system.client.generate(uploaded["id"], time_limit_s=10)
    assert system.ended(job)["status"] == "completed"

    def letters() -> list[Any] | None:
        found = [r for r in everything_on(system, topic.dead_letter) if marker in (r.value or b"")]
        return found if len(found) >= len(readers) * len(messages) else None

    kept = wait_for("every reader to dead-letter every hostile message", letters, tell=system.tails)
    told = {(dict(record.headers)["dlq_service"].decode(), record.value) for record in kept}
    assert told == {(reader, message.value) for reader in readers for message in messages}, "bytes are untouched"
    for record in kept:
        headers = dict(record.headers)
        assert headers["dlq_topic"] == topic.name.encode()
        assert headers["dlq_group"]
        assert headers["dlq_reason"] in (b"invalid", b"unknown_type")

"""Records of a dead-letter topic as tests need them, with only what matters said."""

from __future__ import annotations

from collections.abc import Mapping

from horarium.dead_letters.letters import LetterId, Marker, Record, Resolved

TOPIC = "job.requested.dlq"


def a_letter_id(offset: int = 0, partition: int = 0, topic: str = TOPIC) -> LetterId:
    return LetterId(topic, partition, offset)


def a_record(
    offset: int = 0, value: bytes = b"garbage", *, partition: int = 0, topic: str = TOPIC, **headers: str
) -> Record:
    """A dead letter; headers beside `dlq_reason` as given."""
    named = {"dlq_reason": "invalid"} | headers
    return Record(a_letter_id(offset, partition, topic), 1000 + offset, b"key", value, as_headers(named))


def a_marker(offset: int, resolves: LetterId, resolved: Resolved) -> Record:
    headers = tuple(Marker(resolves, resolved).headers)
    return Record(a_letter_id(offset, resolves.partition), 1000 + offset, b"key", b"", headers)


def as_headers(named: Mapping[str, str]) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, value.encode()) for name, value in named.items())

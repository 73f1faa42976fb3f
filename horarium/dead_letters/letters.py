"""What a record of a dead-letter topic means: a dead letter, or a marker that resolves an earlier one.

Owns ids, the `dlq_` headers as they are read, and the folding of a topic into what is unresolved. A resolution is an
empty record in the same partition, behind its letter; nothing is kept anywhere else, and nothing is ever deleted
(ADR 0011). Must not know a broker client.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

_ID = re.compile(r"(?P<topic>[A-Za-z0-9._-]{1,249}):(?P<partition>\d{1,9}):(?P<offset>\d{1,18})")
_POSITION = re.compile(r"(\d{1,9}):(\d{1,18})")
# A list holds these of every letter, so that no producer's headers or error decide how much memory it takes.
_MAX_TEXT_CHARS = 1000
_MAX_NAME_CHARS = 100


class BadLetterIdError(ValueError):
    """The text is no id of a dead letter."""


@dataclass(frozen=True, slots=True, order=True)
class LetterId:
    """Where a record lies, which is for ever: `job.requested.dlq:0:17`."""

    topic: str
    partition: int
    offset: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises BadLetterIdError."""
        found = _ID.fullmatch(text)
        if found is None:
            raise BadLetterIdError(f"{text[:300]!r} is no dead letter's id; it looks like job.requested.dlq:0:17.")
        return cls(found["topic"], int(found["partition"]), int(found["offset"]))

    def __str__(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a dead-letter topic, whole."""

    id: LetterId
    timestamp_ms: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()

    def text(self, name: str, limit: int = _MAX_NAME_CHARS) -> str:
        """A header as text, shortened; "" if there is none."""
        for header, value in self.headers:
            if header == name:
                return value[: 4 * limit].decode(errors="replace")[:limit]
        return ""

    @property
    def time(self) -> datetime:
        return datetime.fromtimestamp(max(0, self.timestamp_ms) / 1000, UTC)


class Resolution(StrEnum):
    """How an operator settled a dead letter."""

    REPLAYED = "replayed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a marker says; `new_job_id` if the letter was replayed as another job."""

    resolution: Resolution
    by: str = ""
    at: str = ""
    new_job_id: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter without its value. `origin` is where its message lay, as far as that is known."""

    id: LetterId
    key: bytes | None
    time: datetime
    reason: str
    error: str
    attempts: int | None
    job_id: UUID | None
    size_bytes: int
    group: str
    service: str
    origin: str
    resolved: Resolved | None = None


@dataclass(frozen=True, slots=True)
class Marker:
    """The headers and key that resolve a letter. The same letter may be resolved again: the last one counts."""

    letter: LetterId
    resolved: Resolved

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        found = {
            "dlq_resolution": self.resolved.resolution.value,
            "dlq_resolves": f"{self.letter.partition}:{self.letter.offset}",
            "dlq_resolved_by": self.resolved.by,
            "dlq_resolved_at": self.resolved.at,
            "dlq_new_job_id": self.resolved.new_job_id,
        }
        return [(name, value.encode()) for name, value in found.items() if value]


def marker_of(record: Record) -> Marker | None:
    """The marker that this record is; None for a dead letter.

    A dead letter keeps its message's headers, which a stranger wrote; but whoever dead-letters it adds `dlq_reason`. So
    a record with a reason is never a marker, and nobody hides other letters by sending what looks like one.
    """
    position = _POSITION.fullmatch(record.text("dlq_resolves"))
    word = record.text("dlq_resolution")
    if position is None or word not in list(Resolution) or record.text("dlq_reason") or record.value:
        return None
    partition, offset = int(position[1]), int(position[2])
    if partition != record.id.partition or offset >= record.id.offset:
        return None
    resolved = Resolved(
        Resolution(word),
        record.text("dlq_resolved_by"),
        record.text("dlq_resolved_at"),
        record.text("dlq_new_job_id"),
    )
    return Marker(LetterId(record.id.topic, partition, offset), resolved)


def letter_of(record: Record) -> Letter:
    """What a list says of a dead letter; whatever is missing or no text of ours is left out."""
    attempts = record.text("dlq_attempts")
    place = [record.text(f"dlq_{part}") for part in ("topic", "partition", "offset")]
    return Letter(
        id=record.id,
        key=record.key[:_MAX_NAME_CHARS] if record.key else record.key,
        time=record.time,
        reason=record.text("dlq_reason") or "unknown",
        error=record.text("dlq_error", _MAX_TEXT_CHARS),
        attempts=int(attempts) if re.fullmatch(r"\d{1,9}", attempts) else None,
        job_id=_uuid(record.text("ce_subject")) or _uuid((record.key or b"")[:64].decode(errors="replace")),
        size_bytes=len(record.value),
        group=record.text("dlq_group"),
        service=record.text("dlq_service"),
        origin=":".join(part for part in place if part),
    )


@dataclass(slots=True)
class Ledger:
    """A topic, read from its beginning. Resolved letters are forgotten unless `keep_resolved`."""

    keep_resolved: bool = False
    _letters: dict[LetterId, Letter] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        marker = marker_of(record)
        if marker is None:
            self._letters[record.id] = letter_of(record)
        elif marker.letter in self._letters:  # else retention has taken the letter, or it is resolved already
            if self.keep_resolved:
                self._letters[marker.letter] = replace(self._letters[marker.letter], resolved=marker.resolved)
            else:
                del self._letters[marker.letter]

    def __iter__(self) -> Iterator[Letter]:
        """The oldest first."""
        return iter(sorted(self._letters.values(), key=lambda letter: (letter.time, letter.id)))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None

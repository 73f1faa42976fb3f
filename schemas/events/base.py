"""The envelope of every event.

Owns identity, ordering and version fields. Must not know what any event is about, nor how it travels
(`schemas.events.cloudevents` maps it to headers and bytes).
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


def now() -> datetime:
    return datetime.now(UTC)


class Event(BaseModel):
    """A fact in the past tense, about one job.

    `event_id` is unique per event: a consumer that meets it twice has met a redelivery. `correlation_id` follows a
    request through every service and every log line; it starts as the HTTP request's id or as the producer's own.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    TYPE: ClassVar[str]
    TOPIC: ClassVar[str]
    VERSION: ClassVar[int]

    event_id: UUID = Field(default_factory=uuid.uuid4)
    job_id: UUID
    occurred_at: AwareDatetime = Field(default_factory=now)
    correlation_id: str = Field(default_factory=lambda: str(uuid.uuid4()), min_length=1, max_length=128)

    @property
    def key(self) -> bytes:
        """The message key: one job's events share a partition."""
        return str(self.job_id).encode()

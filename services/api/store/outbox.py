"""The outbox: what is to be published, written in the transaction that it tells of.

Owns the writing of its rows. Must not know what is published, or when.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Insert, bindparam
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.events.base import Event
from schemas.events.cloudevents import encode
from schemas.tables import outbox
from services.runtime.message_spans import creating

SOURCE = "/horarium/api"

COLUMNS = ("event_id", "job_id", "topic", "key", "value", "headers")
PUT = (
    insert(outbox)
    .values({name: bindparam(name) for name in COLUMNS})
    .on_conflict_do_nothing(index_elements=["event_id"])
)


async def put(
    connection: AsyncConnection, event: Event, statement: Insert = PUT, more: Mapping[str, Any] | None = None
) -> None:
    """Into the outbox, unless the very same event waits there already; `statement` is PUT and what else it writes, with
    `more` as the values of that.
    """
    with creating(event.TOPIC, job_id=str(event.job_id)) as traceparent:
        await connection.execute(statement, row_of(event, traceparent) | dict(more or {}))


def row_of(event: Event, traceparent: str | None) -> dict[str, Any]:
    """The columns of an event that is to be written."""
    message = encode(event, source=SOURCE, traceparent=traceparent)
    return {
        "event_id": event.event_id,
        "job_id": event.job_id,
        "topic": message.topic,
        "key": message.key,
        "value": message.value,
        "headers": dict(message.headers),
    }

"""Events on the wire: CloudEvents 1.0, Kafka protocol binding, binary mode.

Owns the mapping between an event and (key, headers, bytes), both ways. Must not know a broker client.
Source: CloudEvents specification 1.0.2, "Kafka Protocol Binding for CloudEvents", section 3.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import ValidationError

from schemas.events.base import Event

E = TypeVar("E", bound=Event)
Headers = Mapping[str, str] | Iterable[tuple[str, bytes]]

CONTENT_TYPE = "application/json"


class UndecodableMessageError(Exception):
    """The message is not an event that its reader understands; `reason` is a stable code, the text is for people."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        super().__init__(f"{reason}: {detail}")


@dataclass(frozen=True, slots=True)
class WireMessage:
    """What a broker client sends: all headers are text, as the binding asks."""

    topic: str
    key: bytes
    value: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def encode(event: Event, *, source: str, traceparent: str | None = None) -> WireMessage:
    """An event as bytes and `ce_` headers. `source` is the producer's URI-reference, such as `/horarium/api`."""
    headers = {
        "ce_specversion": "1.0",
        "ce_id": str(event.event_id),
        "ce_type": event.TYPE,
        "ce_source": source,
        "ce_time": event.occurred_at.isoformat(),
        "ce_subject": str(event.job_id),
        "content-type": CONTENT_TYPE,
        "correlation_id": event.correlation_id,
    }
    if traceparent:
        headers["traceparent"] = traceparent
    value = event.model_dump_json(by_alias=True, exclude_none=True).encode()
    return WireMessage(topic=event.TOPIC, key=event.key, value=value, headers=headers)


def decode(
    value: bytes | None, headers: Mapping[str, str] | Iterable[tuple[str, bytes]], types: Iterable[type[E]]
) -> E:
    """The event in a message; `types` are the event types that the reader accepts.

    The type comes from `ce_type`; a message without it is taken for the reader's only type if there is just one (a
    producer may be as simple as a few lines). Raises UndecodableMessageError for anything else that does not fit.
    """
    accepted = {t.TYPE: t for t in types}
    named = _text(headers)
    name = named.get("ce_type")
    if name is None and len(accepted) == 1:
        name = next(iter(accepted))
    if name is None:
        raise UndecodableMessageError("missing_type", "no 'ce_type' header")
    event_type = accepted.get(name)
    if event_type is None:
        raise UndecodableMessageError("unknown_type", f"'{name[:100]}' is not one of {sorted(accepted)}")
    if not value:
        raise UndecodableMessageError("empty", "the message has no value")
    try:
        return event_type.model_validate_json(value)
    except ValidationError as error:
        raise UndecodableMessageError("invalid", summary(error)) from error


def summary(error: ValidationError, limit: int = 5) -> str:
    """The first few places of a validation error, without the input (it may be huge, or private)."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    lines = [f"{'/'.join(str(p) for p in e['loc']) or '/'}: {e['msg']}" for e in found[:limit]]
    return "; ".join(lines) + (f"; and {len(found) - limit} more" if len(found) > limit else "")


def _text(headers: Headers) -> dict[str, str]:
    """Headers as text; a header that is not UTF-8 is no header of ours."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    result: dict[str, str] = {}
    for name, raw in pairs:
        result[name] = raw.decode("utf-8", errors="replace") if isinstance(raw, bytes) else raw
    return result

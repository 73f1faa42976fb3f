"""Spans of messages: sent and processed, joined by the `traceparent` header.

Owns their names and attributes (OpenTelemetry's semantic conventions for messaging) and the header. Must not know a
broker client or what a message means.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from schemas.events.cloudevents import WireMessage
from schemas.topics import DEAD_LETTER_SUFFIX
from services.runtime.tracing import HEADER, Span, SpanKind, failed, span, traceparent


def create_attributes(topic: str) -> dict[str, str]:
    """What is true of every span of a message of this topic."""
    return {"messaging.system": "kafka", "messaging.destination.name": topic}


@contextmanager
def creating(topic: str, *, job_id: str) -> Iterator[str | None]:
    """The making of a message that is stored now and sent later, by whomever: the `traceparent` to store with it."""
    attributes = {**create_attributes(topic), "messaging.operation.type": "create", "horarium.job_id": job_id}
    with span(f"create {topic}", kind=SpanKind.PRODUCER, attributes=attributes):
        yield traceparent()


@contextmanager
def sending(message: WireMessage) -> Iterator[WireMessage]:
    """The message as it is to be sent inside: below the current context if the message brings none or one of the same
    trace, else below the one that it brings.
    """
    attributes = {**create_attributes(message.topic), "messaging.operation.type": "send"}
    brought, here = message.headers.get(HEADER), traceparent()
    below = None if here and (not brought or _trace(brought) == _trace(here)) else brought
    with span(f"send {message.topic}", kind=SpanKind.PRODUCER, parent=below, attributes=attributes):
        sent = traceparent()
        # A dead letter keeps its message's headers, untouched.
        if sent and not message.topic.endswith(DEAD_LETTER_SUFFIX):
            message = replace(message, headers={**message.headers, HEADER: sent})
        yield message


@contextmanager
def processing(topic: str, group: str, partition: int, offset: int, headers: Mapping[str, str]) -> Iterator[Span]:
    """What a consumer does with a message, below whoever sent it. The caller sets `horarium.result`."""
    attributes: dict[str, str | int] = {
        **create_attributes(topic),
        "messaging.operation.type": "process",
        "messaging.consumer.group.name": group,
        "messaging.destination.partition.id": str(partition),
        "messaging.kafka.offset": offset,
    }
    with span(f"process {topic}", kind=SpanKind.CONSUMER, parent=headers.get(HEADER), attributes=attributes) as made:
        yield made


def ended(made: Span, result: str) -> None:
    """Say what became of the message."""
    made.set_attribute("horarium.result", result)
    if result != "done":
        failed(made, result)


def _trace(context: str) -> str:
    return "".join(context.split("-")[1:2])

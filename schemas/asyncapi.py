"""The contracts as documents: AsyncAPI 3.0, a JSON Schema per event version, example messages.

Owns how topics and events are described to somebody outside this repository; `python -m schemas.asyncapi` writes
`schemas/generated/`, which is committed and compared in the tests (ADR 0009). Must not know a broker client.
Source: AsyncAPI specification 3.0.0; Kafka bindings 0.5.0.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from schemas.events import EVENT_TYPES, Event, JobRequested
from schemas.events.cloudevents import CONTENT_TYPE, encode
from schemas.examples import examples
from schemas.problem.model import Problem
from schemas.topics import BY_NAME, TOPICS, Topic, dead_letter_topics

FOLDER = Path(__file__).parent / "generated"
_EXAMPLE_SOURCE = "/university.example/registrar"
_REF = "#/components/schemas/{model}"
_BINDING = "0.5.0"

_DESCRIPTION = """\
Ask for a timetable by publishing `job.requested`, watch `solve.progress`, take the result from `solve.completed`.

Every message is a CloudEvent 1.0 in Kafka's binary content mode: attributes are `ce_` headers (UTF-8 text), the value
is the JSON payload, the key is the job's id as text. Of the headers only `ce_type` matters for understanding; send all
of them if you can. A producer chooses the job's id (a fresh UUID); publishing the same job id again is harmless.
Consumers ignore fields that they do not know; within a version only optional fields are added.
Delivery is at least once: know an event by `event_id`.
"""


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI document."""
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Horarium events", "version": version("horarium"), "description": _DESCRIPTION},
        "defaultContentType": CONTENT_TYPE,
        "servers": {
            "kafka": {
                "host": "{bootstrap_server}",
                "protocol": "kafka",
                "description": "The value of KAFKA_BOOTSTRAP_SERVERS.",
                "variables": {"bootstrap_server": {"default": "localhost:9092"}},
            }
        },
        "channels": {_channel_id(t): _channel(t) for t in (*TOPICS, *dead_letter_topics())},
        "operations": {name: body for topic in TOPICS for name, body in _operations(topic)},
        "components": {"messages": {e.TYPE: _message(e) for e in EVENT_TYPES}, "schemas": _schemas()},
    }


def event_schema(event: type[Event]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of one event version, by itself."""
    schema = event.model_json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:horarium:event:{event.TYPE}",
        **_sharpened(event, schema),
    }


def example_messages() -> dict[str, dict[str, Any]]:
    """Messages as they are on the wire, by name: topic, key, headers, and the payload as JSON."""
    messages = {}
    for name, event in examples().items():
        wire = encode(event, source=_EXAMPLE_SOURCE)
        messages[name] = {
            "topic": wire.topic,
            "key": wire.key.decode(),
            "headers": dict(wire.headers),
            "payload": json.loads(wire.value),
        }
    return messages


def documents() -> dict[Path, str]:
    """Every generated file's path below `FOLDER`, and its text."""
    files: dict[Path, Any] = {Path("asyncapi.json"): asyncapi()}
    for event in EVENT_TYPES:
        files[Path("events") / f"{event.TYPE}.schema.json"] = event_schema(event)
    for name, message in example_messages().items():
        files[Path("examples") / f"{name}.json"] = message
    return {path: json.dumps(body, indent=2, ensure_ascii=False) + "\n" for path, body in files.items()}


def write(folder: Path = FOLDER) -> None:
    """Write every document; files of events or examples that are gone are removed."""
    wanted = documents()
    for kind in ("events", "examples"):
        for file in (folder / kind).glob("*.json"):
            if file.relative_to(folder) not in wanted:
                file.unlink()
    for path, body in wanted.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(body)


def _channel_id(topic: Topic) -> str:
    # Dots are not allowed in the ids of channels and operations; `address` has the topic's real name.
    return topic.name.replace(".", "_")


def _event_of(topic: Topic) -> type[Event] | None:
    return next((e for e in EVENT_TYPES if topic.name == e.TOPIC), None)


def _channel(topic: Topic) -> dict[str, Any]:
    event = _event_of(topic)
    parties = f"Written by: {', '.join(topic.written_by)}. Read by: {', '.join(topic.read_by)}."
    return {
        "address": topic.name,
        "description": f"{topic.purpose} {parties}",
        "messages": {} if event is None else {event.TYPE: {"$ref": f"#/components/messages/{event.TYPE}"}},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": {
                    "cleanup.policy": ["delete"],
                    "retention.ms": int(topic.retention.total_seconds() * 1000),
                    "max.message.bytes": topic.max_message_bytes,
                },
                "bindingVersion": _BINDING,
            }
        },
    }


def _operations(topic: Topic) -> list[tuple[str, dict[str, Any]]]:
    """What Horarium does with the topic, and so what an outside program may do on the other side."""
    event = _event_of(topic)
    if event is None:
        return []
    channel = f"#/channels/{_channel_id(topic)}"
    found = []
    for action, parties in (("receive", topic.read_by), ("send", topic.written_by)):
        if any(not party.startswith("any ") for party in parties):
            found.append(
                (
                    f"{action}_{_channel_id(topic)}",
                    {
                        "action": action,
                        "channel": {"$ref": channel},
                        "summary": f"{'Read' if action == 'receive' else 'Written'} by {', '.join(parties)}.",
                        "messages": [{"$ref": f"{channel}/messages/{event.TYPE}"}],
                    },
                )
            )
    return found


def _message(event: type[Event]) -> dict[str, Any]:
    shown = [(n, m) for n, m in example_messages().items() if m["headers"]["ce_type"] == event.TYPE]
    summary, _, details = (event.__doc__ or "").strip().partition("\n")
    return {
        "name": event.TYPE,
        "title": event.TYPE,
        "summary": summary,
        "description": " ".join(details.split()) or summary,
        "contentType": CONTENT_TYPE,
        "headers": _headers(event),
        "payload": {"$ref": _REF.format(model=event.__name__)},
        "correlationId": {"location": "$message.header#/correlation_id"},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "format": "uuid", "description": "The job's id, as in the payload."},
                "bindingVersion": _BINDING,
            }
        },
        "examples": [
            {"name": name, "headers": message["headers"], "payload": message["payload"]} for name, message in shown
        ],
    }


def _headers(event: type[Event]) -> dict[str, Any]:
    text: dict[str, Any] = {"type": "string"}
    return {
        "type": "object",
        "required": ["ce_type"],
        "properties": {
            "ce_specversion": {**text, "const": "1.0"},
            "ce_type": {**text, "const": event.TYPE},
            "ce_id": {**text, "format": "uuid", "description": "As `event_id` in the payload."},
            "ce_source": {**text, "format": "uri-reference", "description": "Who wrote it."},
            "ce_subject": {**text, "format": "uuid", "description": "The job's id."},
            "ce_time": {**text, "format": "date-time", "description": "As `occurred_at` in the payload."},
            "content-type": {**text, "const": CONTENT_TYPE},
            "correlation_id": {**text, "maxLength": 128, "description": "As in the payload."},
            "traceparent": {**text, "description": "W3C trace context."},
        },
    }


def _schemas() -> dict[str, Any]:
    """Every event's schema and the native problem's, sharing their parts."""
    models: list[type[BaseModel]] = [*EVENT_TYPES, Problem]
    _, combined = models_json_schema([(m, "validation") for m in models], by_alias=True, ref_template=_REF)
    schemas: dict[str, Any] = combined["$defs"]
    for event in EVENT_TYPES:
        schemas[event.__name__] = _sharpened(event, schemas[event.__name__])
    # The event takes any object, so that a bad problem fails its job with a reason; this says what a good one is.
    described = schemas[JobRequested.__name__]["properties"]["problem"]
    described["description"] = (
        'A native problem (the schema `Problem`), or with `problem_format` "ctt", "tim" or "itc2019" the text of a'
        " benchmark file. Large ones are better uploaded; a message may have"
        f" {BY_NAME[JobRequested.TOPIC].max_message_bytes // 2**20} MiB."
    )
    return dict(sorted(schemas.items()))


def _sharpened(event: type[Event], schema: dict[str, Any]) -> dict[str, Any]:
    """What a validator in code says, in the schema's words: `job.requested` has exactly one kind of problem."""
    if event is not JobRequested:
        return schema
    given = [
        {"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in ("problem", "problem_ref")
    ]
    return {**schema, "oneOf": given}


if __name__ == "__main__":
    write()

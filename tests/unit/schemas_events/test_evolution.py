"""Old and new code meet in every rolling deployment: within a version, either reads what the other writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from schemas.events import Event
from schemas.events.cloudevents import UndecodableMessageError, decode, encode
from schemas.examples import examples

KEPT = Path(__file__).parents[3] / "schemas" / "generated" / "examples"
EXAMPLES = examples()

Change = Callable[[BaseModel, dict[str, Any]], None]


def changed(model: BaseModel, shape: Any, change: Change) -> None:
    """Apply `change` to the JSON of a model and of every model within it; maps with free keys are left alone."""
    for name, field in type(model).model_fields.items():
        value, key = getattr(model, name), field.alias or name
        if isinstance(value, BaseModel):
            changed(value, shape[key], change)
        elif isinstance(value, (list, tuple)):
            for item, item_shape in zip(value, shape[key], strict=True):
                if isinstance(item, BaseModel):
                    changed(item, item_shape, change)
    change(model, shape)


def with_a_newer_writers_fields(_model: BaseModel, shape: dict[str, Any]) -> None:
    shape |= {"added_in_a_later_minor": {"deep": [1, None]}, "another": "word"}


def without_an_older_writers_optional_fields(model: BaseModel, shape: dict[str, Any]) -> None:
    for name, field in type(model).model_fields.items():
        # Exactly one of these two is required, which no field can say by itself.
        if not field.is_required() and name not in {"problem", "problem_ref"}:
            shape.pop(field.alias or name, None)


def read(event: Event, shape: dict[str, Any], **headers: str) -> Event:
    message = encode(event, source="/test")
    return decode(json.dumps(shape).encode(), dict(message.headers) | headers, [type(event)])


@pytest.mark.parametrize("name", EXAMPLES)
def test_fields_of_a_newer_writer_are_ignored(name: str) -> None:
    event = EXAMPLES[name]
    shape = json.loads(event.model_dump_json(by_alias=True))
    changed(event, shape, with_a_newer_writers_fields)
    assert "another" in shape
    assert read(event, shape) == event


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_older_writer_that_knows_no_optional_field_is_understood(name: str) -> None:
    event = EXAMPLES[name]
    shape = json.loads(event.model_dump_json(by_alias=True))
    changed(event, shape, without_an_older_writers_optional_fields)
    understood = read(event, shape)
    assert understood.job_id == event.job_id
    for field in set(shape) & set(type(event).model_fields):
        assert type(getattr(understood, field)) is type(getattr(event, field))


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_published_examples_are_still_read(name: str) -> None:
    kept = json.loads((KEPT / f"{name}.json").read_text())
    headers = {str(key): str(value) for key, value in kept["headers"].items()}
    assert decode(json.dumps(kept["payload"]).encode(), headers, [type(EXAMPLES[name])]) == EXAMPLES[name]


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_version_that_we_do_not_know_is_refused_not_guessed(name: str) -> None:
    event = EXAMPLES[name]
    newer = type(event).TYPE.rsplit(".v", 1)[0] + f".v{type(event).VERSION + 1}"
    with pytest.raises(UndecodableMessageError) as refused:
        read(event, json.loads(event.model_dump_json(by_alias=True)), ce_type=newer)
    assert refused.value.reason == "unknown_type"
    assert newer in str(refused.value)

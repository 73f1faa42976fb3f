"""The generated contracts: committed as the code makes them, consistent in themselves, and enough for a stranger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from schemas import asyncapi
from schemas.events import EVENT_TYPES, JobRequested
from schemas.events.cloudevents import decode, encode
from schemas.examples import examples
from schemas.problem.model import Problem
from schemas.problem.read import ProblemFormat, read_problem
from schemas.topics import TOPICS
from services.api import app as api
from services.api import openapi as api_openapi
from services.progress import app as progress
from services.progress import openapi as progress_openapi

AGAIN = "run `make docs` and look at the difference"
OPENAPI = {"api": api_openapi.FILE, "progress": progress_openapi.FILE}
BY_TYPE = {event.TYPE: event for event in EVENT_TYPES}


@pytest.mark.parametrize("path", sorted(asyncapi.documents()), ids=str)
def test_a_committed_document_is_what_the_code_makes(path: Path) -> None:
    committed = asyncapi.FOLDER / path
    assert committed.exists(), AGAIN
    assert committed.read_text() == asyncapi.documents()[path], AGAIN


def test_nothing_else_is_committed() -> None:
    committed = {file.relative_to(asyncapi.FOLDER) for file in asyncapi.FOLDER.rglob("*.json")}
    assert committed == {*asyncapi.documents(), *(Path(file.name) for file in OPENAPI.values())}


def test_the_committed_openapi_is_what_the_code_makes() -> None:
    assert api_openapi.FILE.read_text() == api_openapi.text(api.create_app(api.documentation_settings())), AGAIN
    described = progress.create_app(progress.documentation_settings())
    assert progress_openapi.FILE.read_text() == progress_openapi.text(described), AGAIN


@pytest.mark.parametrize("name", sorted(examples()))
def test_an_example_is_valid_and_decodes(name: str) -> None:
    message = asyncapi.example_messages()[name]
    event = BY_TYPE[message["headers"]["ce_type"]]
    Draft202012Validator(asyncapi.event_schema(event)).validate(message["payload"])
    decoded = decode(json.dumps(message["payload"]).encode(), message["headers"], EVENT_TYPES)
    assert decoded == examples()[name]
    assert decoded.key.decode() == message["key"]
    assert message["topic"] == event.TOPIC


def test_every_event_has_an_example() -> None:
    assert {type(event) for event in examples().values()} == set(EVENT_TYPES)


def test_the_inline_problems_of_the_examples_can_be_solved() -> None:
    inline = [e for e in examples().values() if isinstance(e, JobRequested) and e.problem is not None]
    assert {e.problem_format for e in inline} == set(ProblemFormat)
    for event in inline:
        content = event.problem if isinstance(event.problem, str) else json.dumps(event.problem)
        assert isinstance(read_problem(content.encode(), event.problem_format), Problem)


# Maps whose keys are data, and the problem, which is no part of the event's own shape.
DATA = {"problem", "hard", "cost", "details", "factors"}


def _with_extra_fields(value: Any) -> Any:
    """The same value with a field that nobody knows in every object."""
    if isinstance(value, dict):
        known = {k: v if k in DATA else _with_extra_fields(v) for k, v in value.items()}
        return {**known, "invented_later": {"by": "somebody"}}
    if isinstance(value, list):
        return [_with_extra_fields(v) for v in value]
    return value


@pytest.mark.parametrize("name", sorted(examples()))
def test_fields_of_a_newer_producer_are_ignored_at_every_depth(name: str) -> None:
    message = asyncapi.example_messages()[name]
    newer = _with_extra_fields(message["payload"])
    assert decode(json.dumps(newer).encode(), message["headers"], EVENT_TYPES) == examples()[name]


@pytest.mark.parametrize(
    ("problems", "valid"),
    [
        ({"problem": "Name: x"}, True),
        ({"problem": {}}, True),
        ({"problem_ref": {"problem_id": "c3f4d1aa-6f1e-4d3b-9a0e-5d7f2b8c9e03", "sha256": "0" * 64}}, True),
        ({"problem": "x", "problem_ref": None}, True),
        ({}, False),
        ({"problem": None, "problem_ref": None}, False),
        (
            {
                "problem": "x",
                "problem_ref": {"problem_id": "c3f4d1aa-6f1e-4d3b-9a0e-5d7f2b8c9e03", "sha256": "0" * 64},
            },
            False,
        ),
    ],
)
def test_schema_and_code_agree_on_which_problem_is_given(problems: dict[str, Any], valid: bool) -> None:
    payload = {
        "job_id": "0b6f5c1e-4f3a-4c52-9a57-2f0f9f1b6c01",
        "organization_id": "7d1f3c58-90c5-4b52-8a51-0a2a4c1f5e02",
        **problems,
    }
    validator = Draft202012Validator(asyncapi.event_schema(JobRequested))
    if valid:
        validator.validate(payload)
        JobRequested.model_validate_json(json.dumps(payload))
    else:
        with pytest.raises(ValidationError):
            validator.validate(payload)
        with pytest.raises(ValueError, match="exactly one"):
            JobRequested.model_validate_json(json.dumps(payload))


def test_the_asyncapi_document_alone_describes_every_message() -> None:
    """Every reference resolves, and every example is valid by the document's own schemas."""
    document = asyncapi.asyncapi()
    registry: Registry[Any] = Registry().with_resource("urn:document", DRAFT202012.create_resource(document))
    assert {c["address"] for c in document["channels"].values()} >= {t.name for t in TOPICS}
    assert len(document["channels"]) == 2 * len(TOPICS)
    for name, message in document["components"]["messages"].items():
        validator = Draft202012Validator({"$ref": f"urn:document{message['payload']['$ref']}"}, registry=registry)
        headers = Draft202012Validator(message["headers"])
        assert message["examples"], name
        for example in message["examples"]:
            validator.validate(example["payload"])
            headers.validate(example["headers"])
    for reference in _references(document):
        resolver = registry.resolver("urn:document")
        assert resolver.lookup(reference).contents


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [r for v in value.values() for r in _references(v)]
    return [r for v in value for r in _references(v)] if isinstance(value, list) else []


@pytest.mark.parametrize("service", OPENAPI)
def test_every_answer_of_the_openapi_document_resolves_and_every_route_shows_its_errors(service: str) -> None:
    document = json.loads(OPENAPI[service].read_text())
    registry: Registry[Any] = Registry().with_resource("urn:document", DRAFT202012.create_resource(document))
    for reference in _references(document):
        assert registry.resolver("urn:document").lookup(reference).contents
    for path, methods in document["paths"].items():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                if path.startswith("/api/") and int(status) >= 400:
                    assert list(answer["content"]) == ["application/problem+json"], (path, status)


@pytest.mark.parametrize("service", OPENAPI)
def test_every_answer_of_the_openapi_document_shows_its_headers(service: str) -> None:
    """Those that every answer has, and those that go with a status whichever route gives it."""
    document = json.loads(OPENAPI[service].read_text())
    by_status = {"201": {"Location"}, "202": set(), "304": {"ETag"}, "401": {"WWW-Authenticate"}}
    by_status |= {"429": {"Retry-After"}, "503": {"Retry-After"}}
    for path, methods in document["paths"].items():
        for method, operation in methods.items() if path.startswith("/api/") else ():
            assert {"414", "431", "503"} <= operation["responses"].keys(), path
            assert (operation["security"] == []) == (path in OPEN), path
            for status, answer in operation["responses"].items():
                shown = answer["headers"].keys()
                # A new token has no address of its own: it is never shown again.
                expected = set() if (path, status) == ("/api/tokens", "201") else by_status.get(status, set())
                assert shown >= {"X-Correlation-ID"} | expected, (method, path, status)
    variant = document["paths"].get("/api/timetables/{job_id}/variants/{number}")
    if variant is not None:
        assert "If-None-Match" in [parameter.get("name") for parameter in variant["get"]["parameters"]]


OPEN = {"/api/auth/login", "/api/auth/refresh", "/api/auth/logout"}


def test_the_headers_of_an_event_are_those_of_the_cloudevents_binding() -> None:
    event = examples()["job.control-stop"]
    wire = encode(event, source="/somebody", traceparent="00-1-2-01")
    assert wire.headers["ce_specversion"] == "1.0"
    assert wire.headers["ce_id"] == str(event.event_id)
    assert wire.headers["traceparent"] == "00-1-2-01"

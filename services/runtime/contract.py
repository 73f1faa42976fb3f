"""What the OpenAPI documents of our services say alike: error answers, headers of answers, security.

Owns those fragments and how they are put into a document. Must not know any route. A service names its own schema of an
error answer `ProblemDetails`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from services.runtime.edge import CORRELATION_HEADER, CORRELATION_ID_PATTERN
from services.runtime.tokens import COOKIE, HOST_PREFIX

Described = dict[int | str, dict[str, Any]]

MEDIA_TYPE = "application/problem+json"
_SCHEMA = "#/components/schemas/ProblemDetails"
_TEXT = {"type": "string"}
# By name: whether an answer that lists the header always has it, what it tells, and how it looks.
_HEADERS: Mapping[str, tuple[bool, str, dict[str, Any]]] = {
    CORRELATION_HEADER: (
        True,
        "The request's own id, or the one that it was given: every log line of the request carries it.",
        {"type": "string", "pattern": f"^{CORRELATION_ID_PATTERN}$"},
    ),
    "Retry-After": (True, "Seconds after which to try again.", {"type": "integer", "minimum": 1}),
    "WWW-Authenticate": (True, "How to sign in (RFC 9110, section 11.6.1).", {"type": "string", "pattern": "^Bearer"}),
    "Location": (True, "Where the thing is.", {"type": "string", "format": "uri-reference", "minLength": 1}),
    "Set-Cookie": (True, "The session, for browsers: one header for each cookie.", {"type": "string", "minLength": 1}),
    "ETag": (True, "Names this content; to be sent as If-None-Match.", {"type": "string", "pattern": '^"[^"]+"$'}),
    "Cache-Control": (True, "Who may keep the answer.", _TEXT),
    "Content-Disposition": (False, "A name for the file, where the answer is to be saved.", _TEXT),
    "RateLimit": (
        False,
        "What is left of the requests of an hour, and seconds until there is more"
        " (draft-ietf-httpapi-ratelimit-headers-10).",
        {"type": "string", "pattern": r'^"\w+";r=\d+;t=\d+$'},
    ),
    "RateLimit-Policy": (
        False,
        "How many requests there may be in how many seconds (the same draft).",
        {"type": "string", "pattern": r'^"\w+";q=\d+;w=\d+$'},
    ),
    "Accept": (False, "The media types that are taken here.", _TEXT),
}
_ALWAYS = (CORRELATION_HEADER,)
_BY_STATUS: Mapping[str, tuple[str, ...]] = {
    "401": ("WWW-Authenticate",),
    "415": ("Accept",),
    "429": ("Retry-After",),
    "503": ("Retry-After",),
}
_CORRELATION_PARAMETER = "CorrelationId"
_WORDS = {
    401: "Nobody is signed in, or the token is not valid.",
    403: "The caller's role does not allow it, or another site caused the request.",
    404: "There is no such thing in the caller's organisation.",
    406: "The thing cannot be shown in that format.",
    408: "The body did not arrive in time.",
    409: "Not now: something else stands against it; the answer says what.",
    410: "It is gone.",
    413: "The body is too large; nothing was stored.",
    414: "The address is too long.",
    415: "The body's media type is not accepted; the answer names those that are.",
    422: "The input is wrong; `errors` says where and what would mend it.",
    429: "Too many of them; try again after the seconds in Retry-After.",
    431: "The request has too many headers, or too large ones.",
    503: "Try again after the seconds in Retry-After; nothing was changed.",
}


def refusals(*statuses: int, **words: str) -> Described:
    """Error answers of a route, beside those that every route has; `words` by status (`_404`) instead of ours."""
    content = {MEDIA_TYPE: {"schema": {"$ref": _SCHEMA}}}
    return {status: {"description": words.get(f"_{status}", _WORDS[status]), "content": content} for status in statuses}


def with_headers(status: int, *names: str, optional: tuple[str, ...] = ()) -> Described:
    """The headers of one of a route's answers; `optional` ones are not always there. For `responses` of a route."""
    headers: dict[str, Any] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    headers |= {name: _header(name) | {"required": False} for name in optional}
    return {status: {"headers": headers}}


def merged(*described: Described) -> Described:
    """Answers that several fragments describe, each with all that is said of it."""
    result: Described = {}
    for fragment in described:
        for status, words in fragment.items():
            known = result.setdefault(status, {})
            headers = {**known.get("headers", {}), **words.get("headers", {})}
            result[status] = {**known, **words, **({"headers": headers} if headers else {})}
    return result


def complete(document: dict[str, Any]) -> None:
    """Into a document: what is true of every request below `/api/`, and the components that this and routes refer to.

    An operation without `security` of its own takes a caller (401, 403).
    """
    components = document.setdefault("components", {})
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "cookie": {"type": "apiKey", "in": "cookie", "name": HOST_PREFIX + COOKIE},
    }
    components["headers"] = {name: _header(name) for name in sorted(_HEADERS)}
    components["parameters"] = {
        _CORRELATION_PARAMETER: {
            "name": CORRELATION_HEADER,
            "in": "header",
            "required": False,
            "description": "An id of the caller's own for this request; one that does not fit is replaced.",
            "schema": {"type": "string", "pattern": f"^{CORRELATION_ID_PATTERN}$"},
        }
    }
    for name in ("HTTPValidationError", "ValidationError"):
        components.get("schemas", {}).pop(name, None)
    for path, methods in document["paths"].items():
        for operation in methods.values():
            # The framework's own shape, which nobody is ever sent.
            if "application/json" in operation["responses"].get("422", {}).get("content", {}):
                del operation["responses"]["422"]
            if path.startswith("/api/"):
                _complete(operation)


def document(app: FastAPI, models: Iterable[type[BaseModel]]) -> dict[str, Any]:
    """The OpenAPI document of an application, made once: what the framework knows, and what is said here.

    `models` are what routes read or answer without the framework's knowledge.
    """
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
        )
        _, extra = models_json_schema(
            [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
        )
        components = made.setdefault("components", {})
        components["schemas"] = dict(sorted({**extra["$defs"], **components.get("schemas", {})}.items()))
        complete(made)
        app.openapi_schema = made
    return app.openapi_schema


def text(document: dict[str, Any]) -> str:
    """A document as it is committed."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _complete(operation: dict[str, Any]) -> None:
    answers = operation["responses"]
    everywhere = [414, 431, 503]
    if "security" not in operation:
        operation["security"] = [{"bearer": []}, {"cookie": []}]
        everywhere += [401, 403]
    for status, described in refusals(*everywhere).items():
        answers.setdefault(str(status), described)
    for status, answer in answers.items():
        headers = {name: {"$ref": f"#/components/headers/{name}"} for name in (*_ALWAYS, *_BY_STATUS.get(status, ()))}
        answers[status] = {**answer, "headers": {**headers, **answer.get("headers", {})}}
    operation["responses"] = dict(sorted(answers.items()))
    reference = {"$ref": f"#/components/parameters/{_CORRELATION_PARAMETER}"}
    operation["parameters"] = [*operation.get("parameters", ()), reference]


def _header(name: str) -> dict[str, Any]:
    required, description, schema = _HEADERS[name]
    return {"description": description, "required": required, "schema": schema}

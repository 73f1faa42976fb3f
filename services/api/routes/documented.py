"""What the OpenAPI document says of bodies that routes read themselves, bounded, instead of through the framework.

Owns fragments of the document. Must not know what a route does.
"""

from __future__ import annotations

from typing import Any

from services.api.refusals import MEDIA_TYPE, ProblemDetails

NATIVE_TYPE = "application/json"
CTT_TYPES = ("text/plain", "application/x-ctt")
TIM_TYPE = "application/x-tim"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ZIP_TYPES = ("application/zip", "application/x-zip-compressed")  # the second is what browsers on Windows say
ANY_TYPE = "application/octet-stream"  # browsers that do not know a file's name; the content tells


def json_body(model: type) -> dict[str, Any]:
    """A JSON request body; `services.api.openapi` adds the model's schema."""
    return {"requestBody": {"required": True, "content": {NATIVE_TYPE: {"schema": {"$ref": _ref(model.__name__)}}}}}


def problem_body() -> dict[str, Any]:
    """A problem as it is, in one of the accepted formats."""
    text = {"schema": {"type": "string", "description": "An ITC-2007 track 3 instance (.ctt or .ectt)."}}
    tim = {"schema": {"type": "string", "description": "An ITC-2002 or ITC-2007 track 2 instance (.tim)."}}
    workbook = _binary("A workbook with the template's sheets.")
    bundle = _binary("The template's sheets as CSV files.")
    content = {
        NATIVE_TYPE: {"schema": {"$ref": _ref("Problem")}},
        **dict.fromkeys(CTT_TYPES, text),
        TIM_TYPE: tim,
        XLSX_TYPE: workbook,
        **dict.fromkeys(ZIP_TYPES, bundle),
        ANY_TYPE: _binary("Any of these; the content tells which."),
    }
    return {"requestBody": {"required": True, "content": content}}


def _binary(description: str) -> dict[str, Any]:
    return {"schema": {"type": "string", "format": "binary", "description": description}}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of a route, beside those that every route has."""
    schema = {MEDIA_TYPE: {"schema": {"$ref": _ref(ProblemDetails.__name__)}}}
    return {status: {"description": _WORDS[status], "content": schema} for status in statuses}


_WORDS = {
    401: "Nobody is signed in, or the token is not valid.",
    403: "The caller's role does not allow it, or another site caused the request.",
    404: "There is no such thing in the caller's organisation.",
    406: "The thing cannot be shown in that format.",
    408: "The body did not arrive in time.",
    409: "Not now: something else stands against it; the answer says what.",
    410: "It is gone.",
    413: "The body is too large; nothing was stored.",
    415: "The body's media type is not accepted; the answer names those that are.",
    429: "Too many of them; try again after the seconds in Retry-After.",
    422: "The input is wrong; `errors` says where and what would mend it.",
    503: "Try again after the seconds in Retry-After; nothing was changed.",
}


def _ref(name: str) -> str:
    return f"#/components/schemas/{name}"

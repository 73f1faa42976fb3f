"""What the OpenAPI document says of bodies that routes read themselves, bounded, instead of through the framework.

Owns fragments of the document. Must not know what a route does.
"""

from __future__ import annotations

from typing import Any

NATIVE_TYPE = "application/json"
CTT_TYPES = ("text/plain", "application/x-ctt")
TIM_TYPE = "application/x-tim"
XML_TYPES = ("application/xml", "text/xml")
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
    xml = {"schema": {"type": "string", "description": "An ITC-2019 instance."}}
    workbook = _binary("A workbook with the template's sheets.")
    bundle = _binary("The template's sheets as CSV files.")
    content = {
        NATIVE_TYPE: {"schema": {"$ref": _ref("Problem")}},
        **dict.fromkeys(CTT_TYPES, text),
        TIM_TYPE: tim,
        **dict.fromkeys(XML_TYPES, xml),
        XLSX_TYPE: workbook,
        **dict.fromkeys(ZIP_TYPES, bundle),
        ANY_TYPE: _binary("Any of these; the content tells which."),
    }
    return {"requestBody": {"required": True, "content": content}}


def _binary(description: str) -> dict[str, Any]:
    return {"schema": {"type": "string", "format": "binary", "description": description}}


def _ref(name: str) -> str:
    return f"#/components/schemas/{name}"

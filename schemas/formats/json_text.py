"""Bytes to JSON models, for any JSON that strangers send: bounded, and every refusal names the place.

Owns the bounds on parsed values and the translation of the parser's errors to findings. Must not know any one format.
"""

from __future__ import annotations

import re
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from schemas.problem.findings import MAX_FINDINGS, Finding, InvalidInputError
from schemas.problem.nesting import require_shallow

# A parsed value takes up to 300 bytes in memory, a byte in the file: bound the values too. Full size has 0.2 million.
MAX_JSON_CONTAINERS = 2_000_000
MAX_JSON_VALUES = 10_000_000

_BOM = b"\xef\xbb\xbf"

Model = TypeVar("Model", bound=BaseModel)


def read_json(model: type[Model], content: bytes, refusal: type[InvalidInputError]) -> Model:
    """The model in `content`; raises `refusal` with findings."""
    _check_size(content, refusal)
    text = utf8_text(content, refusal)
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise refusal(findings_of(error), error.error_count()) from error


def findings_of(error: ValidationError) -> list[Finding]:
    """The first errors of a model, with JSON pointers."""
    return [_finding(detail) for detail in _details(error)]


def utf8_text(content: bytes, refusal: type[InvalidInputError]) -> str:
    """The text without a byte order mark; raises `refusal` with the line of the first byte that is not UTF-8."""
    content = content.removeprefix(_BOM)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"The file is not UTF-8 text (byte {error.start}). Save it as UTF-8."
        raise refusal([Finding("not_utf8", f"line {line}", message)]) from error


def _check_size(content: bytes, refusal: type[InvalidInputError]) -> None:
    """Refuses numbers of values that would cost far more memory parsed than they take in the file.

    Marks inside strings are counted too: it errs on the safe side by what no real name contains.
    """
    if content.count(b",") > MAX_JSON_VALUES:
        raise refusal([Finding("too_large", "", f"The JSON has more than {MAX_JSON_VALUES:,} values. Split it.")])
    if content.count(b"[") + content.count(b"{") > MAX_JSON_CONTAINERS:
        message = f"The JSON has more than {MAX_JSON_CONTAINERS:,} objects and lists. Split it."
        raise refusal([Finding("too_large", "", message)])
    require_shallow(content, refusal)


def _details(error: ValidationError) -> list[tuple[str, str, tuple[int | str, ...]]]:
    """(type, message, location) of the first errors."""
    return [
        (detail["type"], str(detail.get("ctx", {}).get("error", detail["msg"])), detail["loc"])
        for detail in error.errors(include_url=False, include_input=False)[:MAX_FINDINGS]
    ]


def _finding(detail: tuple[str, str, tuple[int | str, ...]]) -> Finding:
    kind, message, location = detail
    if kind == "json_invalid":
        place = re.search(r"line (\d+)", message)
        pointer = f"line {place[1]}" if place else ""
        return Finding("malformed_json", pointer, f"The JSON is malformed: {message}. Correct it there.")
    return Finding(kind, _pointer(location), _sentence(kind, message, location))


def _pointer(location: tuple[int | str, ...]) -> str:
    return "".join(f"/{str(step)[:128].replace('~', '~0').replace('/', '~1')}" for step in location)


def _sentence(kind: str, message: str, location: tuple[int | str, ...]) -> str:
    field = repr(str(location[-1])[:128]) if location else "The whole"
    if kind == "missing":
        return f"Field {field} is required. Add it."
    if kind == "extra_forbidden":
        return f"Field {field} is unknown. Remove it or correct its name."
    return f"{field}: {message}."

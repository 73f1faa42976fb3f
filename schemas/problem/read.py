"""From bytes to a problem that can be solved in principle: format, size, syntax, checks, expansion.

Owns the order of the steps and the bounds on the bytes themselves. Every refusal is an `InvalidProblemError` whose
findings name the place. Must not know files, HTTP, or how anything is solved.
"""

from __future__ import annotations

import re
import zlib
from enum import StrEnum

from pydantic import ValidationError

from schemas.formats.ctt import read_ctt
from schemas.problem.check import check
from schemas.problem.expand import ExpandedProblem, expand
from schemas.problem.findings import MAX_FINDINGS, Finding, InvalidProblemError
from schemas.problem.model import Problem

MAX_PROBLEM_BYTES = 64 * 1024 * 1024
# A parsed value takes up to 300 bytes in memory, a byte in the file: bound the values too. Full size has 0.4 million.
MAX_JSON_CONTAINERS = 2_000_000
MAX_JSON_VALUES = 10_000_000

_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"


class ProblemFormat(StrEnum):
    """The formats in which a problem may arrive."""

    NATIVE = "native"  # JSON, horarium.problem/1
    CTT = "ctt"  # ITC-2007 track 3, .ctt or .ectt


def guess_format(filename: str = "", content: bytes = b"") -> ProblemFormat:
    """The format by the file's name (`.gz` aside), else by how its content begins.

    Raises `InvalidProblemError` if neither tells.
    """
    name = filename.lower().removesuffix(".gz")
    if name.endswith((".ctt", ".ectt")):
        return ProblemFormat.CTT
    if name.endswith(".json"):
        return ProblemFormat.NATIVE
    start = content[:4096].removeprefix(_BOM).lstrip()
    if start.startswith((b"{", b"[")):
        return ProblemFormat.NATIVE
    if re.match(rb"(Name|Courses|Rooms):", start):
        return ProblemFormat.CTT
    raise _refusal(
        "unknown_format",
        "",
        "The format cannot be told from the name or the content. Send native JSON (.json) or ITC-2007 (.ctt, .ectt).",
    )


def read_problem(content: bytes, format: ProblemFormat) -> Problem:
    """The problem in `content`, checked and solvable in principle: every class has a time and the room it needs.

    Raises `InvalidProblemError`.
    """
    return load_problem(content, format).problem


def load_problem(content: bytes, format: ProblemFormat) -> ExpandedProblem:
    """As `read_problem`, and expanded for the solver."""
    return expand(parse_problem(content, format))


def parse_problem(content: bytes, format: ProblemFormat) -> Problem:
    """The problem in `content`, checked but not expanded. Raises `InvalidProblemError`. Gzip is unpacked, bounded."""
    content = _unpacked(content)
    if len(content) > MAX_PROBLEM_BYTES:
        raise _too_many_bytes()
    if not content.strip():
        raise _refusal("empty_file", "", "The file is empty. Send a problem.")
    problem = _native(content) if format is ProblemFormat.NATIVE else read_ctt(_text(content))
    findings = check(problem)
    if findings:
        raise InvalidProblemError(findings)
    return problem


def _refusal(code: str, pointer: str, message: str) -> InvalidProblemError:
    return InvalidProblemError([Finding(code, pointer, message)])


def _too_many_bytes() -> InvalidProblemError:
    return _refusal("too_large", "", f"The problem is larger than {MAX_PROBLEM_BYTES // 2**20} MiB. Split it.")


def _unpacked(content: bytes) -> bytes:
    """Gzipped content unpacked, at most one byte past the limit (a few kilobytes can unpack to gigabytes)."""
    if not content.startswith(_GZIP):
        return content
    gzip = zlib.decompressobj(wbits=31)
    try:
        unpacked = gzip.decompress(content, MAX_PROBLEM_BYTES + 1)
    except zlib.error as error:
        raise _refusal("malformed_gzip", "", f"The gzip file is damaged ({error}). Send it again.") from error
    if len(unpacked) <= MAX_PROBLEM_BYTES and not gzip.eof:
        raise _refusal("malformed_gzip", "", "The gzip file breaks off. Send it again, whole.")
    return unpacked


def _text(content: bytes) -> str:
    content = content.removeprefix(_BOM)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _refusal(
            "not_utf8", f"line {line}", f"The file is not UTF-8 text (byte {error.start}). Save it as UTF-8."
        ) from error


def _native(content: bytes) -> Problem:
    text = _text(content)
    content = content.removeprefix(_BOM)
    _check_json_size(content)
    try:
        return Problem.model_validate_json(text)
    except ValidationError as error:
        raise _invalid(error) from error


def _check_json_size(content: bytes) -> None:
    """Refuses numbers of values that would cost far more memory parsed than they take in the file.

    Marks inside strings are counted too: it errs on the safe side by what no real name contains. Depth needs no count:
    the parser stops with an error at 200 levels.
    """
    if content.count(b",") > MAX_JSON_VALUES:
        raise _refusal("too_large", "", f"The JSON has more than {MAX_JSON_VALUES:,} values. Split the problem.")
    if content.count(b"[") + content.count(b"{") > MAX_JSON_CONTAINERS:
        raise _refusal(
            "too_large", "", f"The JSON has more than {MAX_JSON_CONTAINERS:,} objects and lists. Split the problem."
        )


def _invalid(error: ValidationError) -> InvalidProblemError:
    """The library's errors as findings, with JSON pointers."""
    findings = []
    for detail in error.errors(include_url=False, include_input=False)[:MAX_FINDINGS]:
        kind, message = detail["type"], detail["msg"]
        if kind == "json_invalid":
            reason = str(detail.get("ctx", {}).get("error", message))
            place = re.search(r"line (\d+)", reason)
            pointer = f"line {place[1]}" if place else ""
            findings.append(Finding("malformed_json", pointer, f"The JSON is malformed: {reason}. Correct it there."))
        else:
            findings.append(Finding(kind, _pointer(detail["loc"]), _sentence(kind, message, detail["loc"])))
    return InvalidProblemError(findings, total=error.error_count())


def _pointer(location: tuple[int | str, ...]) -> str:
    return "".join(f"/{str(step)[:128].replace('~', '~0').replace('/', '~1')}" for step in location)


def _sentence(kind: str, message: str, location: tuple[int | str, ...]) -> str:
    field = repr(str(location[-1])[:128]) if location else "The problem"
    if kind == "missing":
        return f"Field {field} is required. Add it."
    if kind == "extra_forbidden":
        return f"Field {field} is unknown. Remove it or correct its name."
    return f"{field}: {message}."

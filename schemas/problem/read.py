"""From bytes to a problem that can be solved in principle: format, size, syntax, checks, expansion.

Owns the order of the steps and the bounds on the bytes themselves. Every refusal is an `InvalidProblemError` whose
findings name the place. Must not know files, HTTP, or how anything is solved.
"""

from __future__ import annotations

import re
import zlib
from enum import StrEnum

from schemas.formats.ctt import read_ctt
from schemas.formats.json_text import read_json, utf8_text
from schemas.problem.check import check
from schemas.problem.expand import ExpandedProblem, expand
from schemas.problem.findings import Finding, InvalidProblemError
from schemas.problem.model import Problem

MAX_PROBLEM_BYTES = 64 * 1024 * 1024
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
    if format is ProblemFormat.NATIVE:
        problem = read_json(Problem, content, InvalidProblemError)
    else:
        problem = read_ctt(utf8_text(content, InvalidProblemError))
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

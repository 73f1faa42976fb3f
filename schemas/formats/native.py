"""The native timetable, `horarium.timetable/1`, as JSON in and out.

Must not know problems: whether a timetable fits one is the referee's question.
"""

from __future__ import annotations

from schemas.formats.json_text import read_json
from schemas.problem.findings import Finding, InvalidTimetableError
from schemas.timetable import Timetable

MAX_TIMETABLE_BYTES = 64 * 1024 * 1024


def read_timetable(content: bytes) -> Timetable:
    """The timetable in `content`. Raises `InvalidTimetableError` with findings."""
    if len(content) > MAX_TIMETABLE_BYTES:
        message = f"The timetable is larger than {MAX_TIMETABLE_BYTES // 2**20} MiB."
        raise InvalidTimetableError([Finding("too_large", "", message)])
    if not content.strip():
        raise InvalidTimetableError([Finding("empty_file", "", "The file is empty. Send a timetable.")])
    return read_json(Timetable, content, InvalidTimetableError)


def write_timetable(timetable: Timetable) -> bytes:
    """One line of JSON; the same timetable gives the same bytes."""
    return timetable.model_dump_json(by_alias=True, exclude_none=True).encode()

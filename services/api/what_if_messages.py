"""What api and its what-if process say to each other.

Owns the messages and their frames on the pipes: a length and a pickle, both ways. Must not know who reads or answers.
(A module of its own: in the child, the module that it is started with has another name.)
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from schemas.problem.findings import InvalidInputError
from schemas.problem.read import ProblemFormat
from schemas.whatif.answers import Move

LENGTH = struct.Struct("!Q")


@dataclass(frozen=True, slots=True)
class Content:
    """A problem and a timetable as they are stored."""

    problem_format: ProblemFormat
    problem_zstd: bytes
    timetable_zstd: bytes


@dataclass(frozen=True, slots=True)
class Question:
    """About the timetable `key`: a move, or the `limit` best places of a class; `content` if it is not ready."""

    key: str
    move: Move | None = None
    class_id: str = ""
    limit: int = 0
    content: Content | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """`answer` is JSON. Without it: `invalid` says what is wrong with the question, `too_large` that the timetable does
    not fit into memory, neither that the content has to be sent along.
    """

    answer: bytes | None = None
    invalid: InvalidInputError | None = None
    too_large: bool = False

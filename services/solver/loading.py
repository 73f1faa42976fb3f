"""From what travels with an order to a problem that can be searched: unpacked, checked, weighed, pinned, with its base.

Owns the refusals of contents that cannot be used. Must not know how the problem is searched, nor where contents come
from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from pydantic import ValidationError

from schemas.change.baseline import Baseline
from schemas.change.pins import with_pins
from schemas.problem.expand import ExpandedProblem, expand
from schemas.problem.findings import InvalidProblemError
from schemas.problem.model import Problem
from schemas.problem.read import MAX_PROBLEM_BYTES, ProblemFormat, parse_problem
from schemas.timetable import Timetable
from services.solver.order import ChangeOrder, Contents, Order
from services.solver.packing import DamagedContentError, OversizedContentError, unpack

MAX_TIMETABLE_BYTES = 512 * 1024 * 1024


class BadInputError(Exception):
    """The input cannot be solved, now or later: `code` is stable, `details` name places."""

    def __init__(self, code: str, message: str, details: list[dict[str, str]] | None = None) -> None:
        self.code = code
        self.details = details or []
        super().__init__(message)


def invalid_problem(error: InvalidProblemError) -> BadInputError:
    return BadInputError("invalid_problem", str(error), _details(error))


def _details(error: InvalidProblemError) -> list[dict[str, str]]:
    return [{"code": f.code, "pointer": f.pointer, "message": f.message} for f in error.findings]


def load(order: Order, contents: Contents) -> ExpandedProblem:
    """The problem as it is to be solved. Raises BadInputError."""
    change = contents.change or ChangeOrder()
    base = None if contents.base_zstd is None else _base(contents.base_zstd)
    try:
        problem = parse_problem(_content(order, contents.problem_zstd), ProblemFormat(order.format))
        expanded = expand(_pinned(_weighed(problem, order.weights), change, base))
    except InvalidProblemError as error:
        raise invalid_problem(error) from error
    if base is None:
        return expanded
    return replace(expanded, baseline=Baseline(base, change.keep_weights, change.max_changes))


def load_timetable(packed: bytes) -> Timetable:
    """A timetable of ours."""
    return Timetable.model_validate_json(unpack(packed, MAX_TIMETABLE_BYTES))


def _content(order: Order, problem_zstd: bytes) -> bytes:
    try:
        content = unpack(problem_zstd, MAX_PROBLEM_BYTES)
    except DamagedContentError as error:
        raise BadInputError(
            "problem_damaged", f"The stored problem cannot be unpacked ({error}). Upload it again."
        ) from error
    except OversizedContentError as error:
        raise BadInputError("problem_too_large", f"The problem unpacks to {error}. Split it.") from error
    if hashlib.sha256(content).hexdigest() != order.sha256:
        raise BadInputError(
            "problem_mismatch", "The stored problem is not the one that was asked for: its SHA-256 differs."
        )
    return content


def _pinned(problem: Problem, change: ChangeOrder, base: Timetable | None) -> Problem:
    try:
        return with_pins(problem, change.pins, base)
    except InvalidProblemError as error:
        raise BadInputError("invalid_pins", str(error), _details(error)) from error


def _base(packed: bytes) -> Timetable:
    try:
        return load_timetable(packed)
    except (DamagedContentError, OversizedContentError, ValidationError) as error:
        raise BadInputError(
            "base_damaged", "The stored base timetable cannot be read. Name another base, or solve without one."
        ) from error


def _weighed(problem: Problem, weights: Mapping[str, int]) -> Problem:
    if not weights:
        return problem
    return problem.model_copy(update={"weights": problem.weights.model_copy(update=dict(weights))})

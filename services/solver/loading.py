"""From what travels with an order to a problem that can be searched: unpacked, checked, weighed, pinned, with its base.

Owns the refusals of contents that cannot be used. Must not know how the problem is searched, nor where contents come
from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pydantic import ValidationError

from schemas.change.baseline import Baseline
from schemas.change.pins import with_pins
from schemas.problem.expand import ExpandedProblem, expand
from schemas.problem.findings import InvalidProblemError
from schemas.problem.model import Problem
from schemas.problem.read import MAX_PROBLEM_BYTES, ProblemFormat, parse_problem
from schemas.timetable import Timetable
from schemas.variants.profiles import Profile, factors, with_profile
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


@dataclass(frozen=True, slots=True)
class Loaded:
    """The problem as it is to be solved, and `own`: with the weights that it came with, by which variants compare.

    `profile` is None where none was asked for, `factors` what it multiplied.
    """

    expanded: ExpandedProblem
    own: Problem
    profile: Profile | None
    factors: dict[str, int]

    @property
    def weighed_anew(self) -> bool:
        return self.own is not self.expanded.problem


def load(order: Order, contents: Contents) -> Loaded:
    """The problem of an order. Raises BadInputError."""
    change = contents.change or ChangeOrder()
    base = None if contents.base_zstd is None else _base(contents.base_zstd)
    profile = None if order.profile is None else _profile(order.profile)
    try:
        problem = parse_problem(_content(order, contents.problem_zstd), ProblemFormat(order.format))
        own = _pinned(problem, change, base)
        expanded = expand(with_profile(_weighed(own, order.weights), profile or Profile.BALANCED))
    except InvalidProblemError as error:
        raise invalid_problem(error) from error
    if base is not None:
        expanded = replace(expanded, baseline=Baseline(base, change.keep_weights, change.max_changes))
    return Loaded(expanded, own, profile, {} if profile is None else factors(own, profile))


def _profile(name: str) -> Profile:
    try:
        return Profile(name)
    except ValueError as error:
        known = ", ".join(profile.value for profile in Profile)
        raise BadInputError("unknown_profile", f"There is no weight profile {name!r}; there are {known}.") from error


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

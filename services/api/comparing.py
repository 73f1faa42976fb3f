"""Finished variants side by side, in a child process.

Owns the step from stored content to the answer. Must not know HTTP or the database. Everything here and everything it
returns or raises must pickle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from schemas.problem.read import ProblemFormat, parse_problem
from schemas.timetable import Timetable
from schemas.variants.comparison import compare
from services.api.bodies import ComparedVariant, ComparisonAnswer
from services.api.rendering import decompressed

# Part of the ETag: to be raised when the same variants are compared or written differently.
COMPARISON_VERSION = 1


def compare_variants(
    variants: Sequence[ComparedVariant],
    problem_format: ProblemFormat,
    problem_zstd: bytes,
    timetables_zstd: Mapping[int, bytes],
) -> bytes:
    """The answer as JSON."""
    problem = parse_problem(decompressed(problem_zstd), problem_format)
    timetables = {
        number: Timetable.model_validate_json(decompressed(packed)) for number, packed in timetables_zstd.items()
    }
    found = compare(problem, timetables)
    answer = ComparisonAnswer.model_validate({"variants": variants, **dict(found)})
    return answer.model_dump_json(by_alias=True).encode()

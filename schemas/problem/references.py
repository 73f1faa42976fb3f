"""Findings about ids: those that nothing defines, and those that stand twice.

Owns the walk over all classes with their JSON pointers. Must not know what any one list is for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from schemas.problem.findings import Finding
from schemas.problem.model import Class, Problem


def located_classes(problem: Problem) -> Iterator[tuple[str, Class]]:
    for c, course in enumerate(problem.courses):
        for k, config in enumerate(course.configs):
            for s, subpart in enumerate(config.subparts):
                for n, cls in enumerate(subpart.classes):
                    yield f"/courses/{c}/configs/{k}/subparts/{s}/classes/{n}", cls


def repeated(ids: Collection[str]) -> Iterator[tuple[int, str]]:
    """Position and id of every id that has come before."""
    if len(set(ids)) == len(ids):
        return
    seen: set[str] = set()
    for n, item in enumerate(ids):
        if item in seen:
            yield n, item
        seen.add(item)


def unknown_reference(kind: str, pointer: str, name: str, defined_in: str) -> Finding:
    return Finding(
        f"unknown_{kind}",
        pointer,
        f"{kind.replace('_', ' ').capitalize()} {name!r} is not defined in {defined_in}."
        " Define it there or correct the id.",
    )


def option_findings(what: str, pointer: str, kind: str, options: Sequence[str], known: set[str]) -> Iterator[Finding]:
    """Options name known things, each once."""
    for n, name in enumerate(options):
        if name not in known:
            yield unknown_reference(kind, f"{pointer}/{n}/{kind}", name, f"/{kind}s")
    for n, name in repeated(options):
        yield Finding(
            "duplicate_option",
            f"{pointer}/{n}",
            f"{what} lists {kind} {name!r} twice. Remove one, or say which penalty is meant.",
        )

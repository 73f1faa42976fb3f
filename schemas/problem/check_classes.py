"""Checks on classes: what each refers to, its either-or rules, and how classes hang together by `parent`.

Part of `schemas.problem.check`. Must not know how needs expand to options.
"""

from __future__ import annotations

from collections.abc import Iterator

from schemas.problem.findings import Finding
from schemas.problem.model import Class, Problem
from schemas.problem.references import located_classes, option_findings, repeated, unknown_reference


class ClassChecks:
    """What one class refers to, and how classes hang together by `parent`."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._times = {t.id for t in problem.times}
        self._domains = {d.id for d in problem.time_domains}
        self._rooms = {r.id for r in problem.rooms}
        self._buildings = {r.building for r in problem.rooms if r.building is not None}
        self._instructors = {i.id for i in problem.instructors}
        self._parent = {cls.id: cls.parent for _, cls in located_classes(problem)}
        self._place = {cls.id: pointer.split("/") for pointer, cls in located_classes(problem)}

    def findings(self) -> Iterator[Finding]:
        for pointer, cls in located_classes(self._problem):
            yield from self._time_options(cls, pointer)
            yield from self._room_options(cls, pointer)
            yield from self._teachers(cls, pointer)
            yield from self._parenthood(cls, pointer)
        yield from self._cycles()

    def _time_options(self, cls: Class, pointer: str) -> Iterator[Finding]:
        if (cls.times is None) == (cls.time_domain is None):
            given = "neither" if cls.times is None else "both"
            yield Finding(
                "times_or_time_domain",
                pointer,
                f"Class {cls.id!r} gives {given} of 'times' and 'time_domain'. Give exactly one.",
            )
        if cls.time_domain is not None and cls.time_domain not in self._domains:
            yield unknown_reference("time_domain", f"{pointer}/time_domain", cls.time_domain, "/time_domains")
        if cls.times is not None:
            times = [o.time for o in cls.times]
            yield from option_findings(f"Class {cls.id!r}", f"{pointer}/times", "time", times, self._times)

    def _room_options(self, cls: Class, pointer: str) -> Iterator[Finding]:
        if cls.rooms is not None and cls.room_needs is not None:
            yield Finding(
                "rooms_or_room_needs",
                pointer,
                f"Class {cls.id!r} gives both 'rooms' and 'room_needs'. Give one, or neither if it needs no room.",
            )
        if cls.rooms is not None:
            rooms = [o.room for o in cls.rooms]
            yield from option_findings(f"Class {cls.id!r}", f"{pointer}/rooms", "room", rooms, self._rooms)
        if cls.room_needs is not None:
            for field in ("buildings", "preferred_buildings"):
                for n, building in enumerate(getattr(cls.room_needs, field)):
                    if building not in self._buildings:
                        yield unknown_reference(
                            "building", f"{pointer}/room_needs/{field}/{n}", building, "any of /rooms"
                        )

    def _teachers(self, cls: Class, pointer: str) -> Iterator[Finding]:
        for n, instructor in enumerate(cls.instructors):
            if instructor not in self._instructors:
                yield unknown_reference("instructor", f"{pointer}/instructors/{n}", instructor, "/instructors")
        for n, instructor in repeated(cls.instructors):
            yield Finding(
                "duplicate_instructor",
                f"{pointer}/instructors/{n}",
                f"Class {cls.id!r} lists instructor {instructor!r} twice. Remove one.",
            )

    def _parenthood(self, cls: Class, pointer: str) -> Iterator[Finding]:
        """A parent is a class of another subpart of the same configuration: a student can attend both."""
        if cls.parent is None:
            return
        if cls.parent not in self._place:
            yield unknown_reference("class", f"{pointer}/parent", cls.parent, "/courses")
            return
        mine, parents = self._place[cls.id], self._place[cls.parent]
        if mine[:5] != parents[:5]:
            where = "course" if mine[:3] != parents[:3] else "configuration"
            yield Finding(
                "foreign_parent",
                f"{pointer}/parent",
                f"Class {cls.id!r} has its parent {cls.parent!r} in another {where}, so no student could attend both."
                " Choose a parent of the same configuration.",
            )
        elif mine[:7] == parents[:7]:
            yield Finding(
                "sibling_parent",
                f"{pointer}/parent",
                f"Class {cls.id!r} has its parent {cls.parent!r} in its own subpart, so no student could attend both."
                " Choose a parent of another subpart.",
            )

    def _cycles(self) -> Iterator[Finding]:
        settled: set[str] = set()
        for start in self._parent:
            path: dict[str, None] = {}
            at: str | None = start
            while at is not None and at not in settled and at not in path:
                path[at] = None
                at = self._parent.get(at)
            if at is not None and at in path:
                ring = [*list(path)[list(path).index(at) :], at]
                shown = ring if len(ring) <= 6 else [*ring[:5], "...", at]
                yield Finding(
                    "parent_cycle",
                    f"{'/'.join(self._place[at])}/parent",
                    f"Classes are their own parents: {' -> '.join(shown)}. Remove one of the links.",
                )
            settled.update(path)

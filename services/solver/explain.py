"""Why the hard violations that are left could not be avoided, in sentences.

Owns the order of the attempts: counts first, then the exact method on the classes in violation and what competes with
them, each bounded in size and time. Must not know how a relaxation is searched.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.problem.expand import ExpandedProblem
from schemas.referee import judge
from services.solver.compile.assignment import to_timetable
from services.solver.compile.exact import compile_exact
from services.solver.engine.exact.model import ExactModel
from services.solver.engine.exact.restrict import restrict
from services.solver.engine.search import Assignment, ShouldStop
from services.solver.necessary import necessary_reasons

if TYPE_CHECKING:
    from services.solver.engine.exact.diagnose import Diagnosis

# Classes of the largest problem that is translated for this at all.
MAX_CLASSES = 5_000
# Literals of the largest model that is tried: about ten seconds to build and presolve.
MAX_SIZE = 60_000


@dataclass(frozen=True, slots=True)
class Explanation:
    """`proven`: there is no timetable without hard violations, and the reasons say why."""

    proven: bool
    reasons: list[str]


def explain_infeasibility(
    expanded: ExpandedProblem,
    best: Assignment,
    *,
    seconds: float,
    should_stop: ShouldStop,
    workers: int = 1,
    counted: list[str] | None = None,
) -> Explanation:
    """Explain the violations of the best timetable found; `counted`: what `necessary_reasons` said, if asked before."""
    deadline = time.monotonic() + seconds
    reasons = necessary_reasons(expanded) if counted is None else counted
    if reasons:
        return Explanation(True, reasons)
    if len(expanded.classes) > MAX_CLASSES:
        return Explanation(False, [])
    # Imported here: OR-Tools costs a third of a second that most solves never need.
    from services.solver.engine.exact.diagnose import diagnose

    model = compile_exact(expanded)
    concerned = _concerned(expanded, model, best)
    for part in _widening(model, concerned):
        left = deadline - time.monotonic()
        if left <= 0.2 or should_stop():
            break
        diagnosis = diagnose(part, left, should_stop, workers)
        if diagnosis is not None and diagnosis.at_least > 0:
            return Explanation(True, _sentences(expanded, part, diagnosis, whole=len(part.units) == len(model.units)))
    return Explanation(False, [])


def _concerned(expanded: ExpandedProblem, model: ExactModel, best: Assignment) -> set[int]:
    """Units of the classes that the referee finds in a violation."""
    violations = judge(expanded.problem, to_timetable(expanded, best)).violations
    names = {name for violation in violations for name in violation.who}
    return {g for g, unit in enumerate(model.units) if any(expanded.classes[i].id in names for i in unit.classes)}


def _widening(model: ExactModel, concerned: set[int]) -> Iterator[ExactModel]:
    """The units concerned, then those that must not overlap them, then those that share their rooms, then all."""
    near = set(concerned)
    for clash_set in model.clash_sets:
        if concerned.intersection(clash_set.units):
            near.update(clash_set.units)
    for rule in model.rules:
        if rule.cost is None and concerned.intersection(rule.units):
            near.update(rule.units)
    rooms = {k for g in near for k, _ in model.units[g].rooms or ()}
    around = near | {g for g, unit in enumerate(model.units) if any(k in rooms for k, _ in unit.rooms or ())}
    tried: set[int] = set()
    for part in (concerned, near, around):
        if part and part != tried and _size(model, part) <= MAX_SIZE:
            tried = part
            yield restrict(model, part)
    everything = set(range(len(model.units)))
    if _size(model, everything) <= MAX_SIZE and (everything != tried or model.requests):
        yield model


def _size(model: ExactModel, units: set[int]) -> int:
    return sum(len(model.units[g].times) * (1 + len(model.units[g].rooms or ())) for g in units)


def _sentences(expanded: ExpandedProblem, part: ExactModel, found: Diagnosis, *, whole: bool) -> list[str]:
    names = [expanded.classes[i].id for unit in part.units for i in unit.classes]
    listed = ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
    among = "all classes" if whole else f"class {listed}" if len(names) == 1 else f"the {len(names)} classes {listed}"
    rules = "one rule" if found.at_least == 1 else f"{found.at_least} rules"
    sentences = [f"The hard rules contradict one another: for {among}, at least {rules} must give way."]
    sentences += [f"{label[:1].upper()}{label[1:]} {_asks(part, label)}." for label in found.rules]
    if found.rules:
        sentences.append(
            f"Without {'it' if len(found.rules) == 1 else f'these {len(found.rules)} rules'} the others can all be kept"
            f"{'' if whole else ' for these classes'}; other choices may do as well."
        )
    return sentences


def _asks(part: ExactModel, label: str) -> str:
    """What the rule wants of these classes."""
    for clash_set in part.clash_sets:
        if clash_set.label == label:
            return f"has {sum(len(part.units[g].classes) for g in clash_set.units)} of them, which must not overlap"
    if label in part.room_labels:
        k = part.room_labels.index(label)
        users = sum(len(u.classes) for u in part.units if any(r == k for r, _ in u.rooms or ()))
        return f"can be used by {users} of them, one at a time"
    if label.startswith("the seats of"):
        return "do not suffice"
    return "is required"

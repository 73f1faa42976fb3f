"""One solve, from the expanded problem to a timetable by name: the door through which everyone uses the engine.

Owns the order of the steps, the budget over all of them, and the shape of reports and results. Must not know events,
databases, files or the terminal; the independent recount (`schemas.referee`) is the caller's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version

from schemas.events import SearchEnd
from schemas.problem.expand import ExpandedProblem
from schemas.timetable import Timetable
from services.solver.change.base import Base
from services.solver.compile.assignment import to_assignment, to_timetable
from services.solver.engine.search import Assignment, ShouldStop, Stage
from services.solver.explain import explain_infeasibility
from services.solver.legs import Legs, Wanted
from services.solver.necessary import necessary_reasons
from services.solver.portfolio import Clock
from services.solver.relaxations import relaxations

# While hard violations are left, this much of the end of the budget is for finding out why.
EXPLANATION_SECONDS = 10.0
EXPLANATION_SHARE = 0.1
MIN_EXPLANATION_SECONDS = 1.0
# Most that is spent on what would help, of what the explanation has left, but no less than its own minimum.
RELAXATION_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class SolveReport:
    """How a solve stands. `hard_violations`, `cost` and `timetable()` are None until there is a first timetable.

    `share` is the used share of the budget, never falling. `over_budget` are the changed classes beyond the number that
    a baseline allows. A report stays valid: it keeps the timetable it speaks of.
    """

    stage: Stage
    share: float
    hard_violations: int | None = None
    cost: int | None = None
    parts: Mapping[str, int] = field(default_factory=dict)
    bound: int | None = None
    moves: int = 0
    message: str = ""
    over_budget: int = 0
    _read: Callable[[], Timetable] | None = field(default=None, repr=False, compare=False)

    def timetable(self) -> Timetable | None:
        """The best timetable so far by name; converting it takes milliseconds to about a second at full size."""
        return None if self._read is None else self._read()


@dataclass(frozen=True, slots=True)
class SolveResult:
    """The best timetable found, the engine's own count of it, and how it came about.

    `reasons` are sentences: why there is no timetable without violations if `proven_infeasible`, else what seems to
    stand in the way; `relaxations` say what would help. `method` names what ran, joined by "+"; `method_reason` says
    why, for people; `search_end` says what ended it.

    With a baseline: `forced` classes cannot stay where it has them, whatever else is done, and `over_budget` classes
    have changed beyond the number allowed; `budget_impossible` if it is proven that some must.
    """

    timetable: Timetable
    hard_violations: int
    cost: int
    parts: Mapping[str, int]
    hard: Mapping[str, int]
    bound: int | None
    optimal: bool
    proven_infeasible: bool
    reasons: list[str]
    relaxations: list[str]
    method: str
    method_reason: str
    search_end: SearchEnd
    moves: int
    engine_version: str
    ortools_version: str
    forced: int = 0
    over_budget: int = 0
    budget_impossible: bool = False

    @property
    def priority(self) -> tuple[int, int]:
        """What comes before cost: hard violations, then changes beyond the budget; smaller is better."""
        return (self.hard_violations, self.over_budget)


OnReport = Callable[[SolveReport], None]


def solve_problem(
    expanded: ExpandedProblem,
    *,
    seconds: float,
    seed: int,
    workers: int,
    target: int = 0,
    target_gap: float | None = None,
    no_improvement_s: float | None = None,
    on_progress: OnReport,
    should_stop: ShouldStop,
    start: Timetable | None = None,
    moves: int | None = None,
) -> SolveResult:
    """Search for at most `seconds` (compiling included) and return the best timetable found, never worse than `start`.

    A problem with a baseline starts from it unless a `start` is given, and counts departures from it as cost; with
    `max_changes` few changed classes come before cost, and hard violations before both.

    The search ends early at a cost of at most `target`; at a proven gap, (cost - bound) / cost, of at most
    `target_gap`; and once there is a timetable without hard violations and none better was found for
    `no_improvement_s`.

    Both callbacks are called from the calling thread, about ten times a second. With `moves` and one worker the same
    arguments give the same timetable, unless `should_stop` or `seconds` end it early; gap and improvement are not
    looked at then. Raises `InvalidProblemError` if the problem exceeds what the engine can hold.
    """
    clock = Clock(seconds)
    reporter = _Reporter(expanded, on_progress)
    reporter.tick(Stage.COMPILING, "counting what must fit")
    counted = necessary_reasons(expanded)
    if counted:
        reporter.message = f"no timetable can keep all hard rules: {counted[0]}"
    base = None if expanded.baseline is None else Base(expanded, expanded.baseline)
    if start is None and base is not None:
        start = base.baseline.timetable
    reserve = 0.0 if counted or moves is not None else min(EXPLANATION_SECONDS, EXPLANATION_SHARE * seconds)
    reporter.legs = legs = Legs(
        expanded,
        base,
        Wanted(seconds, seed, max(1, workers), target, moves, reserve, target_gap, no_improvement_s),
        clock,
        counted=bool(counted),
        should_stop=should_stop,
        on_tick=reporter.tick,
    )
    legs.run(None if start is None else to_assignment(expanded, start))
    best = legs.best
    if best is None:
        raise RuntimeError("no leg returned a timetable")
    # Before the explanation, in whose time somebody may stop the job.
    search_end = legs.search_end
    reasons, infeasible = counted, legs.infeasible
    if best.hard_violations and not counted and moves is None and not should_stop():
        reporter.tick(None, "explaining the hard violations that are left")
        explanation = explain_infeasibility(
            expanded,
            best.assignment,
            seconds=max(MIN_EXPLANATION_SECONDS, min(clock.left, EXPLANATION_SECONDS)),
            should_stop=should_stop,
            workers=max(1, workers),
            counted=counted,
        )
        reasons, infeasible = explanation.reasons, infeasible or explanation.proven
    timetable = to_timetable(expanded, best.assignment)
    helpful: list[str] = []
    if best.hard_violations and moves is None and not should_stop():
        reporter.tick(None, "looking for what would help")
        helpful = relaxations(
            expanded.problem,
            timetable,
            seconds=max(MIN_EXPLANATION_SECONDS, min(clock.left, RELAXATION_SECONDS)),
            should_stop=should_stop,
        )
    reporter.tick()
    bound = legs.bound if best.hard_violations == 0 and best.over_budget == 0 else None
    return SolveResult(
        timetable=timetable,
        hard_violations=best.hard_violations,
        cost=best.cost,
        parts=best.parts,
        hard=best.hard,
        bound=bound,
        optimal=bound is not None and bound >= best.cost,
        proven_infeasible=best.hard_violations > 0 and infeasible,
        reasons=reasons if best.hard_violations else [],
        relaxations=helpful,
        method="+".join(legs.methods),
        method_reason=legs.reason,
        search_end=search_end,
        moves=legs.moves,
        engine_version=version("horarium"),
        ortools_version=version("ortools"),
        forced=0 if base is None else int(base.forced(expanded).sum()),
        over_budget=best.over_budget,
        budget_impossible=best.over_budget > 0 and legs.budget_impossible,
    )


class _Reporter:
    """Turns how the legs stand into reports for the caller."""

    def __init__(self, expanded: ExpandedProblem, on_progress: OnReport) -> None:
        self._expanded = expanded
        self._on_progress = on_progress
        self._share = 0.0
        self.message = ""
        self.legs: Legs | None = None

    def tick(self, stage: Stage | None = None, message: str = "") -> None:
        """One report of how it stands now."""
        legs, message = self.legs, message or self.message
        best = None if legs is None else legs.look()
        self._share = self._share if legs is None else max(self._share, legs.share)
        if legs is None or best is None:
            self._on_progress(SolveReport(stage or Stage.CONSTRUCTING, self._share, message=message))
            return
        if stage is None:
            feasible = Stage.PROVING if legs.proving else Stage.IMPROVING
            stage = Stage.CONSTRUCTING if best.hard_violations else feasible
        self._on_progress(
            SolveReport(
                stage,
                self._share,
                best.hard_violations,
                best.cost,
                best.parts,
                legs.bound,
                legs.moves,
                message,
                best.over_budget,
                _reader(self._expanded, best.assignment),
            )
        )


def _reader(expanded: ExpandedProblem, assignment: Assignment) -> Callable[[], Timetable]:
    return lambda: to_timetable(expanded, assignment)

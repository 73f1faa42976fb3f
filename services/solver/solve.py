"""One solve, from the expanded problem to a timetable by name: the door through which everyone uses the engine.

Owns the order of the steps, the budget over all of them, and the shape of reports and results. Must not know events,
databases, files or the terminal; the independent recount (`schemas.referee`) is the caller's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

from schemas.problem.expand import ExpandedProblem
from schemas.timetable import Timetable
from services.solver.choice import ExactRole, choose
from services.solver.compile.assignment import to_assignment, to_timetable
from services.solver.engine.search import ShouldStop, Stage
from services.solver.explain import explain_infeasibility
from services.solver.members import Members
from services.solver.necessary import necessary_reasons
from services.solver.portfolio import Best, Board, Clock, Work, load_kernel, run_together

# While hard violations are left, this much of the end of the budget is for finding out why.
EXPLANATION_SECONDS = 10.0
EXPLANATION_SHARE = 0.1
MIN_EXPLANATION_SECONDS = 1.0
# Where kernels have to be compiled first, little of a short budget may be left: search this long all the same.
MIN_SEARCH_SECONDS = 15.0
# Once it is proven that every timetable has hard violations, the search for the least bad one is cut short.
AFTER_PROOF_SECONDS = 10.0
AFTER_PROOF_SHARE = 1 / 3


@dataclass(frozen=True, slots=True)
class SolveReport:
    """How a solve stands. `hard_violations`, `cost` and `timetable()` are None until there is a first timetable.

    `share` is the used share of the budget, never falling. A report stays valid: it keeps the timetable it speaks of.
    """

    stage: Stage
    share: float
    hard_violations: int | None = None
    cost: int | None = None
    parts: Mapping[str, int] = field(default_factory=dict)
    bound: int | None = None
    moves: int = 0
    message: str = ""
    _read: Callable[[], Timetable] | None = field(default=None, repr=False, compare=False)

    def timetable(self) -> Timetable | None:
        """The best timetable so far by name; converting it takes milliseconds to about a second at full size."""
        return None if self._read is None else self._read()


@dataclass(frozen=True, slots=True)
class SolveResult:
    """The best timetable found, the engine's own count of it, and how it came about.

    `reasons` are sentences: why there is no timetable without violations if `proven_infeasible`, else what seems to
    stand in the way. `method` names what ran, joined by "+"; `method_reason` says why, for people.
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
    method: str
    method_reason: str
    moves: int
    engine_version: str
    ortools_version: str


OnReport = Callable[[SolveReport], None]


def solve_problem(
    expanded: ExpandedProblem,
    *,
    seconds: float,
    seed: int,
    workers: int,
    target: int = 0,
    on_progress: OnReport,
    should_stop: ShouldStop,
    start: Timetable | None = None,
    moves: int | None = None,
) -> SolveResult:
    """Search for at most `seconds` (compiling included) and return the best timetable found, never worse than `start`.

    Both callbacks are called from the calling thread, about ten times a second. With `moves` and one worker the same
    arguments give the same timetable, unless `should_stop` or `seconds` end it early. Raises `InvalidProblemError` if
    the problem exceeds what the engine can hold.
    """
    clock = Clock(seconds)
    board = Board(target)
    reporter = _Reporter(expanded, board, clock, moves, on_progress)
    reporter.tick(Stage.COMPILING, message="counting what must fit")
    counted = necessary_reasons(expanded)
    if counted:
        board.prove_infeasible()
        reporter.message = f"no timetable can keep all hard rules: {counted[0]}"
    choice = choose(expanded, workers=workers, moves=moves)
    given = None if start is None else to_assignment(expanded, start)
    reserve = 0.0 if counted or moves is not None else min(EXPLANATION_SECONDS, EXPLANATION_SHARE * seconds)
    members = Members(expanded, board, clock, seed, max(1, workers), target, moves, given, reserve)
    reporter.members = members
    after_proof = max(AFTER_PROOF_SECONDS, AFTER_PROOF_SHARE * seconds)

    def run(works: Sequence[Work]) -> None:
        began = time.monotonic()

        def finished() -> bool:
            since = board.infeasible_since
            return board.finished or (since is not None and time.monotonic() - max(since, began) > after_proof)

        run_together(works, on_tick=reporter.tick, should_stop=should_stop, finished=finished)

    reason = choice.reason
    if choice.exact is ExactRole.FIRST and not counted:
        run(members.exact_first())
    if not board.finished and (board.best is None or not should_stop()):
        reporter.tick(Stage.COMPILING if board.best is None else None, message="loading the search kernel")
        kernel = load_kernel(expanded)
        clock.leave_at_least(min(seconds, MIN_SEARCH_SECONDS))
        reason = f"{kernel.reason}; {choice.reason}"
        run(members.works(kernel, choice.exact))
    best = board.best
    if best is None:
        raise RuntimeError("no member returned a timetable")
    reasons = counted
    if best.hard_violations and not counted and moves is None and not should_stop():
        reporter.tick(message="explaining the hard violations that are left")
        explanation = explain_infeasibility(
            expanded,
            best.assignment,
            seconds=max(MIN_EXPLANATION_SECONDS, min(clock.left, EXPLANATION_SECONDS)),
            should_stop=should_stop,
            workers=max(1, workers),
            counted=counted,
        )
        reasons = explanation.reasons
        if explanation.proven:
            board.prove_infeasible()
    reporter.tick()
    bound = board.bound if best.hard_violations == 0 else None
    return SolveResult(
        timetable=to_timetable(expanded, best.assignment),
        hard_violations=best.hard_violations,
        cost=best.cost,
        parts=best.parts,
        hard=best.hard or {},
        bound=bound,
        optimal=bound is not None and bound >= best.cost,
        proven_infeasible=best.hard_violations > 0 and board.infeasible_since is not None,
        reasons=reasons if best.hard_violations else [],
        method="+".join(members.methods),
        method_reason=reason,
        moves=board.moves,
        engine_version=version("horarium"),
        ortools_version=version("ortools"),
    )


class _Reporter:
    """Turns the board into reports for the caller."""

    def __init__(
        self, expanded: ExpandedProblem, board: Board, clock: Clock, moves: int | None, on_progress: OnReport
    ) -> None:
        self._expanded = expanded
        self._board = board
        self._clock = clock
        self._moves = moves
        self._on_progress = on_progress
        self._share = 0.0
        self.message = ""
        self.members: Members | None = None

    def tick(self, stage: Stage | None = None, *, message: str = "") -> None:
        """One report of how the board stands now."""
        best = self._board.best
        self._share = max(self._share, self._clock.share if self._moves is None else self._board.move_share)
        message = message or self.message
        if best is None:
            self._on_progress(SolveReport(stage or Stage.CONSTRUCTING, self._share, message=message))
            return
        if stage is None:
            proving = self.members is not None and self.members.proving
            feasible = Stage.PROVING if proving else Stage.IMPROVING
            stage = Stage.CONSTRUCTING if best.hard_violations else feasible
        self._on_progress(
            SolveReport(
                stage,
                self._share,
                best.hard_violations,
                best.cost,
                best.parts,
                self._board.bound,
                self._board.moves,
                message,
                _reader(self._expanded, best),
            )
        )


def _reader(expanded: ExpandedProblem, best: Best) -> Callable[[], Timetable]:
    return lambda: to_timetable(expanded, best.assignment)

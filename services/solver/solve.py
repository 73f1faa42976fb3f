"""One solve, from the expanded problem to a timetable by name: the door through which everyone uses the engine.

Owns the order of the steps, the budget over all of them, and the shape of reports and results. Must not know events,
databases, files or the terminal; the independent recount (`schemas.referee`) is the caller's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version

from schemas.problem.expand import ExpandedProblem
from schemas.timetable import Timetable
from services.solver.compile.assignment import to_assignment, to_timetable
from services.solver.engine.search import Limits, ShouldStop, Stage
from services.solver.portfolio import Best, Board, Clock, load_kernel, run_together

# Seeds of one solve's members are this far apart, so that they never meet those of the other variants (seed + n).
SEED_STRIDE = 1_000_003
# Where kernels have to be compiled first, little of a short budget may be left: search this long all the same.
MIN_SEARCH_SECONDS = 3.0


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
    reporter.tick(Stage.COMPILING, force=True)
    kernel = load_kernel(expanded)
    given = None if start is None else to_assignment(expanded, start)

    def member(number: int) -> Callable[[ShouldStop], None]:
        def work(stop: ShouldStop) -> None:
            limits = Limits(
                max(clock.left, min(seconds, MIN_SEARCH_SECONDS)), seed + number * SEED_STRIDE, moves, target
            )
            board.post(kernel.search(limits, board.listen(number), stop, given), number)

        return work

    run_together(
        [member(number) for number in range(max(1, workers))],
        on_tick=reporter.tick,
        should_stop=should_stop,
        finished=lambda: board.finished,
    )
    reporter.tick(force=True)
    best = board.best
    if best is None:
        raise RuntimeError("no member returned a timetable")
    return _result(expanded, board, best, kernel.method, kernel.reason)


def _result(expanded: ExpandedProblem, board: Board, best: Best, method: str, reason: str) -> SolveResult:
    return SolveResult(
        timetable=to_timetable(expanded, best.assignment),
        hard_violations=best.hard_violations,
        cost=best.cost,
        parts=best.parts,
        hard=best.hard or {},
        bound=board.bound,
        optimal=best.hard_violations == 0 and board.bound is not None and board.bound >= best.cost,
        proven_infeasible=board.proven_infeasible,
        reasons=[],
        method=method,
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
        self._told = -math.inf

    def tick(self, stage: Stage | None = None, *, force: bool = False, message: str = "") -> None:
        best = self._board.best
        self._share = max(self._share, self._clock.share if self._moves is None else self._board.move_share)
        if best is None:
            self._on_progress(SolveReport(stage or Stage.CONSTRUCTING, self._share, message=message))
            return
        self._on_progress(
            SolveReport(
                stage or (Stage.CONSTRUCTING if best.hard_violations else Stage.IMPROVING),
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

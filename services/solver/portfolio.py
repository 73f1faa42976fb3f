"""The portfolio: which methods search a problem, and how they work side by side on one best timetable.

Owns the choice (with the sentence that explains it), the threads, and the board on which members post what they found.
Must not know how any method searches, nor names, files or events.

Members run as threads of one process: the kernels are compiled without the interpreter's lock and CP-SAT is native
code, so they share cores, not memory copies. A member reads the board only at its slice boundaries, and only complete
best timetables are posted.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from schemas.problem.expand import ExpandedProblem
from services.solver.compile.enrolment import is_enrolment
from services.solver.compile.grid import is_grid
from services.solver.engine.search import Assignment, Limits, Meeting, OnProgress, Outcome, Progress, ShouldStop
from services.solver.jit_cache import use_jit_cache
from services.solver.kernels import warm_up

# The caller hears at least this often, and a stop request waits at most this long before the members see it.
TICK_SECONDS = 0.1

# The grid and the enrolment search take no part in meetings: one worker is usual there.
Search = Callable[[Limits, OnProgress, ShouldStop, Assignment | None, Meeting | None], Outcome]
Work = Callable[[ShouldStop], None]


@dataclass(frozen=True, slots=True)
class Kernel:
    """The compiled local search for a problem: its method name, why it was chosen, and the search itself."""

    method: str
    reason: str
    search: Search


def load_kernel(expanded: ExpandedProblem) -> Kernel:
    """Compile the problem for the kernel that suits it, and load that (or compile it, if this machine never has).

    Raises `InvalidProblemError` if the problem exceeds the kernel's arrays.
    """
    use_jit_cache()
    # The kernels are imported here and not above: importing numba costs half a second that CP-SAT alone never needs.
    if is_grid(expanded):
        from services.solver.compile.grid import compile_grid
        from services.solver.engine.grid.search import search_grid

        grid = compile_grid(expanded)
        warm_up("grid")
        return Kernel(
            "grid-annealing",
            "every class fills one period of one week, so the period-grid annealing applies",
            lambda limits, on_progress, stop, start, _: search_grid(grid, limits, on_progress, stop, start),
        )
    if is_enrolment(expanded):
        from services.solver.compile.enrolment import compile_enrolment
        from services.solver.engine.enrolment.search import search_enrolment

        enrolment = compile_enrolment(expanded)
        warm_up("enrolment")
        return Kernel(
            "enrolment-annealing",
            "everybody's classes are fixed and each fills one period of one week, so the enrolment annealing applies",
            lambda limits, on_progress, stop, start, _: search_enrolment(enrolment, limits, on_progress, stop, start),
        )
    from services.solver.compile.general import compile_general
    from services.solver.compile.grid import obstacle
    from services.solver.engine.general.search import search_general

    general = compile_general(expanded)
    warm_up("general")
    return Kernel(
        "general-annealing",
        f"the problem has {obstacle(expanded)}, so the general annealing applies",
        lambda limits, on_progress, stop, start, meeting: search_general(
            general, limits, on_progress, stop, start, meeting
        ),
    )


@dataclass(slots=True)
class Clock:
    """The budget of the whole solve, from its first moment on."""

    seconds: float
    started: float = field(default_factory=time.monotonic)

    def leave_at_least(self, seconds: float) -> float:
        """Extend the budget if less than this is left of it; returns by how much."""
        late = max(0.0, seconds - self.left)
        self.seconds += late
        return late

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.started

    @property
    def left(self) -> float:
        return max(0.0, self.seconds + self.started - time.monotonic())

    @property
    def share(self) -> float:
        return min(1.0, self.elapsed / self.seconds) if self.seconds > 0 else 1.0


@dataclass(frozen=True, slots=True)
class Best:
    """A complete timetable and its count by the member that found it."""

    assignment: Assignment
    hard_violations: int
    cost: int
    parts: Mapping[str, int]
    hard: Mapping[str, int] | None
    member: int

    @property
    def order(self) -> tuple[int, int, int]:
        """Smaller is better; of equals the earlier member's is kept, so that the result does not hang on timing."""
        return (self.hard_violations, self.cost, self.member)


class Board:
    """The best timetable, the best bound and the work of all members; every method may be called from any thread."""

    def __init__(self, target: int = 0) -> None:
        self._lock = threading.Lock()
        self._best: Best | None = None
        self._bound: int | None = None
        self._moves: dict[int, int] = {}
        self._violations: dict[int, int] = {}
        self._shares: dict[int, float] = {}
        self._target = target
        self._infeasible_since: float | None = None

    @property
    def best(self) -> Best | None:
        with self._lock:
            return self._best

    @property
    def bound(self) -> int | None:
        """The best lower bound, unless a timetable refutes it: then a proof was wrong, and nothing is claimed."""
        with self._lock:
            return self._believed()

    @property
    def moves(self) -> int:
        with self._lock:
            return sum(self._moves.values())

    @property
    def move_share(self) -> float:
        """Share of the move budget that the slowest member has used."""
        with self._lock:
            return min(self._shares.values(), default=0.0)

    @property
    def feasible(self) -> bool:
        """True once there is a timetable without hard violations."""
        with self._lock:
            return self._best is not None and self._best.hard_violations == 0

    def violations_of(self, member: int) -> int:
        """Hard violations of the member's own best; 0 before it has one."""
        with self._lock:
            return self._violations.get(member, 0)

    @property
    def infeasible_since(self) -> float | None:
        """When it was proven (monotonic clock) that every timetable has hard violations."""
        with self._lock:
            return self._infeasible_since

    @property
    def finished(self) -> bool:
        """True if nothing better is wanted or possible."""
        with self._lock:
            best = self._best
            if best is None or best.hard_violations:
                return False
            return best.cost <= self._target or best.cost == self._believed()

    def listen(self, member: int) -> OnProgress:
        """A receiver of one member's progress; it copies an assignment only when it is better than all before."""
        before = self._moves.get(member, 0)

        def on_progress(progress: Progress, read: Callable[[], Assignment]) -> None:
            with self._lock:
                self._moves[member] = before + progress.moves
                self._shares[member] = progress.share
                self._violations[member] = progress.hard_violations
                wanted = self._is_better(progress.hard_violations, progress.cost, member)
            self.raise_bound(progress.bound)
            if wanted:
                self._offer(Best(read(), progress.hard_violations, progress.cost, dict(progress.parts), None, member))

        return on_progress

    def post(self, outcome: Outcome, member: int) -> None:
        """A member's result. It also says which rules are violated, which progress does not."""
        self.raise_bound(outcome.bound)
        if outcome.proven_infeasible:
            self.prove_infeasible()
        found = Best(
            outcome.assignment, outcome.hard_violations, outcome.cost, dict(outcome.parts), dict(outcome.hard), member
        )
        with self._lock:
            known = self._best
            if known is None or found.order <= known.order:
                self._best = found

    def raise_bound(self, bound: int | None) -> None:
        if bound is not None:
            with self._lock:
                self._bound = bound if self._bound is None else max(self._bound, bound)

    def _believed(self) -> int | None:
        best, bound = self._best, self._bound
        refuted = bound is not None and best is not None and not best.hard_violations and best.cost < bound
        return None if refuted else bound

    def prove_infeasible(self) -> None:
        with self._lock:
            if self._infeasible_since is None:
                self._infeasible_since = time.monotonic()

    def _is_better(self, hard_violations: int, cost: int, member: int) -> bool:
        return self._best is None or (hard_violations, cost, member) < self._best.order

    def _offer(self, found: Best) -> None:
        with self._lock:
            if self._is_better(found.hard_violations, found.cost, found.member):
                self._best = found


def run_together(
    works: Sequence[Work], *, on_tick: Callable[[], None], should_stop: ShouldStop, finished: Callable[[], bool]
) -> None:
    """Run the members' works side by side until all have returned; raises the first error of any.

    `on_tick` and `should_stop` are called from this thread only. Every member is told to stop once one fails, once
    `should_stop()`, or once `finished()`.
    """
    stop = threading.Event()
    with ThreadPoolExecutor(len(works), thread_name_prefix="member") as pool:
        pending = {pool.submit(work, stop.is_set) for work in works}
        try:
            while pending:
                done, pending = wait(pending, timeout=TICK_SECONDS, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                if not stop.is_set() and (finished() or should_stop()):
                    stop.set()
                on_tick()
        finally:
            stop.set()

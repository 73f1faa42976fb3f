"""The legs of a solve: one search after the other, each of a problem with its own prices; the best find over all of
them.

Without a budget on changed classes there is one leg, and it has all the time. Owns what a leg gets (prices, time,
moves, start), what is kept of it, and what may be claimed. Must not know names, reports or results.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from schemas.events import SearchEnd
from schemas.problem.expand import ExpandedProblem
from services.solver.change.base import Base
from services.solver.change.budget import BudgetPlan
from services.solver.change.pricing import priced
from services.solver.change.told import Teller, Told
from services.solver.choice import ExactRole, choose
from services.solver.compile.exact import counter, exact_size
from services.solver.engine.search import Assignment, ShouldStop, Stage
from services.solver.members import Members
from services.solver.portfolio import Board, Clock, Work, load_kernel, run_together

# Where kernels have to be compiled first, little of a short budget may be left: search this long all the same.
MIN_SEARCH_SECONDS = 15.0
# Once it is proven that every timetable has hard violations, the search for the least bad one is cut short.
AFTER_PROOF_SECONDS = 10.0
AFTER_PROOF_SHARE = 1 / 3
# The largest model, in literals, in which CP-SAT looks for a timetable within a budget of changes, and for how long.
BUDGET_SIZE = 30_000
EXACT_SHARE = 0.2
# Seeds of the legs are this far apart; see also `members.SEED_STRIDE`.
LEG_SEED_STRIDE = 50_021

# Told about ten times a second, from the calling thread: a stage, or None if it follows from the find; a message.
OnTick = Callable[[Stage | None, str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The limits of the whole solve. `reserve` seconds of its end are kept free while hard violations are left.

    `target_gap` and `no_improvement_s` end it early: see `solve_problem`.
    """

    seconds: float
    seed: int
    workers: int
    target: int
    moves: int | None
    reserve: float
    target_gap: float | None = None
    no_improvement_s: float | None = None


class Legs:
    """Runs the legs of one solve and keeps the best of their finds."""

    def __init__(
        self,
        asked: ExpandedProblem,
        base: Base | None,
        wanted: Wanted,
        clock: Clock,
        *,
        counted: bool,
        should_stop: ShouldStop,
        on_tick: OnTick,
    ) -> None:
        """`counted`: it is known from counting that every timetable has hard violations."""
        self.best: Told | None = None
        self.reason = ""
        self.methods: list[str] = []
        self.infeasible = counted  # proven: every timetable has hard violations
        self.budget_impossible = False  # proven: more classes must change than may
        self._asked = asked
        self._base = base
        self._wanted = wanted
        self._clock = clock
        self._counted = counted
        self._should_stop = should_stop
        self._on_tick = on_tick
        self._teller = Teller(asked, base)
        # With a budget the costs of a leg are not those that the target is meant for: see `_enough`.
        limited = base is not None and base.baseline.max_changes is not None
        self._leg_target = 0 if limited else wanted.target
        self._board = Board(self._leg_target)
        self._members: Members | None = None
        self._bound: int | None = None
        self._asked_bound = False
        self._faithful = True  # the present leg's prices are those that were asked for
        self._moves = 0
        self._given_out, self._leg_share = 0.0, 1.0
        self._improved_at = time.monotonic()
        self._cut: SearchEnd | None = None  # what ended the present leg before its time
        self._number = 0

    # -- how it stands ------------------------------------------------------------------------------------------------

    def look(self) -> Told | None:
        """The best find so far, of the present leg and of those before it.

        It is kept: what a leg finds on its way may be better by what was asked for than what it ends with.
        """
        found = self._board.best
        if found is not None:
            told = self._teller.tell(found)
            if self.best is None or told.rank < self.best.rank:
                self.best = told
                self._improved_at = time.monotonic()
        return self.best

    @property
    def share(self) -> float:
        """Used share of the budget, 0..1."""
        if self._wanted.moves is None:
            return self._clock.share
        return min(1.0, self._given_out + self._leg_share * self._board.move_share)

    @property
    def moves(self) -> int:
        return self._moves + self._board.moves

    @property
    def bound(self) -> int | None:
        """The best lower bound on what timetables cost by the measures that were asked for."""
        bounds = [b for b in (self._bound, self._board.bound if self._faithful else None) if b is not None]
        return max(bounds, default=None)

    @property
    def proving(self) -> bool:
        """Nothing but a proof is running."""
        return self._members is not None and self._members.proving

    @property
    def _enough(self) -> SearchEnd | None:
        """Why no more is wanted: the best find meets target or gap by the measures that were asked for, within the
        budget; or it has been the best for as long as anybody would wait. None if it is to go on.
        """
        best, wanted = self.best, self._wanted
        if best is None or best.rank[:2] != (0, 0):
            return None
        bound, gap, patience = self.bound, wanted.target_gap, wanted.no_improvement_s
        if bound is not None and best.cost == bound:
            return SearchEnd.OPTIMAL
        if best.cost <= wanted.target:
            return SearchEnd.TARGET
        if wanted.moves is not None:  # a search by moves does not hang on when something is seen
            return None
        if gap is not None and bound is not None and best.cost - bound <= gap * best.cost:
            return SearchEnd.GAP
        waited = patience is not None and time.monotonic() - self._improved_at >= patience
        return SearchEnd.PATIENCE if waited else None

    @property
    def search_end(self) -> SearchEnd:
        """What ended the search; to be asked afterwards."""
        enough = self._enough
        if enough is not None and enough is not SearchEnd.PATIENCE:
            return enough
        if self._cut is not None:
            return self._cut
        if self._should_stop():
            return SearchEnd.STOPPED
        return SearchEnd.TIME if self._wanted.moves is None or self.share < 1 else SearchEnd.MOVES

    # -- running ------------------------------------------------------------------------------------------------------

    def run(self, start: Assignment | None) -> None:
        """Search; afterwards `best` is there, and nothing worse than `start`."""
        base = self._base
        if base is None:
            self._search(self._asked, start)
        elif base.baseline.max_changes is None:
            self._search(priced(self._asked, base, base.baseline.weights), start)
        else:
            self._within_budget(base, base.baseline.max_changes, start)
        best = self.best
        if best is not None and sum(best.hard.values()) != best.hard_violations:  # finds on the way do not say which
            self.best = self._teller.counted(best.assignment, counter(self._asked)(best.assignment))

    def _within_budget(self, base: Base, allowed: int, start: Assignment | None) -> None:
        forced = base.forced(self._asked)
        if start is not None:
            self.best = self._teller.counted(start, counter(self._asked)(start))
        self.budget_impossible = int(forced.sum()) > allowed
        limit = None if self.budget_impossible or self._counted else allowed
        plan = BudgetPlan(base, forced, self.best)
        first = True
        while (leg := plan.next()) is not None:
            self._leg_share, self._faithful = leg.share, leg.faithful
            problem = priced(self._asked, base, leg.weights, max_changes=limit, free=leg.free)
            here = self.best.assignment if self.best is not None else start
            found = self._search(problem, here, share=leg.share, last=leg.last)
            plan.tell(found, self.best)
            if self._enough or (leg.faithful and self._board.finished and not found.over_budget):
                return
            proven = leg.free is None and self._board.infeasible_since is not None
            if first and found.over_budget and not proven and limit is not None and not self._should_stop():
                proven = self._try_exactly(plan, problem)
            if limit is not None and proven:
                self.budget_impossible, limit = True, None
            first = False
            if self._should_stop():
                return

    def _try_exactly(self, plan: BudgetPlan, problem: ExpandedProblem) -> bool:
        """Have CP-SAT look for any timetable within the budget, if the model is small enough.

        True if it proves that there is none. A tight budget leaves most classes one place, so this is quick where the
        search for a good timetable would not be.
        """
        if self._wanted.moves is not None or exact_size(problem) > BUDGET_SIZE:
            return False
        members = self._begin(problem, None, EXACT_SHARE, last=False)
        self._run(members.exact_any(), members.clock)
        plan.offer(self._end(EXACT_SHARE), self.best, EXACT_SHARE)
        return self._board.infeasible_since is not None

    def _search(
        self, problem: ExpandedProblem, start: Assignment | None, *, share: float = 1.0, last: bool = True
    ) -> Told:
        """One leg; returns its own find, and keeps it if it is the best."""
        wanted = self._wanted
        members = self._begin(problem, start, share, last=last)
        board, clock = members.board, members.clock
        choice = choose(problem, workers=wanted.workers, moves=wanted.moves)
        self.reason = choice.reason
        if choice.bound:  # once, and at the prices that were asked for: no other bound can be told
            choice = replace(choice, bound=self._faithful and not self._asked_bound)
            self._asked_bound |= choice.bound
        if choice.exact is ExactRole.FIRST and not self._counted:
            self._run(members.exact_first(), clock)
        known = self.look()
        # A start that is good enough is no find of this leg: something has to bring it in.
        if board.best is None or not (board.finished or self._enough or self._should_stop()):
            self._on_tick(Stage.COMPILING if known is None else None, "loading the search kernel")
            kernel = load_kernel(problem)
            if self._number == 1:  # later legs find the kernel compiled
                late = clock.leave_at_least(min(clock.seconds, MIN_SEARCH_SECONDS))
                if clock is not self._clock:
                    self._clock.seconds += late
            self.reason = f"{kernel.reason}; {choice.reason}"
            self._run(members.works(kernel, choice), clock)
        if self._faithful:
            self._bound = self.bound
        limited = problem.kept is not None and problem.kept.max_changes is not None
        if board.infeasible_since is not None and not limited:
            self.infeasible = True
        return self._end(share)

    def _begin(self, problem: ExpandedProblem, start: Assignment | None, share: float, *, last: bool) -> Members:
        """The members of a leg, on a board of their own; its clock is the solve's own if it is the last one."""
        wanted = self._wanted
        self._moves += self._board.moves
        self._number += 1
        self._board = board = Board(self._leg_target)
        if self._counted:
            board.prove_infeasible()
        self._members = members = Members(
            expanded=problem,
            asked=self._asked,
            board=board,
            clock=self._clock if last else Clock(share * wanted.seconds),
            seed=wanted.seed + (self._number - 1) * LEG_SEED_STRIDE,
            workers=wanted.workers,
            target=self._leg_target,
            moves=None if wanted.moves is None else max(1, round(share * wanted.moves)),
            start=start,
            reserve=wanted.reserve if last else 0.0,
            round_s=wanted.no_improvement_s if wanted.moves is None else None,
            methods=self.methods,
        )
        return members

    def _end(self, share: float) -> Told:
        found = self._board.best
        if found is None:
            raise RuntimeError("no member returned a timetable")
        told = self._teller.tell(found)
        if self.best is None or told.rank <= self.best.rank:
            self.best = told
        self._given_out += share
        return told

    def _run(self, works: Sequence[Work], clock: Clock) -> None:
        began = self._improved_at = time.monotonic()
        after_proof = max(AFTER_PROOF_SECONDS, AFTER_PROOF_SHARE * clock.seconds)
        board = self._board

        self._cut = None

        def finished() -> bool:
            since = board.infeasible_since
            if self._wanted.moves is None:
                self._cut = self._enough
            if self._cut is None and since is not None and time.monotonic() - max(since, began) > after_proof:
                self._cut = SearchEnd.INFEASIBLE
            return board.finished or self._cut is not None

        run_together(works, on_tick=lambda: self._on_tick(None, ""), should_stop=self._should_stop, finished=finished)

"""The members of a solve: what each thread does, leg after leg, with the one board between them.

Owns the order of legs per member and their budgets. Must not know names, reports or results.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from schemas.problem.expand import ExpandedProblem
from services.solver.choice import Choice, ExactRole
from services.solver.compile.exact import compile_exact, counter
from services.solver.engine.search import Assignment, Limits, ShouldStop
from services.solver.meeting import MeetingPlace
from services.solver.portfolio import Board, Clock, Kernel, Work

# Seeds of one solve's members are this far apart, so that they never meet those of the other variants (seed + n).
SEED_STRIDE = 1_000_003
# What is left after the last whole round is not worth another one.
SHORTEST_ROUND_S = 0.5
# Seeds of one member's rounds.
ROUND_SEED_STRIDE = 7_368_787
# CP-SAT as the main engine, before a kernel gets the rest.
FIRST_SHARE = 0.6
# The kernel's share before a proof on the same core, and on a second core before the proof gets that.
BEFORE_PROOF_SHARE = 0.4
BEFORE_PROOF_BESIDE_SHARE = 0.15
# When hard violations are left after this share, the second core goes to CP-SAT; it gets half of the rest.
RESCUE_AFTER_SHARE = 1 / 3
RESCUE_SHARE = 0.5
# The lower bound's share of the second core, at its beginning: most of a bound is there after seconds. Where that would
# be less than `BOUND_LEAST_S`, building the model would use it up.
BOUND_SHARE = 0.15
BOUND_LEAST_S = 1.5


@dataclass(slots=True)
class Members:
    """The works of one solve. `methods` lists what ran, in the order of first use."""

    expanded: ExpandedProblem  # as it is searched: with departures from a baseline priced in
    asked: ExpandedProblem  # as it was asked: by what results are counted
    board: Board
    clock: Clock
    seed: int
    workers: int
    target: int
    moves: int | None
    start: Assignment | None  # what kernels begin from
    reserve: float  # seconds kept for the explanation while violations are left
    round_s: float | None = None  # kernels search in rounds of this length, all but the first from the best timetable
    meetings: MeetingPlace = field(default_factory=MeetingPlace)
    methods: list[str] = field(default_factory=list)
    proving: bool = False  # nothing but a proof is running

    def exact_first(self) -> list[Work]:
        """CP-SAT alone, with all workers."""

        def work(stop: ShouldStop) -> None:
            self.proving = True
            self._exact(0, self.clock.left * FIRST_SHARE, stop, workers=self.workers)
            self.proving = False
            if self.board.feasible and self.board.best is not None:
                self.start = self.board.best.assignment

        return [work]

    def exact_any(self) -> list[Work]:
        """CP-SAT alone, with all workers: any timetable without hard violations, or the proof that there is none."""
        return [lambda stop: self._exact(0, self.clock.left, stop, workers=self.workers, objective=False)]

    def works(self, kernel: Kernel, choice: Choice) -> list[Work]:
        """One work per worker: kernels with different seeds, and CP-SAT in its role."""
        role = choice.exact
        if self.workers == 1:
            return [self._prove_after(kernel) if role is ExactRole.PROVE else self._kernel_only(kernel, 0)]
        works = [self._kernel_only(kernel, number) for number in range(self.workers)]
        if role is ExactRole.BESIDE:
            works[1] = self._prove_beside(kernel)
        elif role is ExactRole.RESCUE:
            works[1] = self._rescue(kernel)
        if choice.bound and self.clock.left * BOUND_SHARE >= BOUND_LEAST_S:
            works[1] = self._bound_before(works[1])
        return works

    # -- works --------------------------------------------------------------------------------------------------------

    def _kernel_only(self, kernel: Kernel, number: int) -> Work:
        def work(stop: ShouldStop) -> None:
            self._anneal(
                kernel, number, self.clock.left, lambda: stop() or self._helped(number) or self._must_explain()
            )
            while self._helped(number) and not stop() and self.clock.left > 0:
                # Another member has a timetable without violations, and this one's has some: go on from there.
                self._anneal(kernel, number, self.clock.left, stop, shared=True)

        return work

    def _prove_after(self, kernel: Kernel) -> Work:
        def work(stop: ShouldStop) -> None:
            self._anneal(kernel, 0, self.clock.left * BEFORE_PROOF_SHARE, stop)
            if not stop() and not self.board.finished:
                self.proving = True
                self._exact(0, self.clock.left - self.reserve, stop)
                self.proving = False

        return work

    def _prove_beside(self, kernel: Kernel) -> Work:
        def work(stop: ShouldStop) -> None:
            self._anneal(kernel, 1, self.clock.left * BEFORE_PROOF_BESIDE_SHARE, stop)
            if not stop() and not self.board.finished:
                self._exact(1, self.clock.left - self.reserve, stop)

        return work

    def _rescue(self, kernel: Kernel) -> Work:
        def work(stop: ShouldStop) -> None:
            self._anneal(kernel, 1, self.clock.left, lambda: stop() or self._in_need() or self._helped(1))
            if self._in_need() and not stop():
                self._exact(1, (self.clock.left - self.reserve) * RESCUE_SHARE, stop, objective=False)
            if not stop() and self.clock.left > self.reserve:
                self._anneal(kernel, 1, self.clock.left, lambda: stop() or self._must_explain(), shared=True)

        return work

    def _bound_before(self, rest: Work) -> Work:
        def work(stop: ShouldStop) -> None:
            self._lower_bound(self.clock.left * BOUND_SHARE, stop)
            if not stop():
                rest(stop)

        return work

    # -- legs ---------------------------------------------------------------------------------------------------------

    def _anneal(self, kernel: Kernel, number: int, seconds: float, stop: ShouldStop, *, shared: bool = False) -> None:
        """A leg of the kernel; with `shared` from the best timetable of all members."""
        self._note(kernel.method)
        seed = self.seed + number * SEED_STRIDE
        # A search driven by moves is to be repeatable, whatever the others do.
        meeting = self.meetings.seat(number) if self.moves is None and self.workers > 1 else None
        ends = time.monotonic() + seconds
        length = seconds if self.round_s is None else min(seconds, self.round_s)
        while True:
            best = self.board.best
            start = best.assignment if shared and best is not None else self.start
            limits = Limits(length, seed, self.moves, self.target)
            self.board.post(kernel.search(limits, self.board.listen(number), stop, start, meeting), number)
            length = min(length, ends - time.monotonic())
            if self.round_s is None or length < SHORTEST_ROUND_S or stop() or self.board.finished:
                return
            # Cooled to the end: what is to be found near the best timetable needs less heat than the first one did. The
            # marks of this round are not those of the others' first.
            shared, meeting = True, None
            seed += ROUND_SEED_STRIDE

    def _exact(
        self, number: int, seconds: float, stop: ShouldStop, *, workers: int = 1, objective: bool = True
    ) -> None:
        # Imported here: OR-Tools costs a third of a second that most solves never need.
        from services.solver.engine.exact.search import METHOD, search_exact

        if seconds <= 0.2:
            return
        self._note(METHOD)
        best = self.board.best
        start = best.assignment if best is not None else self.start
        limits = Limits(seconds, self.seed + number * SEED_STRIDE, None, self.target)
        outcome = search_exact(
            compile_exact(self.expanded),
            limits,
            self.board.listen(number),
            lambda: stop() or (not objective and self.board.feasible),
            start,
            workers,
            count=counter(self.asked),
            objective=objective,
        )
        self.board.post(outcome, number)

    def _lower_bound(self, seconds: float, stop: ShouldStop) -> None:
        from services.solver.engine.exact.bound import lower_bound
        from services.solver.engine.exact.search import METHOD

        self._note(METHOD)
        limits = Limits(seconds, self.seed + SEED_STRIDE)
        found = lower_bound(compile_exact(self.expanded), limits, self.board.raise_bound, stop)
        if found.infeasible and not self.board.feasible:
            self.board.prove_infeasible()

    def _helped(self, number: int) -> bool:
        """Another member has a timetable without violations while this one's best has some."""
        return self.moves is None and self.board.feasible and self.board.violations_of(number) > 0

    def _in_need(self) -> bool:
        return self.clock.share >= RESCUE_AFTER_SHARE and not self.board.feasible

    def _must_explain(self) -> bool:
        """Violations are left and only the explanation's time is."""
        return self.reserve > 0 and self.clock.left <= self.reserve and not self.board.feasible

    def _note(self, method: str) -> None:
        if method not in self.methods:
            self.methods.append(method)

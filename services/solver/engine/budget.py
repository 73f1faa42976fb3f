"""The budget of a search that works in slices: how much of it is used, how long the next slice shall be.

Owns clock and move counting, and the sizes of slices. Must not know any search method.
"""

from __future__ import annotations

import time

from services.solver.engine.search import Limits

# A slice is one kernel call; between two the caller may stop the search and is told where it stands.
SLICE_SECONDS = 0.15
FIRST_SLICE_MOVES = 20_000
MAX_SLICE_MOVES = 4_000_000
# With a move budget the slices depend on the budget alone, because the hard weight changes between slices.
SLICES_PER_MOVE_BUDGET = 400
MAX_BUDGETED_SLICE_MOVES = 500_000


class Budget:
    """How much of the limits is used, and how many moves the next slice may make."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._started = time.monotonic()
        self._slice_moves = FIRST_SLICE_MOVES
        self._moves = 0
        if limits.moves is not None:
            fair = -(-limits.moves // SLICES_PER_MOVE_BUDGET)
            self._slice_moves = max(1, min(fair, MAX_BUDGETED_SLICE_MOVES))

    @property
    def seconds(self) -> float:
        """Wall-clock time since the search was called."""
        return time.monotonic() - self._started

    @property
    def share(self) -> float:
        """Used share of the budget that drives the search, 0..1."""
        if self._limits.moves is not None:
            return min(1.0, self._moves / self._limits.moves) if self._limits.moves > 0 else 1.0
        return min(1.0, self.seconds / self._limits.seconds) if self._limits.seconds > 0 else 1.0

    @property
    def used_up(self) -> bool:
        return self.share >= 1.0 or self.seconds >= self._limits.seconds

    @property
    def moves_left(self) -> float:
        """How many moves the rest of the budget allows, at the speed so far."""
        if self._limits.moves is not None:
            return float(self._limits.moves - self._moves)
        return self._moves * (1.0 - self.share) / max(self.share, 1e-9)

    def next_slice(self) -> tuple[int, float]:
        """Moves of the next slice, and the share of the budget expected to be used after it."""
        if self._limits.moves is not None:
            moves = min(self._slice_moves, self._limits.moves - self._moves)
            return moves, min(1.0, (self._moves + moves) / self._limits.moves)
        return self._slice_moves, min(1.0, self.share + SLICE_SECONDS / self._limits.seconds)

    def spend(self, moves: int, seconds: float) -> None:
        """Account for a slice; with a time budget the next one is sized to last `SLICE_SECONDS`."""
        self._moves += moves
        if self._limits.moves is None:
            left = max(0.01, self._limits.seconds - self.seconds)
            wanted = moves * min(SLICE_SECONDS, left) / max(seconds, 1e-4)
            # At most fourfold: the first slice may have waited for the compiler.
            self._slice_moves = int(max(1000, min(wanted, 4 * moves, MAX_SLICE_MOVES)))

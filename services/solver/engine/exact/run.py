"""One run of CP-SAT: its parameters, its thread, its newest incumbent, its bound, and what of that may be believed.

Owns the solver's object. Must not know what the model is of.

CP-SAT may go on after its time limit or a stop (google/or-tools #3585) and say "optimal" after a stop (#4430). So it
runs in a thread that is left behind if it does not end, and proofs count only if it ended by itself.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from ortools.sat.python import cp_model

TICK_SECONDS = 0.1
# How long a solver that was asked to stop may take before it is left behind.
STOP_GRACE_SECONDS = 3.0
MAX_MEMORY_MB = 4096


class _Incumbents(cp_model.CpSolverSolutionCallback):
    """Keeps the newest incumbent; called from the solver's threads."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._newest: Any = None

    def on_solution_callback(self) -> None:
        values = list(self.response_proto.solution)
        with self._lock:
            self._newest = values

    def take(self) -> Any:
        with self._lock:
            newest, self._newest = self._newest, None
            return newest


class Run:
    """One solver in a thread of its own."""

    def __init__(self, cp: Any, *, seconds: float, seed: int, workers: int, prove: bool) -> None:
        """Begin to solve the model `cp`. `prove`: a single worker is for the bound alone."""
        self._solver = cp_model.CpSolver()
        parameters = self._solver.parameters
        parameters.max_time_in_seconds = seconds
        parameters.num_workers = workers
        parameters.random_seed = seed & 0x7FFFFFFF
        parameters.max_memory_in_mb = MAX_MEMORY_MB
        if prove and workers == 1:
            # With a good timetable in hand the one worker is for the bound: comp01 got from 0 to 4 (of 5) in 12 s, the
            # default search left it at 0 for a minute.
            parameters.optimize_with_lb_tree_search = True
            parameters.linearization_level = 2
        self._incumbents = _Incumbents()
        self._bound: int | None = None
        self._asked_to_stop = False
        self._status: cp_model.CpSolverStatus | None = None
        self._error: Exception | None = None
        self._solver.best_bound_callback = self._raise_bound
        self._ended = threading.Event()
        # A daemon: a solver that does not obey must not keep the process alive.
        threading.Thread(target=self._solve, args=(cp,), name="cp-sat", daemon=True).start()

    def _solve(self, cp: Any) -> None:
        try:
            self._status = self._solver.solve(cp, self._incumbents)
        except Exception as error:  # noqa: BLE001  # carried to the caller's thread, raised there
            self._error = error
        finally:
            self._ended.set()

    def _raise_bound(self, bound: float) -> None:
        if not self._asked_to_stop:
            self._bound = _whole(bound)

    def wait(self, seconds: float) -> bool:
        """True once the solver has ended by itself."""
        ended = self._ended.wait(seconds)
        if self._error is not None:
            raise self._error
        return ended

    def newest(self) -> Any:
        """The newest solution since the last call, or None."""
        return self._incumbents.take()

    def stop(self) -> None:
        """Ask the solver to end, and wait a little; nothing that it says from now on is taken as a proof."""
        self._asked_to_stop = True
        self._solver.stop_search()
        self._ended.wait(STOP_GRACE_SECONDS)

    @property
    def bound(self) -> int | None:
        """The best proven lower bound on the cost."""
        if self._ended.is_set() and not self._asked_to_stop and self._status == cp_model.OPTIMAL:
            return _whole(self._solver.best_objective_bound)
        return self._bound

    @property
    def proven_infeasible(self) -> bool:
        return self._ended.is_set() and not self._asked_to_stop and self._status == cp_model.INFEASIBLE


def _whole(bound: float) -> int:
    """Costs are whole numbers; the margin keeps rounding noise from lifting a bound."""
    return int(np.ceil(bound - 1e-6))

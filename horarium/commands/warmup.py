"""`horarium warmup`: compile the search kernels now instead of in the first solve."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from time import monotonic

from horarium.commands.terminal import note, say


def warmup() -> None:
    """Compile the search kernels, so that the first solve finds them on disk. Repeating it takes seconds."""
    from services.solver.jit_cache import use_jit_cache

    directory = use_jit_cache()
    if directory is None:
        note("No directory can be written for compiled kernels: set NUMBA_CACHE_DIR. Every solve will compile anew.")
    started = monotonic()
    # Two fresh processes: compiling holds the interpreter's lock, and the kernels do not need one another.
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        kernels = {name: pool.submit(_timed, name) for name in ("general", "grid", "enrolment")}
        for name, seconds in kernels.items():
            say(f"{name} kernel ready after {seconds.result():.1f} s")
    say(f"Kernels are compiled ({monotonic() - started:.1f} s), kept in {directory or 'no directory'}")


def _timed(kernel: str) -> float:
    from services.solver.kernels import warm_up

    started = monotonic()
    warm_up(kernel)
    return monotonic() - started

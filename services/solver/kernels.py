"""The compiled kernels by name: loading one from numba's cache, which compiles it where it has never been.

Owns their names, and which of them a format's problems mostly need. Must not know problems: which kernel searches one
is `portfolio`'s to say. Nothing here imports numba before it is asked to: it costs half a second.
"""

from __future__ import annotations

import threading
from importlib import import_module

from schemas.problem.read import ProblemFormat
from services.solver.jit_cache import use_jit_cache

# In the order of compiling: the quickest first.
KERNELS = ("grid", "enrolment", "general")

_USUAL = {ProblemFormat.CTT: "grid", ProblemFormat.TIM: "enrolment"}


def warm_up(kernel: str) -> None:
    """Load the kernel by solving a toy problem: half a second from the cache, up to half a minute to fill it."""
    use_jit_cache()
    import_module(f"services.solver.engine.{kernel}.search").warm_up()


def expect(form: ProblemFormat) -> None:
    """Begin to load, beside everything else, the kernel that a problem of this format mostly needs.

    Most of it happens outside the interpreter's lock, so another core does it while this one reads the problem. Whoever
    comes for the kernel later waits for the rest, or meets the same error.
    """
    kernel = _USUAL.get(form, "general")
    threading.Thread(target=warm_up, args=(kernel,), daemon=True, name=f"load-{kernel}").start()

"""How the general search's functions are compiled.

Owns the two decorators. Several searches run in threads of one process, hence `nogil`; `error_model="numpy"` leaves out
the checks for division by zero (every divisor is checked where the model is built). Must not know the functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit

Array = np.ndarray[Any, Any]
F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Called from Python: compiled once per machine, kept on disk with everything that it calls."""
    compiled: F = njit(cache=True, nogil=True, error_model="numpy")(function)
    return compiled


def inner(function: F) -> F:
    """Called from kernels only. Without entry points from Python and C, which take longer to compile than the body."""
    compiled: F = njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)
    return compiled

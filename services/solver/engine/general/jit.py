"""How numba compiles the general search's functions.

Owns the two sets of options. Several searches run in threads of one process, hence `nogil`; `error_model="numpy"`
leaves out the checks for division by zero (every divisor is checked where the model is built); without `_nrt` arrays
are not reference-counted (the caller holds them all), where numba would count every array up and down, atomically, in
every function and inside loops: a scan of 94 options took 5.7 microseconds with it and takes 1.1 without. Nothing
compiled so may allocate. Must not know the functions.

What keeps the cold compile short (it is part of the first job's time): one signature per inner function, so every
index passed on is made an int64 first and no literal is passed; few layers of calls, because LLVM optimises an inner
function again in each caller; loops instead of slice assignments.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

Array = np.ndarray[Any, Any]
# What compiled functions return: numba's int64, float64 and boolean. Any to mypy, as the elements of arrays are.
Int: TypeAlias = Any
Float: TypeAlias = Any
Bool: TypeAlias = Any

# Called from Python: compiled once per machine, kept on disk with everything that it calls.
KERNEL: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}
# The same for what allocates.
COUNTED: dict[str, Any] = {**KERNEL, "_nrt": True}
# Called from kernels only: without the entry points from Python and C, which take longer to compile than the body.
INNER: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "_nrt": False,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
# Small and called in the innermost loops: put in place of the call, which would pass every array on the stack.
LEAF: dict[str, Any] = {**INNER, "forceinline": True}

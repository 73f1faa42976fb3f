"""How numba compiles the functions of the searches' kernels.

Owns the sets of options. Several searches run in threads of one process, hence `nogil`; `error_model="numpy"`
leaves out the checks for division by zero (every divisor is checked where the model is built). Must not know the
functions.

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

# An index that is known not to be negative. To numba -1 is the last element, so every signed index is compared with 0,
# and a loop with such indices is never done several turns at once: a look through the classes with common students
# takes 6 to 8 ns for each with signed ones, 4 to 5 ns with these. Not to be mixed with signed numbers: that is a float.
Index = np.uint64

# Without numba's runtime nobody counts references to arrays, which are all the caller's and outlive the call. Counting
# takes two atomic operations per array and call, and took 20 to 40 % of a search's time.
# `_nrt` is not documented; a function that needs the runtime after all fails to compile.
_BASE: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}
# Called from Python: compiled once per machine, kept on disk with everything that it calls.
KERNEL: dict[str, Any] = {**_BASE, "cache": True}
# The same for a function that makes arrays of its own, which takes the runtime.
ALLOCATING: dict[str, Any] = {**KERNEL, "_nrt": True}
# Called from kernels only: without the entry points from Python and C, which take longer to compile than the body.
INNER: dict[str, Any] = {**_BASE, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
# Small and called in the innermost loops: put in place of the call. A call passes seven machine words per array, on the
# stack: a look at a gap between two times takes 27 ns as a call, 4 ns without.
LEAF: dict[str, Any] = {**INNER, "forceinline": True}

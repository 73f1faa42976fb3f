"""Kernels by name: each format's usual one is loaded beside the reading of the problem, and only that one."""

from __future__ import annotations

import subprocess
import sys

import pytest

_LOADED_AFTER = """
import sys, threading
from schemas.problem.read import ProblemFormat
from services.solver.kernels import KERNELS, expect

assert "numba" not in sys.modules
expect(ProblemFormat({form!r}))
for thread in threading.enumerate():
    if thread.name.startswith("load-"):
        thread.join()
print(*(kernel for kernel in KERNELS if f"services.solver.engine.{{kernel}}.search" in sys.modules))
"""


@pytest.mark.parametrize(("form", "kernel"), [("ctt", "grid"), ("tim", "enrolment"), ("itc2019", "general")])
def test_a_formats_usual_kernel_is_loaded_and_no_other(form: str, kernel: str) -> None:
    program = _LOADED_AFTER.format(form=form)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.split() == [kernel]

"""The service's event loop must never wait for a compiler: what the search needs is loaded in child processes only."""

from __future__ import annotations

import subprocess
import sys


def test_the_service_process_loads_neither_numba_nor_ortools_nor_numpy() -> None:
    program = (
        "import sys, services.solver.app, services.solver.__main__;"
        "print([m for m in ('numba', 'llvmlite', 'ortools', 'numpy') if m in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"

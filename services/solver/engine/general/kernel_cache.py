"""Keeps numba's cache on disk honest across versions of the kernels.

Owns one check: numba ties a cached kernel to the file it stands in, but not to the files of the functions that it calls,
so after an upgrade it would run yesterday's rules. Must not know what the kernels do.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from services.solver.engine.general.kernel import anneal

_STAMP = "kernels.sha256"


def drop_stale_kernels() -> None:
    """Empty the cache of this package's kernels unless it was filled from exactly these sources.

    Call before the first kernel runs. Safe beside other processes: numba takes a missing file for a miss.
    """
    cache = Path(anneal.stats.cache_path)
    sources = sorted(Path(__file__).parent.glob("*.py"))
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()
    stamp = cache / _STAMP
    if stamp.exists() and stamp.read_text() == digest:
        return
    cache.mkdir(parents=True, exist_ok=True)
    for path in sources:
        for index in cache.glob(f"{path.stem}.*.nbi"):
            index.unlink(missing_ok=True)
    written = cache / f"{_STAMP}.{os.getpid()}"
    written.write_text(digest)
    written.replace(stamp)

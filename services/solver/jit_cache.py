"""Where the compiled kernels are kept between processes.

Owns the choice of numba's cache directory. Compiling the general kernel costs half a minute of CPU, loading it 0.3 s:
every process that may load a kernel calls `use_jit_cache` first. Must not know what is compiled.

Beside the source if that can be written (a checkout, an image while it is built), else the user's cache directory, else
a private one for this user under the system's temporary directory. `NUMBA_CACHE_DIR` overrules all of them.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

VARIABLE = "NUMBA_CACHE_DIR"
_ENGINE = Path(__file__).resolve().parent / "engine"


def use_jit_cache() -> Path | None:
    """Point numba at a directory that can be written; returns it, or None if there is none (then nothing is cached).

    Call it before the first kernel module is imported: numba chooses a function's cache when the function is decorated.
    """
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given)
    for parent in _candidates(os.environ):
        directory = parent / f"jit-{_source_digest(_ENGINE)}"
        if _writable(directory):
            os.environ[VARIABLE] = str(directory)
            numba = sys.modules.get("numba")
            if numba is not None:  # it has read the environment already
                numba.config.CACHE_DIR = str(directory)
            return directory
    return None


def _candidates(environment: Mapping[str, str]) -> Iterator[Path]:
    yield _ENGINE / "__pycache__"
    user_cache = environment.get("XDG_CACHE_HOME")
    if user_cache:
        yield Path(user_cache) / "horarium"
    elif environment.get("HOME"):
        yield Path(environment["HOME"]) / ".cache" / "horarium"
    user = os.getuid() if hasattr(os, "getuid") else "user"
    yield Path(tempfile.gettempdir()) / f"horarium-{user}"


def _source_digest(engine: Path) -> str:
    """Of every module that compiles something.

    Numba looks at the time stamp of a function's own file only; a change of a function that it calls in another file
    would otherwise leave stale machine code in use.
    """
    digest = hashlib.sha256()
    for source in sorted(engine.rglob("*.py")):
        text = source.read_bytes()
        if b"numba" in text:
            digest.update(text)
    return digest.hexdigest()[:12]


def _writable(directory: Path) -> bool:
    """True if this user owns the directory and a file can be made in it (machine code of others must not be loaded)."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=directory):
            pass
        return not hasattr(os, "getuid") or directory.stat().st_uid == os.getuid()
    except OSError:
        return False

"""Where the compiled kernels are kept between processes, and that they belong to these sources.

Owns the choice of numba's cache directory and the removal of stale entries. Compiling the general kernel costs half a
minute of CPU, loading it 0.3 s: every process that may load a kernel calls `use_jit_cache` first. Must not know what is
compiled.

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


def use_jit_cache(engine: Path = _ENGINE) -> Path | None:
    """Make sure that numba caches in a directory that can be written, and finds nothing stale there; returns it.

    None if there is none: then every process compiles for itself. Call it before the first kernel module is imported,
    because numba chooses a function's cache when the function is decorated.
    """
    directory = _choose(engine)
    if directory is not None:
        _drop_stale(directory, engine)
    return directory


def _choose(engine: Path) -> Path | None:
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given)
    if _writable(engine / "__pycache__"):
        return engine  # numba's own choice
    for directory in _elsewhere(os.environ):
        if _writable(directory):
            os.environ[VARIABLE] = str(directory)
            numba = sys.modules.get("numba")
            if numba is not None:  # it has read the environment already
                numba.config.CACHE_DIR = str(directory)
            return directory
    return None


def _elsewhere(environment: Mapping[str, str]) -> Iterator[Path]:
    base = environment.get("XDG_CACHE_HOME")
    home = environment.get("HOME")
    if base:
        yield Path(base) / "horarium" / "jit"
    elif home:
        yield Path(home) / ".cache" / "horarium" / "jit"
    yield Path(tempfile.gettempdir()) / f"horarium-{_user()}" / "jit"


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


def _writable(directory: Path) -> bool:
    """True if a file can be made in it and it is this user's own: machine code of others must not be loaded."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=directory):
            return directory.stat().st_uid == _user() or not hasattr(os, "getuid")
    except OSError:
        return False


def _drop_stale(directory: Path, engine: Path) -> None:
    """Empty the cache of every package of kernels that was not filled from exactly these sources of it and of what the
    packages share.

    Numba looks at the time stamp of a function's own file only; a change of a function that it calls, or of a
    constant that it reads, in another file would leave yesterday's machine code in use. Safe beside other
    processes: numba takes a missing file for a miss.
    """
    shared = sorted(engine.glob("*.py"))
    compiled = {path.parent for path in engine.glob("*/*.py") if b"numba" in path.read_bytes()}
    for package in sorted(compiled):
        modules = sorted(package.glob("*.py"))
        try:
            _drop_stale_package(directory, engine, package, modules, shared)
        except OSError:
            # A cache in a read-only image was filled when the image was built, from the sources in it.
            continue


def _drop_stale_package(directory: Path, engine: Path, package: Path, modules: list[Path], shared: list[Path]) -> None:
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in modules + shared)).hexdigest()
    place = hashlib.sha256(os.fsencode(package)).hexdigest()[:12]
    stamp = (package / "__pycache__" if directory == engine else directory) / f"kernels-{place}.sha256"
    if stamp.exists() and stamp.read_text() == digest:
        return
    stamp.parent.mkdir(parents=True, exist_ok=True)
    for path in modules:
        # The index and, so that they do not pile up with every release, the kernels that only it knew.
        for entry in (package if directory == engine else directory).rglob(f"{path.stem}.*.nb[ci]"):
            entry.unlink(missing_ok=True)
    written = stamp.with_suffix(f".{os.getpid()}")
    written.write_text(digest)
    written.replace(stamp)

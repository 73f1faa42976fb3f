"""Compiled kernels are kept where they can be, and never outlive the sources that they came from."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from services.solver import jit_cache


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(jit_cache.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "engine"
    for package in ("grid", "general"):
        (folder / package / "__pycache__").mkdir(parents=True)
        (folder / package / "kernel.py").write_text("from numba import njit\n")
    (folder / "jit.py").write_text("INNER = {}\n")
    return folder


def test_beside_the_source_if_that_can_be_written(engine: Path) -> None:
    assert jit_cache.use_jit_cache(engine) == engine


def test_in_the_users_cache_if_the_package_is_read_only(engine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Folders' modes do not stop root, who runs tests in containers: a file where the folder should be stops everyone.
    (engine / "__pycache__").write_text("")
    monkeypatch.delitem(sys.modules, "numba", raising=False)
    chosen = jit_cache.use_jit_cache(engine)
    assert chosen is not None
    assert chosen.parts[-3:] == ("cache", "horarium", "jit")
    assert os.environ[jit_cache.VARIABLE] == str(chosen)
    monkeypatch.delenv(jit_cache.VARIABLE)


def test_what_is_asked_for_is_used(engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(jit_cache.VARIABLE, str(tmp_path / "mine"))
    assert jit_cache.use_jit_cache(engine) == tmp_path / "mine"


def _compiled(engine: Path) -> dict[str, list[Path]]:
    """Machine code as numba keeps it, by package: an index and what it knows."""
    files = {
        package: [engine / package / "__pycache__" / f"kernel.anneal-1.py311.{kind}" for kind in ("nbi", "1.nbc")]
        for package in ("grid", "general")
    }
    for file in (*files["grid"], *files["general"]):
        file.write_text("")
    return files


def test_machine_code_of_other_sources_is_dropped(engine: Path) -> None:
    jit_cache.use_jit_cache(engine)
    compiled = _compiled(engine)
    jit_cache.use_jit_cache(engine)
    assert all(file.exists() for files in compiled.values() for file in files)
    (engine / "grid" / "kernel.py").write_text("from numba import njit, prange\n")
    jit_cache.use_jit_cache(engine)
    assert not any(file.exists() for file in compiled["grid"]), "machine code that no index knows any more piles up"
    assert all(file.exists() for file in compiled["general"]), "nothing of this package has changed"


def test_a_change_of_what_all_kernels_share_drops_the_machine_code_of_all(engine: Path) -> None:
    jit_cache.use_jit_cache(engine)
    compiled = _compiled(engine)
    (engine / "jit.py").write_text("INNER = {'forceinline': True}\n")
    jit_cache.use_jit_cache(engine)
    assert not any(file.exists() for files in compiled.values() for file in files)

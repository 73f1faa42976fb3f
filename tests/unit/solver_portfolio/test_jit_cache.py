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
    folder.mkdir()
    (folder / "kernel.py").write_text("from numba import njit\n")
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


def test_machine_code_of_other_sources_is_dropped(engine: Path) -> None:
    jit_cache.use_jit_cache(engine)
    compiled = engine / "__pycache__" / "kernel.anneal-1.py311.nbi"
    kernel = engine / "__pycache__" / "kernel.anneal-1.py311.1.nbc"
    for file in (compiled, kernel):
        file.write_text("")
    jit_cache.use_jit_cache(engine)
    assert compiled.exists()
    assert kernel.exists()
    (engine / "kernel.py").write_text("from numba import njit, prange\n")
    jit_cache.use_jit_cache(engine)
    assert not compiled.exists()
    assert not kernel.exists(), "machine code that no index knows any more piles up"

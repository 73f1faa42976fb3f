"""Compressed content is unpacked within its limit, or refused."""

from __future__ import annotations

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from services.solver.packing import DamagedContentError, OversizedContentError, pack, unpack


@given(st.binary(max_size=2000))
def test_content_comes_out_as_it_went_in(content: bytes) -> None:
    assert unpack(pack(content), len(content)) == content


def test_a_bomb_is_refused_without_being_unpacked() -> None:
    bomb = zstandard.ZstdCompressor(level=19).compress(bytes(200_000_000))
    assert len(bomb) < 50_000
    with pytest.raises(OversizedContentError):
        unpack(bomb, 1_000_000)


@pytest.mark.parametrize("packed", [b"", b"not zstd at all", pack(bytes(1000))[:-2], pack(b"abc" * 99)[:10]])
def test_damaged_content_is_refused(packed: bytes) -> None:
    with pytest.raises(DamagedContentError):
        unpack(packed, 10_000)

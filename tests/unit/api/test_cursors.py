"""Cursors: what was made is read back, everything else is refused and nothing else happens."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.cursors import Position, position
from services.api.refusals import Refusal


@given(st.datetimes(min_value=datetime(1980, 1, 1), max_value=datetime(2200, 1, 1)), st.uuids())  # noqa: DTZ001  # zone added below
def test_a_cursor_is_read_back(created_at: datetime, row_id: UUID) -> None:
    made = Position(created_at.replace(tzinfo=UTC), row_id)
    assert position(made.cursor()) == made


@given(st.text(max_size=200))
def test_any_text_is_a_position_or_a_refusal(text: str) -> None:
    with suppress(Refusal):
        assert position(text) is not None


def test_no_cursor_is_the_beginning() -> None:
    assert position(None) is None
    with pytest.raises(Refusal):
        position("")

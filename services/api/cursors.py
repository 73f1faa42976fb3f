"""Cursors: where a page ended, opaque to the caller.

Owns their encoding. A cursor holds only a position in a list, and every query is bound to the caller's organisation,
so a forged one shows nothing that the caller may not see.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from uuid import UUID

from schemas.problem.findings import Finding
from services.api.refusals import Refusal


@dataclass(frozen=True, slots=True)
class Position:
    """The last row of a page, in lists sorted by (created_at, id), newest first."""

    created_at: datetime
    id: UUID

    def cursor(self) -> str:
        text = f"{self.created_at.isoformat()} {self.id}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def position(cursor: str | None) -> Position | None:
    """The position in a cursor that `Position.cursor` made; raises Refusal (422) for anything else."""
    if cursor is None:
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        created_at, _, row_id = text.partition(" ")
        # In UTC whatever the database's zone was; a forged cursor without a zone means something all the same.
        found = Position(datetime.fromisoformat(created_at).astimezone(UTC), UUID(row_id))
    except (binascii.Error, UnicodeDecodeError, ValueError, OverflowError) as error:
        message = "This is no cursor of ours. Take `next_cursor` of the page before, or leave it out."
        raise Refusal(
            HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", message, [Finding("cursor", "/query/cursor", message)]
        ) from error
    return found

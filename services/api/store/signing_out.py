"""What ends when a user's password changes or the user is disabled: every session and every API token.

Owns the statements. Must not know why they are asked for, nor what kind of connection runs them. Whoever knew the old
password may have made either; access tokens that exist expire by themselves within minutes.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Update, func, update

from schemas.tables import api_tokens, refresh_tokens


def everywhere(user_id: UUID) -> tuple[Update, ...]:
    """Statements for the transaction that changes the user's row, to run after that change.

    Whoever begins a session or makes a token locks that row first (`accounts.still_may_sign_in`), so none escapes.
    """
    return tuple(
        update(table)
        .where(table.c.user_id == user_id, table.c.revoked_at.is_(None))
        .values(revoked_at=func.clock_timestamp())
        for table in (refresh_tokens, api_tokens)
    )

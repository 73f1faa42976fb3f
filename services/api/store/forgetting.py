"""What of sign-ins nobody can need any more: ended sessions, tokens that stopped working, old failures.

Owns how long each is kept after it stopped mattering. Must not know what they were for.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, func, or_
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.tables import api_tokens, refresh_tokens, sign_in_failures
from services.api.store.failures import FORGOTTEN_AFTER

# Long enough to look into what happened.
_SESSIONS_KEPT = timedelta(days=7)
_TOKENS_KEPT = timedelta(days=90)


async def forget_sign_ins(connection: AsyncConnection) -> None:
    """Delete them. What is left out by a crash goes the next time."""
    # A family's tokens expire together, so the mark that one of them was revoked goes with all the others.
    await connection.execute(delete(refresh_tokens).where(refresh_tokens.c.expires_at < func.now() - _SESSIONS_KEPT))
    long_ago = func.now() - _TOKENS_KEPT
    await connection.execute(
        delete(api_tokens).where(or_(api_tokens.c.expires_at < long_ago, api_tokens.c.revoked_at < long_ago))
    )
    paused = sign_in_failures.c.blocked_until > func.now()
    await connection.execute(
        delete(sign_in_failures).where(~paused, sign_in_failures.c.last_failed_at < func.now() - FORGOTTEN_AFTER)
    )

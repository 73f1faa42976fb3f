"""Passwords: argon2id with the library's current parameters (RFC 9106's second recommended option).

Owns hashing, checking, what makes a password good enough, and how many are worked on at once. Must not know users.

Parameters: 3 passes over 64 MiB in 4 lanes, 16 bytes of salt, 32 bytes of hash: about 50 ms of a core.
"""

from __future__ import annotations

from anyio import CapacityLimiter, to_thread
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import SecretStr

from services.api.refusals import unavailable

MIN_LENGTH = 12
MAX_LENGTH = 1024
_MIN_DISTINCT = 5
# More at once would only make all of them slower, and take 64 MiB each.
_AT_ONCE = 2
_MAY_WAIT = 32

_hasher = PasswordHasher()

# What a sign-in with an unknown address is checked against: it must take as long as one with a wrong password.
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$QERD9a0HZTsd+5rZWzysOA$GuXgE3T19K4UtTzCI3X7JpHvso7/Src83170fru6X6c"


def hash_password(password: str) -> str:
    return _hasher.hash(password)


def matches(password: str, password_hash: str | None) -> bool:
    """True if the password is the one that was hashed; None (nobody) takes as long and is False. Blocks for ~50 ms."""
    try:
        return _hasher.verify(password_hash or _NOBODY, password) and password_hash is not None
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(password_hash: str) -> bool:
    """Made with other parameters than those of today."""
    return _hasher.check_needs_rehash(password_hash)


def weakness(password: str, email: str) -> str | None:
    """What is wrong with a new password, as a sentence for whoever chose it; None if nothing is.

    Length is what counts (NIST SP 800-63B); rules about kinds of characters are not.
    """
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        return f"The password must have at least {MIN_LENGTH} characters, and {MAX_LENGTH} at most."
    if len(set(password)) < _MIN_DISTINCT:
        return "The password repeats too few characters. Choose another."
    if password.lower() in (email.strip().lower(), email.strip().lower().partition("@")[0]):
        return "The password is the e-mail address. Choose another."
    return None


class Passwords:
    """Hashes and checks in threads: few at a time, and no longer a queue than can be answered."""

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(_AT_ONCE)

    async def matches(self, password: SecretStr, password_hash: str | None) -> bool:
        """As `matches`. Raises Refusal (503) if too many are waiting already."""
        self._require_place()
        return await to_thread.run_sync(matches, password.get_secret_value(), password_hash, limiter=self._limiter)

    async def hash(self, password: SecretStr) -> str:
        """As `hash_password`. Raises Refusal (503) if too many are waiting already."""
        self._require_place()
        return await to_thread.run_sync(hash_password, password.get_secret_value(), limiter=self._limiter)

    def _require_place(self) -> None:
        if self._limiter.statistics().tasks_waiting >= _MAY_WAIT:
            raise unavailable("Too many people are signing in at this moment. Try again.", "busy")

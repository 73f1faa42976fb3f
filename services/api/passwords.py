"""Passwords: argon2id with the library's current parameters (RFC 9106's second recommended option).

Owns hashing and checking. Must not know users.
"""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

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

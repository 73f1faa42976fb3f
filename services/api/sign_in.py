"""Recognising a person by e-mail address and password.

Owns the order of the steps: the pause after failures, the check, what is told. Must not know tokens or cookies. Whoever
does not know the password learns nothing: not who exists, not who is disabled, neither from words nor from time.
"""

from __future__ import annotations

from http import HTTPStatus

import structlog
from fastapi import Request
from pydantic import SecretStr

from services.api.access import unauthorized
from services.api.metrics import SIGN_INS
from services.api.passwords import Passwords, is_outdated
from services.api.refusals import Refusal
from services.api.store.accounts import Account, Accounts
from services.api.store.failures import SignInFailures

log = structlog.get_logger(__name__)


class SignIns:
    """Checks passwords, slower and slower after failures."""

    def __init__(self, accounts: Accounts, failures: SignInFailures, passwords: Passwords) -> None:
        self._accounts = accounts
        self._failures = failures
        self._passwords = passwords

    async def check(self, request: Request, email: str, password: SecretStr) -> Account:
        """The account with this address and password. Raises Refusal (401, 403, 429, 503)."""
        address = request.client.host if request.client is not None else ""
        wait_s = await self._failures.begin(email, address)
        if wait_s is not None:
            SIGN_INS.labels(outcome="too_many").inc()
            raise Refusal(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too_many_sign_ins",
                f"Too many attempts with a wrong password. Try again in {wait_s} s.",
                headers={"Retry-After": str(wait_s)},
            )
        account = await self._accounts.by_email(email)
        right = await self._passwords.matches(password, account.password_hash if account is not None else None)
        if account is None or not right:
            SIGN_INS.labels(outcome="refused").inc()
            log.info("sign_in_refused", address=address)
            raise _wrong()
        await self._failures.succeeded(email, address)
        if account.disabled_at is not None:
            SIGN_INS.labels(outcome="disabled").inc()
            raise Refusal(
                HTTPStatus.FORBIDDEN, "user_disabled", "This user is disabled. Ask your organisation's administrator."
            )
        if is_outdated(account.password_hash):
            rehashed = await self._passwords.hash(password)
            account = await self._accounts.set_password(account, rehashed, sign_out=False)
            if account is None:
                raise no_longer()
        SIGN_INS.labels(outcome="accepted").inc()
        return account


def no_longer() -> Refusal:
    """The password was right a moment ago: somebody has changed it, or disabled the user, meanwhile."""
    SIGN_INS.labels(outcome="refused").inc()
    return _wrong()


def _wrong() -> Refusal:
    return unauthorized("The address or the password is wrong.", "wrong_credentials")

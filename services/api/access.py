"""Who may do what: the one place where callers are recognised and roles are checked.

Owns authentication of a request, the order of roles, and the same-origin check for cookies. Must not know passwords
or what any route does. Every route but sign-in and sign-out depends on one of `viewer`, `planner`, `admin`.
"""

from __future__ import annotations

from enum import StrEnum
from http import HTTPStatus
from urllib.parse import urlsplit

from fastapi import Request
from pydantic import SecretStr

from services.api.refusals import Refusal
from services.runtime.tokens import InvalidTokenError, Principal, credentials, verify

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Role(StrEnum):
    """Each may do all that the one before it may."""

    VIEWER = "viewer"
    PLANNER = "planner"
    ADMIN = "admin"


_RANK = {role: rank for rank, role in enumerate(Role)}


class Access:
    """Dependencies for routes: each returns the caller or refuses (401, 403)."""

    def __init__(self, secret: SecretStr) -> None:
        self._secret = secret

    async def viewer(self, request: Request) -> Principal:
        """May read."""
        return self._caller(request, Role.VIEWER)

    async def planner(self, request: Request) -> Principal:
        """May upload, generate and stop."""
        return self._caller(request, Role.PLANNER)

    async def admin(self, request: Request) -> Principal:
        """May do everything within the organisation."""
        return self._caller(request, Role.ADMIN)

    def _caller(self, request: Request, needed: Role) -> Principal:
        try:
            given = credentials(request.headers, request.cookies)
            caller = None if given is None else verify(given.token, self._secret)
        except InvalidTokenError as error:
            raise _unauthorized(str(error)) from error
        if given is None or caller is None:
            raise _unauthorized("the request carries no token")
        request.state.organization_id = caller.organization_id
        request.state.user_id = caller.user_id
        if given.from_cookie and request.method not in _SAFE_METHODS:
            require_same_origin(request)
        if caller.role not in _RANK or _RANK[Role(caller.role)] < _RANK[needed]:
            raise Refusal(
                HTTPStatus.FORBIDDEN, "forbidden", f"This takes the role '{needed}'; yours is '{caller.role[:20]}'."
            )
        return caller


def _unauthorized(why: str) -> Refusal:
    return Refusal(
        HTTPStatus.UNAUTHORIZED,
        "unauthorized",
        f"Sign in first: {why}.",
        headers={"WWW-Authenticate": 'Bearer realm="horarium"'},
    )


def require_same_origin(request: Request) -> None:
    """Refuse a browser's request that another site caused (CSRF).

    Browsers send Sec-Fetch-Site, older ones Origin, with every such request; a program that sends neither cannot have
    been tricked into sending somebody's cookie.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None:
        allowed = site in ("same-origin", "none")
    elif origin is not None:
        allowed = urlsplit(origin).netloc == request.headers.get("host", "")
    else:
        allowed = True
    if not allowed:
        raise Refusal(
            HTTPStatus.FORBIDDEN,
            "cross_origin",
            "A page of another site caused this request. Send 'Authorization: Bearer TOKEN' instead of the cookie.",
        )

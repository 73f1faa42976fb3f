"""Who may do what: the one place where callers are recognised and roles are checked.

Owns authentication of a request and what of api is public. Must not know passwords or what any route does. Every other
route depends on one of `viewer`, `planner`, `admin`; the service does not start with one that does not.
"""

from __future__ import annotations

from http import HTTPStatus

from fastapi import Request

from services.api.refusals import Refusal
from services.api.store.tokens import ApiTokens
from services.runtime.access import Role, may, takes
from services.runtime.tokens import API_TOKEN_PREFIX, InvalidTokenError, Keys, Principal, Verifier, credentials
from services.runtime.web import OWN_PAGE_HEADER, Origins

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

# Signing in takes a password, staying signed in a refresh token, and the web page's files hold nothing of anybody's.
PUBLIC = frozenset(
    {
        ("POST", "/api/auth/login"),
        ("POST", "/api/auth/refresh"),
        ("POST", "/api/auth/logout"),
        ("GET", "/"),
        ("GET", "/web/{name:path}"),
    }
)


class Access:
    """Dependencies for routes: each returns the caller or refuses (401, 403)."""

    def __init__(self, keys: Keys, cookie: str, origins: Origins, tokens: ApiTokens) -> None:
        self._verifier = Verifier(keys)
        self._cookie = cookie
        self._origins = origins
        self._tokens = tokens

    @takes(Role.VIEWER)
    async def viewer(self, request: Request) -> Principal:
        """May read."""
        return await self._caller(request, Role.VIEWER)

    @takes(Role.PLANNER)
    async def planner(self, request: Request) -> Principal:
        """May upload, generate and stop."""
        return await self._caller(request, Role.PLANNER)

    @takes(Role.ADMIN)
    async def admin(self, request: Request) -> Principal:
        """May do everything within the organisation."""
        return await self._caller(request, Role.ADMIN)

    def require_own_page(self, request: Request, *, needs_proof: bool = True) -> None:
        """Refuse a browser's request that another site caused (CSRF)."""
        if self._origins.forged(request, needs_proof=needs_proof):
            raise Refusal(
                HTTPStatus.FORBIDDEN,
                "cross_origin",
                "A page of another site may have caused this request. Programs send 'Authorization: Bearer TOKEN'"
                f" instead of the cookie, or the header '{OWN_PAGE_HEADER}' with it.",
            )

    async def _caller(self, request: Request, needed: Role) -> Principal:
        try:
            given = credentials(request.headers, request.cookies, self._cookie)
            if given is not None and given.from_cookie and request.method not in _SAFE_METHODS:
                self.require_own_page(request)
            caller = await self._recognised("" if given is None else given.token)
        except InvalidTokenError as error:
            raise unauthorized(f"Sign in first: {error}.") from error
        request.state.organization_id = caller.organization_id
        request.state.user_id = caller.user_id
        if not may(caller.role, needed):
            raise Refusal(
                HTTPStatus.FORBIDDEN, "forbidden", f"This takes the role '{needed}'; yours is '{caller.role[:20]}'."
            )
        return caller

    async def _recognised(self, token: str) -> Principal:
        if not token:
            raise InvalidTokenError("the request carries no token")
        if not token.startswith(API_TOKEN_PREFIX):
            return self._verifier.verify(token)
        caller = await self._tokens.use(token)
        if caller is None:
            raise InvalidTokenError("the API token is unknown, expired or revoked")
        return caller


def unauthorized(detail: str, code: str = "unauthorized") -> Refusal:
    return Refusal(HTTPStatus.UNAUTHORIZED, code, detail, headers={"WWW-Authenticate": 'Bearer realm="horarium"'})

"""Signing in and out.

Owns the session cookie. Must not know how tokens are made or passwords are hashed.
"""

from __future__ import annotations

from http import HTTPStatus

import structlog
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Request, Response

from services.api.access import Access, require_same_origin
from services.api.bodies import Me, SignedIn, SignIn
from services.api.passwords import matches
from services.api.refusals import Refusal
from services.api.routes.documented import json_body, refusals
from services.api.routes.requests import read_json
from services.api.settings import ApiSettings
from services.api.store.accounts import Accounts
from services.api.uploads import Uploads
from services.runtime.tokens import COOKIE, Principal, issue

log = structlog.get_logger(__name__)

# Each check takes 64 MiB and ~50 ms of a core: more at once would only make all of them slower.
_CHECKS_AT_ONCE = 2


def auth_routes(access: Access, accounts: Accounts, uploads: Uploads, settings: ApiSettings) -> APIRouter:
    router = APIRouter(prefix="/api/auth", tags=["sign-in"])
    viewer = Depends(access.viewer)
    checks = CapacityLimiter(_CHECKS_AT_ONCE)

    @router.post(
        "/login",
        summary="Sign in",
        description="Sets an HttpOnly cookie for browsers; programs send the access token as `Authorization: Bearer`.",
        openapi_extra={**json_body(SignIn), "security": []},
        responses=refusals(401, 403, 408, 413, 415, 422),
    )
    async def login(request: Request, response: Response) -> SignedIn:
        require_same_origin(request)
        given = await read_json(request, uploads, SignIn)
        account = await accounts.by_email(given.email)
        known = account.password_hash if account is not None else None
        right = await to_thread.run_sync(matches, given.password, known, limiter=checks)
        if account is None or not right:
            log.info("sign_in_refused")
            raise Refusal(HTTPStatus.UNAUTHORIZED, "wrong_credentials", "The address or the password is wrong.")
        principal = Principal(account.user_id, account.organization_id, account.role, account.email)
        request.state.user_id, request.state.organization_id = account.user_id, account.organization_id
        token = issue(principal, settings.jwt_secret, settings.access_token_lifetime)
        response.set_cookie(
            COOKIE,
            token,
            max_age=settings.access_token_lifetime_s,
            httponly=True,
            samesite="lax",
            secure=settings.cookie_secure,
            path="/",
        )
        return SignedIn(access_token=token, expires_in=settings.access_token_lifetime_s)

    @router.post(
        "/logout",
        status_code=HTTPStatus.NO_CONTENT,
        summary="Sign out: forget the cookie",
        openapi_extra={"security": []},
        responses=refusals(403),
    )
    async def logout(request: Request) -> Response:
        require_same_origin(request)
        response = Response(status_code=HTTPStatus.NO_CONTENT)
        response.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=settings.cookie_secure, path="/")
        return response

    @router.get("/me", summary="Who is signed in", responses=refusals(401))
    async def me(caller: Principal = viewer) -> Me:
        account = await accounts.by_id(caller.user_id, caller.organization_id)
        if account is None:
            raise Refusal(HTTPStatus.UNAUTHORIZED, "unauthorized", "This user no longer exists. Sign in again.")
        return Me(
            user_id=account.user_id,
            email=account.email,
            role=account.role,
            organization_id=account.organization_id,
            organization=account.organization,
        )

    return router

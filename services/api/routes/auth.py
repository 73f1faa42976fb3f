"""Signing in, staying signed in and out; the caller's own password.

Owns the cookies. Must not know how tokens are made or passwords are hashed.

Browsers get two cookies that no script can read: the access token, and the refresh token, which only these routes look
at; the answers' bodies hold neither. Programs use the access token that a sign-in answers with, or
exchange an API token for one.
"""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Depends, Request, Response

from services.api.access import Access, unauthorized
from services.api.bodies import Me, NewPassword, SignedIn, SignIn
from services.api.passwords import Passwords
from services.api.refusals import Refusal
from services.api.routes.documented import json_body
from services.api.routes.requests import good_password, read_json
from services.api.settings import ApiSettings
from services.api.sign_in import SignIns, no_longer
from services.api.store.accounts import Account, Accounts
from services.api.store.sessions import Session, Sessions
from services.api.uploads import Uploads
from services.runtime.contract import merged, refusals, with_headers
from services.runtime.tokens import Principal, cookie_name, issue
from services.runtime.web import from_page

PREFIX = "/api/auth"
REFRESH_COOKIE = "horarium_refresh"


def auth_routes(
    access: Access,
    accounts: Accounts,
    sessions: Sessions,
    sign_ins: SignIns,
    passwords: Passwords,
    uploads: Uploads,
    settings: ApiSettings,
) -> APIRouter:
    router = APIRouter(prefix=PREFIX, tags=["sign-in"])
    viewer = Depends(access.viewer)
    cookies = _Cookies(settings)

    def signed_in(request: Request, response: Response, session: Session) -> SignedIn:
        token = issue(session.principal, settings.keys, settings.access_token_lifetime)
        cookies.set(response, token, session)
        # A script that got into a page could carry it away; in the cookie it is of use in that page only.
        told = None if from_page(request) else token
        return SignedIn(access_token=told, expires_in=settings.access_token_lifetime_s)

    async def begun(request: Request, account: Account) -> Session:
        session = await sessions.begin(account, _user_agent(request))
        if session is None:
            raise no_longer()
        return session

    @router.post(
        "/login",
        summary="Sign in",
        description="Browsers get HttpOnly cookies and no token in the body; programs send the access token as"
        " `Authorization: Bearer`."
        " After several wrong passwords the next attempt has to wait, longer and longer.",
        openapi_extra={**json_body(SignIn), "security": []},
        responses=merged(refusals(401, 403, 408, 413, 415, 422, 429), with_headers(200, "Set-Cookie")),
    )
    async def login(request: Request, response: Response) -> SignedIn:
        access.require_own_page(request, needs_proof=False)
        given = await read_json(request, uploads, SignIn)
        account = await sign_ins.check(request, given.email, given.password)
        request.state.user_id, request.state.organization_id = account.user_id, account.organization_id
        return signed_in(request, response, await begun(request, account))

    @router.post(
        "/refresh",
        summary="Renew the session: a new access token for the refresh cookie",
        description="Each refresh token works once; its successor comes with the answer. A used one that comes again"
        " ends the session, except within ten seconds.",
        openapi_extra={"security": []},
        responses=merged(
            refusals(401, 403), with_headers(200, "Set-Cookie"), with_headers(401, optional=("Set-Cookie",))
        ),
    )
    async def refresh(request: Request, response: Response) -> SignedIn:
        access.require_own_page(request)
        session = await sessions.renew(request.cookies.get(cookies.refresh, ""), _user_agent(request))
        if session is None:
            refusal = unauthorized("The session has ended. Sign in again.", "session_ended")
            refusal.headers["Set-Cookie"] = cookies.forget_refresh
            raise refusal
        request.state.user_id = session.principal.user_id
        request.state.organization_id = session.principal.organization_id
        return signed_in(request, response, session)

    @router.post(
        "/logout",
        status_code=HTTPStatus.NO_CONTENT,
        summary="Sign out: end the session and forget the cookies",
        description="The access token itself works until it expires; whoever has none but the cookie's is out at once.",
        openapi_extra={"security": []},
        responses=merged(refusals(403), with_headers(204, "Set-Cookie")),
    )
    async def logout(request: Request) -> Response:
        access.require_own_page(request)
        await sessions.end(request.cookies.get(cookies.refresh, ""))
        response = Response(status_code=HTTPStatus.NO_CONTENT)
        cookies.forget(response)
        return response

    @router.post(
        "/token",
        summary="An access token for an API token",
        description="For the progress service, which takes access tokens only. Send the API token as `Authorization:"
        " Bearer`.",
        responses=refusals(403),
    )
    async def exchange(caller: Principal = viewer) -> SignedIn:
        if caller.expires_at is not None:
            raise Refusal(HTTPStatus.FORBIDDEN, "no_api_token", "This takes an API token, not an access token.")
        token = issue(caller, settings.keys, settings.access_token_lifetime)
        return SignedIn(access_token=token, expires_in=settings.access_token_lifetime_s)

    @router.post(
        "/password",
        summary="Change one's own password",
        description="Ends every session of the user and revokes every API token; the answer begins a new session.",
        openapi_extra=json_body(NewPassword),
        responses=merged(refusals(408, 413, 415, 422, 429), with_headers(200, "Set-Cookie")),
    )
    async def change_password(request: Request, response: Response, caller: Principal = viewer) -> SignedIn:
        given = await read_json(request, uploads, NewPassword)
        account = await sign_ins.check(request, caller.email, given.current_password)
        good_password(given.new_password, account.email, "/new_password")
        changed = await accounts.set_password(account, await passwords.hash(given.new_password), sign_out=True)
        if changed is None:
            raise no_longer()
        return signed_in(request, response, await begun(request, changed))

    @router.get("/me", summary="Who is signed in")
    async def me(caller: Principal = viewer) -> Me:
        account = await accounts.by_id(caller.user_id, caller.organization_id)
        if account is None or account.disabled_at is not None:
            raise unauthorized("This user may no longer sign in.")
        return Me(
            user_id=account.user_id,
            email=account.email,
            role=account.role,
            organization_id=account.organization_id,
            organization=account.organization,
        )

    return router


class _Cookies:
    """Both cookies: not for scripts, not for other sites, over https unless that is switched off.

    The refresh token is sent to these routes only; over https to every path instead, which is what a browser asks of a
    cookie that no sibling domain may plant: with somebody else's session a user would work in a foreign account.
    """

    def __init__(self, settings: ApiSettings) -> None:
        self._secure = settings.cookie_secure
        self._access_s = settings.access_token_lifetime_s
        self._access = settings.session_cookie
        self.refresh = cookie_name(REFRESH_COOKIE, settings.cookie_secure)
        self._refresh_path = "/" if settings.cookie_secure else PREFIX

    def set(self, response: Response, token: str, session: Session) -> None:
        # Lax: a link to a timetable from elsewhere works. What changes something is checked by `require_own_page`.
        response.set_cookie(
            self._access, token, max_age=self._access_s, path="/", httponly=True, samesite="lax", secure=self._secure
        )
        response.set_cookie(
            self.refresh,
            session.token,
            expires=session.expires_at,
            path=self._refresh_path,
            httponly=True,
            samesite="strict",
            secure=self._secure,
        )

    def forget(self, response: Response) -> None:
        response.delete_cookie(self._access, path="/", httponly=True, samesite="lax", secure=self._secure)
        self._forget_refresh(response)

    @property
    def forget_refresh(self) -> str:
        """The header that has the browser forget the refresh token."""
        response = Response()
        self._forget_refresh(response)
        return response.headers["set-cookie"]

    def _forget_refresh(self, response: Response) -> None:
        response.delete_cookie(
            self.refresh, path=self._refresh_path, httponly=True, samesite="strict", secure=self._secure
        )


def _user_agent(request: Request) -> str:
    return request.headers.get("user-agent", "")

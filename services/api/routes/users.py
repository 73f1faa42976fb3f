"""Users over HTTP: an admin lists, adds and changes those of the own organisation.

Owns what a request means for a user. Must not know how users are stored or passwords hashed. There is no deleting: what
a user did keeps its name; a disabled user cannot do anything.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from services.api.access import Access
from services.api.bodies import NewUser, Page, UserAnswer, UserChanges, UserList
from services.api.cursors import position
from services.api.passwords import Passwords
from services.api.refusals import Refusal, not_found
from services.api.routes.documented import json_body
from services.api.routes.requests import good_password, read_json
from services.api.store.accounts import Account, Accounts, Changes, EmailTakenError, LastAdminError
from services.api.uploads import Uploads
from services.runtime.access import Role
from services.runtime.contract import merged, refusals, with_headers
from services.runtime.tokens import Principal

PREFIX = "/api/users"


def user_routes(access: Access, accounts: Accounts, passwords: Passwords, uploads: Uploads) -> APIRouter:
    router = APIRouter(prefix=PREFIX, tags=["users"])
    admin = Depends(access.admin)

    @router.get("", summary="Users of the organisation, newest first", responses=refusals(422))
    async def list_users(page: Annotated[Page, Query()], caller: Principal = admin) -> UserList:
        found = await accounts.page(caller.organization_id, page.limit, position(page.cursor))
        last = found[-1].position.cursor() if len(found) == page.limit else None
        return UserList(items=[_shown(account) for account in found], next_cursor=last)

    @router.post(
        "",
        status_code=HTTPStatus.CREATED,
        summary="Add a user",
        openapi_extra=json_body(NewUser),
        responses=merged(refusals(408, 409, 413, 415, 422), with_headers(201, "Location")),
    )
    async def add(request: Request, response: Response, caller: Principal = admin) -> UserAnswer:
        given = await read_json(request, uploads, NewUser)
        good_password(given.password, given.email, "/password")
        password_hash = await passwords.hash(given.password)
        try:
            account = await accounts.add(caller.organization_id, given.email, password_hash, given.role)
        except EmailTakenError as error:
            raise Refusal(HTTPStatus.CONFLICT, "email_taken", "Somebody has this e-mail address already.") from error
        response.headers["Location"] = f"{PREFIX}/{account.user_id}"
        return _shown(account)

    @router.get("/{user_id}", summary="A user", responses=refusals(404, 422))
    async def get_user(user_id: UUID, caller: Principal = admin) -> UserAnswer:
        account = await accounts.by_id(user_id, caller.organization_id)
        if account is None:
            raise not_found("user", "user_not_found")
        return _shown(account)

    @router.patch(
        "/{user_id}",
        summary="Change a user's role or password, disable or enable",
        description="Who is disabled or gets a password is signed out everywhere: sessions and API tokens end, an"
        " access token works until it expires. A new role is in the next one. The last admin stays.",
        openapi_extra=json_body(UserChanges),
        responses=refusals(404, 408, 409, 413, 415, 422),
    )
    async def change(user_id: UUID, request: Request, caller: Principal = admin) -> UserAnswer:
        given = await read_json(request, uploads, UserChanges)
        account = await accounts.by_id(user_id, caller.organization_id)
        if account is None:
            raise not_found("user", "user_not_found")
        password_hash = None
        if given.password is not None:
            good_password(given.password, account.email, "/password")
            password_hash = await passwords.hash(given.password)
        changes = Changes(given.role, given.disabled, password_hash)
        try:
            changed = await accounts.change(caller.organization_id, user_id, changes)
        except LastAdminError as error:
            raise Refusal(
                HTTPStatus.CONFLICT, "last_admin", "This is the organisation's last admin. Make another one first."
            ) from error
        if changed is None:
            raise not_found("user", "user_not_found")
        return _shown(changed)

    return router


def _shown(account: Account) -> UserAnswer:
    return UserAnswer(
        id=account.user_id,
        email=account.email,
        role=Role(account.role),
        disabled_at=account.disabled_at,
        created_at=account.created_at,
    )

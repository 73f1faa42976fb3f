"""API tokens over HTTP: long-lived keys of programs, made by their users.

Owns what a request means for them. Must not know how a token looks or is found. Users see and revoke their own; admins
those of the whole organisation.
"""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from services.api.access import Access
from services.api.bodies import ApiTokenAnswer, ApiTokenList, MadeApiToken, NewApiToken, Page
from services.api.cursors import position
from services.api.refusals import Refusal, not_found
from services.api.routes.documented import json_body
from services.api.routes.requests import read_json
from services.api.sign_in import SignIns, no_longer
from services.api.store.tokens import MAX_PER_USER, ApiToken, ApiTokens, NoLongerError, TooManyTokensError
from services.api.uploads import Uploads
from services.runtime.access import Role, may
from services.runtime.contract import refusals
from services.runtime.tokens import Principal


def token_routes(access: Access, tokens: ApiTokens, sign_ins: SignIns, uploads: Uploads) -> APIRouter:
    router = APIRouter(prefix="/api/tokens", tags=["users"])
    viewer = Depends(access.viewer)

    @router.post(
        "",
        status_code=HTTPStatus.CREATED,
        summary="Make an API token for oneself",
        description="It may do what its user may at the time of use. Send it as `Authorization: Bearer`.",
        openapi_extra=json_body(NewApiToken),
        responses=refusals(408, 409, 413, 415, 422, 429),
    )
    async def make(request: Request, caller: Principal = viewer) -> MadeApiToken:
        given = await read_json(request, uploads, NewApiToken)
        account = await sign_ins.check(request, caller.email, given.password)
        try:
            made, token = await tokens.make(account, given.name, timedelta(days=given.days))
        except TooManyTokensError as error:
            raise Refusal(
                HTTPStatus.CONFLICT, "too_many_tokens", f"A user has at most {MAX_PER_USER} tokens. Revoke one first."
            ) from error
        except NoLongerError as error:
            raise no_longer() from error
        return MadeApiToken(token=token, **_shown(made))

    @router.get(
        "",
        summary="API tokens that work, newest first: one's own, for an admin the organisation's",
        responses=refusals(422),
    )
    async def list_tokens(page: Annotated[Page, Query()], caller: Principal = viewer) -> ApiTokenList:
        found = await tokens.page(caller.organization_id, _own(caller), page.limit, position(page.cursor))
        last = found[-1].position.cursor() if len(found) == page.limit else None
        return ApiTokenList(items=[ApiTokenAnswer(**_shown(token)) for token in found], next_cursor=last)

    @router.delete(
        "/{token_id}",
        status_code=HTTPStatus.NO_CONTENT,
        summary="Revoke an API token",
        description="At once; an access token that it was exchanged for works until it expires.",
        responses=refusals(404, 422),
    )
    async def revoke(token_id: UUID, caller: Principal = viewer) -> Response:
        if not await tokens.revoke(caller.organization_id, _own(caller), token_id):
            raise not_found("API token", "token_not_found")
        return Response(status_code=HTTPStatus.NO_CONTENT)

    return router


def _own(caller: Principal) -> UUID | None:
    """Whose tokens the caller may see: None for all of the organisation."""
    return None if may(caller.role, Role.ADMIN) else caller.user_id


def _shown(token: ApiToken) -> dict[str, Any]:
    return {name: getattr(token, name) for name in ApiTokenAnswer.model_fields}

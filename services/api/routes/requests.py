"""Reading what a request brings: ids, keys and small JSON bodies.

Owns the checks that several routes share. Must not know what the values are for.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, SecretStr, ValidationError

from schemas.problem.findings import Finding, InvalidInputError
from schemas.problem.nesting import require_shallow
from services.api.passwords import weakness
from services.api.refusals import Refusal, findings_of, invalid_body, unsupported_media_type
from services.api.routes.documented import NATIVE_TYPE
from services.api.uploads import Uploads, media_type

M = TypeVar("M", bound=BaseModel)

IDEMPOTENCY_HEADER = "Idempotency-Key"
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,200}")
# Sign-in and the like: a few fields.
_SMALL_BODY_BYTES = 64 * 1024


async def read_json(request: Request, uploads: Uploads, model: type[M]) -> M:
    """A small JSON body as `model`. Raises Refusal (408, 413, 415, 422)."""
    require_json(request)
    async with uploads.receive(request, _SMALL_BODY_BYTES) as body:
        raw = body.content.read_bytes() if isinstance(body.content, Path) else body.content
    try:
        require_shallow(raw, InvalidInputError)
        return model.model_validate_json(raw, strict=True)
    except InvalidInputError as error:
        raise invalid_body(error.findings, error.total) from error
    except ValidationError as error:
        raise invalid_body(
            findings_of(error.errors(include_url=False, include_input=False)), error.error_count()
        ) from error


def good_password(password: SecretStr, email: str, pointer: str) -> None:
    """Raise Refusal (422) for a new password that is too easy to guess; `pointer` is its place in the body."""
    wrong = weakness(password.get_secret_value(), email)
    if wrong is not None:
        raise invalid_body([Finding("weak_password", pointer, wrong)], 1)


def require_json(request: Request) -> None:
    if media_type(request) != NATIVE_TYPE:
        raise unsupported_media_type(media_type(request), [NATIVE_TYPE])


def idempotency_key(request: Request) -> str | None:
    """The request's Idempotency-Key, or None. Raises Refusal (422) for one that is too long or not printable."""
    key = request.headers.get(IDEMPOTENCY_HEADER)
    if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
        message = f"{IDEMPOTENCY_HEADER} is 1 to 200 printable ASCII characters without spaces, such as a UUID."
        raise Refusal(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "invalid_request",
            message,
            [Finding("idempotency_key", f"/header/{IDEMPOTENCY_HEADER}", message)],
        )
    return key

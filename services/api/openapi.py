"""The OpenAPI document: what the framework knows, plus what routes do by themselves.

Owns request bodies that are read in a bounded way. `python -m services.api.openapi` writes
the committed copy. Must not know how anything is done.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from schemas.problem.model import Problem
from services.api.bodies import GenerateRequest, MoveRequest, NewApiToken, NewPassword, NewUser, SignIn, UserChanges
from services.api.refusals import ProblemDetails
from services.runtime import contract

FILE = Path(__file__).parents[2] / "schemas" / "generated" / "api.openapi.json"
_READ_BY_ROUTES: tuple[type[BaseModel], ...] = (
    Problem,
    GenerateRequest,
    MoveRequest,
    SignIn,
    NewPassword,
    NewApiToken,
    NewUser,
    UserChanges,
    ProblemDetails,
)


def document(app: FastAPI) -> dict[str, Any]:
    """The document of an application, made once."""
    if app.openapi_schema is None:
        app.openapi_schema = _document(app)
    return app.openapi_schema


def _document(app: FastAPI) -> dict[str, Any]:
    result = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
    )
    _, extra = models_json_schema(
        [(model, "validation") for model in _READ_BY_ROUTES], ref_template="#/components/schemas/{model}"
    )
    components = result.setdefault("components", {})
    components["schemas"] = dict(sorted({**extra["$defs"], **components.get("schemas", {})}.items()))
    contract.complete(result)
    return result


def text(app: FastAPI) -> str:
    """The document as it is committed."""
    return contract.text(document(app))


def main() -> None:
    """Write the committed copy."""
    from services.api.app import create_app, documentation_settings

    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(text(create_app(documentation_settings())))


if __name__ == "__main__":
    main()

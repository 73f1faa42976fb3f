"""The OpenAPI document: what the framework knows, plus what routes do by themselves.

Owns request bodies that are read in a bounded way, error answers and security. `python -m services.api.openapi` writes
the committed copy. Must not know how anything is done.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from schemas.problem.model import Problem
from services.api.bodies import GenerateRequest, NewApiToken, NewPassword, NewUser, SignIn, UserChanges
from services.api.refusals import ProblemDetails
from services.api.routes.documented import refusals
from services.runtime.tokens import COOKIE, HOST_PREFIX

FILE = Path(__file__).parents[2] / "schemas" / "generated" / "api.openapi.json"
_READ_BY_ROUTES: tuple[type[BaseModel], ...] = (
    Problem,
    GenerateRequest,
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
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "cookie": {"type": "apiKey", "in": "cookie", "name": HOST_PREFIX + COOKIE},
    }
    for name in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(name, None)
    for path, methods in result["paths"].items():
        for operation in methods.values():
            _complete(path, operation)
    return result


def _complete(path: str, operation: dict[str, Any]) -> None:
    """Security, and the error answers that every route has."""
    answers = operation["responses"]
    if "application/json" in answers.get("422", {}).get("content", {}):
        del answers["422"]  # the framework's own shape, which nobody is ever sent
    if not path.startswith("/api/"):
        return
    if "security" not in operation:
        operation["security"] = [{"bearer": []}, {"cookie": []}]
        for status, described in refusals(401, 403).items():
            answers.setdefault(str(status), described)
    for status, described in refusals(503).items():
        answers.setdefault(str(status), described)
    operation["responses"] = dict(sorted(answers.items()))


def text(app: FastAPI) -> str:
    """The document as it is committed."""
    return json.dumps(document(app), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the committed copy."""
    from services.api.app import create_app, documentation_settings

    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(text(create_app(documentation_settings())))


if __name__ == "__main__":
    main()

"""The OpenAPI document: what the framework knows, plus what routes do by themselves.

Owns request bodies that are read in a bounded way. `python -m services.api.openapi` writes
the committed copy. Must not know how anything is done.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

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
    return contract.document(app, _READ_BY_ROUTES)


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

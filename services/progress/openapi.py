"""The OpenAPI document: what the framework knows, plus what all services say alike.

`python -m services.progress.openapi` writes the committed copy. Must not know how anything is done.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import FastAPI

from services.progress.refusals import ProblemDetails
from services.runtime import contract

FILE = Path(__file__).parents[2] / "schemas" / "generated" / "progress.openapi.json"


def document(app: FastAPI) -> dict[str, Any]:
    """The document of an application, made once."""
    return contract.document(app, [ProblemDetails])


def text(app: FastAPI) -> str:
    """The document as it is committed."""
    return contract.text(document(app))


def main() -> None:
    """Write the committed copy."""
    from services.progress.app import create_app, documentation_settings

    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(text(create_app(documentation_settings())))


if __name__ == "__main__":
    main()

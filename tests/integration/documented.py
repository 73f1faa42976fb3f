"""What an application's OpenAPI document describes: names of operations, to ask each in a test of its own.

Apart from `fuzzing`, whose library every process that collects these tests would else load.
"""

from __future__ import annotations

from fastapi import FastAPI


def labels(app: FastAPI) -> list[str]:
    """Method and path of every operation, as `fuzzing.operations` names them."""
    paths = app.openapi()["paths"]
    return [f"{method.upper()} {path}" for path, operations in paths.items() for method in operations]

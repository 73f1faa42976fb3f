"""The running api against its own OpenAPI document, asked by every role, by another organisation and by nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest

from services.api.app import create_app, documentation_settings
from tests.integration.api.conftest import PASSWORD, RunningApi, uploaded
from tests.integration.api.finished import A_CHANGE, Variant, finished
from tests.integration.api.test_sessions import a_user
from tests.integration.api.test_timetables import A_TIMETABLE
from tests.integration.documented import labels

APP = create_app(documentation_settings())
OPERATIONS = labels(APP)
# Without these the requests would show refusals only.
SUCCEEDS = [
    *(label for label in OPERATIONS if label.startswith("GET /api/")),
    "POST /api/auth/login",
    "POST /api/tokens",
    "POST /api/timetables/generate",
    "POST /api/timetables/{job_id}/stop",
    "PATCH /api/users/{user_id}",
    "DELETE /api/problems/{problem_id}",
    "DELETE /api/tokens/{token_id}",
]


class Existing:
    """Things that are there, made when an operation first asks for one, and needed by nobody else."""

    def __init__(self, api: RunningApi, admin: httpx.Client, planner: httpx.Client) -> None:
        self._makers: dict[str, Callable[[], Any]] = {
            "job_id": lambda: finished(api, planner, uploaded(planner), Variant(A_TIMETABLE, changes=A_CHANGE)),
            "number": lambda: 1,
            "class": lambda: "c1",
            "problem_id": lambda: uploaded(planner),
            "user_id": lambda: a_user(admin)["id"],
            "token_id": lambda: a_token(api, a_user(admin)["email"]),
            "email": lambda: a_user(admin)["email"],
            "password": lambda: PASSWORD,
        }
        self._made: dict[str, Any] = {}

    def __call__(self, name: str) -> Any:
        if name not in self._made and name in self._makers:
            self._made[name] = self._makers[name]()
        return self._made.get(name)


def a_token(api: RunningApi, email: str) -> str:
    with closing(api.client(email)) as owner:
        made = owner.post("/api/tokens", json={"name": "t", "password": PASSWORD})
        assert made.status_code == 201, made.text
        return str(made.json()["id"])


@pytest.fixture(scope="module")
def callers(api: RunningApi) -> dict[str, dict[str, str]]:
    found = {}
    for name in ("admin@one.example", "planner@one.example", "viewer@one.example", "admin@two.example"):
        with closing(api.client(name)) as client:
            found[name] = {"Authorization": client.headers["Authorization"]}
    return found


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    from tests.integration.fuzzing import operations

    return operations(APP)


@pytest.fixture(autouse=True)
def no_pauses(api: RunningApi) -> Iterator[None]:
    """Guessed passwords would keep this machine's other tests from signing in."""
    yield
    api.sql("DELETE FROM sign_in_failures")


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_answer_is_one_that_the_document_describes(
    api: RunningApi,
    admin: httpx.Client,
    planner: httpx.Client,
    callers: dict[str, dict[str, str]],
    described: dict[str, Any],
    label: str,
) -> None:
    from tests.integration.fuzzing import Fuzzer

    existing = Existing(api, admin, planner)
    # Made up fields contradict one another too often for a request to be right by chance.
    bodies = {"POST /api/timetables/generate": lambda: {"problem_id": existing("problem_id")}}
    fuzzer = Fuzzer(api.url, callers, existing, bodies.get(label))
    answers = fuzzer.ask(described[label])
    assert answers
    if label in SUCCEEDS:
        assert any(status < 400 for _, status in answers), f"{label} was only ever refused: {answers}"

"""The running api against its own OpenAPI document: whatever fits the document, and much that does not, gets an
answer that the document describes, and never a failure of ours.

The same requests on every run and machine: the seed is a constant, said with every failure, and nothing is remembered
between runs. Each operation gets a fixed number of requests; half of those with ids name things that exist.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)

from services.api.app import create_app, documentation_settings
from tests.integration.api.conftest import RunningApi, requested, uploaded
from tests.integration.api.test_sessions import a_user

SEED = 20261123
REQUESTS_PER_OPERATION = 20
SCHEMA = schemathesis.openapi.from_dict(create_app(documentation_settings()).openapi())
OPERATIONS: dict[str, Any] = {
    found.ok().label: found.ok()  # type: ignore[union-attr]  # a path that the library cannot read fails here
    for found in SCHEMA.get_all_operations()
}
CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def existing(admin: httpx.Client, planner: httpx.Client) -> dict[str, str]:
    """Ids of things that nobody else needs."""
    return {"job_id": requested(planner), "problem_id": uploaded(planner), "user_id": a_user(admin)["id"]}


@pytest.fixture(scope="module")
def session(admin: httpx.Client) -> Iterator[requests.Session]:
    with requests.Session() as opened:
        opened.headers["Authorization"] = admin.headers["Authorization"]
        yield opened


@pytest.fixture(autouse=True)
def no_pauses(api: RunningApi) -> Iterator[None]:
    """Guessed passwords would keep this machine's other tests from signing in."""
    yield
    api.sql("DELETE FROM sign_in_failures")


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_answer_is_one_that_the_document_describes(
    api: RunningApi, session: requests.Session, existing: dict[str, str], label: str
) -> None:
    operation = OPERATIONS[label]
    cases: st.SearchStrategy[Case[Any]] = st.one_of(
        operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
        operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
    )

    @seed(SEED)
    @settings(
        max_examples=REQUESTS_PER_OPERATION,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, with_existing=st.booleans())
    def ask(case: Case[Any], with_existing: bool) -> None:
        if with_existing:
            known = {name: existing[name] for name in case.path_parameters or {} if name in existing}
            case.path_parameters = {**(case.path_parameters or {}), **known}
        answer = case.call(base_url=api.url, session=session, timeout=30)
        case.validate_response(answer, checks=CHECKS)

    try:
        ask()
    except BaseException as error:
        error.add_note(f"{label}, seed {SEED}")
        raise

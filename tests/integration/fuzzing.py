"""A running service against its own OpenAPI document: whatever fits the document, and much that does not, gets an
answer that the document describes, headers included, and never a failure of ours; who is nobody gets nothing.

Owns how requests are made up and judged. The same requests on every run and machine: the seed is a constant, said with
every failure, and nothing is remembered between runs. Each operation gets a fixed number of requests. Knows no service.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

SEED = 20261123
REQUESTS_PER_OPERATION = 24
CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# Whom nobody knows: no token, one that somebody else signed, one of no scheme of ours, and one that is none.
FORGED = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhZG1pbiIsInJvbGUiOiJhZG1pbiJ9."
STRANGERS: Mapping[str, dict[str, str]] = {
    "nobody": {},
    "a forger": {"Authorization": f"Bearer {FORGED}"},
    "another scheme": {"Authorization": "Basic YWRtaW46YWRtaW4="},
    "an old key": {"Authorization": f"Bearer hrm_{'x' * 43}"},
}


@dataclass(frozen=True)
class Fuzzer:
    """`callers` send these headers; `existing` makes a value for a name in paths and bodies that fits what is there.

    `body` makes a whole body that is right, where made up ones hardly ever are.
    """

    url: str
    callers: Mapping[str, dict[str, str]]
    existing: Callable[[str], Any]
    body: Callable[[], Any] | None = None

    def ask(self, operation: Any) -> list[tuple[str, int]]:
        """Ask an operation many things in many names; of each answer who had asked, and its status."""
        cases: st.SearchStrategy[Case[Any]] = st.one_of(
            operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
            operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
        )
        guarded = bool(operation.definition.raw.get("security"))
        answers: list[tuple[str, int]] = []
        # The first caller is the one who may most, and asks most.
        most, *others = self.callers
        who = st.sampled_from([*[most] * 6, *others, *STRANGERS])

        @seed(SEED)
        @settings(
            max_examples=REQUESTS_PER_OPERATION,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=cases, caller=who, with_existing=st.booleans())
        def ask(case: Case[Any], caller: str, with_existing: bool) -> None:
            if with_existing:
                self._name_existing(case)
            headers = self.callers[caller] if caller in self.callers else STRANGERS[caller]
            # Made up ones would only ever be refused: who asks is chosen here.
            case.headers.pop("Authorization", None)
            case.cookies = {}
            answer = case.call(base_url=self.url, headers=headers, timeout=30)
            answers.append((caller, answer.status_code))
            case.validate_response(answer, checks=CHECKS)
            if caller in STRANGERS and guarded:
                assert not answer.status_code < HTTPStatus.BAD_REQUEST, f"{caller} got {answer.status_code}"

        try:
            ask()
        except BaseException as error:
            error.add_note(f"{operation.label}, seed {SEED}")
            raise
        return answers

    def _name_existing(self, case: Case[Any]) -> None:
        if self.body is not None:
            case.body, case.media_type = self.body(), "application/json"
        for place in (case.path_parameters, case.query, case.body):
            if isinstance(place, dict):
                for name in list(place):
                    known = self.existing(name)
                    if known is not None:
                        place[name] = known


def operations(app: FastAPI) -> dict[str, Any]:
    """What the application's document describes, by method and path."""
    schema = schemathesis.openapi.from_dict(app.openapi())
    schema.config.generation.update(with_security_parameters=False)
    return {
        found.ok().label: found.ok()  # type: ignore[union-attr]  # a path that the library cannot read fails here
        for found in schema.get_all_operations()
    }

"""Whatever breaks while somebody signs in: neither the answer nor the log has the password or a token."""

from __future__ import annotations

from typing import Any

import httpx
import psycopg.errors
import pytest
import sqlalchemy.exc
from pydantic import SecretStr, ValidationError

from services.api.app import create_app, documentation_settings
from services.api.bodies import NewApiToken, NewPassword, NewUser, SignIn, UserChanges
from services.api.store.failures import SignInFailures
from tests.unit.runtime.logs import written

PASSWORD = "correct horse battery staple"
REFRESH = "the-refresh-token-of-a-browser"
BEARER = "the-access-token-of-a-program"


async def sign_in_that_fails_with(
    error: Exception, log_format: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[httpx.Response, str]:
    """The answer and the log."""

    async def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(SignInFailures, "begin", fail)
    transport = httpx.ASGITransport(create_app(documentation_settings()))
    with written(log_format) as text:
        async with httpx.AsyncClient(transport=transport, base_url="http://api.example") as client:
            answer = await client.post(
                "/api/auth/login",
                json={"email": "ada@uni.example", "password": PASSWORD},
                headers={"Authorization": f"Bearer {BEARER}", "Cookie": f"horarium_refresh={REFRESH}"},
            )
    return answer, text.getvalue()


@pytest.mark.parametrize("log_format", ["json", "text"])
async def test_a_defect_at_sign_in_is_logged_without_password_and_tokens(
    log_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, log = await sign_in_that_fails_with(KeyError("a defect"), log_format, monkeypatch)
    assert answer.status_code == 500
    assert "request_failed" in log
    assert "sign_in.py" in log, "the traceback is there"
    for secret in (PASSWORD, REFRESH, BEARER, "ada@uni.example"):
        assert secret not in log
        assert secret not in answer.text


@pytest.mark.parametrize("missing", [psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn])
async def test_a_database_that_was_not_migrated_is_a_503_that_says_so_and_no_traceback(
    missing: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    error = sqlalchemy.exc.ProgrammingError("SELECT", {}, missing('relation "users" does not exist'))
    answer, log = await sign_in_that_fails_with(error, "json", monkeypatch)
    assert (answer.status_code, answer.json()["code"]) == (503, "not_migrated")
    assert int(answer.headers["retry-after"]) > 0
    assert "horarium migrate" in answer.json()["detail"]
    assert "schema_missing" in log
    assert "horarium migrate" in log
    assert "exc_type" not in log


@pytest.mark.parametrize("model", [SignIn, NewPassword, NewApiToken, NewUser, UserChanges])
def test_a_body_never_shows_its_passwords(model: Any) -> None:
    fields = [name for name in model.model_fields if "password" in name]
    assert fields
    made = model.model_construct(**dict.fromkeys(fields, SecretStr(PASSWORD)))
    assert PASSWORD not in repr(made)
    assert all("SecretStr" in str(model.model_fields[name].annotation) for name in fields)
    with pytest.raises(ValidationError) as refusal:
        model.model_validate({**dict.fromkeys(fields, PASSWORD), "colour": PASSWORD})
    assert PASSWORD not in str(refusal.value)

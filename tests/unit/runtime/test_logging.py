"""Logs tell where something failed, and nobody's values."""

from __future__ import annotations

import json
import logging

import psycopg.errors
import pytest
import sqlalchemy.exc
import structlog
from pydantic import BaseModel

from services.runtime.database import create_engine
from services.runtime.settings import RuntimeSettings
from tests.unit.runtime.logs import written

log = structlog.get_logger(__name__)
SECRET = "hunter2hunter2"
FORMATS = ("json", "text")


class Body(BaseModel):
    number: int


def fail_with(error: Exception, password: str = SECRET) -> None:
    """Has the secret among its local variables."""
    assert password
    raise error


@pytest.mark.parametrize("log_format", FORMATS)
@pytest.mark.parametrize("ours", [True, False], ids=["structlog", "the standard library"])
def test_a_traceback_tells_the_place_and_no_local_variable(log_format: str, ours: bool) -> None:
    with written(log_format) as text:
        try:
            fail_with(KeyError("missing"))
        except KeyError:
            (log if ours else logging.getLogger("library")).exception("it_failed")
    told = text.getvalue()
    assert "it_failed" in told
    assert "fail_with" in told
    assert "KeyError" in told
    assert SECRET not in told


@pytest.mark.parametrize("log_format", FORMATS)
@pytest.mark.parametrize(
    "error",
    [
        sqlalchemy.exc.IntegrityError(
            "INSERT INTO users",
            {},
            psycopg.errors.UniqueViolation(
                f'duplicate key value violates unique constraint "users_email"\nDETAIL:  Key (email)=({SECRET}) exists.'
            ),
        ),
        sqlalchemy.exc.DataError(
            "INSERT INTO users",
            {},
            psycopg.errors.InvalidTextRepresentation(
                f"invalid input syntax\nCONTEXT:  unnamed portal parameter $1 = '{SECRET}'"
            ),
        ),
    ],
)
def test_the_databases_message_is_told_without_the_values_in_it(log_format: str, error: Exception) -> None:
    with written(log_format) as text:
        try:
            fail_with(error)
        except sqlalchemy.exc.DBAPIError as caught:
            log.exception("it_failed")
            log.warning("it_waits", error=str(caught)[:300])
    assert text.getvalue().count("INSERT INTO users") == 2
    assert SECRET not in text.getvalue()


@pytest.mark.parametrize("log_format", FORMATS)
def test_a_validations_message_is_told_without_its_input_also_in_a_group(log_format: str) -> None:
    with written(log_format) as text:
        try:
            try:
                Body.model_validate({"number": SECRET})
            except ValueError as error:
                raise ExceptionGroup("several", [error]) from error
        except ExceptionGroup:
            log.exception("it_failed")
    assert "unable to parse string as an integer" in text.getvalue()
    assert SECRET not in text.getvalue()


def test_a_statements_parameters_are_not_in_its_error() -> None:
    settings = RuntimeSettings.model_validate(
        {"kafka_bootstrap_servers": "localhost:1", "database_url": "postgresql+psycopg://localhost/x"}
    )
    assert create_engine(settings, "test").sync_engine.hide_parameters
    error = sqlalchemy.exc.StatementError("it failed", "SELECT :p", {"p": SECRET}, None, hide_parameters=True)
    assert SECRET not in str(error)


def test_a_line_is_one_json_object_with_its_traceback() -> None:
    with written() as text:
        try:
            fail_with(ValueError("wrong"))
        except ValueError:
            log.exception("it_failed", job_id="j")
    line = json.loads(text.getvalue())
    assert (line["event"], line["job_id"], line["service"], line["level"]) == ("it_failed", "j", "test", "error")
    (stack,) = line["exception"]
    assert (stack["exc_type"], stack["exc_value"]) == ("ValueError", "wrong")
    assert stack["frames"][-1]["name"] == "fail_with"
